//! A store on disk: read when it changed, changed under a lock.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use secrets_core::{Clock, Error, ErrorKind, NamedPath, OpenContext, Result, SecretValue};

use super::config::FileConfig;
use super::conflict;
use super::contents::{Change, Contents};
use super::entry::{self, Nanos};
use super::envelope;
use super::format::Header;
use super::guard::{self, Content, MAX_STORE_BYTES, Stamp};
use super::identity::{self, IdentitySource, Unlock};
use super::keys::Keys;
use super::merge::next_revision;
use super::revisions::Revisions;
use crate::atomic;

/// The variable that names the identity or holds it.
pub(super) const IDENTITY_VARIABLE: &str = "SECRETS_IDENTITY";

/// How often a reader starts again because the file was replaced meanwhile.
const READS_BESIDE_WRITERS: usize = 100;

/// An encrypted file, and what may be done with it as a whole. Its methods block for as long as the file system takes,
/// and a passphrase takes up to some seconds; the secrets in it are read and written through
/// [`FileProvider`](super::FileProvider).
#[derive(Clone)]
pub struct FileStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) identity: IdentitySource,
    pub(super) passphrase: Option<SecretValue>,
    pub(super) work_factor: Option<u8>,
    pub(super) keep_versions: usize,
    pub(super) revisions: Option<Revisions>,
    clock: Arc<dyn Clock>,
    opened: RwLock<Option<Arc<Opened>>>,
    /// Held while the file is read, so that it is read once for all who wait.
    reading: Mutex<()>,
}

/// What was read, and the file that it was read from.
pub(super) struct Opened {
    pub(super) contents: Contents,
    /// Why its revision could not be remembered.
    pub(super) unprotected: Option<Error>,
    stamp: Stamp,
    /// Kept open, so that no other file gets its inode and looks like it.
    _file: File,
}

impl FileStore {
    /// A store that exists. Nothing is read yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if a setting is out of its range, or holds content instead of a path.
    pub fn open(config: FileConfig, context: &OpenContext) -> Result<Self> {
        config.check()?;
        let identity = find_identity(&config, context)?;
        let path = NamedPath::new("`path`", &config.path)?;
        Ok(Self(Arc::new(Inner {
            path: path.below(&context.base_dir).into_path(),
            identity,
            passphrase: config.passphrase,
            work_factor: config.work_factor,
            keep_versions: config.keep_versions.get(),
            revisions: context.state_dir.as_deref().map(Revisions::new),
            clock: context.clock.clone(),
            opened: RwLock::new(None),
            reading: Mutex::new(()),
        })))
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub(super) fn now(&self) -> Nanos {
        entry::from_time(self.0.clock.wall())
    }

    /// What was read last, if the file is still the same.
    pub(super) fn cached(&self) -> Option<Arc<Opened>> {
        let opened = self.last()?;
        let stamp = guard::stamp(&self.0.path).ok()?;
        (stamp == opened.stamp).then_some(opened)
    }

    /// The current content of the file.
    pub(super) fn read(&self) -> Result<Arc<Opened>> {
        let _alone = self
            .0
            .reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = self.cached() {
            return Ok(opened);
        }
        for _ in 0..READS_BESIDE_WRITERS {
            let content = guard::read_store(&self.0.path)?;
            let contents = self.verify(&content.bytes, &self.0.path)?;
            match self.check_revision(&contents) {
                Ok(unprotected) => return Ok(self.keep(contents, content, unprotected)),
                // A writer replaced the file, and remembered that, after we had read it: no rollback, only a race.
                Err(_) if guard::stamp(&self.0.path).is_ok_and(|now| now != content.stamp) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!(
                "{} changes faster than it can be read",
                self.0.path.display()
            ),
        ))
    }

    /// Refuses a store that is older than one seen before. Where nothing can be remembered, as on a file system that
    /// cannot be written, the reason is the answer: that must not keep anybody from their secrets.
    fn check_revision(&self, contents: &Contents) -> Result<Option<Error>> {
        let Some(revisions) = &self.0.revisions else {
            return Ok(None);
        };
        match revisions.check(&self.0.path, &contents.seen()) {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == ErrorKind::IntegrityFailure => Err(error),
            Err(error) => Ok(Some(error)),
        }
    }

    /// Reads and verifies a text, without a look at what was seen before.
    pub(super) fn verify(&self, bytes: &[u8], file: &Path) -> Result<Contents> {
        Contents::read(bytes, file, |header| self.unlock(header))
    }

    /// Changes the store: nobody else writes between the reading and the writing.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<Change<T>>,
    ) -> Result<T> {
        let lock = self.lock()?;
        let opened = self.read()?;
        let mut next = opened.contents.clone();
        match change(&mut next)? {
            Change::Nothing(answer) => Ok(answer),
            Change::Made(answer) => {
                conflict::refuse_unmerged(&self.0.path)?;
                next.header.revision = next_revision(opened.contents.header.revision)?;
                self.write(&lock, next)?;
                Ok(answer)
            }
        }
    }

