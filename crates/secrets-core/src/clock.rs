use std::fmt::Debug;
use std::time::{Duration, SystemTime};

/// A source of time.
pub trait Clock: Debug + Send + Sync {
    /// Time since a fixed moment in the past. It never goes backwards and does not follow the wall clock.
    fn monotonic(&self) -> Duration;

    /// The wall clock.
    fn wall(&self) -> SystemTime;
}

/// The operating system's clocks. On Linux the monotonic clock has the resolution of the kernel's tick (1 to 10 ms) at a
/// quarter of the cost of a precise reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[cfg(target_os = "linux")]
    fn monotonic(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
    }

    #[cfg(not(target_os = "linux"))]
    fn monotonic(&self) -> Duration {
        use std::sync::OnceLock;
        use std::time::Instant;

        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        ORIGIN.get_or_init(Instant::now).elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// When the answer to a request is due, on the monotonic clock that it was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Duration);

impl Deadline {
    /// `limit` from now.
    pub fn after(clock: &dyn Clock, limit: Duration) -> Self {
        Self(clock.monotonic().saturating_add(limit))
    }

    /// The remaining time; zero once it has passed.
    pub fn remaining(self, clock: &dyn Clock) -> Duration {
        self.0.saturating_sub(clock.monotonic())
    }

    /// Whether it has passed.
    pub fn has_passed(self, clock: &dyn Clock) -> bool {
        self.remaining(clock).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_moves_on() {
        let before = SystemClock.monotonic();
        std::thread::sleep(Duration::from_millis(25));
        let passed = SystemClock.monotonic() - before;
        assert!(
            passed >= Duration::from_millis(10),
            "only {passed:?} passed"
        );
    }

    #[test]
    fn a_deadline_counts_down_to_zero() {
        let deadline = Deadline::after(&SystemClock, Duration::from_secs(60));
        assert!(deadline.remaining(&SystemClock) > Duration::from_secs(50));
        assert!(Deadline::after(&SystemClock, Duration::ZERO).has_passed(&SystemClock));
    }
}
