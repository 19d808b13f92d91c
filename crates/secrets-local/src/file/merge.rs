//! Two versions of one store made into one that has all of both.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use secrets_core::{Error, ErrorKind, Result, SecretName, SecretValue};

use super::contents::Contents;
use super::entry::{Entry, Facts, State};
use super::envelope;
use super::format::{Entries, Envelope, Header};
use super::keys::{self, Keys};

/// What a merge did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// The revision of the merged store.
    pub revision: u64,
    /// How many secrets it has.
    pub secrets: usize,
    /// The secrets that both sides had written; both values are kept, the newer one is current.
    pub diverged: Vec<SecretName>,
    /// Whether the sides had different data keys, because recipients were changed.
    pub key_changed: bool,
    /// Recipients of one side only that the merged store does not have: it could not be told whether the one side added
    /// or the other removed them. To be added again where they were added. The word `passphrase` stands for a passphrase.
    pub dropped_recipients: Vec<String>,
}

/// Merges `theirs` into `ours`. `base` is what both come from; without it recipients that only one side has are dropped.
pub(super) fn merge(
    base: Option<&Contents>,
    ours: &Contents,
    theirs: &Contents,
    passphrase: Option<&SecretValue>,
    work_factor: Option<u8>,
) -> Result<(Contents, MergeReport)> {
    if ours.header.id != theirs.header.id {
        return Err(Error::new(
            ErrorKind::Conflict,
            "the two sides are different stores, not two versions of one",
        )
        .with_hint("keep one of them, and put the secrets of the other into it"));
    }
    let base = base.filter(|base| base.header.id == ours.header.id);
    let (envelope, keys, dropped_recipients) =
        merge_keys(base, ours, theirs, passphrase, work_factor)?;
    let revision = ours.header.revision.max(theirs.header.revision);
    let mut merged = Contents {
        header: Header {
            id: ours.header.id,
            revision: next_revision(revision)?,
            envelope,
        },
        keys,
        entries: Entries::new(),
    };
    let mut diverged = Vec::new();
    let names: BTreeSet<_> = ours.entries.keys().chain(theirs.entries.keys()).collect();
    for name in names {
        let side = |contents: &Contents| contents.entries.get(name).cloned().unwrap_or_default();
        let sides = Lines {
            ours: (ours, side(ours)),
            theirs: (theirs, side(theirs)),
        };
        let base = base.map(side);
        let versions = sides.merge(base.as_deref(), &merged, || diverged.push(name.clone()))?;
        if !versions.is_empty() {
            merged.entries.insert(name.clone(), versions);
        }
    }
    let report = MergeReport {
        revision: merged.header.revision,
        secrets: merged.secret_count(),
        diverged,
        key_changed: ours.key_id() != theirs.key_id(),
        dropped_recipients,
    };
    Ok((merged, report))
}

pub(super) fn next_revision(revision: u64) -> Result<u64> {
    revision.checked_add(1).ok_or_else(|| {
        Error::new(
            ErrorKind::IntegrityFailure,
            "the store has used up all its revisions",
        )
    })
}

