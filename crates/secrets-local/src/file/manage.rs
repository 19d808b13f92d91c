//! What is done with a store as a whole: creating it, accepting it, writing many secrets at once.

use std::collections::BTreeSet;
use std::path::Path;

use secrets_core::{Error, ErrorKind, OpenContext, PutOptions, Result, SecretName, SecretValue};

use super::config::FileConfig;
use super::contents::{Change, Contents};
use super::envelope;
use super::guard;
use super::identity;
use super::keys::{self, StoreId};
use super::lineage;
use super::revisions::Seen;
use super::store::FileStore;
use crate::atomic;
use crate::disk;

/// The largest `.gitattributes` that is read.
const MAX_ATTRIBUTES_BYTES: u64 = 1 << 20;

/// A store that was taken for the newest one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Its revision.
    pub revision: u64,
    /// The newest revision of it that had been seen before.
    pub seen_before: Option<u64>,
    /// How its data key compares with the one that was seen before.
    pub key: KeyOrigin,
    /// Public keys that open it since the key that was seen before. The word `passphrase` stands for a passphrase.
    /// Empty unless the key is a [`Successor`](KeyOrigin::Successor).
    pub added_recipients: Vec<String>,
    /// Public keys that no longer open it, likewise.
    pub removed_recipients: Vec<String>,
}

/// How the data key of an accepted store compares with the one that was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// None was seen before.
    First,
    /// It is the same.
    Same,
    /// It was made by somebody who held the one that was seen before.
    Successor,
    /// It does not follow from the one that was seen before: it is older, or somebody else made it.
    Other,
}

/// The form of a store's file, for `secrets store info` and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreSummary {
    /// The id, 32 hexadecimal digits.
    pub id: String,
    /// How often it was changed since it was created, plus 1.
    pub revision: u64,
    /// How many secrets can be listed.
    pub secrets: usize,
    /// Whether older copies are noticed: whether there is a folder to remember revisions in.
    pub rollback_protected: bool,
}

impl FileStore {
    /// Creates an empty store for these public keys, and for the passphrase of the configuration if it has one. Beside
    /// it `.gitattributes` gets a line that keeps git from converting its line ends.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if there is one, [`ErrorKind::InvalidConfig`] if a recipient is no public key or
    /// there is neither a recipient nor a passphrase, [`ErrorKind::PermissionDenied`] or [`ErrorKind::Unavailable`] if
    /// it cannot be written.
    pub fn create<R: AsRef<str>>(
        config: FileConfig,
        context: &OpenContext,
        recipients: impl IntoIterator<Item = R>,
    ) -> Result<Self> {
        let store = Self::open(config, context)?;
        let recipients = canonical(recipients)?;
        let data_key = keys::new_data_key()?;
        let envelope = envelope::wrap(
            &data_key,
            recipients.into_iter().collect(),
            store.0.passphrase.as_ref(),
            store.0.work_factor,
        )?;
        let mut id = StoreId::default();
        keys::fill_random(&mut id)?;
        let path = store.path();
        guard::create_folder(path)?;
        let lock = store.lock()?;
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{} exists already", path.display()),
            )
            .with_hint("use it, or choose another path"));
        }
        store.write(&lock, Contents::new(id, envelope, &data_key))?;
        drop(lock);
        write_attributes(path)?;
        Ok(store)
    }

    /// Makes a private key in a new file that only its owner can read, and answers with the public key.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] if the file exists; it is never replaced.
    pub fn generate_identity(path: impl AsRef<Path>) -> Result<String> {
        identity::generate(path.as_ref())
    }

    /// The public keys of the private keys with which this store is opened.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if there are none, [`ErrorKind::PermissionDenied`] if others can read them,
    /// [`ErrorKind::InvalidConfig`] if they are not private keys.
    pub fn own_recipients(&self) -> Result<Vec<String>> {
        let own = self.0.identity.recipients()?;
        match own.is_empty() {
            true => Err(Error::new(
                ErrorKind::Unauthenticated,
                match self.0.identity.default_path() {
                    Some(path) => format!("there is no identity file {}", path.display()),
                    None => "there is no identity".to_owned(),
                },
            )
            .with_hint("set `identity` or SECRETS_IDENTITY; `secrets init` makes an identity")),
            false => Ok(own),
        }
    }

    /// Opens and verifies the store.
    ///
    /// # Errors
    /// As for every reading: [`ErrorKind::Unauthenticated`] for a wrong key, [`ErrorKind::IntegrityFailure`] for a
    /// damaged or older store, [`ErrorKind::PermissionDenied`] for one that others can write.
    pub fn summary(&self) -> Result<StoreSummary> {
        let opened = self.read()?;
        let contents = &opened.contents;
        Ok(StoreSummary {
            id: super::format::to_hex(&contents.header.id),
            revision: contents.header.revision,
            secrets: contents.secret_count(),
            rollback_protected: self.0.revisions.is_some() && opened.unprotected.is_none(),
        })
    }

    /// Takes the store as it is for the newest one, after an older or another one was put in its place on purpose.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if there is no folder to remember revisions in; else as for every reading, except that
    /// the revision may be any.
    pub fn accept(&self) -> Result<Accepted> {
        let Some(revisions) = &self.0.revisions else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "no revisions are remembered, since there is no state folder",
            )
            .with_hint("set HOME or XDG_STATE_HOME"));
        };
        let content = guard::read_store(self.path())?;
        let contents = self.verify(&content.bytes, self.path())?;
        let seen = contents.seen();
        // A record that cannot be read is one of the reasons to accept.
        let before = revisions.known(&seen.store).unwrap_or(None);
        let mut accepted = Accepted {
            revision: seen.revision,
            seen_before: before.map(|before| before.revision),
            key: KeyOrigin::First,
            added_recipients: Vec::new(),
            removed_recipients: Vec::new(),
        };
        if let Some(before) = before {
            accepted.compare_keys(&contents, &before)?;
        }
        revisions.accept(self.path(), &seen)?;
        Ok(accepted)
    }

    /// Writes many secrets as one change: all of them or, if one cannot be written, none. Existing ones get a new
    /// version.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] if a value or the whole is too large; else as for every reading and writing.
    pub fn put_all(
        &self,
        secrets: impl IntoIterator<Item = (SecretName, SecretValue)>,
    ) -> Result<()> {
        let (keep, now) = (self.0.keep_versions, self.now());
        self.change(|contents| {
            for (name, value) in secrets {
                contents.put(&name, &value, &PutOptions::default(), keep, now)?;
            }
            Ok(Change::Made(()))
        })
    }
}

