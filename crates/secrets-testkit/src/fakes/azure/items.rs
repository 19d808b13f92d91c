//! What is asked of secrets and of keys in the same way.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::attributes::SentAttributes;
use super::lists;
use super::refusal::{Outcome, Refusal};
use super::request::Ask;
use super::shelf::{Item, Policy, Revision, Shelf};
use super::state::Vault;
use super::vault::{Answer, no_operation};

/// What a version of a secret or of a key tells of itself, and what may be changed in it.
pub(super) trait Kind: Item {
    /// The member that holds the address.
    const ID: &'static str;

    fn shelf(vault: &Vault) -> &Shelf<Self>;

    fn shelf_mut(vault: &mut Vault) -> &mut Shelf<Self>;

    /// What a body asks to change.
    fn change(ask: &Ask) -> Outcome<Change<Self>>;

    /// Writes what lists tell beside the address and the attributes.
    fn write_facts(&self, _into: &mut Map<String, Value>) {}

    /// Writes what only a reading of the item itself tells.
    fn write_value(&self, _into: &mut Map<String, Value>) {}

    /// A version as it is answered by itself, without its value.
    fn bundle(
        ask: &Ask,
        policy: Policy,
        name: &str,
        revision: &Revision<Self>,
    ) -> Map<String, Value> {
        listed(ask, policy, name, Some(&revision.version), revision)
    }
}

/// A change of attributes and tags, and of what else the item has.
pub(super) struct Change<T> {
    pub(super) attributes: Option<SentAttributes>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) apply: Box<dyn FnOnce(&mut T)>,
}

/// What a list tells: without a version it is the item itself.
pub(super) fn listed<T: Kind>(
    ask: &Ask,
    policy: Policy,
    name: &str,
    version: Option<&str>,
    revision: &Revision<T>,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert(T::ID.to_owned(), ask.id::<T>(name, version).into());
    revision.item.write_facts(&mut body);
    revision.attributes.write(policy, &mut body);
    body
}

/// Carries out what is neither of secrets nor of keys alone.
pub(super) fn serve<T: Kind>(
    vault: &mut Vault,
    ask: &Ask,
    area: &str,
    rest: &[&str],
) -> Outcome<Answer> {
    let (policy, now) = (vault.policy, vault.now);
    let is_live = area == T::PATH;
    let value = match (is_live, ask.method.as_str(), rest) {
        (true, "GET", []) => lists::live::<T>(ask, vault)?,
        (true, "GET", [name, "versions"]) => lists::versions::<T>(ask, vault, name)?,
        (true, "GET", [name]) => get::<T>(vault, ask, name, "")?,
        (true, "GET", [name, version]) => get::<T>(vault, ask, name, version)?,
        (true, "PATCH", [name]) => update::<T>(vault, ask, name, "")?,
        (true, "PATCH", [name, version]) => update::<T>(vault, ask, name, version)?,
        (true, "DELETE", [name]) => {
            ask.bare()?;
            let (entry, deletion) = T::shelf_mut(vault).delete(name, now)?;
            let mut body = T::bundle(ask, policy, &entry.name, entry.latest());
            deletion.write::<T>(&ask.base, &entry.name, &mut body);
            body.into()
        }
        (false, "GET", []) => lists::deleted::<T>(ask, vault)?,
        (false, "GET", [name]) => {
            ask.bare()?;
            let (entry, deletion) = T::shelf(vault).deleted(name, now)?;
            let mut body = T::bundle(ask, policy, &entry.name, entry.latest());
            deletion.write::<T>(&ask.base, &entry.name, &mut body);
            body.into()
        }
        (false, "DELETE", [name]) => {
            ask.bare()?;
            T::shelf_mut(vault).purge(name, now)?;
            return Ok(Answer::Nothing);
        }
        (false, "POST", [name, "recover"]) => {
            ask.bare()?;
            let entry = T::shelf_mut(vault).recover(name, now)?;
            T::bundle(ask, policy, &entry.name, entry.latest()).into()
        }
        _ => return Err(no_operation(ask)),
    };
    Ok(Answer::Json(value))
}

fn get<T: Kind>(vault: &Vault, ask: &Ask, name: &str, version: &str) -> Outcome<Value> {
    ask.bare()?;
    let (name, revision) = T::shelf(vault).revision(name, version, vault.now)?;
    // The service gives out secrets before their time and after it: clients are to look at `nbf` and `exp`.
    if !revision.attributes.enabled {
        return Err(disabled::<T>("get"));
    }
    let mut body = T::bundle(ask, vault.policy, name, revision);
    revision.item.write_value(&mut body);
    Ok(body.into())
}

pub(super) fn disabled<T: Item>(operation: &str) -> Refusal {
    let noun = T::NOUN.to_lowercase();
    Refusal::forbidden(
        T::DISABLED,
        format!("Operation {operation} is not allowed on a disabled {noun}."),
    )
}

fn update<T: Kind>(vault: &mut Vault, ask: &Ask, name: &str, version: &str) -> Outcome<Value> {
    let change = T::change(ask)?;
    let (policy, now) = (vault.policy, vault.now);
    let (name, revision) = T::shelf_mut(vault).revision_mut(name, version, now)?;
    revision
        .attributes
        .update(change.attributes, change.tags, now.unix)?;
    (change.apply)(&mut revision.item);
    Ok(T::bundle(ask, policy, name, revision).into())
}
