//! Two versions of one store made into one that has all of both.
//!
//! What a merge may take is decided by the history of the data keys, never by which side differs from the common version:
//! whoever can commit chooses that. `docs/encrypted-file.md` has the argument.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use secrets_core::{Error, ErrorKind, Result, SecretName, SecretValue};

use super::contents::Contents;
use super::entry::Entry;
use super::envelope;
use super::format::{Entries, Envelope, Header};
use super::join::{self, Side};
use super::keys::{self, Keys};
use super::lineage::{self, Lineage, Members, PASSPHRASE, Relation};
use super::report::{KeyChange, MergeReport};
use super::revisions::Seen;

/// What a merge starts from.
pub(super) struct Merge<'a> {
    /// What both sides come from, where that is known and can be opened.
    pub(super) base: Option<&'a Contents>,
    pub(super) ours: &'a Contents,
    pub(super) theirs: &'a Contents,
    /// What this user saw of the store last.
    pub(super) known: Option<Seen>,
    /// For a key that is new because both sides had replaced it.
    pub(super) passphrase: Option<&'a SecretValue>,
    pub(super) work_factor: Option<u8>,
    /// The store, for messages.
    pub(super) path: &'a Path,
}

/// The revisions of our side and of a common version that is newer, as in a cherry-pick.
type Older = Option<(u64, u64)>;

/// The data key of the merged store.
struct Key {
    envelope: Envelope,
    keys: Arc<Keys>,
    lineage: Lineage,
    change: KeyChange,
    dropped: Vec<String>,
}

pub(super) fn next_revision(revision: u64) -> Result<u64> {
    revision.checked_add(1).ok_or_else(|| {
        Error::new(
            ErrorKind::IntegrityFailure,
            "the store has used up all its revisions",
        )
    })
}

