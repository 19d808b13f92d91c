//! Random histories of one store: honest writers, one who does not know that the key was replaced, a removed recipient
//! with old keys and copies, and what git does between their branches. Whatever happens, a merge never writes under a
//! replaced key, never lets a removed recipient in, loses no version, and changes nothing without saying so.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use age::x25519;
use secrets_core::{DeleteMode, Error, ErrorKind, PutOptions, Result, SecretName, SecretValue};

use super::contents::Contents;
use super::entry::{Entry, State};
use super::envelope;
use super::format::{Envelope, Header};
use super::identity::Unlock;
use super::keys::{self, DataKey, KeyId, Keys};
use super::lineage::{Lineage, members};
use super::merge::Merge;
use super::report::{ChangeKind, KeyChange, MergeConsent, MergeReport, MergeSide};
use super::revisions::Seen;

/// How many histories are tried, and with `POLYSECRETS_DEEP`.
const HISTORIES: u64 = 1_000;
const DEEP_HISTORIES: u64 = 100_000;
const STEPS: usize = 24;
const NAMES: [&str; 3] = ["a", "b", "c"];
/// More than a history has steps, so that no version is dropped for age.
const KEEP: usize = 1_000;

/// The people: two writers, one who works on an old branch, one who will be removed. The last one may be let in later.
const ALICE: usize = 0;
const BERT: usize = 1;
const LATE: usize = 2;
const MALLORY: usize = 3;
const DORA: usize = 4;
const HONEST: [usize; 3] = [ALICE, BERT, LATE];

struct Person {
    identity: x25519::Identity,
    recipient: String,
}

/// A commit: who it comes from, and the store in it.
struct Commit {
    parents: Vec<usize>,
    text: Rc<Vec<u8>>,
    /// Whether only honest people, or git alone, made what is in it.
    is_honest: bool,
    truth: Truth,
}

/// What must hold for everything that honest people make of a store.
#[derive(Clone, Default)]
struct Truth {
    replaced: BTreeSet<KeyId>,
    removed: BTreeSet<String>,
}

impl Truth {
    fn join(&self, other: &Self) -> Self {
        Self {
            replaced: self.replaced.union(&other.replaced).copied().collect(),
            removed: self.removed.union(&other.removed).cloned().collect(),
        }
    }
}

struct World {
    random: fastrand::Rng,
    people: Vec<Person>,
    commits: Vec<Commit>,
    /// The head of each person's branch.
    heads: [usize; 4],
    /// What each person's state folder has.
    seen: [Option<Seen>; 4],
    clock: u64,
    values: u64,
    /// Unwrapping takes most of the time, and is the same for the same person and key.
    unwrapped: RefCell<Unwrapped>,
    merges: usize,
}

/// The keys that a person gets out of an envelope, if any.
type Unwrapped = HashMap<(usize, Vec<u8>), Option<Arc<Keys>>>;

type Writes = BTreeMap<(String, String), (u64, State, u64)>;

fn path() -> &'static Path {
    Path::new("store.txt")
}

fn wrap(key: &DataKey, recipients: BTreeSet<String>) -> Envelope {
    envelope::wrap(key, recipients.into_iter().collect(), None, None).unwrap()
}

/// Every live version: its name and value, with number, state and the time of its last change.
fn writes(store: &Contents) -> Writes {
    let live = store
        .entries
        .values()
        .flatten()
        .filter(|entry| !entry.is_purged());
    live.map(|entry| {
        let value = store.open(entry).unwrap();
        let facts = &entry.facts;
        (
            (
                facts.name.to_string(),
                value.expose_str().unwrap().to_owned(),
            ),
            (facts.version, facts.state, facts.updated),
        )
    })
    .collect()
}

fn current(store: &Contents, name: &SecretName) -> Option<(String, State)> {
    let last = store
        .entries
        .get(name)?
        .last()
        .filter(|last| !last.is_purged())?;
    let value = store.open(last).unwrap();
    Some((value.expose_str().unwrap().to_owned(), last.facts.state))
}

fn mark<'a>(store: &'a Contents, name: &str) -> Option<&'a Arc<Entry>> {
    let first = store.entries.get(name)?.first()?;
    first.is_purged().then_some(first)
}

