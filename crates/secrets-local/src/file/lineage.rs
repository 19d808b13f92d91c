//! The history of a store's data keys: which key followed which, and who was let in or kept out with it.
//!
//! Every record names the key of its time by a public key for signatures that follows from the data key, and is signed
//! with the keys that it replaces. So only a holder of a key can make its successor, and anybody can check that. Why this
//! decides what a merge may take is argued in `docs/encrypted-file.md`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use secrets_core::{Error, ErrorKind, Result};
use sha2::{Digest as _, Sha256};

use super::entry::{self, NONE};
use super::format::Envelope;
use super::keys::{self, Keys, PublicKey, SIGNATURE_BYTES, Signature, StoreId};

/// Stands for the passphrase among the public keys that open a store.
pub(super) const PASSPHRASE: &str = "passphrase";

const LABEL: &[u8] = b"polysecrets-store/2 epoch";
/// A key follows from one other, or from two after a merge.
const MAX_PARENTS: usize = 2;

/// SHA-256 of a record, without its signatures.
pub(super) type EpochId = [u8; 32];

/// Those who can open a store: public keys, and the word `passphrase`.
pub(super) type Members = BTreeSet<String>;

/// One data key of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Epoch {
    /// One more than that of the keys that it follows from; 1 for the first key.
    number: u64,
    public: PublicKey,
    /// The records of the keys that it follows from, and their signatures under this one; ascending.
    parents: BTreeMap<EpochId, Signature>,
    /// Who can open the store since then (`true`) or no longer, compared with the first parent.
    changes: BTreeMap<String, bool>,
    /// The record without its signatures.
    text: Box<str>,
    id: EpochId,
}

/// All data keys of a store, each after those that it follows from. The last one is the one that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lineage(Vec<Arc<Epoch>>);

/// What the key of one copy of a store is to the key of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    /// The other key replaced this one.
    Replaced,
    /// This key replaced the other one.
    Replaces,
    /// Both replaced a key that they have in common.
    Forked,
    /// They have no key in common.
    Unrelated,
}

impl Epoch {
    fn new(
        store: &StoreId,
        number: u64,
        public: PublicKey,
        parents: BTreeMap<EpochId, Signature>,
        changes: BTreeMap<String, bool>,
    ) -> Self {
        let mut text = format!("{number} {} ", BASE64.encode(public));
        push_list(&mut text, parents.keys().map(|id| BASE64.encode(id)));
        text.push(' ');
        push_list(
            &mut text,
            changes.iter().map(|(member, is_added)| {
                let sign = if *is_added { '+' } else { '-' };
                format!("{sign}{}", entry::encode(member))
            }),
        );
        Self::from_text(store, number, public, parents, changes, &text)
    }

    fn from_text(
        store: &StoreId,
        number: u64,
        public: PublicKey,
        parents: BTreeMap<EpochId, Signature>,
        changes: BTreeMap<String, bool>,
        text: &str,
    ) -> Self {
        Self {
            number,
            public,
            parents,
            changes,
            text: text.into(),
            id: Sha256::digest(message(store, text)).into(),
        }
    }

    pub(super) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The line of the record, without its first word.
    pub(super) fn push_line(&self, line: &mut String) {
        line.push_str(&self.text);
        line.push(' ');
        push_list(
            line,
            self.parents
                .values()
                .map(|signature| BASE64.encode(signature)),
        );
    }

    /// Reads the five fields of a record, if they are written in the one way.
    pub(super) fn parse(store: &StoreId, line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [number, public, parents, changes, signatures] = fields[..] else {
            return None;
        };
        let ids = list(parents)
            .map(decode)
            .collect::<Option<Vec<EpochId>>>()?;
        let signatures = list(signatures)
            .map(decode)
            .collect::<Option<Vec<Signature>>>()?;
        let rises = ids.windows(2).all(|pair| pair[0] < pair[1]);
        if !rises || ids.len() != signatures.len() || ids.len() > MAX_PARENTS {
            return None;
        }
        let mut members = BTreeMap::new();
        for field in list(changes) {
            let is_added = match field.as_bytes().first()? {
                b'+' => true,
                b'-' => false,
                _ => return None,
            };
            let member = entry::decode(&field[1..])?.into_owned();
            let follows = members
                .last_key_value()
                .is_none_or(|(last, _)| *last < member);
            if member.is_empty() || !follows {
                return None;
            }
            members.insert(member, is_added);
        }
        let text = &line[..line.rfind(' ')?];
        Some(Self::from_text(
            store,
            entry::number(number)?,
            decode(public)?,
            ids.into_iter().zip(signatures).collect(),
            members,
            text,
        ))
    }
}

impl Lineage {
    /// The lineage of a store whose first key this is, as far as is known.
    pub(super) fn root(store: &StoreId, public: PublicKey, members: Members) -> Self {
        let changes = members.into_iter().map(|member| (member, true)).collect();
        let epoch = Epoch::new(store, 1, public, BTreeMap::new(), changes);
        Self(vec![Arc::new(epoch)])
    }

