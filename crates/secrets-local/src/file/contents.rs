//! A store in memory: verified when it is read, its values encrypted until one is asked for.

use std::path::Path;
use std::sync::Arc;

use secrets_core::{
    DeleteMode, Error, ErrorKind, Metadata, Page, PageToken, PutMode, PutOptions, Result, Secret,
    SecretName, SecretValue, Version,
};

use super::entry::{self, Entry, Facts, Nanos, State};
use super::format::{self, Entries, Envelope, Header};
use super::keys::{DataKey, KeyId, Keys, MAC_BYTES, StoreId};
use super::lineage::{self, Lineage};
use super::revisions::Seen;

/// The largest value, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 1 << 20;
/// How many items a page has if the caller does not say.
const PAGE_ITEMS: usize = 1000;

/// What is in a store. Cloning shares the entries.
#[derive(Clone)]
pub(super) struct Contents {
    pub(super) header: Header,
    pub(super) keys: Arc<Keys>,
    pub(super) entries: Entries,
    /// The MAC of the text that it was read from or last written as; zeros if there is none yet.
    pub(super) mac: [u8; MAC_BYTES],
}

/// What a change did to a store.
pub(super) enum Change<T> {
    /// It has to be written.
    Made(T),
    /// It is as it was.
    Nothing(T),
}

impl Contents {
    pub(super) fn new(id: StoreId, envelope: Envelope, data_key: &DataKey) -> Self {
        Self {
            header: Header {
                id,
                revision: 1,
                envelope,
                lineage: None,
            },
            keys: Keys::derive(data_key, &id),
            entries: Entries::new(),
            mac: [0; MAC_BYTES],
        }
    }

    /// Reads and verifies a text. `unlock` gives the keys for a header.
    pub(super) fn read(
        bytes: &[u8],
        file: &Path,
        unlock: impl FnOnce(&Header) -> Result<Arc<Keys>>,
    ) -> Result<Self> {
        let document = format::parse(bytes, file)?;
        let keys = unlock(&document.header)?;
        if !keys.has_mac(&bytes[..document.signed], &document.mac) {
            let what = "its MAC does not fit its content".into();
            return Err(format::damaged(file, document.last_line, 5, what));
        }
        Ok(Self {
            header: document.header,
            keys,
            entries: document.entries,
            mac: document.mac,
        })
    }

    /// The text of the store. A store of format 1 becomes one of format 2 by this.
    pub(super) fn write(&mut self) -> Vec<u8> {
        let lineage = match self.header.lineage.take() {
            Some(lineage) => lineage,
            None => self.root(),
        };
        let (text, mac) = format::write(&self.header, &lineage, &self.entries, &self.keys);
        self.header.lineage = Some(lineage);
        self.mac = mac;
        text
    }

    /// The data keys until now; of a store of format 1, its key as the first one.
    pub(super) fn lineage(&self) -> Lineage {
        self.header.lineage.clone().unwrap_or_else(|| self.root())
    }