    pub(super) fn lock(&self) -> Result<atomic::Lock> {
        let path = &self.0.path;
        atomic::Lock::acquire(path).map_err(|error| match path.parent() {
            Some(folder) if matches!(folder.try_exists(), Ok(false)) => guard::no_store(path),
            _ => error,
        })
    }

    pub(super) fn write(&self, lock: &atomic::Lock, mut contents: Contents) -> Result<()> {
        let bytes = contents.write();
        if bytes.len() as u64 > MAX_STORE_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!(
                    "the store would be larger than the {} MiB that it can have",
                    MAX_STORE_BYTES >> 20
                ),
            )
            .with_hint("purge secrets that are not needed, or use a second store"));
        }
        lock.replace(&bytes, 0o600)?;
        // The write has happened, so that a memory that cannot be written is no reason to call it failed.
        let unprotected = self
            .0
            .revisions
            .as_ref()
            .and_then(|revisions| revisions.remember(&self.0.path, &contents.seen()).err());
        // The lock is still held, so this is the file that was just written.
        let content = guard::read_stamp(&self.0.path)?;
        self.keep(contents, content, unprotected);
        Ok(())
    }

    /// Forgets the content and the keys.
    pub(super) fn forget(&self) {
        *self
            .0
            .opened
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn last(&self) -> Option<Arc<Opened>> {
        let opened = self.0.opened.read().unwrap_or_else(PoisonError::into_inner);
        opened.clone()
    }

    fn keep(
        &self,
        contents: Contents,
        content: Content,
        unprotected: Option<Error>,
    ) -> Arc<Opened> {
        let opened = Arc::new(Opened {
            contents,
            unprotected,
            stamp: content.stamp,
            _file: content.file,
        });
        let mut last = self
            .0
            .opened
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(opened.clone());
        opened
    }

    /// The keys for a header. Unwrapping may take a second, so it is not done again while the wrapped key is the same.
    fn unlock(&self, header: &Header) -> Result<Arc<Keys>> {
        if let Some(last) = self.last()
            && last.contents.header.id == header.id
            && last.contents.header.envelope == header.envelope
        {
            return Ok(last.contents.keys.clone());
        }
        let data_key = envelope::unwrap(&header.envelope, &self.credentials()?)?;
        Ok(Keys::derive(&data_key, &header.id))
    }

    fn credentials(&self) -> Result<Unlock> {
        let identities = self.0.identity.load()?;
        let default = self.0.identity.default_path();
        let absent = default.filter(|_| identities.is_empty());
        Ok(Unlock {
            absent: absent.map(Path::to_owned),
            identities,
            passphrase: self.0.passphrase.clone(),
        })
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

fn find_identity(config: &FileConfig, context: &OpenContext) -> Result<IdentitySource> {
    if let Some(text) = context.environment.text(IDENTITY_VARIABLE) {
        return match context.environment.var(IDENTITY_VARIABLE) {
            Some(value) if identity::is_key_text(text) => {
                Ok(IdentitySource::Variable(value.clone()))
            }
            _ => NamedPath::new(IDENTITY_VARIABLE, text).map(IdentitySource::File),
        };
    }
    if let Some(key) = &config.identity_key {
        return Ok(IdentitySource::Setting(key.clone()));
    }
    Ok(match (&config.identity, &context.config_dir) {
        (Some(path), _) => {
            let file = NamedPath::new("`identity`", path)?;
            IdentitySource::File(file.below(&context.base_dir))
        }
        (None, Some(folder)) => IdentitySource::Default(folder.join("identity.txt")),
        (None, None) => IdentitySource::None,
    })
}
