use std::path::PathBuf;
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Result, SecretRef};

use crate::SettingConflict;

/// Where and how uses of secrets are recorded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuditConfig {
    /// The file that records are written to. Default `audit.jsonl` in the state folder, unless
    /// [`trace`](Self::trace) is set.
    pub path: Option<PathBuf>,
    /// Whether each record is a `tracing` event too. Default no.
    pub trace: bool,
    /// The secret that holds the key of the hash chain. Without one, and without [`key_file`](Self::key_file), whoever
    /// can write the file can make up records.
    pub key: Option<SecretRef>,
    /// A file that holds the key instead.
    pub key_file: Option<PathBuf>,
    /// What a use becomes that cannot be recorded. Default [`OnFailure::Deny`].
    pub on_failure: OnFailure,
    /// When records are forced to the disk. Default [`FsyncMode::Batch`].
    pub sync: FsyncMode,
    /// How answers from the cache are recorded. Default [`Hits::Each`].
    pub hits: Hits,
    /// How many operations may wait for their records. Default 1024.
    pub queue: usize,
    /// How long one operation waits for its record; a write waits for two. Default 500 ms.
    pub deadline: Duration,
    /// The size from which on a new file is begun. Default 64 MiB.
    pub max_bytes: u64,
    /// The age from which on a new file is begun; `None` for any, which is the default.
    pub max_age: Option<Duration>,
    /// Whether SIGHUP makes the sinks open their files again, which takes its other meaning, the end of the process, away
    /// from it. A file that was moved is noticed without it. Needs a runtime with I/O. Default no.
    pub reopen_on_hangup: bool,
}

/// What a use of a secret becomes that cannot be recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// An error: no record, no value.
    #[default]
    Deny,
    /// A warning in the trace.
    Warn,
}

/// When records are forced to the disk. In every mode a record is handed to the operating system before the value is
/// released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsyncMode {
    /// Each record by itself.
    Each,
    /// Those that wait at the same time together; each of them waits until it is done.
    #[default]
    Batch,
    /// Never: a crash of the machine, though not of the process, may lose the last ones, and that will show.
    None,
}

/// How answers from the cache are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hits {
    /// One record each, before the value is released.
    #[default]
    Each,
    /// One record a second for the same secret, provider and reason, with their number. It is written after the values
    /// were released; when it cannot be, hits are recorded singly again, so that they fail too.
    Aggregate,
}

impl OnFailure {
    /// The words of the configuration.
    pub const NAMES: &[&str] = &["deny", "warn"];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Warn => "warn",
        }
    }

    /// The value for a word of the configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Deny, Self::Warn]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}

impl FsyncMode {
    /// The words of the configuration.
    pub const NAMES: &[&str] = &["each", "batch", "none"];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Batch => "batch",
            Self::None => "none",
        }
    }

    /// The value for a word of the configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Each, Self::Batch, Self::None];
        all.into_iter().find(|one| one.as_str() == name)
    }
}

impl Hits {
    /// The words of the configuration.
    pub const NAMES: &[&str] = &["each", "aggregate"];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Aggregate => "aggregate",
        }
    }

    /// The value for a word of the configuration.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Each, Self::Aggregate]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            path: None,
            trace: false,
            key: None,
            key_file: None,
            on_failure: OnFailure::default(),
            sync: FsyncMode::default(),
            hits: Hits::default(),
            queue: 1024,
            deadline: Duration::from_millis(500),
            max_bytes: 64 << 20,
            max_age: None,
            reopen_on_hangup: false,
        }
    }
}

impl AuditConfig {
    /// Into this file.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// As `tracing` events too, or not.
    #[must_use]
    pub fn with_trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// With the key that this secret holds.
    #[must_use]
    pub fn with_key(mut self, key: SecretRef) -> Self {
        self.key = Some(key);
        self
    }

    /// With the key that this file holds.
    #[must_use]
    pub fn with_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// With this answer to records that cannot be written.
    #[must_use]
    pub fn with_on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Forced to the disk so.
    #[must_use]
    pub fn with_sync(mut self, sync: FsyncMode) -> Self {
        self.sync = sync;
        self
    }

    /// With answers from the cache recorded so.
    #[must_use]
    pub fn with_hits(mut self, hits: Hits) -> Self {
        self.hits = hits;
        self
    }

    /// With room for this many operations that wait, each for this long.
    #[must_use]
    pub fn with_queue(mut self, queue: usize, deadline: Duration) -> Self {
        self.queue = queue;
        self.deadline = deadline;
        self
    }

    /// With a new file from this size on, and from this age on.
    #[must_use]
    pub fn with_rotation(mut self, max_bytes: u64, max_age: Option<Duration>) -> Self {
        self.max_bytes = max_bytes;
        self.max_age = max_age;
        self
    }

