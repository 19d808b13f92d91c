use std::time::Duration;

/// How long things may take: `[timeouts]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeoutConfig {
    /// `deadline`: one call of the handle, repetitions and waits included. Default 30 s.
    pub deadline: Duration,
    /// `attempt`: one call of a provider. Default 10 s.
    pub attempt: Duration,
}

impl TimeoutConfig {
    /// With this limit for a call of the handle.
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// With this limit for one attempt.
    pub fn with_attempt(mut self, limit: Duration) -> Self {
        self.attempt = limit;
        self
    }
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            attempt: Duration::from_secs(10),
        }
    }
}
