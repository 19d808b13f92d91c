//! What is done with a store as a whole: creating, accepting, merging, and deciding who may open it.

use std::collections::BTreeSet;
use std::path::Path;

use secrets_core::{Error, ErrorKind, OpenContext, PutOptions, Result, SecretName, SecretValue};

use super::config::FileConfig;
use super::conflict::{self, Sides};
use super::contents::{Change, Contents};
use super::envelope;
use super::guard;
use super::identity;
use super::keys::{self, StoreId};
use super::merge::{self, MergeReport};
use super::store::FileStore;
use crate::atomic;
use crate::disk;

/// The largest `.gitattributes` that is read.
const MAX_ATTRIBUTES_BYTES: u64 = 1 << 20;

/// Who may open a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipients {
    /// The public keys, sorted: `age1…`, `ssh-ed25519 …`.
    pub public_keys: Vec<String>,
    /// Whether a passphrase opens it too.
    pub passphrase: bool,
}

/// A store that was taken for the newest one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// Its revision.
    pub revision: u64,
    /// The newest revision of it that had been seen before.
    pub seen_before: Option<u64>,
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
        revisions.accept(self.path(), &seen)?;
        Ok(Accepted {
            revision: seen.revision,
            seen_before: before.map(|before| before.revision),
        })
    }

    /// Resolves a git conflict in the store: what either side added is kept, what either side deleted is deleted, and of
    /// a secret that both wrote both values are kept, the newer one as current. The two sides come from git's index, or
    /// where that has none from the conflict markers in the file. The file still has to be added to git.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if there is no conflict, [`ErrorKind::IntegrityFailure`] if a side is damaged, or if
    /// git had already mixed the sides and its index does not have them any more, [`ErrorKind::Unauthenticated`] if the
    /// identity opens only one side.
    pub fn merge(&self) -> Result<MergeReport> {
        let lock = self.lock()?;
        let path = self.path();
        let sides = match conflict::from_git(path)? {
            Some(sides) => sides,
            None => self.sides_from_markers()?,
        };
        let (mut merged, mut report) = self.merge_sides(sides)?;
        // What was seen before the sides parted, or beside them, must not count less afterwards.
        if let Some(revisions) = &self.0.revisions
            && let Ok(Some(known)) = revisions.known(&merged.header.id)
            && known.revision >= report.revision
        {
            report.revision = merge::next_revision(known.revision)?;
            merged.header.revision = report.revision;
        }
        self.write(&lock, merged)?;
        Ok(report)
    }

    /// Merges two files that come from `base` into `out`, which may be one of them: what a merge driver of git does with
    /// `%O`, `%A`, `%B` and `%A`. Nothing is remembered, since these are not the store's own path.
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn merge_files(
        &self,
        base: Option<&Path>,
        ours: &Path,
        theirs: &Path,
        out: &Path,
    ) -> Result<MergeReport> {
        let sides = Sides {
            base: base.map(guard::read_side).transpose()?,
            ours: guard::read_side(ours)?,
            theirs: guard::read_side(theirs)?,
        };
        let (merged, report) = self.merge_sides(sides)?;
        atomic::replace(out, &merged.write(), 0o600)?;
        Ok(report)
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

    /// Who may open the store.
    ///
    /// # Errors
    /// As for every reading.
    pub fn recipients(&self) -> Result<Recipients> {
        let opened = self.read()?;
        let envelope = &opened.contents.header.envelope;
        Ok(Recipients {
            public_keys: envelope.recipients.clone(),
            passphrase: envelope.passphrase.is_some(),
        })
    }

    /// Lets another public key open the store. Answers whether it could not before.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if it is no public key; else as for every reading and writing.
    pub fn add_recipient(&self, recipient: &str) -> Result<bool> {
        let recipient = envelope::canonical_recipient(recipient)?;
        self.change_recipients(|recipients| recipients.insert(recipient))
    }

    /// Takes a public key's right to open the store. The store gets a new key and all values are encrypted anew; copies
    /// that were made before stay readable, so the secrets themselves should be changed too. Answers whether it had the
    /// right.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if nobody would be left; else as for every reading and writing.
    pub fn remove_recipient(&self, recipient: &str) -> Result<bool> {
        // A key that this build cannot parse can still be removed.
        let recipient = envelope::canonical_recipient(recipient)
            .unwrap_or_else(|_| recipient.trim().to_owned());
        self.change_recipients(|recipients| recipients.remove(&recipient))
    }

    /// Gives the store a new key, for the same recipients, and encrypts all values anew.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthenticated`] if the store has a passphrase and the configuration does not give it; else as for
    /// every reading and writing.
    pub fn rekey(&self) -> Result<()> {
        self.change_recipients(|_| true).map(drop)
    }

    /// Gives the store another passphrase, or takes it away with `None`. The store gets a new key. The configuration has
    /// to be changed by the caller.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] if nobody could open it any more; else as for every reading and writing.
    pub fn set_passphrase(&self, passphrase: Option<&SecretValue>) -> Result<()> {
        self.change(|contents| {
            let recipients = contents.header.envelope.recipients.clone();
            *contents = self.with_new_key(contents, recipients, passphrase)?;
            Ok(Change::Made(()))
        })
    }

    fn change_recipients(
        &self,
        change: impl FnOnce(&mut BTreeSet<String>) -> bool,
    ) -> Result<bool> {
        self.change(|contents| {
            let envelope = &contents.header.envelope;
            let mut recipients = envelope.recipients.iter().cloned().collect();
            if !change(&mut recipients) {
                return Ok(Change::Nothing(false));
            }
            let passphrase = match (&envelope.passphrase, &self.0.passphrase) {
                (None, _) => None,
                (Some(_), Some(passphrase)) => {
                    // Wrapping with a mistyped one would lock out everybody who has the right one.
                    envelope::check_passphrase(envelope, passphrase)?;
                    Some(passphrase)
                }
                (Some(_), None) => {
                    return Err(Error::new(
                        ErrorKind::Unauthenticated,
                        "the new key has to be wrapped with the passphrase of the store",
                    )
                    .with_hint("set `passphrase`, for example to `${STORE_PASSPHRASE}`"));
                }
            };
            *contents =
                self.with_new_key(contents, recipients.into_iter().collect(), passphrase)?;
            Ok(Change::Made(true))
        })
    }

    fn with_new_key(
        &self,
        contents: &Contents,
        recipients: Vec<String>,
        passphrase: Option<&SecretValue>,
    ) -> Result<Contents> {
        let data_key = keys::new_data_key()?;
        let envelope = envelope::wrap(&data_key, recipients, passphrase, self.0.work_factor)?;
        contents.rekey(envelope, &data_key)
    }

    fn sides_from_markers(&self) -> Result<Sides> {
        let path = self.path();
        let content = guard::read_store(path)?;
        if conflict::first_marker(&content.bytes).is_none() {
            return Err(Error::new(
                ErrorKind::InvalidConfig,
                format!("{} has no conflict to resolve", path.display()),
            )
            .with_hint("run it after `git merge` reported a conflict in the store"));
        }
        conflict::split(&content.bytes).ok_or_else(|| {
            Error::new(
                ErrorKind::IntegrityFailure,
                format!(
                    "the conflict markers in {} are not complete",
                    path.display()
                ),
            )
            .with_hint("run `git checkout --merge` on the file to get them back, then merge again")
        })
    }

    fn merge_sides(&self, sides: Sides) -> Result<(Contents, MergeReport)> {
        let path = self.path();
        let side = |text: &[u8], which: &str| {
            self.verify(text, path).map_err(|error| match error.kind() {
                ErrorKind::IntegrityFailure => Error::new(
                    ErrorKind::IntegrityFailure,
                    format!("the side {which} of the merge of {} is damaged, or mixed with the other one", path.display()),
                )
                .with_hint("run `git checkout --merge` on the file, then merge again before `git add`")
                .with_source(error),
                _ => error,
            })
        };
        let ours = side(&sides.ours, "ours")?;
        let theirs = side(&sides.theirs, "theirs")?;
        // A base that cannot be opened, for example since we were no recipient then, is as good as none.
        let base = sides.base.and_then(|text| self.verify(&text, path).ok());
        merge::merge(
            base.as_ref(),
            &ours,
            &theirs,
            self.0.passphrase.as_ref(),
            self.0.work_factor,
        )
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