impl World {
    fn new(seed: u64) -> Self {
        let people: Vec<Person> = (0..5)
            .map(|_| {
                let identity = x25519::Identity::generate();
                let recipient = identity.to_public().to_string();
                Person {
                    identity,
                    recipient,
                }
            })
            .collect();
        let mut recipients = BTreeSet::new();
        recipients.extend(people[..DORA].iter().map(|person| person.recipient.clone()));
        let data_key = keys::new_data_key().unwrap();
        let mut id = [0; 16];
        keys::fill_random(&mut id).unwrap();
        let mut store = Contents::new(id, wrap(&data_key, recipients), &data_key);
        let first = Commit {
            parents: Vec::new(),
            text: Rc::new(store.write()),
            is_honest: true,
            truth: Truth::default(),
        };
        Self {
            random: fastrand::Rng::with_seed(seed),
            people,
            commits: vec![first],
            heads: [0; 4],
            seen: [Some(store.seen()); 4],
            clock: 1_000,
            values: 0,
            unwrapped: RefCell::default(),
            merges: 0,
        }
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random.usize(..count)
    }

    fn now(&mut self) -> u64 {
        self.clock += self.random.u64(1..5);
        self.clock
    }

    fn unlock(&self, person: usize, header: &Header) -> Result<Arc<Keys>> {
        let section = header.envelope.public.clone().unwrap_or_default();
        let mut unwrapped = self.unwrapped.borrow_mut();
        let keys = unwrapped.entry((person, section)).or_insert_with(|| {
            let unlock = Unlock {
                identities: vec![Box::new(self.people[person].identity.clone())],
                passphrase: None,
                absent: None,
            };
            let data_key = envelope::unwrap(&header.envelope, &unlock).ok()?;
            Some(Keys::derive(&data_key, &header.id))
        });
        keys.clone()
            .ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "not a recipient"))
    }

    fn open(&self, person: usize, commit: usize) -> Result<Contents> {
        self.open_text(person, &self.commits[commit].text)
    }

    fn open_text(&self, person: usize, text: &[u8]) -> Result<Contents> {
        Contents::read(text, path(), |header| self.unlock(person, header))
    }

    fn commit(
        &mut self,
        parents: Vec<usize>,
        text: Vec<u8>,
        is_honest: bool,
        truth: Truth,
    ) -> usize {
        self.commits.push(Commit {
            parents,
            text: Rc::new(text),
            is_honest,
            truth,
        });
        self.commits.len() - 1
    }

    /// Opens the head of a person's branch as the provider does. What is refused is either accepted or taken off.
    fn check_out(&mut self, person: usize) -> Option<Contents> {
        let store = self.open(person, self.heads[person]).ok()?;
        let is_open = self.sees(person, &store);
        is_open.then_some(store)
    }

    /// Compares a store with what was seen before. What is refused is accepted or not; a forged history cannot be.
    fn sees(&mut self, person: usize, store: &Contents) -> bool {
        let seen = store.seen();
        if let Some(known) = self.seen[person] {
            match seen.check_after(&known) {
                Ok(()) => assert!(seen.key == known.key && seen.revision >= known.revision),
                Err(_) if self.random.bool() => return false,
                Err(_) if seen.key == known.key => {}
                Err(_) => {
                    let history = store.lineage();
                    if history.verify(&store.header.id, &store.keys).is_err() {
                        return false;
                    }
                }
            }
        }
        self.seen[person] = Some(seen);
        true
    }

    /// A change by an honest person on their own branch.
    fn write(&mut self, person: usize) {
        let Some(mut store) = self.check_out(person) else {
            return;
        };
        let head = self.heads[person];
        let mut truth = self.commits[head].truth.clone();
        let name = SecretName::new(NAMES[self.pick(NAMES.len())]).unwrap();
        let now = self.now();
        match self.pick(12) {
            0 => drop(store.delete(&name, DeleteMode::Soft, now)),
            1 => drop(store.delete(&name, DeleteMode::Purge, now)),
            2 => drop(store.restore(&name, now)),
            3 | 4 => {
                let gone = match self.random.bool() {
                    true => MALLORY,
                    false => DORA,
                };
                let gone = self.people[gone].recipient.clone();
                let mut recipients = members(&store.header.envelope);
                if !recipients.remove(&gone) {
                    return;
                }
                truth.removed.insert(gone);
                truth.replaced.insert(store.key_id());
                store = rekeyed(&store, recipients);
            }
            5 => {
                let dora = self.people[DORA].recipient.clone();
                let mut recipients = members(&store.header.envelope);
                if truth.removed.contains(&dora) || !recipients.insert(dora) {
                    return;
                }
                truth.replaced.insert(store.key_id());
                store = rekeyed(&store, recipients);
            }
            6 => {
                truth.replaced.insert(store.key_id());
                store = rekeyed(&store, members(&store.header.envelope));
            }
            _ => self.put(&mut store, &name, now),
        }
        store.header.revision += 1;
        let text = store.write();
        let is_honest = self.commits[head].is_honest;
        self.heads[person] = self.commit(vec![head], text, is_honest, truth);
        self.seen[person] = Some(store.seen());
    }

    fn put(&mut self, store: &mut Contents, name: &SecretName, now: u64) {
        self.values += 1;
        let value = SecretValue::from(format!("v{}", self.values));
        let options = PutOptions::default();
        store.put(name, &value, &options, KEEP, now).unwrap();
    }

    /// What a removed recipient, or anybody who can commit, puts on a branch.
    fn attack(&mut self) {
        let from = self.pick(self.commits.len());
        let onto = self.pick(self.commits.len());
        let truth = self.commits[from].truth.clone();
        let text = match self.pick(5) {
            // An older copy, or one of another branch.
            0 | 1 => self.commits[from].text.to_vec(),
            2 => self.forged_store(from),
            kind => {
                let Ok(mut store) = self.open(MALLORY, from) else {
                    return;
                };
                let name = SecretName::new(NAMES[self.pick(NAMES.len())]).unwrap();
                let now = match self.random.bool() {
                    true => self.now(),
                    false => self.clock + 1_000,
                };
                if kind == 3 {
                    let mut recipients = members(&store.header.envelope);
                    recipients.insert(self.people[MALLORY].recipient.clone());
                    let other = x25519::Identity::generate().to_public().to_string();
                    recipients.insert(other);
                    // From a store that somebody forged there is no way on.
                    let Ok(next) = try_rekeyed(&store, recipients) else {
                        return;
                    };
                    store = next;
                }
                match self.pick(3) {
                    0 => drop(store.delete(&name, DeleteMode::Purge, now)),
                    1 => drop(store.delete(&name, DeleteMode::Soft, now)),
                    _ => self.put(&mut store, &name, now),
                }
                store.header.revision += self.random.u64(0..20);
                store.write()
            }
        };
        self.heads[MALLORY] = self.commit(vec![onto], text, false, truth);
    }

    /// A store that needs no key: the id and the recipients of another one, and a key that follows from none.
    fn forged_store(&mut self, from: usize) -> Vec<u8> {
        let like = self
            .open(ALICE, from)
            .or_else(|_| self.open(BERT, from))
            .unwrap();
        let data_key = keys::new_data_key().unwrap();
        let envelope = wrap(&data_key, members(&like.header.envelope));
        let mut forged = Contents::new(like.header.id, envelope.clone(), &data_key);
        let forged_keys = forged.keys.clone();
        if self.random.bool() {
            // With the history of the real one, and a signature by the wrong key.
            forged.header.lineage = Some(Lineage::forge(
                &like.header.id,
                &like.lineage(),
                &forged_keys,
                &members(&envelope),
            ));
        }
        forged.header.revision = like.header.revision + self.random.u64(1..9);
        let name = SecretName::new(NAMES[0]).unwrap();
        let now = self.now();
        self.put(&mut forged, &name, now);
        forged.write()
    }

    fn ancestors(&self, commit: usize) -> BTreeSet<usize> {
        let mut all = BTreeSet::new();
        let mut next = vec![commit];
        while let Some(commit) = next.pop() {
            if all.insert(commit) {
                next.extend(&self.commits[commit].parents);
            }
        }
        all
    }

    /// A best common ancestor, as git finds it; the youngest of several.
    fn merge_base(&self, ours: usize, theirs: usize) -> usize {
        let ours = self.ancestors(ours);
        let theirs = self.ancestors(theirs);
        *ours.intersection(&theirs).max().unwrap()
    }

    /// What git makes of two sides: it takes the changed one if the other is as the base, else asks the merge driver.
    fn git(&mut self, person: usize, base: usize, ours: usize, theirs: usize) -> Option<usize> {
        let (base_text, our_text, their_text) = (
            self.commits[base].text.clone(),
            self.commits[ours].text.clone(),
            self.commits[theirs].text.clone(),
        );
        if base_text == their_text || our_text == their_text {
            return Some(ours);
        }
        if base_text == our_text {
            return Some(theirs);
        }
        let our_store = self.open(person, ours).ok()?;
        let their_store = self.open(person, theirs).ok()?;
        let base_store = self.open_text(person, &base_text).ok();
        self.merges += 1;
        let result = Merge {
            base: base_store.as_ref(),
            ours: &our_store,
            theirs: &their_store,
            known: self.seen[person],
            passphrase: None,
            work_factor: None,
            path: path(),
        }
        .run();
        let are_honest = self.commits[ours].is_honest && self.commits[theirs].is_honest;
        let is_older = base_store.as_ref().is_some_and(|base| {
            their_store.mac != base.mac && their_store.header.revision <= base.header.revision
        });
        let (mut merged, report) = match result {
            Ok(_) if is_older => panic!("an older copy is merged"),
            Ok(merged) => merged,
            Err(error) => {
                let has_seen_more = error.message().contains("seen last");
                assert!(is_older || !are_honest || has_seen_more, "{error}");
                return None;
            }
        };
        let text = merged.write();
        let sides = Sides {
            base: base_store.as_ref(),
            ours: &our_store,
            theirs: &their_store,
            merged: &merged,
        };
        let truth = self.commits[ours].truth.join(&self.commits[theirs].truth);
        sides.check(&report);
        if self.commits[ours].is_honest {
            self.check_keys(&merged, &report, &truth, theirs);
        }
        let consent = match self.pick(4) {
            0 => MergeConsent::default(),
            _ => MergeConsent::ALL,
        };
        if !report.needs().missing_from(consent).is_empty() {
            return None;
        }
        // Whoever agrees to what an attacker wrote has it, with all that was said about it.
        let is_honest = are_honest || report.needs().is_empty() && self.commits[ours].is_honest;
        let mut truth = truth;
        if report.key == KeyChange::New {
            truth
                .replaced
                .extend([our_store.key_id(), their_store.key_id()]);
        }
        Some(self.commit(vec![ours, theirs], text, is_honest, truth))
    }

    /// No replaced key is used, and nobody who was removed can read.
    fn check_keys(&self, merged: &Contents, report: &MergeReport, truth: &Truth, theirs: usize) {
        assert!(
            !truth.replaced.contains(&merged.key_id()),
            "a replaced key is used"
        );
        let now = members(&merged.header.envelope);
        let back: Vec<_> = now.intersection(&truth.removed).collect();
        assert!(back.is_empty(), "a removed recipient is back");
        for person in [MALLORY, DORA] {
            let is_member = now.contains(&self.people[person].recipient);
            let opens = self.unlock(person, &merged.header).is_ok();
            assert_eq!(opens, is_member);
        }
        if !self.commits[theirs].is_honest && report.key == KeyChange::Unchanged {
            assert!(report.added_recipients.is_empty());
        }
    }

    fn merge(&mut self, person: usize, from: usize) {
        if self.check_out(person).is_none() {
            return;
        }
        let (ours, theirs) = (self.heads[person], self.heads[from]);
        let base = self.merge_base(ours, theirs);
        if let Some(head) = self.git(person, base, ours, theirs) {
            self.arrive(person, head);
        }
    }

    fn cherry_pick(&mut self, person: usize) {
        if self.check_out(person).is_none() {
            return;
        }
        let picked = self.pick(self.commits.len());
        if let [parent] = self.commits[picked].parents[..]
            && let Some(head) = self.git(person, parent, self.heads[person], picked)
        {
            self.arrive(person, head);
        }
    }

    fn rebase(&mut self, person: usize, onto: usize) {
        if self.check_out(person).is_none() {
            return;
        }
        let (own, onto) = (self.heads[person], self.heads[onto]);
        let base = self.merge_base(own, onto);
        let mut picks = vec![own];
        while picks[picks.len() - 1] != base {
            match self.commits[picks[picks.len() - 1]].parents[..] {
                [parent] => picks.push(parent),
                _ => return,
            }
        }
        let mut head = onto;
        for pair in picks.windows(2).rev() {
            match self.git(person, pair[1], head, pair[0]) {
                Some(next) => head = next,
                None => return,
            }
        }
        self.arrive(person, head);
    }

    /// The branch is at this commit now. What git took without the driver, the next reading compares with what was seen.
    fn arrive(&mut self, person: usize, head: usize) {
        let Ok(store) = self.open(person, head) else {
            return;
        };
        if self.sees(person, &store) {
            self.heads[person] = head;
        }
    }

    fn step(&mut self) {
        let person = HONEST[self.pick(HONEST.len())];
        let other = self.pick(4);
        match self.pick(10) {
            0..=3 => self.write(person),
            4 => self.attack(),
            5 => self.cherry_pick(person),
            6 => self.rebase(person, other),
            // The late one seldom looks at what the others do.
            _ if person == LATE && self.random.bool() => self.write(person),
            _ => self.merge(person, other),
        }
    }
}

