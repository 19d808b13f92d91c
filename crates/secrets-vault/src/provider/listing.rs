//! One page of a listing: a walk through the folders.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use secrets_core::{
    ErrorKind, ListOptions, MAX_NAME_BYTES, Metadata, Page, PageToken, Result, SecretName,
    SecretState,
};

use super::VaultProvider;
use crate::Engine;
use crate::client::{Keys, Rest, SecretFacts};
use crate::error;
use crate::limits::{CONCURRENT_DESCRIBES, KEYS_PER_PAGE};
use crate::names::{folder_of, path_for};

impl VaultProvider {
    /// One page of the names below a prefix. It starts behind the last name of the previous page. Keys of folders end in
    /// `/`, so they sort as the full names do.
    pub(super) async fn walk(&self, engine: Engine, options: &ListOptions) -> Result<Page> {
        let wanted = options.page_size.map(|size| size.max(1));
        let after = options.page_token.as_ref().map(PageToken::as_str);
        let mut folders = starting_points(&options.prefix, after)?;
        let mut items = Vec::new();
        let mut last = after.unwrap_or_default().to_owned();
        while let Some(mut folder) = folders.pop() {
            let found = items.len();
            if found >= wanted.unwrap_or(KEYS_PER_PAGE) {
                return Ok(Page::new(items, Some(PageToken::new(last))));
            }
            let mut listed = match folder.listed.take() {
                Some(listed) => listed,
                None => {
                    let room = wanted.map_or(KEYS_PER_PAGE, |wanted| wanted - found);
                    let limit = (!folder.is_uncertain).then(|| room.min(KEYS_PER_PAGE));
                    let after = folder.after.as_deref();
                    self.client()
                        .list(engine, &folder.path, after, limit)
                        .await?
                }
            };
            let mut taken = Vec::new();
            let mut subfolder = None;
            while let Some(key) = listed.keys.pop_front() {
                let full = format!("{}{key}", folder.path);
                let is_folder = key.ends_with('/');
                if full.starts_with(&options.prefix)
                    || is_folder && options.prefix.starts_with(&full)
                {
                    if is_folder {
                        // No name of ours is longer, and a server may nest folders without end.
                        subfolder = (full.len() < MAX_NAME_BYTES).then_some(full);
                    } else if wanted == Some(found + taken.len()) {
                        self.take(&mut items, taken).await?;
                        return Ok(Page::new(items, Some(PageToken::new(last))));
                    } else {
                        last.clone_from(&full);
                        // Skips what is not a name of ours, such as one with an empty segment: no request could name it.
                        if let Ok(name) = SecretName::new(&full) {
                            taken.push((name, listed.facts.remove(&key)));
                        }
                    }
                } else if full > options.prefix {
                    listed.keys.clear();
                    listed.rest = Rest::None;
                }
                folder.after = Some(key);
                if subfolder.is_some() {
                    break;
                }
            }
            self.take(&mut items, taken).await?;
            if subfolder.is_some() && !listed.keys.is_empty() {
                folder.listed = Some(listed);
                folders.push(folder);
            } else if listed.rest != Rest::None {
                folder.is_uncertain = listed.rest == Rest::Unknown;
                folders.push(folder);
            }
            // The keys behind a folder wait until the folder is walked.
            folders.extend(subfolder.map(|path| Folder::new(path, None)));
        }
        Ok(Page::new(items, None))
    }

    /// Adds the secrets that are not deleted. Describes those whose state the listing did not report.
    async fn take(
        &self,
        items: &mut Vec<Metadata>,
        taken: Vec<(SecretName, Option<SecretFacts>)>,
    ) -> Result<()> {
        let is_kv2 = self.client().known_engine() == Engine::KvV2;
        let described: Vec<_> = taken
            .into_iter()
            .map(|(name, facts)| async move {
                match facts {
                    Some(facts) => Ok(Some(facts.metadata(&name))),
                    None if !is_kv2 => Ok(Some(Metadata::new(name))),
                    None => match self.client().metadata(&path_for(&name)).await {
                        Ok(facts) => Ok(Some(facts.metadata(&name))),
                        // Deleted since it was listed.
                        Err(gone) if gone.kind() == ErrorKind::NotFound => Ok(None),
                        // Whoever may list a name may see it, and one name never ends a listing.
                        Err(refused) if is_refusal(refused.kind()) => Ok(Some(Metadata::new(name))),
                        Err(failure) => Err(failure),
                    },
                }
            })
            .collect();
        let described: Vec<_> = stream::iter(described)
            .buffered(CONCURRENT_DESCRIBES)
            .try_collect()
            .await?;
        let enabled = |metadata: &Metadata| metadata.state == SecretState::Enabled;
        items.extend(described.into_iter().flatten().filter(enabled));
        Ok(())
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PermissionDenied | ErrorKind::InvalidName)
}

/// A folder left to walk, from behind a key.
struct Folder {
    /// With a trailing `/`; empty for the mount's root.
    path: String,
    after: Option<String>,
    /// Keys that are listed and not walked yet.
    listed: Option<Keys>,
    /// Whether only a request without a limit shows if more keys follow.
    is_uncertain: bool,
}

impl Folder {
    fn new(path: String, after: Option<String>) -> Self {
        Self {
            path,
            after,
            listed: None,
            is_uncertain: false,
        }
    }
}

/// The folders where a walk starts, the first one last: the prefix's own, or all above the last name.
fn starting_points(prefix: &str, after: Option<&str>) -> Result<Vec<Folder>> {
    let folder = folder_of(prefix);
    let Some(after) = after else {
        return Ok(vec![Folder::new(folder.to_owned(), None)]);
    };
    let below = after
        .strip_prefix(folder)
        .ok_or_else(error::foreign_page_token)?;
    let mut folders = Vec::new();
    let mut path = folder.to_owned();
    let mut rest = below;
    while let Some(at) = rest.find('/') {
        let key = &rest[..=at];
        folders.push(Folder::new(path.clone(), Some(key.to_owned())));
        path.push_str(key);
        rest = &rest[at + 1..];
    }
    folders.push(Folder::new(path, Some(rest.to_owned())));
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_resumes_in_every_folder_above_the_last_name() {
        let points = |prefix: &str, after: Option<&str>| -> Vec<(String, Option<String>)> {
            let folders = starting_points(prefix, after).unwrap();
            folders
                .into_iter()
                .rev()
                .map(|folder| (folder.path, folder.after))
                .collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(points("", None), [(String::new(), None)]);
        assert_eq!(points("a/b", None), [("a/".to_owned(), None)]);
        assert_eq!(
            points("a/b", Some("a/b/c/d")),
            [
                ("a/b/c/".to_owned(), some("d")),
                ("a/b/".to_owned(), some("c/")),
                ("a/".to_owned(), some("b/")),
            ]
        );
        assert!(starting_points("a/", Some("b/c")).is_err());
    }
}