impl Merge<'_> {
    /// Merges the sides. Nobody has agreed to the result yet.
    pub(super) fn run(&self) -> Result<(Contents, MergeReport)> {
        let (ours, theirs) = (self.ours, self.theirs);
        if ours.header.id != theirs.header.id {
            return Err(Error::new(
                ErrorKind::Conflict,
                "the two sides are different stores, not two versions of one",
            )
            .with_hint("keep one of them, and set the secrets of the other in it"));
        }
        let base = self.base.filter(|base| base.header.id == ours.header.id);
        let (base, older) = self.check_revisions(base)?;
        let key = self.key()?;
        self.check_known(&key.lineage)?;

        let revisions = [
            Some(ours.header.revision),
            Some(theirs.header.revision),
            self.base.map(|base| base.header.revision),
            self.known.map(|known| known.revision),
        ];
        let mut merged = Contents {
            header: Header {
                id: ours.header.id,
                revision: next_revision(revisions.into_iter().flatten().max().unwrap_or(0))?,
                envelope: key.envelope,
                lineage: Some(key.lineage),
            },
            keys: key.keys,
            entries: Entries::new(),
            mac: ours.mac,
        };
        let mut report = MergeReport {
            revision: merged.header.revision,
            key: key.change,
            dropped_recipients: key.dropped,
            older,
            ..MergeReport::default()
        };
        merged.entries = join_all(base, ours, theirs, &merged, &mut report)?;
        report.secrets = merged.secret_count();
        let before = lineage::members(&ours.header.envelope);
        let after = lineage::members(&merged.header.envelope);
        report.added_recipients = after.difference(&before).cloned().collect();
        report.removed_recipients = before.difference(&after).cloned().collect();
        Ok((merged, report))
    }

    /// A side that differs from the common version was written after it, so that its revision is higher. Theirs is
    /// refused otherwise. Ours may be lower where git compares with a version that ours does not come from, as in a
    /// cherry-pick; that version then says nothing about ours.
    fn check_revisions<'b>(
        &self,
        base: Option<&'b Contents>,
    ) -> Result<(Option<&'b Contents>, Older)> {
        let Some(base) = base else {
            return Ok((None, None));
        };
        let common = base.header.revision;
        let is_older = |side: &Contents| side.mac != base.mac && side.header.revision <= common;
        if is_older(self.theirs) {
            return Err(Error::new(
                ErrorKind::IntegrityFailure,
                format!(
                    "their side of the merge is an older copy of the store: it has revision {}, and what both sides come from has {common}",
                    self.theirs.header.revision
                ),
            )
            .with_hint(self.keep_ours("to undo a change, use `secrets rollback`")));
        }
        match is_older(self.ours) {
            true => Ok((None, Some((self.ours.header.revision, common)))),
            false => Ok((Some(base), None)),
        }
    }

    fn keep_ours(&self, more: &str) -> String {
        let path = self.path.display();
        format!("keep our side with `git checkout --ours {path}` and `git add {path}`; {more}")
    }

    /// The merged store must not fall behind the key that this user saw last, even where both sides do.
    fn check_known(&self, merged: &Lineage) -> Result<()> {
        match self.known.and_then(|known| known.public) {
            Some(public) if !merged.has(&public) => Err(Error::new(
                ErrorKind::IntegrityFailure,
                "neither side has the data key that the store had when it was seen last",
            )
            .with_hint(
                "merge the branch that has it first; if this is meant, run `secrets store accept`, then merge",
            )),
            _ => Ok(()),
        }
    }

    fn key(&self) -> Result<Key> {
        let (ours, theirs) = (self.ours, self.theirs);
        let id = &ours.header.id;
        let our_lineage = side_lineage(ours, theirs)?;
        let their_lineage = side_lineage(theirs, ours)?;
        our_lineage.verify(id, &ours.keys)?;
        their_lineage.verify(id, &theirs.keys)?;
        let taken = |side: &Contents, lineage: &Lineage, change: KeyChange| Key {
            envelope: side.header.envelope.clone(),
            keys: side.keys.clone(),
            lineage: lineage.clone(),
            change,
            dropped: Vec::new(),
        };
        match our_lineage.relation(&their_lineage) {
            Relation::Same | Relation::Replaces => {
                Ok(taken(ours, &our_lineage, KeyChange::Unchanged))
            }
            Relation::Replaced => Ok(taken(theirs, &their_lineage, KeyChange::Theirs)),
            Relation::Forked => self.new_key(&our_lineage, &their_lineage),
            Relation::Unrelated => Err(Error::new(
                ErrorKind::IntegrityFailure,
                "the two sides have data keys of which neither follows from the other",
            )
            .with_hint(
                self.keep_ours("whoever wrote the other side may have had no key of this store"),
            )),
        }
    }

    /// Both sides replaced the key that they had in common. So neither is taken, and whom either side removed stays out.
    fn new_key(&self, our_lineage: &Lineage, their_lineage: &Lineage) -> Result<Key> {
        let (ours, theirs) = (self.ours, self.theirs);
        let our_members = lineage::members(&ours.header.envelope);
        let their_members = lineage::members(&theirs.header.envelope);
        let removed_by_us = our_lineage.removed_beside(their_lineage);
        let removed_by_them = their_lineage.removed_beside(our_lineage);
        let mut kept: Members = our_members.intersection(&their_members).cloned().collect();
        kept.extend(
            our_members
                .difference(&their_members)
                .filter(|member| !removed_by_them.contains(*member))
                .cloned(),
        );
        kept.extend(
            their_members
                .difference(&our_members)
                .filter(|member| !removed_by_us.contains(*member))
                .cloned(),
        );
        let added_by_them = their_lineage.added_beside(our_lineage);
        let dropped = their_members
            .iter()
            .filter(|member| added_by_them.contains(*member) && !kept.contains(*member));
        let dropped = dropped.cloned().collect();

        let passphrase = match kept.remove(PASSPHRASE) {
            true => Some(self.passphrase_of_a_side()?),
            false => None,
        };
        let data_key = keys::new_data_key()?;
        let recipients = kept.into_iter().collect();
        let envelope = envelope::wrap(&data_key, recipients, passphrase, self.work_factor)?;
        let keys = Keys::derive(&data_key, &ours.header.id);
        let lineage = Lineage::replace(
            &ours.header.id,
            &[(our_lineage, &ours.keys), (their_lineage, &theirs.keys)],
            keys.public(),
            &lineage::members(&envelope),
        )?;
        Ok(Key {
            envelope,
            keys,
            lineage,
            change: KeyChange::New,
            dropped,
        })
    }

    /// The passphrase that was given, if it is the one of a side: a mistyped one would lock out everybody else.
    fn passphrase_of_a_side(&self) -> Result<&SecretValue> {
        let passphrase = self.passphrase.ok_or_else(|| {
            Error::new(
                ErrorKind::Unauthenticated,
                "both sides changed the key, and the merged one has to be wrapped with the passphrase",
            )
            .with_hint("set `passphrase`, for example to `${STORE_PASSPHRASE}`")
        })?;
        let mut refusal = None;
        for side in [self.ours, self.theirs] {
            if side.header.envelope.passphrase.is_some() {
                match envelope::check_passphrase(&side.header.envelope, passphrase) {
                    Ok(()) => return Ok(passphrase),
                    Err(error) => refusal = refusal.or(Some(error)),
                }
            }
        }
        refusal.map_or(Ok(passphrase), Err)
    }
}