    /// With SIGHUP opening the files again.
    #[must_use]
    pub fn with_reopen_on_hangup(mut self) -> Self {
        self.reopen_on_hangup = true;
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
                format!("conflicting audit settings: {message}"),
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
        let writes_file = self.path.is_some() || !self.trace;
        if self.key.is_some() && self.key_file.is_some() {
            return conflict(
                "key_file",
                "`key` and `key_file` are one setting",
                "leave one of them out",
            );
        }
        if !writes_file && (self.key.is_some() || self.key_file.is_some()) {
            let at = if self.key.is_some() {
                "key"
            } else {
                "key_file"
            };
            return conflict(
                at,
                "there is a key, but no file whose records it would chain",
                "set `path`, or leave the key out",
            );
        }
        if self.queue == 0 {
            return conflict(
                "queue",
                "nothing could ever wait",
                "set `queue` to at least 1",
            );
        }
        if self.deadline.is_zero() {
            return conflict(
                "deadline",
                "no record is written in no time",
                "set `deadline` to `500ms`, or to more",
            );
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_configuration() {
        for name in OnFailure::NAMES {
            assert_eq!(OnFailure::from_name(name).unwrap().as_str(), *name);
        }
        for name in FsyncMode::NAMES {
            assert_eq!(FsyncMode::from_name(name).unwrap().as_str(), *name);
        }
        for name in Hits::NAMES {
            assert_eq!(Hits::from_name(name).unwrap().as_str(), *name);
        }
        assert_eq!(OnFailure::from_name("warn"), Some(OnFailure::Warn));
        assert_eq!(FsyncMode::from_name("none"), Some(FsyncMode::None));
        assert_eq!(Hits::from_name("aggregate"), Some(Hits::Aggregate));
        assert_eq!(OnFailure::from_name(""), None);
        assert_eq!(FsyncMode::from_name("deny"), None);
        assert_eq!(Hits::from_name("Each"), None);
    }

    #[test]
    fn each_setting_is_set_and_the_others_stay() {
        let config = AuditConfig::default()
            .with_path("log")
            .with_trace(true)
            .with_key("local://key".parse().unwrap())
            .with_key_file("key")
            .with_on_failure(OnFailure::Warn)
            .with_sync(FsyncMode::None)
            .with_hits(Hits::Aggregate)
            .with_queue(7, Duration::from_millis(70))
            .with_rotation(1000, Some(Duration::from_secs(60)))
            .with_reopen_on_hangup();
        assert_eq!(config.path, Some(PathBuf::from("log")));
        assert_eq!(config.key, Some("local://key".parse().unwrap()));
        assert_eq!(config.key_file, Some(PathBuf::from("key")));
        assert_eq!(
            (config.on_failure, config.sync, config.hits),
            (OnFailure::Warn, FsyncMode::None, Hits::Aggregate)
        );
        assert_eq!(
            (config.queue, config.deadline),
            (7, Duration::from_millis(70))
        );
        assert_eq!(
            (config.max_bytes, config.max_age),
            (1000, Some(Duration::from_secs(60)))
        );
        assert!(config.trace && config.reopen_on_hangup);
        let default = AuditConfig::default();
        assert_eq!(default.max_bytes, 64 * 1024 * 1024);
        assert!(!default.trace && !default.reopen_on_hangup);
    }

    #[test]
    fn settings_that_make_no_sense_together_are_named() {
        let key = || "local://key".parse().unwrap();
        let default = AuditConfig::default;
        let wrong = |config: &AuditConfig| {
            let refused = config.check().map_err(|error| error.kind());
            let at = config.conflict().map(|one| one.setting);
            assert_eq!(refused.is_err(), at.is_some());
            assert!(refused.is_ok() || refused == Err(ErrorKind::InvalidConfig));
            at
        };
        assert_eq!(wrong(&default()), None);
        assert_eq!(wrong(&default().with_key(key())), None);
        assert_eq!(wrong(&default().with_key_file("key")), None);
        let both = default().with_key(key()).with_key_file("key");
        assert_eq!(wrong(&both), Some("key_file"));
        let traced = default().with_trace(true);
        assert_eq!(wrong(&traced), None);
        assert_eq!(wrong(&traced.clone().with_key(key())), Some("key"));
        assert_eq!(wrong(&traced.clone().with_key_file("k")), Some("key_file"));
        assert_eq!(wrong(&traced.with_path("log").with_key(key())), None);
        let second = Duration::from_secs(1);
        assert_eq!(wrong(&default().with_queue(0, second)), Some("queue"));
        assert_eq!(wrong(&default().with_queue(1, second)), None);
        let never = default().with_queue(1, Duration::ZERO);
        assert_eq!(wrong(&never), Some("deadline"));
    }
}
