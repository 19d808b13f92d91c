//! One page of a folder's keys.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;

use secrets_core::{ErrorKind, Result};
use secrets_provider::{HttpResponse, decode, encode_segment};

use super::{Call, Client, SecretFacts, data};
use crate::Engine;
use crate::error::{self, Purpose};
use crate::names::encode_path;
use crate::wire::Listing;

/// Keys of one folder, in the order of their bytes.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) keys: VecDeque<String>,
    /// The facts of each key that is a secret, where the listing reports them.
    pub(crate) facts: BTreeMap<String, SecretFacts>,
    /// Whether more may follow.
    pub(crate) is_cut: bool,
}

impl Client {
    /// The keys of a folder (empty, or with a trailing `/`) behind this key, and no more than about `limit` of them.
    pub(crate) async fn list(
        &self,
        engine: Engine,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Keys> {
        if engine == Engine::KvV1 {
            return self.list_plain(folder, after).await;
        }
        if self.detection.lists_details.load(Ordering::Relaxed) {
            match self.list_detailed(folder, after, limit).await? {
                Some(keys) => return Ok(keys),
                None => self.detection.lists_details.store(false, Ordering::Relaxed),
            }
        }
        // `LIST <mount>/metadata/<folder>`; OpenBao pages, Vault returns all keys.
        self.list_at("metadata/", folder, after, Some(limit)).await
    }

    /// `LIST <mount>/<folder>` of KV version 1.
    pub(crate) async fn list_plain(&self, folder: &str, after: Option<&str>) -> Result<Keys> {
        self.list_at("", folder, after, None).await
    }

    /// `LIST <mount>/detailed-metadata/<folder>`; `None` where the server does not have it (only OpenBao does) or the
    /// policies do not allow it.
    async fn list_detailed(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Keys>> {
        let call = self.list_call("detailed-metadata/", folder, after, Some(limit));
        let response = self.send(&call).await?;
        if error::is_without_details(&response) {
            return Ok(None);
        }
        self.keys(response, after, Some(limit)).map(Some)
    }

    async fn list_at(
        &self,
        kind: &str,
        folder: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Keys> {
        let call = self.list_call(kind, folder, after, limit);
        self.keys(self.send(&call).await?, after, limit)
    }

    pub(super) fn list_call(
        &self,
        kind: &str,
        folder: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Call {
        let mut query = "list=true".to_owned();
        if let Some(limit) = limit {
            query.push_str(&format!("&limit={limit}"));
        }
        if let (Some(_), Some(after)) = (limit, after) {
            query.push_str(&format!("&after={}", encode_segment(after)));
        }
        Call::read(format!("{}/{kind}{}", self.root, encode_path(folder))).with_query(query)
    }

    fn keys(
        &self,
        response: HttpResponse,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Keys> {
        let response = match self.check(response, Purpose::Read) {
            Ok(response) => response,
            // An empty folder does not exist.
            Err(failure) if failure.kind() == ErrorKind::NotFound => return Ok(Keys::default()),
            Err(failure) => return Err(failure),
        };
        let listing: Listing<'_> = decode(data(&response)?.get().as_bytes())?;
        let mut facts = BTreeMap::new();
        for (key, info) in listing.key_info {
            // Folders have no metadata.
            if !key.ends_with('/') {
                facts.insert(key, SecretFacts::new(info, &response)?);
            }
        }
        let is_cut = limit == Some(listing.keys.len());
        let mut keys = listing.keys;
        keys.sort_unstable();
        // A server that does not page returns all keys each time.
        if let Some(after) = after {
            keys.retain(|key| key.as_str() > after);
        }
        Ok(Keys {
            is_cut: is_cut && !keys.is_empty(),
            keys: keys.into(),
            facts,
        })
    }
}