    /// Records that form a lineage for these members, in their order in a file.
    ///
    /// # Errors
    /// The number of the record with which they do not, and why.
    pub(super) fn new(
        epochs: Vec<Arc<Epoch>>,
        members: &Members,
    ) -> Result<Self, (usize, &'static str)> {
        let mut known: HashMap<EpochId, u64> = HashMap::new();
        let mut publics = HashSet::new();
        let mut childless = HashSet::new();
        let mut last = None;
        for (at, epoch) in epochs.iter().enumerate() {
            if epoch.parents.is_empty() != (at == 0) {
                return Err((at, "the first key, and only it, follows from no other"));
            }
            let mut number = 0;
            for parent in epoch.parents.keys() {
                let Some(parents) = known.get(parent) else {
                    return Err((at, "a key follows from one that is not there"));
                };
                number = number.max(*parents);
                childless.remove(parent);
            }
            if epoch.number != number + 1
                || last.is_some_and(|last| last >= (epoch.number, epoch.id))
            {
                return Err((at, "the keys are not in order"));
            }
            if !publics.insert(epoch.public) {
                return Err((at, "a key is used twice"));
            }
            last = Some((epoch.number, epoch.id));
            childless.insert(epoch.id);
            known.insert(epoch.id, epoch.number);
        }
        let at = epochs.len().saturating_sub(1);
        if childless.len() != 1 {
            return Err((at, "the last key does not follow from all others"));
        }
        let lineage = Self(epochs);
        match lineage.members() {
            Some(found) if found == *members => Ok(lineage),
            _ => Err((
                at,
                "the changes of the recipients do not lead to the recipients",
            )),
        }
    }

    /// The records in the order of a file.
    pub(super) fn epochs(&self) -> &[Arc<Epoch>] {
        &self.0
    }

    /// The key that is in use.
    pub(super) fn head(&self) -> &Epoch {
        self.0.last().expect("a lineage has at least one key")
    }

    /// Whether this key is or was in use.
    pub(super) fn has(&self, public: &PublicKey) -> bool {
        self.find(public).is_some()
    }

    /// The lineage as it was when this key was in use.
    pub(super) fn up_to(&self, public: &PublicKey) -> Option<Self> {
        let head = self.find(public)?;
        let mut wanted = HashSet::from([head.id]);
        let mut epochs: Vec<_> = self
            .0
            .iter()
            .rev()
            .filter(|epoch| {
                let is_wanted = wanted.contains(&epoch.id);
                if is_wanted {
                    wanted.extend(epoch.parents.keys());
                }
                is_wanted
            })
            .cloned()
            .collect();
        epochs.reverse();
        Some(Self(epochs))
    }

    /// Who can open the store; `None` if the records contradict each other.
    pub(super) fn members(&self) -> Option<Members> {
        let by_id: HashMap<&EpochId, &Epoch> =
            self.0.iter().map(|epoch| (&epoch.id, &**epoch)).collect();
        let mut line = vec![self.head()];
        while let Some(parent) = line.last()?.parents.keys().next() {
            line.push(by_id.get(parent)?);
        }
        let mut members = Members::new();
        for (member, is_added) in line.iter().rev().flat_map(|epoch| &epoch.changes) {
            let is_change = match is_added {
                true => members.insert(member.clone()),
                false => members.remove(member),
            };
            if !is_change {
                return None;
            }
        }
        Some(members)
    }

    /// Who was let in by a record that the other lineage does not have.
    pub(super) fn added_beside(&self, other: &Self) -> Members {
        self.changed_beside(other, true)
    }

    /// Who was locked out by a record that the other lineage does not have.
    pub(super) fn removed_beside(&self, other: &Self) -> Members {
        self.changed_beside(other, false)
    }

    fn changed_beside(&self, other: &Self, to: bool) -> Members {
        let known: HashSet<&EpochId> = other.0.iter().map(|epoch| &epoch.id).collect();
        let own = self.0.iter().filter(|epoch| !known.contains(&epoch.id));
        own.flat_map(|epoch| &epoch.changes)
            .filter(|(_, is_added)| **is_added == to)
            .map(|(member, _)| member.clone())
            .collect()
    }

    pub(super) fn relation(&self, other: &Self) -> Relation {
        let (mine, others) = (self.head().id, other.head().id);
        let has = |lineage: &Self, id: EpochId| lineage.0.iter().any(|epoch| epoch.id == id);
        if mine == others {
            Relation::Same
        } else if has(other, mine) {
            Relation::Replaced
        } else if has(self, others) {
            Relation::Replaces
        } else if self.0[0].id == other.0[0].id {
            Relation::Forked
        } else {
            Relation::Unrelated
        }
    }

