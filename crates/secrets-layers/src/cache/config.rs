use std::time::Duration;

use secrets_core::{Error, ErrorKind, Result};

use crate::SettingConflict;

/// The longest time for which an absence may be remembered.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(5);

/// How long answers are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheConfig {
    /// How long an answer is given without asking the provider again. A secret's own end of validity, or the end of its
    /// lease, comes first. Default 5 minutes.
    pub ttl: Duration,
    /// How old an answer may be that is given because the provider cannot be reached; counted, as the age of any answer,
    /// from when the provider was asked. Default 1 hour. Never less than `ttl`; equal to it, nothing stale is given.
    pub max_stale: Duration,
    /// How long an answer to a read of one version by its id is given, since it does not change. Default 1 hour.
    pub version_ttl: Duration,
    /// How long it is remembered that a secret does not exist, at most 5 seconds. Default 0: not at all.
    pub negative_ttl: Duration,
    /// Whether an answer that is read near the end of its time is fetched again meanwhile, so that nobody waits for it.
    /// Default true.
    pub refresh_ahead: bool,
    /// How long a read waits for a provider before it takes the stale answer that there is. Default 500 ms.
    pub patience: Duration,
    /// How long one load may take. Default 30 seconds.
    pub load_timeout: Duration,
    /// How many answers are kept. Default 10 000.
    pub max_entries: usize,
    /// How many bytes they take, keys and overhead included. Default 64 MiB.
    pub max_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
            version_ttl: Duration::from_secs(3600),
            negative_ttl: Duration::ZERO,
            refresh_ahead: true,
            patience: Duration::from_millis(500),
            load_timeout: Duration::from_secs(30),
            max_entries: 10_000,
            max_bytes: 64 << 20,
        }
    }
}

impl CacheConfig {
    /// With this time to live; `max_stale` grows with it.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self.max_stale = self.max_stale.max(ttl);
        self.refresh_ahead &= !ttl.is_zero();
        self
    }

    /// With this age up to which a stale answer is given.
    #[must_use]
    pub fn with_max_stale(mut self, age: Duration) -> Self {
        self.max_stale = age;
        self
    }

    /// With this time for which absences are remembered.
    #[must_use]
    pub fn with_negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = ttl;
        self
    }

    /// With or without refreshing ahead.
    #[must_use]
    pub fn with_refresh_ahead(mut self, refresh_ahead: bool) -> Self {
        self.refresh_ahead = refresh_ahead;
        self
    }

    /// With this patience where there is a stale answer.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// With this limit for one load.
    #[must_use]
    pub fn with_load_timeout(mut self, limit: Duration) -> Self {
        self.load_timeout = limit;
        self
    }

    /// With these bounds.
    #[must_use]
    pub fn with_bounds(mut self, max_entries: usize, max_bytes: u64) -> Self {
        self.max_entries = max_entries;
        self.max_bytes = max_bytes;
        self
    }

    /// Checks the settings against each other.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] that names the first conflict.
    pub fn check(&self) -> Result<()> {
        match self.conflict() {
            None => Ok(()),
            Some(SettingConflict { message, hint, .. }) => Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("conflicting cache settings: {message}"),
            )
            .with_hint(hint)),
        }
    }

    /// The first setting that contradicts another one.
    pub fn conflict(&self) -> Option<SettingConflict> {
        let conflict = |setting, message, hint| {
            Some(SettingConflict {
                setting,
                message,
                hint,
            })
        };
        if self.refresh_ahead && self.ttl.is_zero() {
            return conflict(
                "refresh_ahead",
                "nothing can be refreshed ahead with a `ttl` of 0",
                "set a `ttl`, or `refresh_ahead = false`",
            );
        }
        if self.max_stale < self.ttl {
            return conflict(
                "max_stale",
                "`max_stale` is less than `ttl`",
                "set `max_stale` to `ttl` for no stale answers, or to more",
            );
        }
        if self.negative_ttl > MAX_NEGATIVE_TTL {
            return conflict(
                "negative_ttl",
                "an absence is remembered for 5 seconds at most",
                "set `negative_ttl` to at most `5s`, or leave it out",
            );
        }
        if self.max_entries == 0 || self.max_bytes == 0 {
            return conflict(
                "max_entries",
                "a cache that may hold nothing",
                "switch it off with `enabled = false`",
            );
        }
        None
    }
}