fn rekeyed(store: &Contents, recipients: BTreeSet<String>) -> Contents {
    try_rekeyed(store, recipients).unwrap()
}

fn try_rekeyed(store: &Contents, recipients: BTreeSet<String>) -> Result<Contents> {
    let data_key = keys::new_data_key()?;
    store.rekey(wrap(&data_key, recipients), &data_key)
}

struct Sides<'a> {
    base: Option<&'a Contents>,
    ours: &'a Contents,
    theirs: &'a Contents,
    merged: &'a Contents,
}

impl Sides<'_> {
    fn check(&self, report: &MergeReport) {
        self.nothing_is_lost();
        self.everything_is_said(report);
        self.old_keys_are_said(report);
    }

    /// Whether a mark of either side purges a write with this number and time.
    fn is_purged(&self, name: &str, side: &Contents, value: &str) -> bool {
        let lines = side.entries.get(name).unwrap();
        let entry = lines
            .iter()
            .find(|entry| {
                !entry.is_purged() && side.open(entry).unwrap().expose_str().unwrap() == value
            })
            .unwrap();
        [self.ours, self.theirs].iter().any(|side| {
            mark(side, name).is_some_and(|mark| entry.facts.created <= mark.facts.created)
        })
    }

    fn nothing_is_lost(&self) {
        let (ours, theirs) = (writes(self.ours), writes(self.theirs));
        let base = self.base.map(writes).unwrap_or_default();
        let merged = writes(self.merged);
        for (side, contents, is_ours) in [(&ours, self.ours, true), (&theirs, self.theirs, false)] {
            for (key, (_, state, updated)) in side {
                let Some((_, now, _)) = merged.get(key) else {
                    let is_only_kept =
                        !is_ours && base.contains_key(key) && !ours.contains_key(key);
                    assert!(
                        is_only_kept || self.is_purged(&key.0, contents, &key.1),
                        "{key:?} is lost"
                    );
                    continue;
                };
                let other = if is_ours { &theirs } else { &ours };
                let later = other.get(key).is_some_and(|(_, _, other)| other > updated);
                assert!(
                    *state != State::Deleted || *now == State::Deleted || later,
                    "{key:?} was deleted and is back"
                );
            }
        }
        for name in self.ours.entries.keys().chain(self.theirs.entries.keys()) {
            let marks = [
                mark(self.ours, name.as_str()),
                mark(self.theirs, name.as_str()),
            ];
            let highest = |of: fn(&Entry) -> u64| marks.iter().flatten().map(|mark| of(mark)).max();
            if let Some(version) = highest(|mark| mark.facts.version) {
                let mark = mark(self.merged, name.as_str()).expect("a purge stays");
                assert_eq!(mark.facts.version, version);
                assert_eq!(Some(mark.facts.created), highest(|mark| mark.facts.created));
            }
        }
        for (key, _) in merged {
            let known = ours.contains_key(&key) || theirs.contains_key(&key);
            assert!(known, "{key:?} comes from nowhere");
            let gone = [(self.ours, &ours), (self.theirs, &theirs)];
            for (side, writes) in gone {
                assert!(
                    !writes.contains_key(&key) || !self.is_purged(&key.0, side, &key.1),
                    "{key:?} was purged and is back"
                );
            }
        }
    }

    fn everything_is_said(&self, report: &MergeReport) {
        let names: BTreeSet<_> = self
            .ours
            .entries
            .keys()
            .chain(self.theirs.entries.keys())
            .collect();
        for name in names {
            let (before, after) = (current(self.ours, name), current(self.merged, name));
            let change = report.changes.iter().find(|change| change.name == *name);
            assert_eq!(
                before != after,
                change.is_some(),
                "{name}: {before:?} {after:?}"
            );
            if let Some(change) = change {
                assert_eq!(change.from.is_some(), before.is_some());
                assert!(report.needs().versions || before.is_none());
                assert_eq!(change.kind == ChangeKind::Purged, after.is_none());
            }
        }
        let is_same_key = self.ours.key_id() == self.merged.key_id();
        assert_eq!(report.key == KeyChange::Unchanged, is_same_key);
        assert_eq!(report.needs().recipients, !is_same_key);
        let before = members(&self.ours.header.envelope);
        let after = members(&self.merged.header.envelope);
        let added: Vec<_> = after.difference(&before).cloned().collect();
        let removed: Vec<_> = before.difference(&after).cloned().collect();
        assert_eq!(
            (&added, &removed),
            (&report.added_recipients, &report.removed_recipients)
        );
        assert!(
            is_same_key
                || self
                    .merged
                    .lineage()
                    .verify(&self.ours.header.id, &self.merged.keys)
                    .is_ok()
        );
        let revisions = [self.ours, self.theirs].map(|side| side.header.revision);
        assert!(revisions.iter().all(|revision| *revision < report.revision));
    }

    /// What a side with a replaced key has and the other does not is listed, and needs a yes.
    fn old_keys_are_said(&self, report: &MergeReport) {
        let base = self.base.map(writes).unwrap_or_default();
        let merged = writes(self.merged);
        for (side, other, which) in [
            (self.ours, self.theirs, MergeSide::Ours),
            (self.theirs, self.ours, MergeSide::Theirs),
        ] {
            if side.key_id() == self.merged.key_id() {
                assert!(report.old_key.iter().all(|write| write.side != which));
                continue;
            }
            let known = writes(other);
            let said = |name: &str, kind: Option<ChangeKind>| {
                report.old_key.iter().any(|write| {
                    write.name.as_str() == name
                        && write.side == which
                        && kind.is_none_or(|kind| write.kind == kind)
                })
            };
            for (key, (_, state, updated)) in writes(side) {
                let Some((_, now, _)) = merged.get(&key) else {
                    continue;
                };
                let base = base.get(&key);
                match known.get(&key) {
                    None if base.is_none() => {
                        assert!(
                            said(&key.0, Some(ChangeKind::Written)),
                            "{key:?} is not said"
                        );
                    }
                    Some((_, before, at))
                        if *before != *now && *now == state && updated > *at && base.is_none() =>
                    {
                        assert!(said(&key.0, None), "{key:?} is not said");
                    }
                    _ => {}
                }
            }
            for name in side.entries.keys() {
                if let (Some(_), None) = (mark(side, name.as_str()), mark(other, name.as_str())) {
                    assert!(
                        said(name.as_str(), Some(ChangeKind::Purged)),
                        "purge of {name}"
                    );
                }
            }
        }
        if !report.old_key.is_empty() {
            assert!(report.needs().old_key);
        }
    }
}

fn is_deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some_and(|value| value == "1")
}

#[test]
fn no_history_brings_back_a_key_a_recipient_or_a_version() {
    let count = if is_deep() { DEEP_HISTORIES } else { HISTORIES };
    // One history again: its number.
    let only = std::env::var("POLYSECRETS_HISTORY").ok();
    let only = only.map(|number| number.parse::<u64>().unwrap());
    let seeds = only.map_or(0..count, |number| number..number + 1);
    let workers = 2;
    let merges: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let seeds = seeds.clone().skip(worker).step_by(workers);
                scope.spawn(move || seeds.map(history).sum::<usize>())
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert!(
        only.is_some() || merges as u64 > count,
        "{merges} merges say little"
    );
}

/// Answers how often the merge driver was asked.
fn history(seed: u64) -> usize {
    let run = || {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.merges
    };
    match std::panic::catch_unwind(run) {
        Ok(merges) => merges,
        Err(panic) => {
            eprintln!("history {seed}: run it alone with POLYSECRETS_HISTORY={seed}");
            std::panic::resume_unwind(panic)
        }
    }
}
