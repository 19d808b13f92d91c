//! The audit of a handle: which sinks its configuration names, and where the key of the log comes from.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use secrets_core::{Clock, Error, ErrorKind, NamedPath, Result, SecretRef, SecretValue};
use zeroize::Zeroizing;

use crate::Secrets;
use crate::config::Config;
use crate::layers::{
    Actor, AuditConfig, AuditKey, AuditLayer, AuditLog, AuditSink, FileSink, TracingSink,
};
use crate::router::Router;

/// The largest key file that is read.
const LARGEST_KEY: u64 = 64 << 10;

/// What a handle adds to its configuration.
pub(crate) struct AuditInputs {
    pub(crate) actor: Arc<Actor>,
    pub(crate) sinks: Vec<Box<dyn AuditSink>>,
    pub(crate) default: Option<Arc<str>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The layer that a configuration asks for. Its key is read, and its file opened, with the first use of a secret.
pub(crate) fn layer(
    config: &Config,
    router: &Router,
    inputs: AuditInputs,
) -> Result<Option<AuditLayer>> {
    let Some(audit) = config.audit.clone() else {
        return match inputs.sinks.is_empty() {
            true => Ok(None),
            // With sinks of its own it needs no file.
            false => {
                let audit = AuditConfig::default();
                AuditLayer::new(audit, inputs.sinks, inputs.actor, inputs.clock).map(Some)
            }
        };
    };
    let AuditInputs {
        actor,
        sinks,
        default,
        clock,
    } = inputs;
    let path = match &audit.path {
        Some(_) => Some(path(config, &audit)?),
        None if audit.trace || !sinks.is_empty() => None,
        None => Some(path(config, &audit)?),
    };
    let key = key_source(config, &audit)?;
    let sinks = Arc::new(Mutex::new(sinks));
    let (settings, router) = (audit.clone(), router.clone());
    let (file_actor, file_clock) = (actor.clone(), clock.clone());
    let open = move || {
        let (path, key, router, audit) =
            (path.clone(), key.clone(), router.clone(), settings.clone());
        let (sinks, actor, clock) = (sinks.clone(), file_actor.clone(), file_clock.clone());
        async move {
            let mut all: Vec<Box<dyn AuditSink>> = Vec::new();
            if let Some(path) = path {
                let key = read_key(key.as_ref(), &router).await?;
                all.push(Box::new(FileSink::new(path, &audit, key, actor, clock)));
            }
            if audit.trace {
                all.push(Box::new(TracingSink));
            }
            all.append(&mut sinks.lock().unwrap_or_else(PoisonError::into_inner));
            Ok(all)
        }
        .boxed()
    };
    AuditLayer::lazy(audit, actor, clock, default, Box::new(open)).map(Some)
}

#[derive(Debug, Clone)]
enum KeySource {
    Secret(SecretRef),
    File(NamedPath),
}

fn key_source(config: &Config, audit: &AuditConfig) -> Result<Option<KeySource>> {
    let declared = |key: &SecretRef| match key.provider() {
        None => {
            let declared = config
                .secrets
                .iter()
                .find(|one| one.name == key.name().as_str());
            declared.map(|one| one.reference.clone())
        }
        Some(_) => None,
    };
    let secret = audit
        .key
        .as_ref()
        .map(|key| declared(key).unwrap_or_else(|| key.clone()));
    match (secret, &audit.key_file) {
        (Some(secret), _) => Ok(Some(KeySource::Secret(secret))),
        (None, Some(path)) => {
            let file = NamedPath::new("`audit.key_file`", path)?;
            Ok(Some(KeySource::File(file.below(&config.base_dir))))
        }
        (None, None) => Ok(None),
    }
}

fn path(config: &Config, audit: &AuditConfig) -> Result<PathBuf> {
    match (&audit.path, &config.state_dir) {
        (Some(path), _) => {
            let path = NamedPath::new("`audit.path`", path)?;
            Ok(path.below(&config.base_dir).into_path())
        }
        (None, Some(state)) => Ok(state.join("audit.jsonl")),
        (None, None) => Err(Error::new(
            ErrorKind::InvalidConfig,
            "there is no folder for the audit log",
        )
        .with_hint("set `path` in `[audit]`")),
    }
}

async fn read_key(source: Option<&KeySource>, router: &Router) -> Result<Option<AuditKey>> {
    let value = match source {
        None => return Ok(None),
        Some(KeySource::Secret(reference)) => router.read(reference).await.map_err(|error| {
            let (kind, hint) = match error.kind() {
                // The secret that was asked for may well be there.
                ErrorKind::NotFound => (
                    ErrorKind::InvalidConfig,
                    "make the key with `secrets audit init`",
                ),
                kind => (
                    kind,
                    "the key of the audit log is read before anything else",
                ),
            };
            Error::new(kind, "the key of the audit log cannot be read")
                .with_name(reference.name())
                .with_hint(hint)
                .with_source(error)
        })?,
        Some(KeySource::File(file)) => read_key_file(file)?,
    };
    AuditKey::new(&value).map(Some)
}

/// A key that others can read is none.
fn read_key_file(file: &NamedPath) -> Result<SecretValue> {
    use std::io::Read;

    let refused = |why: &str| {
        let shown = match file.shown() {
            Some(path) => format!("the key file {path}"),
            None => file.to_string(),
        };
        Error::new(ErrorKind::InvalidConfig, format!("{shown} {why}"))
    };
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            refused("does not exist").with_hint("make the key with `secrets audit init`")
        }
        kind => refused(&format!("cannot be read: {kind}")),
    };
    let path = file.path();
    let file = std::fs::File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() || metadata.len() > LARGEST_KEY {
        return Err(refused("is no key").with_hint("a key is at least 16 random bytes"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        if metadata.mode() & 0o077 != 0 {
            return Err(refused("can be read by others").with_hint(format!(
                "`chmod 600 {}`, and a new key if they are not to be trusted",
                path.display()
            )));
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(LARGEST_KEY)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    Ok(SecretValue::from(bytes.to_vec()))
}

impl Secrets {
    /// The audit of this handle, where one is configured: how much it recorded, and how it is flushed.
    pub fn audit(&self) -> Option<&AuditLayer> {
        self.audit_layer()
    }

    /// The files of the log that the configuration names, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if no file is configured, or there is none yet.
    pub fn audit_files(&self) -> Result<Vec<PathBuf>> {
        AuditLog::new(self.audit_path()?.1, None).files()
    }

    fn audit_path(&self) -> Result<(&AuditConfig, PathBuf)> {
        let config = self.config();
        let audit = config
            .audit
            .as_ref()
            .filter(|audit| audit.path.is_some() || !audit.trace);
        let Some(audit) = audit else {
            return Err(
                Error::new(ErrorKind::InvalidConfig, "no audit log is configured")
                    .with_hint("add `[audit]` to the configuration, or name the files"),
            );
        };
        Ok((audit, path(config, audit)?))
    }

    /// The log that the configuration names, to be verified. Reads its key.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if no file is configured; else what reading the key says.
    pub async fn audit_log(&self) -> Result<AuditLog> {
        let (audit, path) = self.audit_path()?;
        let key = key_source(self.config(), audit)?;
        let key = read_key(key.as_ref(), self.router()).await?;
        Ok(AuditLog::new(path, key))
    }
}