/// The lineage of a side. One of format 1 has none, but the other side may know its key.
fn side_lineage(side: &Contents, other: &Contents) -> Result<Lineage> {
    if let Some(lineage) = &side.header.lineage {
        return Ok(lineage.clone());
    }
    let known = other.header.lineage.as_ref();
    let Some(lineage) = known.and_then(|known| known.up_to(&side.keys.public())) else {
        return Ok(side.lineage());
    };
    match lineage.members() == Some(lineage::members(&side.header.envelope)) {
        true => Ok(lineage),
        false => Err(Error::new(
            ErrorKind::IntegrityFailure,
            "the recipients of a side are not those that its data key was made for",
        )
        .with_hint("take the last good version from version control or a backup")),
    }
}

fn join_all(
    base: Option<&Contents>,
    ours: &Contents,
    theirs: &Contents,
    merged: &Contents,
    report: &mut MergeReport,
) -> Result<Entries> {
    let is_replaced = |side: &Contents| side.key_id() != merged.key_id();
    let (our_key, their_key) = (is_replaced(ours), is_replaced(theirs));
    let mut entries = Vec::with_capacity(ours.entries.len().max(theirs.entries.len()));
    for (name, our_lines, their_lines) in both(&ours.entries, &theirs.entries) {
        if !our_key && !their_key && join::are_equal(our_lines, their_lines) {
            entries.push((name.clone(), our_lines.to_vec()));
            continue;
        }
        let base_lines = base.and_then(|base| base.entries.get(name));
        let joined = join::join(
            name,
            base_lines.map_or(&[], Vec::as_slice),
            &Side {
                contents: ours,
                lines: our_lines,
                is_replaced: our_key,
            },
            &Side {
                contents: theirs,
                lines: their_lines,
                is_replaced: their_key,
            },
            merged,
        )?;
        report
            .diverged
            .extend(joined.diverged.then(|| name.clone()));
        report.changes.extend(joined.change);
        report.old_key.extend(joined.old_key);
        if !joined.entries.is_empty() {
            entries.push((name.clone(), joined.entries));
        }
    }
    Ok(entries.into_iter().collect())
}

type Lines = [Arc<Entry>];

/// The names of both sides in order, each with what the sides have of it.
fn both<'a>(
    ours: &'a Entries,
    theirs: &'a Entries,
) -> impl Iterator<Item = (&'a SecretName, &'a Lines, &'a Lines)> {
    let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (ours.peek(), theirs.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((our_name, _)), Some((their_name, _))) => our_name.cmp(their_name),
        };
        let our_lines = if order.is_le() { ours.next() } else { None };
        let their_lines = if order.is_ge() { theirs.next() } else { None };
        let lines = |side: Option<(&'a SecretName, &'a Vec<Arc<Entry>>)>| {
            side.map_or(&[][..], |(_, lines)| lines.as_slice())
        };
        let (name, _) = our_lines.or(their_lines)?;
        Some((name, lines(our_lines), lines(their_lines)))
    })
}
