use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many repetitions a provider still gets. Each costs one; each call that goes well earns a share of one back.
///
/// So a provider that is down is not asked many times over by many callers, while a single failure always has its
/// repetitions.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// In hundredths.
    tokens: AtomicU32,
    most: u32,
    earned: u32,
}

const ONE: u32 = 100;

impl Budget {
    /// `reserve` repetitions at first and at most; each success earns `percent` hundredths of one.
    pub(super) fn new(reserve: u32, percent: u32) -> Self {
        let most = reserve.saturating_mul(ONE);
        Self(Arc::new(Held {
            tokens: AtomicU32::new(most),
            most,
            earned: percent,
        }))
    }

    /// Whether there is one left; it is taken then.
    pub(super) fn take(&self) -> bool {
        let take = |tokens: u32| tokens.checked_sub(ONE);
        self.0
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }

    /// After a call that went well.
    pub(super) fn earn(&self) {
        let held = &*self.0;
        if held.tokens.load(Ordering::Relaxed) < held.most {
            let earn = |tokens: u32| Some(tokens.saturating_add(held.earned).min(held.most));
            // The closure always gives a value.
            let _ = held
                .tokens
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, earn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_earned_back_slowly() {
        let budget = Budget::new(2, 20);
        assert!(budget.take() && budget.take() && !budget.take());
        for _ in 0..4 {
            budget.earn();
        }
        assert!(!budget.take());
        budget.earn();
        assert!(budget.take() && !budget.take());
        for _ in 0..1000 {
            budget.earn();
        }
        assert!(budget.take() && budget.take() && !budget.take());
    }
}