    /// The lineage with a new key, which replaces that of each side.
    ///
    /// # Errors
    /// [`ErrorKind::IntegrityFailure`] if a side's key is not the one that its lineage ends with.
    pub(super) fn replace(
        store: &StoreId,
        sides: &[(&Self, &Keys)],
        public: PublicKey,
        members: &Members,
    ) -> Result<Self> {
        let mut epochs: BTreeMap<(u64, EpochId), Arc<Epoch>> = BTreeMap::new();
        let mut heads = BTreeMap::new();
        for (lineage, keys) in sides {
            lineage.verify(store, keys)?;
            let all = lineage.0.iter();
            epochs.extend(all.map(|epoch| ((epoch.number, epoch.id), epoch.clone())));
            heads.insert(lineage.head().id, *keys);
        }
        let first = heads.keys().next();
        let before = sides
            .iter()
            .find(|(lineage, _)| Some(&lineage.head().id) == first)
            .and_then(|(lineage, _)| lineage.members())
            .unwrap_or_default();
        let added = members.difference(&before).map(|member| (member, true));
        let removed = before.difference(members).map(|member| (member, false));
        let changes: BTreeMap<String, bool> = added
            .chain(removed)
            .map(|(member, is_added)| (member.clone(), is_added))
            .collect();
        let number = epochs
            .last_key_value()
            .map_or(0, |((number, _), _)| *number)
            + 1;
        let unsigned = heads.keys().map(|id| (*id, [0; SIGNATURE_BYTES])).collect();
        let mut epoch = Epoch::new(store, number, public, unsigned, changes);
        let message = message(store, &epoch.text);
        for (id, signature) in &mut epoch.parents {
            *signature = heads[id].sign(&message);
        }
        epochs.insert((number, epoch.id), Arc::new(epoch));
        Ok(Self(epochs.into_values().collect()))
    }

    /// Checks that this lineage ends with these keys, and that each key was made by a holder of those before it.
    ///
    /// # Errors
    /// [`ErrorKind::IntegrityFailure`] if not.
    pub(super) fn verify(&self, store: &StoreId, keys: &Keys) -> Result<()> {
        let by_id: HashMap<&EpochId, &PublicKey> = self
            .0
            .iter()
            .map(|epoch| (&epoch.id, &epoch.public))
            .collect();
        let is_signed = |epoch: &Epoch| {
            let message = message(store, &epoch.text);
            epoch.parents.iter().all(|(parent, signature)| {
                by_id
                    .get(parent)
                    .is_some_and(|public| keys::is_signed(public, &message, signature))
            })
        };
        match self.head().public == keys.public() && self.0.iter().all(|epoch| is_signed(epoch)) {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::IntegrityFailure,
                "the history of the store's keys is forged",
            )
            .with_hint("take the last good version from version control or a backup")),
        }
    }

    fn find(&self, public: &PublicKey) -> Option<&Epoch> {
        let mut epochs = self.0.iter();
        epochs
            .find(|epoch| epoch.public == *public)
            .map(|epoch| &**epoch)
    }
}

/// Those whom an envelope lets in.
pub(super) fn members(envelope: &Envelope) -> Members {
    let passphrase = envelope.passphrase.as_ref().map(|_| PASSPHRASE.to_owned());
    envelope
        .recipients
        .iter()
        .cloned()
        .chain(passphrase)
        .collect()
}

/// What is hashed and signed: a record belongs to one store.
fn message(store: &StoreId, text: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(3 * 8 + LABEL.len() + store.len() + text.len());
    for field in [LABEL, store, text.as_bytes()] {
        keys::push_field(&mut message, field);
    }
    message
}

fn push_list(text: &mut String, items: impl Iterator<Item = String>) {
    let start = text.len();
    for item in items {
        if text.len() > start {
            text.push(',');
        }
        text.push_str(&item);
    }
    if text.len() == start {
        text.push_str(NONE);
    }
}

fn list(field: &str) -> impl Iterator<Item = &str> {
    Some(field)
        .filter(|field| *field != NONE)
        .into_iter()
        .flat_map(|field| field.split(','))
}

fn decode<const N: usize>(field: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    // Four bytes more, since the decoder asks for room in whole groups.
    let mut room = [0; 96];
    let length = BASE64.decode_slice(field, &mut room).ok()?;
    bytes.copy_from_slice(room.get(..length).filter(|read| read.len() == N)?);
    Some(bytes)
}

#[cfg(test)]
impl Lineage {
    /// A lineage that goes on from one whose keys are not known: signed with the new keys themselves.
    pub(super) fn forge(store: &StoreId, from: &Self, keys: &Keys, members: &Members) -> Self {
        let mut epochs = from.0.clone();
        let before = from.members().unwrap_or_default();
        let added = members
            .difference(&before)
            .map(|member| (member.clone(), true));
        let removed = before
            .difference(members)
            .map(|member| (member.clone(), false));
        let unsigned = BTreeMap::from([(from.head().id, [0; SIGNATURE_BYTES])]);
        let number = from.head().number + 1;
        let mut epoch = Epoch::new(
            store,
            number,
            keys.public(),
            unsigned,
            added.chain(removed).collect(),
        );
        let message = message(store, &epoch.text);
        for signature in epoch.parents.values_mut() {
            *signature = keys.sign(&message);
        }
        epochs.push(Arc::new(epoch));
        Self(epochs)
    }
}
