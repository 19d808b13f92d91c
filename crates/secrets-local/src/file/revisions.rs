//! The newest copy of each store that this user has seen, so that an older, a foreign or a sibling one is noticed.
//!
//! Two records, since each covers what the other does not: one a store, which finds an older copy wherever it lies, and
//! one a path, which finds another store put in its place.

use std::path::{Path, PathBuf};

use secrets_core::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use super::entry::NONE;
use super::format::{from_hex, to_hex};
use super::guard;
use super::keys::{KeyId, MAC_BYTES, PublicKey, StoreId};
use crate::atomic;
use crate::disk;

const MAX_RECORD_BYTES: u64 = 256;
const ACCEPT: &str =
    "if this is meant, for example after a checkout of an older commit, run `secrets store accept`";

/// What is remembered of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) store: StoreId,
    pub(super) revision: u64,
    pub(super) key: KeyId,
    /// The MAC of its text, which two copies of one revision do not share; `None` in an older record.
    pub(super) mac: Option<[u8; MAC_BYTES]>,
    /// Its data key in the history of the keys; `None` in an older record or for a store without a history.
    pub(super) public: Option<PublicKey>,
}

impl Seen {
    /// Refuses what cannot be a later copy of the store than the one that was seen before, as far as that can be known.
    pub(super) fn check_after(&self, known: &Self) -> Result<()> {
        if known.revision > self.revision {
            return Err(refused(format!(
                "rollback: the store has revision {}, and revision {} was seen before",
                self.revision, known.revision
            )));
        }
        if known.key != self.key {
            return Err(refused(
                "the store has another key than before: it was replaced, or its key was changed elsewhere",
            ));
        }
        if known.revision == self.revision && known.mac.is_some_and(|mac| Some(mac) != self.mac) {
            return Err(refused(format!(
                "another copy of revision {} of the store is in its place than before",
                self.revision
            )));
        }
        Ok(())
    }
}

/// The folder of the records.
#[derive(Debug, Clone)]
pub(super) struct Revisions(PathBuf);

impl Revisions {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("stores"))
    }

    /// Compares a store that was opened with what is remembered, and remembers it if it is newer.
    pub(super) fn check(&self, path: &Path, seen: &Seen) -> Result<()> {
        let pinned = self.read(&self.of_path(path), |text| {
            from_hex::<16>(text.strip_suffix('\n')?)
        })?;
        if pinned.is_some_and(|store| store != seen.store) {
            return Err(refused(
                "another store is in its place than before, or an older one",
            ));
        }
        let known = self.known(&seen.store)?;
        if let Some(known) = &known {
            seen.check_after(known)?;
        }
        match known == Some(*seen) && pinned.is_some() {
            true => Ok(()),
            false => self.raise(path, seen),
        }
    }

    /// Remembers a store that we wrote ourselves.
    pub(super) fn remember(&self, path: &Path, seen: &Seen) -> Result<()> {
        self.write(path, seen)
    }

    /// The revision that was seen last.
    pub(super) fn known(&self, store: &StoreId) -> Result<Option<Seen>> {
        self.read(&self.of_store(store), |text| parse(store, text))
    }

    /// Takes the store as it is for the newest one, whatever was seen before.
    pub(super) fn accept(&self, path: &Path, seen: &Seen) -> Result<()> {
        self.write(path, seen)
    }

    /// Remembers under a lock, since another process may just have seen a newer one.
    fn raise(&self, path: &Path, seen: &Seen) -> Result<()> {
        let record = self.of_store(&seen.store);
        guard::create_folder(&record)?;
        let lock = atomic::Lock::acquire(&record)?;
        let newer = self
            .known(&seen.store)?
            .is_some_and(|known| known.revision > seen.revision);
        if !newer {
            lock.replace(line(seen).as_bytes(), 0o600)?;
        }
        drop(lock);
        self.pin(path, seen)
    }

    fn write(&self, path: &Path, seen: &Seen) -> Result<()> {
        let record = self.of_store(&seen.store);
        guard::create_folder(&record)?;
        atomic::replace(&record, line(seen).as_bytes(), 0o600)?;
        self.pin(path, seen)
    }

    fn pin(&self, path: &Path, seen: &Seen) -> Result<()> {
        let record = self.of_path(path);
        let text = format!("{}\n", to_hex(&seen.store));
        let unchanged = self.read(&record, |old| Some(old == text)).ok().flatten();
        match unchanged {
            Some(true) => Ok(()),
            _ => atomic::replace(&record, text.as_bytes(), 0o600),
        }
    }

    fn read<T>(&self, record: &Path, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(content) = disk::read(record, MAX_RECORD_BYTES)? else {
            return Ok(None);
        };
        match std::str::from_utf8(&content.bytes).ok().and_then(parse) {
            Some(value) => Ok(Some(value)),
            None => Err(refused(format!(
                "{} cannot be read, so that a rollback would go unnoticed",
                record.display()
            ))),
        }
    }

    fn of_store(&self, store: &StoreId) -> PathBuf {
        self.0.join(format!("store-{}", to_hex(store)))
    }

    fn of_path(&self, path: &Path) -> PathBuf {
        let absolute = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let digest = Sha256::digest(absolute.as_os_str().as_encoded_bytes());
        self.0.join(format!("path-{}", to_hex(&digest[..16])))
    }
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::IntegrityFailure, message).with_hint(ACCEPT)
}

fn line(seen: &Seen) -> String {
    let hex = |bytes: Option<[u8; 32]>| bytes.map_or(NONE.to_owned(), |bytes| to_hex(&bytes));
    format!(
        "{} {} {} {}\n",
        seen.revision,
        to_hex(&seen.key),
        hex(seen.mac),
        hex(seen.public)
    )
}

fn parse(store: &StoreId, text: &str) -> Option<Seen> {
    let mut fields = text.strip_suffix('\n')?.split(' ');
    let revision = fields.next()?.parse().ok()?;
    let key = from_hex(fields.next()?)?;
    // A record of before these two were remembered ends here.
    let mut optional = || match fields.next() {
        None | Some(NONE) => Some(None),
        Some(field) => from_hex(field).map(Some),
    };
    let seen = Seen {
        store: *store,
        revision,
        key,
        mac: optional()?,
        public: optional()?,
    };
    fields.next().is_none().then_some(seen)
}
