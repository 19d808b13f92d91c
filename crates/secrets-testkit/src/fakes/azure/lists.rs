use serde_json::{Map, Value};

use super::refusal::Outcome;
use super::request::Ask;
use super::shelf::{Item, Moment, Revision, Shelf};

/// All that are there, each as its latest version.
pub(super) fn live<T: Item>(
    ask: &Ask,
    shelf: &Shelf<T>,
    now: Moment,
    item: impl Fn(&str, Option<&str>, &Revision<T>) -> Map<String, Value>,
) -> Outcome<Value> {
    let paging = ask.paging()?;
    let entries = shelf.all_live(&paging.after, now);
    let written = entries.map(|(key, entry)| {
        let item = item(&entry.name, None, entry.latest());
        (key.clone(), item.into())
    });
    Ok(ask.page(&paging, written))
}

/// By version, as the service sorts them, which is not by age.
pub(super) fn versions<T: Item>(
    ask: &Ask,
    shelf: &Shelf<T>,
    name: &str,
    now: Moment,
    item: impl Fn(&str, Option<&str>, &Revision<T>) -> Map<String, Value>,
) -> Outcome<Value> {
    let paging = ask.paging()?;
    let entry = shelf.live(name, now)?;
    let mut revisions: Vec<_> = entry
        .revisions
        .iter()
        .filter(|revision| revision.version > paging.after)
        .collect();
    revisions.sort_by(|one, other| one.version.cmp(&other.version));
    let written = revisions.into_iter().map(|revision| {
        let item = item(&entry.name, Some(&revision.version), revision);
        (revision.version.clone(), item.into())
    });
    Ok(ask.page(&paging, written))
}

/// All that are deleted and can be recovered.
pub(super) fn deleted<T: Item>(
    ask: &Ask,
    shelf: &Shelf<T>,
    now: Moment,
    item: impl Fn(&str, Option<&str>, &Revision<T>) -> Map<String, Value>,
) -> Outcome<Value> {
    let paging = ask.paging()?;
    let entries = shelf.all_deleted(&paging.after, now);
    let written = entries.map(|(key, (entry, deletion))| {
        let mut item = item(&entry.name, None, entry.latest());
        deletion.write::<T>(&ask.base, &entry.name, &mut item);
        (key.clone(), item.into())
    });
    Ok(ask.page(&paging, written))
}