impl Accepted {
    fn compare_keys(&mut self, contents: &Contents, before: &Seen) -> Result<()> {
        if before.key == contents.key_id() {
            self.key = KeyOrigin::Same;
            return Ok(());
        }
        self.key = KeyOrigin::Other;
        let all = contents.lineage();
        all.verify(&contents.header.id, &contents.keys)?;
        let known = before
            .public
            .and_then(|public| all.up_to(&public)?.members());
        if let Some(known) = known {
            let now = lineage::members(&contents.header.envelope);
            self.key = KeyOrigin::Successor;
            self.added_recipients = now.difference(&known).cloned().collect();
            self.removed_recipients = known.difference(&now).cloned().collect();
        }
        Ok(())
    }
}

fn canonical<R: AsRef<str>>(recipients: impl IntoIterator<Item = R>) -> Result<BTreeSet<String>> {
    recipients
        .into_iter()
        .map(|recipient| envelope::canonical_recipient(recipient.as_ref()))
        .collect()
}

/// Adds the line that a store needs to the `.gitattributes` beside it, unless a line for it is there.
fn write_attributes(store: &Path) -> Result<()> {
    let Some(name) = store.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    let path = store.with_file_name(".gitattributes");
    let lock = atomic::Lock::acquire(&path)?;
    let mut text = match disk::read(&path, MAX_ATTRIBUTES_BYTES)? {
        Some(content) => content.bytes.to_vec(),
        None => Vec::new(),
    };
    let pattern = match name.contains([' ', '"', '\\']) {
        true => format!("{name:?}"),
        false => name.to_owned(),
    };
    let has_line = text.split(|byte| *byte == b'\n').any(|line| {
        line.strip_prefix(pattern.as_bytes())
            .is_some_and(|rest| rest.starts_with(b" "))
    });
    if has_line {
        return Ok(());
    }
    if !text.is_empty() && text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(format!("{pattern} -text merge=polysecrets\n").as_bytes());
    lock.replace(&text, 0o644)
}
