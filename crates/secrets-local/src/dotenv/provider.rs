use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, Metadata as FileMetadata};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use secrets_core::{
    Capabilities, Capability, DeleteMode, DeleteOptions, DescribeOptions, Error, ErrorKind,
    GetItem, GetOptions, Health, HealthStatus, ListOptions, Location, Metadata, NamedPath,
    OpenContext, Operation, Page, PlannedCall, Planner, ProviderInfo, ProviderKind, PutMode,
    PutOptions, Result, RollbackOptions, Secret, SecretName, SecretProvider, SecretValue, Version,
    VersionsOptions,
};
use zeroize::Zeroizing;

use super::DotenvConfig;
use super::file::{EnvFile, Found, Rules, custom_key};
use crate::atomic::Lock;
use crate::disk::{self, io_error};
use crate::variable;

/// The scheme of this provider.
pub const SCHEME: &str = "dotenv";

/// The largest value that is written, in bytes. Linux gives a variable 128 KiB with its name (`MAX_ARG_STRLEN`), so that
/// a much larger one could be written and then not be used.
const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The largest file that is read or written, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What it can do: reading, and writing without conditions.
pub const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Delete,
    Capability::Purge,
    Capability::List,
    Capability::Describe,
    Capability::Batch,
])
.with_max_value_bytes(MAX_VALUE_BYTES);

/// Secrets in a `.env` file, whose syntax is in [`syntax`](super::syntax).
///
/// A name is looked for as the key of exactly this name and as the key that custom makes of it: uppercase, with `_` for
/// `/`, `-` and `.`; both after the prefix. If both are there and differ in value, the name is ambiguous, which is
/// [`InvalidName`](ErrorKind::InvalidName) naming both. So are two names of one
/// [`get_many`](SecretProvider::get_many) that only custom leads to one key. A key that occurs twice with different
/// values is [`InvalidConfig`](ErrorKind::InvalidConfig) with both lines, and only for those who ask for it.
///
/// A write changes one value and leaves every other byte as it is. A new name is written under the key that custom makes
/// of it; where that is not the name itself, a comment above the line keeps the name (`# secret: db/password`), and
/// another name for the same key is refused. Writers take turns, read again and exchange the whole file at once. A new
/// file can be read by its owner only; an existing one keeps its permissions. A deleted secret is gone for good. A file
/// that does not exist has no secrets; the first write creates it. What was read is kept in memory for as long as the file
/// does not change, until [`close`](SecretProvider::close).
#[derive(Clone)]
pub struct DotenvProvider {
    info: ProviderInfo,
    source: Arc<Source>,
}

/// Opens a `.env` file, which need not exist yet. Calls need a tokio runtime.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if the path is empty or holds content.
pub async fn open(config: DotenvConfig, context: OpenContext) -> Result<DotenvProvider> {
    if config.path.as_os_str().is_empty() {
        return Err(Error::new(ErrorKind::InvalidConfig, "the path is empty")
            .with_hint("set `path`, or leave it out for `.env`"));
    }
    let path = NamedPath::new("`path`", &config.path)?;
    let path = path.below(&context.base_dir).into_path();
    let location = Location::from_scheme(SCHEME).with_path(path.to_string_lossy());
    Ok(DotenvProvider {
        info: ProviderInfo::new(SCHEME, context.provider, location, CAPABILITIES),
        source: Arc::new(Source {
            path,
            rules: Rules {
                prefix: config.prefix,
                expand: config.expand.then_some(context.environment),
            },
            strict_permissions: config.strict_permissions,
            warned: AtomicBool::new(false),
            read_before: Mutex::new(None),
        }),
    })
}

#[async_trait]
impl ProviderKind for DotenvProvider {
    const SCHEME: &'static str = SCHEME;

    type Config = DotenvConfig;

    fn set_location(config: &mut DotenvConfig, location: &Location) -> Result<()> {
        config.set_location(location)
    }