/// Who may open the merged store. Where only one side changed that, its key is taken; else there is a new one.
fn merge_keys(
    base: Option<&Contents>,
    ours: &Contents,
    theirs: &Contents,
    passphrase: Option<&SecretValue>,
    work_factor: Option<u8>,
) -> Result<(Envelope, Arc<Keys>, Vec<String>)> {
    let taken = |side: &Contents| Ok((side.header.envelope.clone(), side.keys.clone(), vec![]));
    if ours.key_id() == theirs.key_id() {
        return taken(ours);
    }
    if let Some(base) = base {
        if base.key_id() == ours.key_id() {
            return taken(theirs);
        }
        if base.key_id() == theirs.key_id() {
            return taken(ours);
        }
    }
    let set = |contents: &Contents| -> BTreeSet<String> {
        contents
            .header
            .envelope
            .recipients
            .iter()
            .cloned()
            .collect()
    };
    let (our, their) = (set(ours), set(theirs));
    let kept: BTreeSet<String> = match base.map(set) {
        // Unchanged, added by one side, or removed by neither.
        Some(base) => our
            .union(&their)
            .filter(|one| !base.contains(*one) || our.contains(*one) && their.contains(*one))
            .cloned()
            .collect(),
        None => our.intersection(&their).cloned().collect(),
    };
    let mut dropped: Vec<String> = match base {
        Some(_) => Vec::new(),
        None => our.symmetric_difference(&their).cloned().collect(),
    };
    let has_passphrase = |side: &Contents| side.header.envelope.passphrase.is_some();
    let (our, their) = (has_passphrase(ours), has_passphrase(theirs));
    let keeps_passphrase = match base.map(has_passphrase) {
        Some(base) if our == base => their,
        Some(_) => our,
        None => our && their,
    };
    if base.is_none() && our != their {
        dropped.push("passphrase".to_owned());
    }
    let passphrase = match keeps_passphrase {
        false => None,
        true => Some(passphrase.ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthenticated,
                "both sides changed the key, and the merged one has to be wrapped with the passphrase",
            )
            .with_hint("set `passphrase`")
        })?),
    };
    let data_key = keys::new_data_key()?;
    let envelope = envelope::wrap(
        &data_key,
        kept.into_iter().collect(),
        passphrase,
        work_factor,
    )?;
    let keys = Keys::derive(&data_key, &ours.header.id);
    Ok((envelope, keys, dropped))
}

