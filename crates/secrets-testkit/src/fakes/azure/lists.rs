use serde_json::Value;

use super::items::{Kind, listed};
use super::refusal::Outcome;
use super::request::Ask;
use super::state::Vault;

/// All that are there, each as its latest version.
pub(super) fn live<T: Kind>(ask: &Ask, vault: &Vault) -> Outcome<Value> {
    let paging = ask.paging()?;
    let entries = T::shelf(vault).all_live(&paging.after, vault.now);
    let written = entries.map(|(key, entry)| {
        let item = listed(ask, vault.policy, &entry.name, None, entry.latest());
        (key.clone(), item.into())
    });
    Ok(ask.page(&paging, written))
}

/// By version, as the service sorts them, which is not by age.
pub(super) fn versions<T: Kind>(ask: &Ask, vault: &Vault, name: &str) -> Outcome<Value> {
    let paging = ask.paging()?;
    let entry = T::shelf(vault).live(name, vault.now)?;
    let mut revisions: Vec<_> = entry
        .revisions
        .iter()
        .filter(|revision| revision.version > paging.after)
        .collect();
    revisions.sort_by(|one, other| one.version.cmp(&other.version));
    let written = revisions.into_iter().map(|revision| {
        let version = Some(revision.version.as_str());
        let item = listed(ask, vault.policy, &entry.name, version, revision);
        (revision.version.clone(), item.into())
    });
    Ok(ask.page(&paging, written))
}

/// All that are deleted and can be recovered.
pub(super) fn deleted<T: Kind>(ask: &Ask, vault: &Vault) -> Outcome<Value> {
    let paging = ask.paging()?;
    let entries = T::shelf(vault).all_deleted(&paging.after, vault.now);
    let written = entries.map(|(key, (entry, deletion))| {
        let mut item = listed(ask, vault.policy, &entry.name, None, entry.latest());
        deletion.write::<T>(&ask.base, &entry.name, &mut item);
        (key.clone(), item.into())
    });
    Ok(ask.page(&paging, written))
}