    async fn open(config: DotenvConfig, context: OpenContext) -> Result<Self> {
        open(config, context).await
    }
}

impl DotenvProvider {
    /// Does something with the file on a thread that may wait for the disk. Once begun it is brought to its end, even if
    /// the caller goes away.
    async fn on_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Source) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let source = Arc::clone(&self.source);
        match tokio::task::spawn_blocking(move || work(&source)).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(
                ErrorKind::Unavailable,
                "the runtime ended before the file was read",
            )),
        }
    }
}

struct Source {
    path: PathBuf,
    rules: Rules,
    strict_permissions: bool,
    warned: AtomicBool,
    read_before: Mutex<Option<(Stamp, Arc<EnvFile>)>>,
}

impl Source {
    fn get(&self, name: &SecretName, version: Option<&Version>) -> Result<Secret> {
        let file = self.read()?.ok_or_else(|| self.no_file(name))?;
        self.secret(&file, file.key_of(name), name, version)
    }

    fn get_many(&self, items: &[GetItem]) -> Result<Vec<Result<Secret>>> {
        let Some(file) = self.read()? else {
            return Ok(items
                .iter()
                .map(|item| Err(self.no_file(&item.name)))
                .collect());
        };
        let found: Vec<_> = items.iter().map(|item| file.key_of(&item.name)).collect();
        let translated = items.iter().zip(&found).filter_map(|(item, found)| {
            let key = found.as_ref().ok()?.filter(|key| key.is_translation)?;
            Some((&item.name, key.number()))
        });
        let collisions = variable::collisions(translated);
        Ok(items
            .iter()
            .zip(found)
            .map(|(item, found)| match (collisions.get(&item.name), found) {
                (Some((other, _)), Ok(Some(key))) => {
                    Err(variable::collision(&item.name, other, key.text))
                }
                (_, found) => self.secret(&file, found, &item.name, item.options.version.as_ref()),
            })
            .collect())
    }

    fn secret(
        &self,
        file: &EnvFile,
        found: Result<Option<Found<'_>>>,
        name: &SecretName,
        version: Option<&Version>,
    ) -> Result<Secret> {
        let value = match found {
            Ok(Some(key)) => file.value(key),
            Ok(None) => Err(self.missing(name)),
            Err(error) => Err(error),
        };
        let value = value.map_err(|error| self.located(error))?;
        match version {
            None => Ok(Secret::new(value, Metadata::new(name.clone()))),
            Some(_) => Err(
                Error::new(ErrorKind::Unsupported, "a .env file has no versions")
                    .with_name(name)
                    .with_hint("ask for the secret without a version"),
            ),
        }
    }

    fn list(&self, options: &ListOptions) -> Result<Page> {
        match self.read()? {
            Some(file) => variable::page(file.names(), options),
            None => variable::page(&BTreeSet::new(), options),
        }
    }

    fn put(&self, name: &SecretName, value: &SecretValue) -> Result<Metadata> {
        self.change(|file| {
            let text = file.with(name, value)?;
            let after = EnvFile::parse(text.as_bytes(), &self.rules)?;
            let key = after.key_of(name)?;
            match key.map(|key| after.value(key)).transpose()? {
                Some(read) if read == *value => Ok(text),
                _ => Err(Error::new(
                    ErrorKind::Unexpected,
                    "the value would not be read back as it was written",
                )
                .with_name(name)),
            }
        })?;
        Ok(Metadata::new(name.clone()))
    }

    fn delete(&self, name: &SecretName) -> Result<()> {
        self.change(|file| {
            let mut text = file.without(name)?.ok_or_else(|| self.missing(name))?;
            // Another key with the same value may lead to the name too.
            while let Some(rest) = self.parse(text.as_bytes())?.without(name)? {
                text = rest;
            }
            Ok(text)
        })
    }