/// One secret's lines on both sides.
struct Lines<'a> {
    ours: (&'a Contents, Vec<Arc<Entry>>),
    theirs: (&'a Contents, Vec<Arc<Entry>>),
}

impl Lines<'_> {
    fn merge(
        mut self,
        base: Option<&[Arc<Entry>]>,
        into: &Contents,
        mut diverged: impl FnMut(),
    ) -> Result<Vec<Arc<Entry>>> {
        if let Some(base) = base {
            if same_lines(base, &self.ours.1) {
                return adopt_all(into, self.theirs.0, &self.theirs.1);
            }
            if same_lines(base, &self.theirs.1) {
                return adopt_all(into, self.ours.0, &self.ours.1);
            }
        }
        let mark = self.apply_purges();
        let mut merged: Vec<Arc<Entry>> = mark.into_iter().collect();
        let fork = self.fork()?;
        if fork.is_some() {
            diverged();
        }
        let fork = fork.unwrap_or(u64::MAX);
        self.join_before(fork, into, &mut merged)?;
        self.join_after(fork, into, &mut merged)?;
        Ok(merged)
    }

    /// Takes the marks of purges off both sides, and what they purged off the other one. Answers with the higher mark.
    /// A version that was written after the last purged one is not what was purged, whatever its number.
    fn apply_purges(&mut self) -> Option<Arc<Entry>> {
        let take = |lines: &mut Vec<Arc<Entry>>| match lines.first() {
            Some(first) if first.is_purged() => Some(lines.remove(0)),
            _ => None,
        };
        let marks = [take(&mut self.ours.1), take(&mut self.theirs.1)];
        for mark in marks.iter().flatten() {
            for lines in [&mut self.ours.1, &mut self.theirs.1] {
                lines.retain(|entry| {
                    entry.facts.version > mark.facts.version
                        || entry.facts.created > mark.facts.created
                });
            }
        }
        marks
            .into_iter()
            .flatten()
            .max_by_key(|mark| (mark.facts.version, mark.facts.updated))
    }

    /// The first version number under which the sides have different values.
    fn fork(&self) -> Result<Option<u64>> {
        for ours in &self.ours.1 {
            let number = ours.facts.version;
            if let Some(theirs) = find(&self.theirs.1, number)
                && !self.is_same_write(ours, theirs)?
            {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    fn is_same_write(&self, ours: &Entry, theirs: &Entry) -> Result<bool> {
        if ours.facts.created != theirs.facts.created {
            return Ok(false);
        }
        if ours.sealed == theirs.sealed {
            return Ok(true);
        }
        Ok(self.ours.0.open(ours)? == self.theirs.0.open(theirs)?)
    }

    /// The versions that both sides may share: each once, in the state of the side that changed it last.
    fn join_before(&self, fork: u64, into: &Contents, merged: &mut Vec<Arc<Entry>>) -> Result<()> {
        let numbers: BTreeSet<u64> = self
            .ours
            .1
            .iter()
            .chain(&self.theirs.1)
            .map(|entry| entry.facts.version)
            .filter(|number| *number < fork)
            .collect();
        for number in numbers {
            let ours = find(&self.ours.1, number);
            let theirs = find(&self.theirs.1, number);
            let (side, entry) = match (ours, theirs) {
                (Some(ours), Some(theirs)) if is_later(&theirs.facts, &ours.facts) => {
                    (self.theirs.0, theirs)
                }
                (Some(ours), _) => (self.ours.0, ours),
                (None, Some(theirs)) => (self.theirs.0, theirs),
                (None, None) => continue,
            };
            push(merged, side, entry, into)?;
        }
        Ok(())
    }

    /// The versions after the sides parted, by the time of their writing; the order within a side stays.
    fn join_after(&self, fork: u64, into: &Contents, merged: &mut Vec<Arc<Entry>>) -> Result<()> {
        let after = |lines: &[Arc<Entry>]| -> std::vec::IntoIter<Arc<Entry>> {
            let rest: Vec<_> = lines
                .iter()
                .filter(|entry| entry.facts.version >= fork)
                .cloned()
                .collect();
            rest.into_iter()
        };
        let mut ours = after(&self.ours.1).peekable();
        let mut theirs = after(&self.theirs.1).peekable();
        loop {
            let order = match (ours.peek(), theirs.peek()) {
                (None, None) => return Ok(()),
                (Some(ours), Some(theirs)) => ours.facts.created.cmp(&theirs.facts.created),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            let (side, entry) = match order {
                Ordering::Greater => (self.theirs.0, theirs.next()),
                Ordering::Less | Ordering::Equal => (self.ours.0, ours.next()),
            };
            if let Some(entry) = entry {
                push(merged, side, &entry, into)?;
            }
        }
    }
}

/// Adds an entry after what is there, under its own number if that is still free.
fn push(
    merged: &mut Vec<Arc<Entry>>,
    side: &Contents,
    entry: &Arc<Entry>,
    into: &Contents,
) -> Result<()> {
    let least = merged.last().map_or(1, |last| last.facts.version + 1);
    let facts = Facts {
        version: entry.facts.version.max(least),
        ..entry.facts.clone()
    };
    merged.push(into.adopt(side, entry, facts)?);
    Ok(())
}

fn find(lines: &[Arc<Entry>], number: u64) -> Option<&Arc<Entry>> {
    let at = lines.binary_search_by_key(&number, |entry| entry.facts.version);
    at.ok().map(|at| &lines[at])
}

/// Whether the first is the later change; of two at one time a deletion is.
fn is_later(first: &Facts, second: &Facts) -> bool {
    let rank = |facts: &Facts| (facts.updated, facts.state == State::Deleted);
    rank(first) > rank(second)
}

/// Compares without the ciphertexts, which differ after a change of the key.
fn same_lines(first: &[Arc<Entry>], second: &[Arc<Entry>]) -> bool {
    first.len() == second.len()
        && first
            .iter()
            .zip(second)
            .all(|(first, second)| first.head == second.head)
}

fn adopt_all(into: &Contents, side: &Contents, lines: &[Arc<Entry>]) -> Result<Vec<Arc<Entry>>> {
    lines
        .iter()
        .map(|entry| into.adopt(side, entry, entry.facts.clone()))
        .collect()
}