    fn root(&self) -> Lineage {
        let members = lineage::members(&self.header.envelope);
        Lineage::root(&self.header.id, self.keys.public(), members)
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            store: self.header.id,
            revision: self.header.revision,
            key: self.key_id(),
            mac: Some(self.mac),
            public: self.header.lineage.as_ref().map(|all| *all.head().public()),
        }
    }

    pub(super) fn key_id(&self) -> KeyId {
        *self.keys.id()
    }

    /// How many secrets can be listed.
    pub(super) fn secret_count(&self) -> usize {
        self.entries
            .values()
            .filter_map(|versions| versions.last())
            .filter(|current| current.facts.state == State::Enabled)
            .count()
    }

    pub(super) fn get(
        &self,
        name: &SecretName,
        version: Option<&Version>,
        now: Nanos,
    ) -> Result<Secret> {
        let entry = self.find(name, version)?;
        if entry.facts.state == State::Deleted {
            return Err(Error::from(ErrorKind::Deleted)
                .with_name(name)
                .with_hint("bring it back with `secrets restore`"));
        }
        if entry.has_expired(now) {
            return Err(Error::new(ErrorKind::Disabled, "the value has expired").with_name(name));
        }
        Ok(Secret::new(self.open(entry)?, entry.metadata(now)))
    }

    pub(super) fn describe(
        &self,
        name: &SecretName,
        version: Option<&Version>,
        now: Nanos,
    ) -> Result<Metadata> {
        self.find(name, version).map(|entry| entry.metadata(now))
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        size: Option<usize>,
        token: Option<&PageToken>,
        now: Nanos,
    ) -> Result<Page> {
        use std::ops::Bound::{Excluded, Included, Unbounded};

        let size = page_size(size)?;
        let start = match token {
            Some(token) if token.as_str() >= prefix => Excluded(token.as_str()),
            _ => Included(prefix),
        };
        let mut items: Vec<Metadata> = self
            .entries
            .range::<str, _>((start, Unbounded))
            .take_while(|(name, _)| name.as_str().starts_with(prefix))
            .filter_map(|(_, versions)| versions.last())
            .filter(|current| current.facts.state == State::Enabled)
            .take(size.saturating_add(1))
            .map(|current| {
                current
                    .metadata(now)
                    .with_created_at(entry::to_time(current.facts.born))
            })
            .collect();
        let more = items.len() > size;
        items.truncate(size);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| PageToken::new(last.name.as_str()));
        Ok(Page::new(items, next))
    }

    pub(super) fn versions(
        &self,
        name: &SecretName,
        size: Option<usize>,
        token: Option<&PageToken>,
        now: Nanos,
    ) -> Result<Page> {
        let size = page_size(size)?;
        let below = match token {
            None => u64::MAX,
            Some(token) => entry::number(token.as_str()).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidConfig,
                    "the page token is not of this store",
                )
            })?,
        };
        let live = self.live(name).ok_or_else(|| Error::not_found(name))?;
        let mut rest = live
            .iter()
            .rev()
            .filter(|entry| entry.facts.version < below);
        let items: Vec<Metadata> = rest
            .by_ref()
            .take(size)
            .map(|entry| entry.metadata(now))
            .collect();
        let more = rest.next().is_some();
        let next = items
            .last()
            .filter(|_| more)
            .and_then(|last| Some(PageToken::new(last.version.as_ref()?.as_str())));
        Ok(Page::new(items, next))
    }

    pub(super) fn put(
        &mut self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
        keep: usize,
        now: Nanos,
    ) -> Result<Metadata> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!(
                    "the value has {} bytes, and the store takes at most {MAX_VALUE_BYTES}",
                    value.len()
                ),
            )
            .with_hint(
                "encrypt the file with a key that the store keeps, or split it over several secrets",
            )
            .with_name(name));
        }
        let current = self.live(name).and_then(|live| live.last()).cloned();
        match (&options.mode, &current) {
            (PutMode::Upsert, _) | (PutMode::Create, None) => {}
            (PutMode::Create, Some(current)) => {
                let error = Error::from(ErrorKind::AlreadyExists).with_name(name);
                return Err(match current.facts.state {
                    State::Deleted => {
                        error.with_hint("it is deleted; restore it, or purge it first")
                    }
                    State::Enabled | State::Purged => error,
                });
            }
            (PutMode::IfVersion(version), Some(current))
                if current.facts.state == State::Enabled && current.version() == *version => {}
            (PutMode::IfVersion(_), _) => {
                return Err(Error::from(ErrorKind::Conflict)
                    .with_name(name)
                    .with_hint("read it again, then write with the version that was read"));
            }
            (mode, _) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("this provider does not support put with {mode:?}"),
                ));
            }
        }
        let tags = match (&options.tags, &current) {
            (Some(tags), _) => tags.clone(),
            (None, Some(current)) => current.facts.tags.clone(),
            (None, None) => Default::default(),
        };
        let expires = options.expires_at.map(entry::from_time);
        let entry = self.add(name, value, tags, expires, now)?;
        self.prune(name, keep);
        Ok(entry.metadata(now))
    }

    pub(super) fn delete(&mut self, name: &SecretName, mode: DeleteMode, now: Nanos) -> Result<()> {
        let current = self.live(name).and_then(|live| live.last());
        let current = current.ok_or_else(|| Error::not_found(name))?;
        match mode {
            DeleteMode::Purge => {
                let facts = Facts {
                    state: State::Purged,
                    updated: now.max(current.facts.updated),
                    expires: None,
                    tags: Default::default(),
                    ..current.facts.clone()
                };
                let mark = Entry {
                    head: facts.head(),
                    facts,
                    sealed: None,
                };
                self.entries.insert(name.clone(), vec![Arc::new(mark)]);
                Ok(())
            }
            DeleteMode::Soft if current.facts.state == State::Deleted => {
                Err(Error::from(ErrorKind::Deleted).with_name(name))
            }
            DeleteMode::Soft => self.switch(name, State::Enabled, State::Deleted, now),
            _ => Err(Error::new(
                ErrorKind::Unsupported,
                "this provider does not support a time for which a delete can be undone",
            )
            .with_hint("a soft delete can be undone until the secret is purged")),
        }
    }

    /// Answers whether it was deleted.
    pub(super) fn restore(&mut self, name: &SecretName, now: Nanos) -> Result<bool> {
        let current = self.live(name).and_then(|live| live.last());
        let current = current.ok_or_else(|| Error::not_found(name))?;
        if current.facts.state == State::Enabled {
            return Ok(false);
        }
        self.switch(name, State::Deleted, State::Enabled, now)?;
        Ok(true)
    }

    pub(super) fn rollback(
        &mut self,
        name: &SecretName,
        to: &Version,
        keep: usize,
        now: Nanos,
    ) -> Result<Metadata> {
        let old = self.get(name, Some(to), now)?;
        let source = self.find(name, Some(to))?;
        let expires = source.facts.expires;
        let tags = source.facts.tags.clone();
        let entry = self.add(name, &old.value, tags, expires, now)?;
        self.prune(name, keep);
        Ok(entry.metadata(now))
    }

    /// Puts the same content under another data key.
    pub(super) fn rekey(&self, envelope: Envelope, data_key: &DataKey) -> Result<Self> {
        let keys = Keys::derive(data_key, &self.header.id);
        let lineage = Lineage::replace(
            &self.header.id,
            &[(&self.lineage(), &self.keys)],
            keys.public(),
            &lineage::members(&envelope),
        )?;
        let mut next = Self {
            header: Header {
                envelope,
                lineage: Some(lineage),
                ..self.header.clone()
            },
            keys,
            entries: Entries::new(),
            mac: self.mac,
        };
        for (name, versions) in &self.entries {
            let versions = versions
                .iter()
                .map(|entry| next.adopt(self, entry, entry.facts.clone()))
                .collect::<Result<_>>()?;
            next.entries.insert(name.clone(), versions);
        }
        Ok(next)
    }

    /// The value of an entry of this store.
    pub(super) fn open(&self, entry: &Entry) -> Result<SecretValue> {
        entry
            .sealed
            .as_ref()
            .and_then(|sealed| self.keys.unseal(&entry.head, sealed))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::IntegrityFailure,
                    "the value is damaged or was moved from another place",
                )
                .with_name(&entry.facts.name)
                .with_hint("take the last good version from version control or a backup")
            })
    }

    /// An entry of `source` with these facts, as an entry of this store. It is encrypted again only if it has to be.
    pub(super) fn adopt(
        &self,
        source: &Self,
        entry: &Arc<Entry>,
        facts: Facts,
    ) -> Result<Arc<Entry>> {
        if facts == entry.facts && self.key_id() == source.key_id() {
            return Ok(entry.clone());
        }
        let head = facts.head();
        let sealed = match facts.state {
            State::Purged => None,
            State::Enabled | State::Deleted => {
                let value = source.open(entry)?;
                Some(self.keys.seal(&head, value.expose_bytes())?)
            }
        };
        Ok(Arc::new(Entry {
            facts,
            head,
            sealed,
        }))
    }

    /// The versions of a secret that exists; at least one.
    fn live(&self, name: &SecretName) -> Option<&[Arc<Entry>]> {
        let versions = self.entries.get(name)?.as_slice();
        let live = match versions.first() {
            Some(first) if first.is_purged() => &versions[1..],
            _ => versions,
        };
        (!live.is_empty()).then_some(live)
    }

    fn find(&self, name: &SecretName, version: Option<&Version>) -> Result<&Arc<Entry>> {
        let live = self.live(name).ok_or_else(|| Error::not_found(name))?;
        let current = &live[live.len() - 1];
        let Some(version) = version else {
            return Ok(current);
        };
        let number = entry::number(version.as_str()).filter(|number| *number > 0);
        let Some(number) = number.filter(|number| *number <= current.facts.version) else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no version {:?} of the secret", version.as_str()),
            )
            .with_name(name)
            .with_hint("see `secrets versions`"));
        };
        live.binary_search_by_key(&number, |entry| entry.facts.version)
            .map(|at| &live[at])
            .map_err(|_| {
                Error::new(
                    ErrorKind::Deleted,
                    format!("version {number} of the secret is not kept any more"),
                )
                .with_name(name)
                .with_hint("`keep_versions` says how many are kept; see `secrets versions`")
            })
    }

    /// Adds a version after the last one.
    fn add(
        &mut self,
        name: &SecretName,
        value: &SecretValue,
        tags: std::collections::BTreeMap<String, String>,
        expires: Option<Nanos>,
        now: Nanos,
    ) -> Result<Arc<Entry>> {
        let last = self.entries.get(name).and_then(|versions| versions.last());
        // A clock that was set back must not put a newer version before an older one when two stores are merged.
        let now = last.map_or(now, |last| now.max(last.facts.created.saturating_add(1)));
        let facts = Facts {
            name: name.clone(),
            version: last.map_or(1, |last| last.facts.version + 1),
            state: State::Enabled,
            born: match last {
                Some(last) if !last.is_purged() => last.facts.born,
                _ => now,
            },
            created: now,
            updated: now,
            expires,
            tags,
        };
        let head = facts.head();
        let sealed = Some(self.keys.seal(&head, value.expose_bytes())?);
        let entry = Arc::new(Entry {
            facts,
            head,
            sealed,
        });
        self.entries
            .entry(name.clone())
            .or_default()
            .push(entry.clone());
        Ok(entry)
    }

    /// Drops the oldest versions beyond the number that is kept.
    fn prune(&mut self, name: &SecretName, keep: usize) {
        if let Some(versions) = self.entries.get_mut(name) {
            let marks = usize::from(versions.first().is_some_and(|first| first.is_purged()));
            let excess = (versions.len() - marks).saturating_sub(keep.max(1));
            versions.drain(marks..marks + excess);
        }
    }

    /// Gives every version in one state another one.
    fn switch(&mut self, name: &SecretName, from: State, to: State, now: Nanos) -> Result<()> {
        let versions = self.entries.get(name).cloned().unwrap_or_default();
        let switched = versions
            .iter()
            .map(|entry| {
                if entry.facts.state != from {
                    return Ok(entry.clone());
                }
                let facts = Facts {
                    state: to,
                    updated: now.max(entry.facts.updated.saturating_add(1)),
                    ..entry.facts.clone()
                };
                self.adopt(self, entry, facts)
            })
            .collect::<Result<Vec<_>>>()?;
        self.entries.insert(name.clone(), switched);
        Ok(())
    }
}

