//! One secret of two sides of a merge: its versions only add up, and what was deleted or purged stays so.

use std::collections::HashMap;
use std::sync::Arc;

use secrets_core::{Result, SecretName};

use super::contents::Contents;
use super::entry::{Entry, Facts, Nanos, State};
use super::report::{ChangeKind, MergeSide, OldKeyWrite, VersionChange};

/// What one side has of a secret.
pub(super) struct Side<'a> {
    pub(super) contents: &'a Contents,
    pub(super) lines: &'a [Arc<Entry>],
    /// Whether its data key is not the one of the merged store.
    pub(super) is_replaced: bool,
}

/// What the merged store has of a secret, and how it differs from our side.
#[derive(Default)]
pub(super) struct Joined {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) diverged: bool,
    pub(super) change: Option<VersionChange>,
    pub(super) old_key: Vec<OldKeyWrite>,
}

/// A version in the merged store.
struct Write<'a> {
    entry: &'a Arc<Entry>,
    /// The side that the entry is taken from.
    side: MergeSide,
    /// The highest number that it has.
    number: u64,
    /// Where our side has it.
    ours: Option<usize>,
    /// Whether only one side has it.
    is_alone: bool,
    /// What of it our key holders have not written.
    old_key: Option<ChangeKind>,
}

impl<'a> Side<'a> {
    fn mark(&self) -> Option<&'a Arc<Entry>> {
        self.lines.first().filter(|first| first.is_purged())
    }

    fn live(&self) -> &'a [Arc<Entry>] {
        &self.lines[usize::from(self.mark().is_some())..]
    }
}

/// Whether both sides have the same lines under the same key, so that there is nothing to do.
pub(super) fn are_equal(ours: &[Arc<Entry>], theirs: &[Arc<Entry>]) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|(ours, theirs)| ours.head == theirs.head && ours.sealed == theirs.sealed)
}

/// Joins what two sides have of a secret. `base` is what both come from; without it, what the other side has is new.
pub(super) fn join(
    name: &SecretName,
    base: &[Arc<Entry>],
    ours: &Side<'_>,
    theirs: &Side<'_>,
    into: &Contents,
) -> Result<Joined> {
    let mut joined = Joined::default();
    let marks = [ours.mark(), theirs.mark()];
    // Numbers change in merges, times do not: what was written after the last purged version is not what was purged.
    let purged_until = marks.iter().flatten().map(|mark| mark.facts.created).max();
    let survives = |entry: &&Arc<Entry>| Some(entry.facts.created) > purged_until;
    let mut writes = pair(base, ours, theirs, survives)?;
    // A side writes its versions in the order of time, so that this keeps their order.
    writes.sort_by_key(|write| {
        let facts = &write.entry.facts;
        (
            facts.created,
            facts.version,
            write.side == MergeSide::Theirs,
        )
    });

    let mut last = 0;
    if let Some(mark) = join_marks(marks) {
        last = mark.facts.version;
        joined.entries.push(mark);
        joined
            .old_key
            .extend(purged_under_old_key(name, ours, theirs));
    }
    for write in &writes {
        last = write.number.max(last + 1);
        let facts = Facts {
            version: last,
            ..write.entry.facts.clone()
        };
        let source = match write.side {
            MergeSide::Ours => ours.contents,
            MergeSide::Theirs => theirs.contents,
        };
        joined.entries.push(into.adopt(source, write.entry, facts)?);
        joined.old_key.extend(write.old_key.map(|kind| OldKeyWrite {
            name: name.clone(),
            version: last,
            kind,
            side: write.side,
        }));
    }
    joined.diverged = have_diverged(&writes, ours, theirs);
    joined.change = change(name, ours, &writes, last);
    Ok(joined)
}

/// All versions of both sides, each once.
fn pair<'a>(
    base: &[Arc<Entry>],
    ours: &Side<'a>,
    theirs: &Side<'a>,
    survives: impl Fn(&&Arc<Entry>) -> bool,
) -> Result<Vec<Write<'a>>> {
    let in_base = |entry: &Entry| {
        let at = base.binary_search_by_key(&entry.facts.version, |known| known.facts.version);
        at.is_ok_and(|at| base[at].head == entry.head)
    };
    let mut writes: Vec<Write<'a>> = Vec::with_capacity(ours.lines.len() + theirs.lines.len());
    let mut by_time: HashMap<Nanos, Vec<usize>> = HashMap::new();
    for (at, entry) in ours.live().iter().enumerate() {
        if survives(&entry) {
            by_time
                .entry(entry.facts.created)
                .or_default()
                .push(writes.len());
            writes.push(Write {
                entry,
                side: MergeSide::Ours,
                number: entry.facts.version,
                ours: Some(at),
                is_alone: true,
                old_key: (ours.is_replaced && !in_base(entry)).then_some(ChangeKind::Written),
            });
        }
    }
    for entry in theirs.live().iter().filter(survives) {
        let mut twin = None;
        for at in by_time.get(&entry.facts.created).into_iter().flatten() {
            let write = &writes[*at];
            if write.side == MergeSide::Ours && is_same_value(ours, write.entry, theirs, entry)? {
                twin = Some(*at);
                break;
            }
        }
        match twin {
            Some(at) => writes[at].meet(entry, ours, theirs, in_base),
            // What the other side only kept is not its change: ours has dropped it.
            None if in_base(entry) => {}
            None => writes.push(Write {
                entry,
                side: MergeSide::Theirs,
                number: entry.facts.version,
                ours: None,
                is_alone: true,
                old_key: theirs.is_replaced.then_some(ChangeKind::Written),
            }),
        }
    }
    Ok(writes)
}

