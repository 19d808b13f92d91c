use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::{Duration, SystemTime};

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::attributes::Attributes;
use super::random::random_hex;
use super::refusal::{Outcome, Refusal};

/// What tells secrets and keys apart where their lives are the same.
pub(super) trait Item: Sized {
    /// `Secret`, `Key`.
    const NOUN: &'static str;
    /// `secrets`, `keys`.
    const PATH: &'static str;
    /// The code of a 404.
    const NOT_FOUND: &'static str;
    /// The inner code of a 403.
    const DISABLED: &'static str;
}

/// One version of a secret or of a key.
#[derive(Debug, Clone)]
pub(super) struct Revision<T> {
    pub(super) version: String,
    pub(super) attributes: Attributes,
    pub(super) item: T,
}

#[derive(Debug)]
pub(super) struct Entry<T> {
    /// As it was first written: names are found whatever their case.
    pub(super) name: String,
    /// Oldest first, never empty.
    pub(super) revisions: Vec<Revision<T>>,
    stage: Stage,
    /// A change of stage is complete from then on.
    settled: SystemTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Live,
    Deleted(Deletion),
    Purged,
}

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deletion {
    pub(super) at: u64,
    pub(super) purge_at: u64,
}

impl Deletion {
    /// The members that an answer about something deleted has besides.
    pub(super) fn write<T: Item>(self, base: &str, name: &str, into: &mut Map<String, Value>) {
        let recovery = format!("{base}/deleted{}/{name}", T::PATH);
        into.insert("recoveryId".to_owned(), recovery.into());
        into.insert("deletedDate".to_owned(), self.at.into());
        into.insert("scheduledPurgeDate".to_owned(), self.purge_at.into());
    }
}

impl<T> Entry<T> {
    pub(super) fn latest(&self) -> &Revision<T> {
        &self.revisions[self.revisions.len() - 1]
    }
}

/// All secrets, or all keys, of the vault; the deleted ones too.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    entries: BTreeMap<String, Entry<T>>,
    policy: Policy,
}

/// How the vault deletes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) retention_days: u64,
    pub(super) purge_protection: bool,
    /// Each version of a name is dated at least a second after the one before it.
    pub(super) distinct_times: bool,
}

/// The time at which a request is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) time: SystemTime,
    pub(super) unix: u64,
    /// How long a deletion, a recovery or a purge takes that begins now.
    pub(super) transition: Duration,
}

