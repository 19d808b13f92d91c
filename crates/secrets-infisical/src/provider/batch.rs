//! Many secrets with few requests.
//!
//! Infisical counts requests by the minute (120 for secrets on its free plan), so that one listing is cheaper than several
//! reads. It is not for free either: a listing carries all that the folder holds. From three secrets of one folder on, the
//! folder is listed; one or two are read each by itself. Versions are read by themselves too: a listing has none.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt};
use secrets_core::{Error, ErrorKind, GetItem, PlannedCall, Result, Secret, SecretName};

use crate::client::{Contents, Found};
use crate::error;
use crate::limits::{IN_FLIGHT, LIST_FROM};
use crate::names::{Place, Root};
use crate::provider::InfisicalProvider;

/// One step of the work, and the items that it answers.
pub(crate) enum Step {
    /// Costs nothing: the name cannot be one of this provider's.
    Refused { item: usize },
    /// One read for equal items.
    Get { items: Vec<usize> },
    /// One listing, and the place of each item.
    List {
        folder: String,
        items: Vec<(usize, Place)>,
    },
}

/// How the items are read, in the order of their first ones.
pub(crate) fn steps(root: &Root, items: &[GetItem]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut folders: HashMap<String, HashMap<Place, Vec<usize>>> = HashMap::new();
    let mut singles: HashMap<&GetItem, usize> = HashMap::new();
    let places: Vec<_> = items
        .iter()
        .map(|item| root.place(&item.name).ok())
        .collect();
    for (at, (item, place)) in items.iter().zip(&places).enumerate() {
        if let (None, Some(place)) = (&item.options.version, place) {
            let folder = folders.entry(place.folder.clone()).or_default();
            folder.entry(place.clone()).or_default().push(at);
        }
    }
    for (at, (item, place)) in items.iter().zip(&places).enumerate() {
        let Some(place) = place else {
            steps.push(Step::Refused { item: at });
            continue;
        };
        if item.options.version.is_none() {
            let is_listed = match folders.get(&place.folder) {
                Some(folder) => folder.len() >= LIST_FROM,
                // Listed for an earlier item.
                None => continue,
            };
            if is_listed {
                let folder = folders.remove(&place.folder).unwrap_or_default();
                let mut items: Vec<_> = folder
                    .into_iter()
                    .flat_map(|(place, items)| {
                        items.into_iter().map(move |item| (item, place.clone()))
                    })
                    .collect();
                items.sort_unstable_by_key(|(item, _)| *item);
                steps.push(Step::List {
                    folder: place.folder.clone(),
                    items,
                });
                continue;
            }
        }
        match singles.get(item).map(|step| &mut steps[*step]) {
            Some(Step::Get { items }) => items.push(at),
            _ => {
                singles.insert(item, steps.len());
                steps.push(Step::Get { items: vec![at] });
            }
        }
    }
    steps
}

/// The same, for people.
pub(crate) fn planned(steps: Vec<Step>, items: &[GetItem]) -> Vec<PlannedCall> {
    let calls = steps.into_iter().map(|step| match step {
        Step::Refused { item } => PlannedCall::new("none, the name is refused", vec![item], 0),
        Step::Get { items: same } => {
            // A version is checked to be one of the present secret, not of a deleted one of the same key.
            let requests = match items[same[0]].options.version {
                Some(_) => 2,
                None => 1,
            };
            PlannedCall::new("get", same, requests)
        }
        Step::List { folder, items } => {
            let items = items.into_iter().map(|(item, _)| item).collect();
            PlannedCall::new(format!("list {folder}"), items, 1)
        }
    });
    calls.collect()
}