impl<'a> Write<'a> {
    /// Takes the later state of a version that both sides have.
    fn meet(
        &mut self,
        their_entry: &'a Arc<Entry>,
        ours: &Side<'_>,
        theirs: &Side<'_>,
        in_base: impl Fn(&Entry) -> bool,
    ) {
        let our_entry = self.entry;
        self.is_alone = false;
        self.number = self.number.max(their_entry.facts.version);
        let (is_replaced, other) = match is_later(&their_entry.facts, &our_entry.facts) {
            true => {
                self.entry = their_entry;
                self.side = MergeSide::Theirs;
                (theirs.is_replaced, our_entry)
            }
            false => (ours.is_replaced, their_entry),
        };
        let is_written = is_replaced && !in_base(self.entry);
        self.old_key = is_written
            .then(|| compare(&other.facts, &self.entry.facts))
            .flatten();
    }
}

/// How the second differs from the first, if in more than its number.
fn compare(before: &Facts, after: &Facts) -> Option<ChangeKind> {
    match (before.state, after.state) {
        (State::Enabled, State::Deleted) => Some(ChangeKind::Deleted),
        (State::Deleted, State::Enabled) => Some(ChangeKind::Restored),
        _ if before.tags != after.tags || before.expires != after.expires => {
            Some(ChangeKind::Written)
        }
        _ => None,
    }
}

fn is_same_value(ours: &Side<'_>, mine: &Entry, theirs: &Side<'_>, other: &Entry) -> Result<bool> {
    if mine.sealed == other.sealed {
        return Ok(true);
    }
    Ok(ours.contents.open(mine)? == theirs.contents.open(other)?)
}

/// Whether the first is the later change; of two at one time a deletion is.
fn is_later(first: &Facts, second: &Facts) -> bool {
    let rank = |facts: &Facts| (facts.updated, facts.state == State::Deleted);
    rank(first) > rank(second)
}

/// A mark that stands for the purges of both sides.
fn join_marks(marks: [Option<&Arc<Entry>>; 2]) -> Option<Arc<Entry>> {
    let (first, second) = match marks {
        [Some(first), Some(second)] => (first, second),
        [mark, None] | [None, mark] => return mark.cloned(),
    };
    let facts = Facts {
        version: first.facts.version.max(second.facts.version),
        created: first.facts.created.max(second.facts.created),
        updated: first.facts.updated.max(second.facts.updated),
        born: first.facts.born.min(second.facts.born),
        ..first.facts.clone()
    };
    Some(Arc::new(Entry {
        head: facts.head(),
        facts,
        sealed: None,
    }))
}

/// Purges by sides whose key was replaced, unless the other side purged as much.
fn purged_under_old_key(
    name: &SecretName,
    ours: &Side<'_>,
    theirs: &Side<'_>,
) -> impl Iterator<Item = OldKeyWrite> {
    let by = |side: MergeSide, purging: &Side<'_>, other: &Side<'_>| {
        let mark = purging.mark().filter(|_| purging.is_replaced)?;
        let is_known = other.mark().is_some_and(|known| {
            known.facts.version >= mark.facts.version && known.facts.created >= mark.facts.created
        });
        (!is_known).then(|| OldKeyWrite {
            name: name.clone(),
            version: mark.facts.version,
            kind: ChangeKind::Purged,
            side,
        })
    };
    let theirs_first = [
        by(MergeSide::Theirs, theirs, ours),
        by(MergeSide::Ours, ours, theirs),
    ];
    theirs_first.into_iter().flatten()
}

/// Whether both sides have written a value last that the other one does not have.
fn have_diverged(writes: &[Write<'_>], ours: &Side<'_>, theirs: &Side<'_>) -> bool {
    let wrote = |side: &Side<'_>| {
        side.live().last().is_some_and(|last| {
            let mut alone = writes.iter().filter(|write| write.is_alone);
            alone.any(|write| Arc::ptr_eq(write.entry, last))
        })
    };
    wrote(ours) && wrote(theirs)
}

/// How the current version differs from the one of our side.
fn change(
    name: &SecretName,
    ours: &Side<'_>,
    writes: &[Write<'_>],
    last: u64,
) -> Option<VersionChange> {
    let before = ours.live().last();
    let from = before.map(|before| before.facts.version);
    let (kind, to) = match (before, writes.last()) {
        (None, None) => return None,
        (Some(_), None) => (ChangeKind::Purged, None),
        (None, Some(_)) => (ChangeKind::Written, Some(last)),
        (Some(before), Some(after)) => {
            let difference = compare(&before.facts, &after.entry.facts);
            let is_same = after.ours == Some(ours.live().len() - 1);
            let kind = match difference {
                Some(ChangeKind::Deleted) => ChangeKind::Deleted,
                Some(kind) if is_same => kind,
                None if is_same => return None,
                _ => ChangeKind::Written,
            };
            (kind, Some(last))
        }
    };
    Some(VersionChange {
        name: name.clone(),
        kind,
        from,
        to,
    })
}