impl<T: Item> Shelf<T> {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            entries: BTreeMap::new(),
            policy,
        }
    }

    /// Forgets what is purged, by hand or because its time is over.
    pub(super) fn sweep(&mut self, now: Moment) {
        self.entries.retain(|_, entry| match entry.stage {
            Stage::Live => true,
            Stage::Deleted(deletion) => deletion.purge_at > now.unix,
            Stage::Purged => entry.settled > now.time,
        });
    }

    /// Adds a version, and returns it.
    pub(super) fn add(
        &mut self,
        name: &str,
        mut attributes: Attributes,
        item: T,
        now: Moment,
    ) -> Outcome<(&str, &Revision<T>)> {
        self.free_for_writing(name, now)?;
        let entry = self
            .entries
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| Entry {
                name: name.to_owned(),
                revisions: Vec::new(),
                stage: Stage::Live,
                settled: now.time,
            });
        if self.policy.distinct_times
            && let Some(last) = entry.revisions.last()
        {
            attributes.created = attributes.created.max(last.attributes.created + 1);
            attributes.updated = attributes.created;
        }
        entry.revisions.push(Revision {
            version: random_hex(),
            attributes,
            item,
        });
        Ok((&entry.name, entry.latest()))
    }

    /// Puts a whole entry, as a backup holds it, where none is.
    pub(super) fn restore(
        &mut self,
        name: &str,
        revisions: Vec<Revision<T>>,
        now: Moment,
    ) -> Outcome<&Entry<T>> {
        self.free_for_writing(name, now)?;
        let key = name.to_ascii_lowercase();
        if self.entries.contains_key(&key) {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "Conflict",
                format!(
                    "{} {name} already exists; it cannot be restored over.",
                    T::NOUN
                ),
            ));
        }
        Ok(self.entries.entry(key).or_insert(Entry {
            name: name.to_owned(),
            revisions,
            stage: Stage::Live,
            settled: now.time,
        }))
    }

    /// One that is neither deleted nor on its way back.
    pub(super) fn live(&self, name: &str, now: Moment) -> Outcome<&Entry<T>> {
        self.entries
            .get(&name.to_ascii_lowercase())
            .filter(|entry| entry.stage == Stage::Live && entry.settled <= now.time)
            .ok_or_else(|| not_found::<T>(name))
    }

    /// A version of a live one; the latest if `version` is empty.
    pub(super) fn revision(
        &self,
        name: &str,
        version: &str,
        now: Moment,
    ) -> Outcome<(&str, &Revision<T>)> {
        let entry = self.live(name, now)?;
        let found = match version {
            "" => Some(entry.latest()),
            _ => entry.revisions.iter().find(|own| own.version == version),
        };
        found
            .map(|revision| (entry.name.as_str(), revision))
            .ok_or_else(|| not_found::<T>(&format!("{name}/{version}")))
    }

    pub(super) fn revision_mut(
        &mut self,
        name: &str,
        version: &str,
        now: Moment,
    ) -> Outcome<(&str, &mut Revision<T>)> {
        let version = self.revision(name, version, now)?.1.version.clone();
        self.entries
            .get_mut(&name.to_ascii_lowercase())
            .and_then(|entry| {
                let found = entry
                    .revisions
                    .iter_mut()
                    .find(|own| own.version == version);
                found.map(|revision| (entry.name.as_str(), revision))
            })
            .ok_or_else(|| not_found::<T>(name))
    }

    pub(super) fn delete(&mut self, name: &str, now: Moment) -> Outcome<(&Entry<T>, Deletion)> {
        self.settled(name, now)?;
        self.live(name, now)?;
        let deletion = Deletion {
            at: now.unix,
            purge_at: now.unix + self.policy.retention_days * 86_400,
        };
        let entry = self.go(name, Stage::Deleted(deletion), now)?;
        Ok((entry, deletion))
    }

    /// One that is deleted, and not on its way there.
    pub(super) fn deleted(&self, name: &str, now: Moment) -> Outcome<(&Entry<T>, Deletion)> {
        self.entries
            .get(&name.to_ascii_lowercase())
            .and_then(|entry| match entry.stage {
                Stage::Deleted(deletion) if entry.settled <= now.time => Some((entry, deletion)),
                _ => None,
            })
            .ok_or_else(|| {
                Refusal::new(
                    StatusCode::NOT_FOUND,
                    T::NOT_FOUND,
                    format!("Deleted {} not found: {name}", T::NOUN),
                )
            })
    }

    pub(super) fn recover(&mut self, name: &str, now: Moment) -> Outcome<&Entry<T>> {
        self.settled(name, now)?;
        self.deleted(name, now)?;
        self.go(name, Stage::Live, now)
    }

    pub(super) fn purge(&mut self, name: &str, now: Moment) -> Outcome<()> {
        self.settled(name, now)?;
        self.deleted(name, now)?;
        if self.policy.purge_protection {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "Forbidden",
                "Operation \"purge\" is not allowed on this vault because purge protection is enabled.",
            ));
        }
        self.go(name, Stage::Purged, now).map(|_| ())
    }

    /// Those that are there, by name, behind `after`.
    pub(super) fn all_live(
        &self,
        after: &str,
        now: Moment,
    ) -> impl Iterator<Item = (&String, &Entry<T>)> {
        self.behind(after)
            .filter(move |(_, entry)| entry.stage == Stage::Live && entry.settled <= now.time)
    }

    pub(super) fn all_deleted(
        &self,
        after: &str,
        now: Moment,
    ) -> impl Iterator<Item = (&String, (&Entry<T>, Deletion))> {
        self.behind(after)
            .filter_map(move |(key, entry)| match entry.stage {
                Stage::Deleted(deletion) if entry.settled <= now.time => {
                    Some((key, (entry, deletion)))
                }
                _ => None,
            })
    }

    /// No name is empty.
    fn behind(&self, after: &str) -> impl Iterator<Item = (&String, &Entry<T>)> {
        self.entries
            .range::<str, _>((Bound::Excluded(after), Bound::Unbounded))
    }

    fn go(&mut self, name: &str, stage: Stage, now: Moment) -> Outcome<&Entry<T>> {
        let entry = self
            .entries
            .get_mut(&name.to_ascii_lowercase())
            .ok_or_else(|| not_found::<T>(name))?;
        entry.stage = stage;
        entry.settled = now.time + now.transition;
        Ok(entry)
    }

    /// Refuses while a change is under way.
    fn settled(&self, name: &str, now: Moment) -> Outcome<()> {
        let Some(entry) = self.entries.get(&name.to_ascii_lowercase()) else {
            return Ok(());
        };
        if entry.settled <= now.time {
            return Ok(());
        }
        Err(match entry.stage {
            Stage::Live => Refusal::conflict(
                "ObjectIsBeingRecovered",
                format!("{} {name} is currently being recovered.", T::NOUN),
            ),
            Stage::Deleted(_) | Stage::Purged => Refusal::conflict(
                "ObjectIsBeingDeleted",
                format!("{} {name} is currently being deleted.", T::NOUN),
            ),
        })
    }

    fn free_for_writing(&self, name: &str, now: Moment) -> Outcome<()> {
        let Some(entry) = self.entries.get(&name.to_ascii_lowercase()) else {
            return Ok(());
        };
        let noun = T::NOUN;
        Err(match entry.stage {
            Stage::Live if entry.settled <= now.time => return Ok(()),
            Stage::Live => Refusal::conflict(
                "ObjectIsBeingRecovered",
                format!(
                    "{noun} {name} is currently being recovered and cannot be re-created; retry later."
                ),
            ),
            Stage::Deleted(_) if entry.settled <= now.time => Refusal::conflict(
                "ObjectIsDeletedButRecoverable",
                format!(
                    "{noun} {name} is currently in a deleted but recoverable state, and its name cannot be reused; in \
                     this state, the {} can only be recovered or purged.",
                    noun.to_lowercase()
                ),
            ),
            Stage::Deleted(_) | Stage::Purged => Refusal::conflict(
                "ObjectIsBeingDeleted",
                format!(
                    "{noun} {name} is currently being deleted and cannot be re-created; retry later."
                ),
            ),
        })
    }
}

fn not_found<T: Item>(name: &str) -> Refusal {
    let noun = T::NOUN.to_lowercase();
    Refusal::new(
        StatusCode::NOT_FOUND,
        T::NOT_FOUND,
        format!(
            "A {noun} with (name/id) {name} was not found in this key vault. If you recently deleted this {noun} you \
             may be able to recover it using the correct recovery command. For help resolving this issue, please see \
             https://go.microsoft.com/fwlink/?linkid=2125182"
        ),
    )
}
