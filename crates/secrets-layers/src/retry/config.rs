use std::time::Duration;

/// How calls are repeated: `[retry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryConfig {
    /// `max_attempts`: how often a call is made at most, the first time included. Default 3.
    pub max_attempts: u32,
    /// `base`: the bound of the random wait before the second attempt; it doubles with each one. Default 100 ms.
    pub base: Duration,
    /// `max`: the largest bound of a wait. Default 5 s.
    pub max: Duration,
    /// `budget`: how many repetitions all callers of a provider have together before calls that go well earn new ones: five
    /// such calls earn one. Never less than one call has. Default 100.
    pub budget: u32,
}

impl RetryConfig {
    /// With every call made at most so often.
    pub fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// With this many repetitions in reserve for all callers together.
    pub fn with_budget(mut self, repetitions: u32) -> Self {
        self.budget = repetitions;
        self
    }

    /// With waits that grow from the first bound to the second.
    pub fn with_waits(mut self, base: Duration, max: Duration) -> Self {
        self.base = base;
        self.max = max;
        self
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base: Duration::from_millis(100),
            max: Duration::from_secs(5),
            budget: 100,
        }
    }
}