impl InfisicalProvider {
    pub(crate) async fn read_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let steps = steps(self.root(), items);
        let mut answers: Vec<Option<Result<Secret>>> = Vec::new();
        answers.resize_with(items.len(), || None);
        let mut answered = stream::iter(
            steps
                .into_iter()
                .map(|step| self.take(step, items))
                .collect::<Vec<_>>(),
        )
        .buffer_unordered(IN_FLIGHT);
        while let Some(some) = answered.next().await {
            for (item, answer) in some {
                answers[item] = Some(answer);
            }
        }
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(|| Err(Error::from(ErrorKind::Unexpected))))
            .collect()
    }

    async fn take(&self, step: Step, items: &[GetItem]) -> Vec<(usize, Result<Secret>)> {
        match step {
            Step::Refused { item } => {
                let failure = self.root().place(&items[item].name).err();
                let failure = failure.unwrap_or_else(|| Error::from(ErrorKind::InvalidName));
                vec![(item, Err(failure))]
            }
            Step::Get { items: same } => {
                let item = &items[same[0]];
                let answer = self.read(&item.name, &item.options).await;
                same.into_iter().map(|at| (at, answer.clone())).collect()
            }
            Step::List {
                folder,
                items: wanted,
            } => self.take_list(&folder, wanted, items).await,
        }
    }

    async fn take_list(
        &self,
        folder: &str,
        wanted: Vec<(usize, Place)>,
        items: &[GetItem],
    ) -> Vec<(usize, Result<Secret>)> {
        let view = self.view();
        match self.client().contents(folder, false, view).await {
            Ok(contents) => {
                let by_key = by_key(contents, folder);
                let answer = |(at, place): (usize, Place)| {
                    let name = &items[at].name;
                    let answer = match by_key.get(place.key.as_str()) {
                        Some(found) => self.secret(name, found),
                        None => Err(error::missing()),
                    };
                    (at, answer.map_err(|failure| failure.with_name(name)))
                };
                wanted.into_iter().map(answer).collect()
            }
            // One secret that may not be read, or one reference that may not be followed, spoils the whole listing.
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => {
                self.read_each(wanted, items).await
            }
            Err(failure) => wanted
                .into_iter()
                .map(|(at, _)| (at, Err(failure.clone().with_name(&items[at].name))))
                .collect(),
        }
    }

    async fn read_each(
        &self,
        wanted: Vec<(usize, Place)>,
        items: &[GetItem],
    ) -> Vec<(usize, Result<Secret>)> {
        let names: HashMap<&SecretName, &GetItem> = wanted
            .iter()
            .map(|(at, _)| (&items[*at].name, &items[*at]))
            .collect();
        let reads: Vec<_> = names
            .into_values()
            .map(|item| async move { (&item.name, self.read(&item.name, &item.options).await) })
            .collect();
        let answers: HashMap<&SecretName, Result<Secret>> = stream::iter(reads)
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let answer = |(at, _): (usize, Place)| {
            let answer = answers.get(&items[at].name).cloned();
            (
                at,
                answer.unwrap_or_else(|| Err(Error::from(ErrorKind::Unexpected))),
            )
        };
        wanted.into_iter().map(answer).collect()
    }
}

/// The secrets of a folder by their keys; its own go before imported ones, and of those the last import counts.
fn by_key(contents: Contents, folder: &str) -> HashMap<String, Found> {
    let is_here = |found: &Found| {
        found
            .folder
            .as_deref()
            .is_none_or(|said| said.trim_matches('/') == folder.trim_matches('/'))
    };
    let own = contents.own.into_iter().filter(is_here);
    let mut by_key = HashMap::new();
    for found in own.chain(contents.imported) {
        by_key.entry(found.key.clone()).or_insert(found);
    }
    by_key
}

#[cfg(test)]
mod tests {
    use secrets_core::{GetOptions, Version};

    use super::*;

    fn item(text: &str) -> GetItem {
        GetItem::new(SecretName::new(text).unwrap(), GetOptions::default())
    }

    fn plan(items: &[GetItem]) -> Vec<(String, Vec<usize>, usize)> {
        let root = Root::new("/team").unwrap();
        planned(steps(&root, items), items)
            .into_iter()
            .map(|call| (call.call.into_owned(), call.items, call.requests))
            .collect()
    }

    #[test]
    fn three_of_a_folder_are_listed_and_two_are_read() {
        let items: Vec<_> = ["db/a", "x", "db/b", "y", "db/a", "db/c", "y"]
            .map(item)
            .into();
        assert_eq!(
            plan(&items),
            [
                ("list /team/db".to_owned(), vec![0, 2, 4, 5], 1),
                ("get".to_owned(), vec![1], 1),
                ("get".to_owned(), vec![3, 6], 1),
            ]
        );
    }

    #[test]
    fn versions_and_repetitions_do_not_make_a_listing() {
        let version = |text: &str| {
            let options = GetOptions::default().with_version(Version::new("1"));
            GetItem::new(SecretName::new(text).unwrap(), options)
        };
        let items = [
            item("a"),
            item("a"),
            item("a"),
            version("a"),
            version("b"),
            item("b"),
        ];
        assert_eq!(
            plan(&items),
            [
                ("get".to_owned(), vec![0, 1, 2], 1),
                ("get".to_owned(), vec![3], 2),
                ("get".to_owned(), vec![4], 2),
                ("get".to_owned(), vec![5], 1),
            ]
        );
    }

    #[test]
    fn a_refused_name_costs_nothing() {
        let items = [item(&"k".repeat(200)), item("a")];
        assert_eq!(
            plan(&items),
            [
                ("none, the name is refused".to_owned(), vec![0], 0),
                ("get".to_owned(), vec![1], 1),
            ]
        );
    }
}