fn page_size(size: Option<usize>) -> Result<usize> {
    match size {
        Some(0) => Err(Error::new(
            ErrorKind::InvalidConfig,
            "a page has at least 1 item",
        )),
        size => Ok(size.unwrap_or(PAGE_ITEMS)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::file::keys::new_data_key;

    fn empty() -> Contents {
        let envelope = Envelope {
            recipients: vec!["age1 x".to_owned()],
            public: Some(vec![1, 2, 3]),
            passphrase: None,
        };
        Contents::new([7; 16], envelope, &new_data_key().unwrap())
    }

    fn read(contents: &Contents, bytes: &[u8]) -> Result<Contents> {
        Contents::read(bytes, Path::new("store.txt"), |_| Ok(contents.keys.clone()))
    }

    fn name() -> impl Strategy<Value = SecretName> {
        any::<String>().prop_filter_map("a name", |text| SecretName::new(text).ok())
    }

    type Puts = Vec<(SecretName, Vec<u8>, BTreeMap<String, String>)>;

    fn puts() -> impl Strategy<Value = Puts> {
        let put = (name(), any::<Vec<u8>>(), any::<BTreeMap<String, String>>());
        proptest::collection::vec(put, 0..6)
    }

    fn filled(puts: &Puts) -> Contents {
        let mut contents = empty();
        for (number, (name, value, tags)) in puts.iter().enumerate() {
            let options = PutOptions::default().with_tags(tags.clone());
            let value = SecretValue::from(&value[..]);
            contents
                .put(name, &value, &options, 10, number as u64)
                .unwrap();
        }
        contents
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(puts in puts()) {
            let mut contents = filled(&puts);
            let bytes = contents.write();
            let mut again = read(&contents, &bytes).unwrap();
            prop_assert!(again.header == contents.header);
            prop_assert_eq!(again.write(), bytes);
            for (name, versions) in &contents.entries {
                for (entry, read) in versions.iter().zip(&again.entries[name]) {
                    prop_assert_eq!(&entry.facts, &read.facts);
                    prop_assert_eq!(contents.open(entry).unwrap(), again.open(read).unwrap());
                }
            }
        }

        #[test]
        fn no_text_makes_it_panic(
            puts in puts(),
            at: proptest::sample::Index,
            length in 0_usize..40,
            junk in "[ -~\\n]{0,40}",
        ) {
            let mut contents = filled(&puts);
            let mut bytes = contents.write();
            let start = at.index(bytes.len());
            let end = (start + length).min(bytes.len());
            let unchanged = bytes[start..end] == *junk.as_bytes();
            bytes.splice(start..end, junk.bytes());
            prop_assert_eq!(read(&contents, &bytes).is_ok(), unchanged);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            prop_assert!(read(&empty(), &bytes).is_err());
        }
    }
}