    /// Reads the file under the lock and puts what `edit` makes of it in its place.
    fn change(&self, edit: impl FnOnce(&EnvFile) -> Result<Zeroizing<String>>) -> Result<()> {
        let path = self.target()?;
        let lock = Lock::acquire(&path)?;
        let (file, mode) = match disk::open(&path, MAX_FILE_BYTES)? {
            Some(mut opened) => {
                self.check_permissions(&opened.metadata)?;
                let mode = mode(&opened.metadata);
                (self.parse(&opened.read()?)?, mode)
            }
            None => (self.parse(b"")?, 0o600),
        };
        let text = edit(&file).map_err(|error| self.located(error))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!("the file would be larger than {MAX_FILE_BYTES} bytes"),
            )
            .with_hint("delete secrets that are not needed, or use a second file"));
        }
        lock.replace(text.as_bytes(), mode)
    }

    /// The file itself, behind the symbolic links that may lead to it: they are kept.
    fn target(&self) -> Result<PathBuf> {
        match fs::canonicalize(&self.path) {
            Ok(path) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(self.path.clone()),
            Err(error) => Err(io_error("write", &self.path, error)),
        }
    }

    /// The file, or what is remembered of it if it has not changed since; `None` if there is none.
    fn read(&self) -> Result<Option<Arc<EnvFile>>> {
        let Some(mut opened) = disk::open(&self.path, MAX_FILE_BYTES)? else {
            return Ok(None);
        };
        self.check_permissions(&opened.metadata)?;
        let stamp = Stamp::of(&opened.metadata);
        let mut before = self
            .read_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let (Some(stamp), Some((known, file))) = (&stamp, &*before)
            && stamp == known
        {
            return Ok(Some(Arc::clone(file)));
        }
        let file = Arc::new(self.parse(&opened.read()?)?);
        *before = stamp.map(|stamp| (stamp, Arc::clone(&file)));
        Ok(Some(file))
    }

    fn parse(&self, bytes: &[u8]) -> Result<EnvFile> {
        EnvFile::parse(bytes, &self.rules).map_err(|error| self.located(error))
    }

    /// With the file in the position, where there is one.
    fn located(&self, error: Error) -> Error {
        match error.position().cloned() {
            Some(position) => error.with_position(position.in_file(&self.path)),
            None => error,
        }
    }

    fn no_file(&self, name: &SecretName) -> Error {
        Error::not_found(name).with_hint(format!(
            "{} does not exist; the first write creates it",
            self.path.display()
        ))
    }

    fn missing(&self, name: &SecretName) -> Error {
        let key = custom_key(name, &self.rules.prefix).unwrap_or_else(|| name.to_string());
        Error::not_found(name).with_hint(format!("add {key} to {}", self.path.display()))
    }

    #[cfg(unix)]
    fn check_permissions(&self, metadata: &FileMetadata) -> Result<()> {
        let mode = mode(metadata);
        if mode & 0o077 == 0 {
            return Ok(());
        }
        if self.strict_permissions {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                format!(
                    "other users have access to {} (mode {mode:03o})",
                    self.path.display()
                ),
            )
            .with_hint(format!("chmod 600 {}", self.path.display())));
        }
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                file = %self.path.display(),
                mode = format_args!("{mode:03o}"),
                "other users have access to this file with secrets; chmod 600 keeps them out"
            );
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn check_permissions(&self, _metadata: &FileMetadata) -> Result<()> {
        if self.strict_permissions {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "`strict_permissions` cannot be checked on this system",
            ));
        }
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::debug!(file = %self.path.display(), "permissions are not checked here");
        }
        Ok(())
    }
}

#[cfg(unix)]
fn mode(metadata: &FileMetadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

#[cfg(not(unix))]
fn mode(_metadata: &FileMetadata) -> u32 {
    0o600
}

/// What tells one state of a file from another without reading it.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None` if the file changed so lately that another change could have the same time.
    #[cfg(unix)]
    fn of(metadata: &FileMetadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        const SETTLED: Duration = Duration::from_secs(2);

        let age = |seconds: i64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.try_into().ok()?);
            // The file system's times are those of the system, whatever clock the provider has.
            SystemTime::now().duration_since(time).ok()
        };
        if age(metadata.ctime())? <= SETTLED || age(metadata.mtime())? <= SETTLED {
            return None;
        }
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    #[cfg(not(unix))]
    fn of(_metadata: &FileMetadata) -> Option<Self> {
        None
    }
}

impl fmt::Debug for DotenvProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DotenvProvider")
            .field("name", &self.info.name)
            .field("path", &self.source.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl SecretProvider for DotenvProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        let (name, version) = (name.clone(), options.version.clone());
        self.on_file(move |file| file.get(&name, version.as_ref()))
            .await
    }

    async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        if items.is_empty() {
            return Vec::new();
        }
        let asked = items.to_vec();
        match self.on_file(move |file| file.get_many(&asked)).await {
            Ok(answers) => answers,
            Err(error) => items
                .iter()
                .map(|item| Err(error.clone().with_name(&item.name)))
                .collect(),
        }
    }

    fn planner(&self) -> Option<&dyn Planner> {
        Some(self)
    }

    async fn describe(&self, name: &SecretName, options: &DescribeOptions) -> Result<Metadata> {
        let options = GetOptions::default().with_version(options.version.clone());
        Ok(self.get(name, &options).await?.metadata)
    }

    async fn list(&self, options: &ListOptions) -> Result<Page> {
        let options = options.clone();
        self.on_file(move |file| file.list(&options)).await
    }

    async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        refuse_options(options).map_err(|error| error.with_name(name))?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!(
                    "the value has {} bytes, a .env file takes {MAX_VALUE_BYTES}",
                    value.len()
                ),
            )
            .with_hint(
                "keep it in an encrypted file, which takes 1 MiB, or store where it lies instead",
            )
            .with_name(name));
        }
        let (name, value) = (name.clone(), value.clone());
        self.on_file(move |file| file.put(&name, &value)).await
    }

    async fn delete(&self, name: &SecretName, options: &DeleteOptions) -> Result<()> {
        match options.mode {
            DeleteMode::Soft | DeleteMode::Purge => {}
            _ => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "a secret that is deleted from a .env file is gone at once",
                )
                .with_operation(Operation::Delete)
                .with_name(name));
            }
        }
        let name = name.clone();
        self.on_file(move |file| file.delete(&name)).await
    }

    async fn restore(&self, _name: &SecretName) -> Result<()> {
        Err(Error::unsupported(Operation::Restore))
    }

    async fn versions(&self, _name: &SecretName, _options: &VersionsOptions) -> Result<Page> {
        Err(Error::unsupported(Operation::Versions))
    }

    async fn rollback(
        &self,
        _name: &SecretName,
        _to: &Version,
        _options: &RollbackOptions,
    ) -> Result<Metadata> {
        Err(Error::unsupported(Operation::Rollback))
    }

    async fn health(&self) -> Result<Health> {
        self.on_file(|file| {
            Ok(match file.read() {
                Ok(Some(read)) => Health::new(
                    HealthStatus::Healthy,
                    format!("{} secrets", read.names().len()),
                ),
                Ok(None) => Health::new(
                    HealthStatus::Degraded,
                    format!("{} does not exist", file.path.display()),
                ),
                Err(error) => Health::new(HealthStatus::Unavailable, error.to_string()),
            })
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        let mut before = self
            .source
            .read_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *before = None;
        Ok(())
    }
}

impl Planner for DotenvProvider {
    fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        PlannedCall::local(items)
    }
}

fn refuse_options(options: &PutOptions) -> Result<()> {
    let what = if options.mode != PutMode::Upsert {
        "a .env file cannot be written under a condition"
    } else if options.tags.as_ref().is_some_and(|tags| !tags.is_empty()) {
        "a .env file keeps no tags"
    } else if options.expires_at.is_some() {
        "a .env file keeps no end of validity"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Unsupported, what)
        .with_operation(Operation::Put)
        .with_hint("write it without, or use another provider"))
}
