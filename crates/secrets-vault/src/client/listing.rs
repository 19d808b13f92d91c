//! One page of a folder's keys.
//!
//! OpenBao pages with `limit` and `after`, and two kinds of policy make that uncertain. A filter removes keys after the
//! page is cut, so a short or empty page is not the last one. A page limit refuses any larger `limit`, and cuts a request
//! without one in silence. Only an empty answer to a request without `limit` therefore ends a folder. Vault does not page.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use secrets_core::{ErrorKind, Result};
use secrets_provider::{HttpResponse, decode, encode_segment};

use super::{Call, Client, SecretFacts, data};
use crate::Engine;
use crate::error;
use crate::limits::KEYS_PER_PAGE;
use crate::names::encode_path;
use crate::wire::Listing;

const DETAILS: &str = "detailed-metadata/";
const NAMES: &str = "metadata/";

/// What is known of a server's listings. It is assumed to be OpenBao without limits until it says otherwise.
#[derive(Debug)]
pub(super) struct ListingModes {
    /// Whether the listing with metadata is there and allowed.
    has_details: AtomicBool,
    /// Whether `limit` and `after` have an effect.
    pages: AtomicBool,
    /// Whether a policy accepts our `limit`.
    accepts_limit: AtomicBool,
    /// The largest page with metadata that fits into an answer.
    page: AtomicUsize,
}

impl Default for ListingModes {
    fn default() -> Self {
        Self {
            has_details: AtomicBool::new(true),
            pages: AtomicBool::new(true),
            accepts_limit: AtomicBool::new(true),
            page: AtomicUsize::new(KEYS_PER_PAGE),
        }
    }
}

/// Keys of one folder, in the order of their bytes.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) keys: VecDeque<String>,
    /// The facts of each key that is a secret, where the listing reports them.
    pub(crate) facts: BTreeMap<String, SecretFacts>,
    pub(crate) rest: Rest,
}

/// What may follow a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    #[default]
    None,
    /// Another page: this one was full.
    Page,
    /// Nothing, or keys behind what a policy hides. Asking without a limit tells.
    Unknown,
}

/// An attempt at one page.
enum Attempt {
    Done(Keys),
    /// The server has no such listing.
    Absent,
    Forbidden(HttpResponse),
    Oversize,
}

impl Client {
    /// The keys of a folder (empty, or with a trailing `/`) behind this key: about `limit` of them, or as many as the server
    /// returns.
    pub(crate) async fn list(
        &self,
        engine: Engine,
        folder: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Keys> {
        if engine == Engine::KvV1 {
            return self.list_plain(folder, after).await;
        }
        let modes = &self.detection.listing;
        if modes.has_details.load(Ordering::Relaxed)
            && let Some(keys) = self.list_details(folder, after, limit).await?
        {
            return Ok(keys);
        }
        let limit = limit.filter(|_| modes.takes_limit());
        let call = self.list_call(NAMES, folder, after, limit);
        let refused = match self.attempt(&call, after, limit).await? {
            Attempt::Done(keys) => return Ok(keys),
            Attempt::Forbidden(refused) if limit.is_some() => {
                let call = self.list_call(NAMES, folder, after, None);
                match self.attempt(&call, after, None).await? {
                    Attempt::Done(keys) => {
                        modes.accepts_limit.store(false, Ordering::Relaxed);
                        return Ok(keys);
                    }
                    _ => refused,
                }
            }
            Attempt::Forbidden(refused) => refused,
            Attempt::Absent => return Ok(Keys::default()),
            Attempt::Oversize => return Err(error::oversize()),
        };
        self.refuse(&refused, &call)
    }

    /// `LIST <mount>/<folder>` of KV version 1, which returns all keys, filtered or not.
    pub(crate) async fn list_plain(&self, folder: &str, after: Option<&str>) -> Result<Keys> {
        let call = self.list_call("", folder, None, None);
        let response = self.send(&call).await?;
        let mut keys = self.keys(response, &call, after, None)?;
        keys.rest = Rest::None;
        Ok(keys)
    }

    /// `LIST <mount>/detailed-metadata/<folder>`, which only OpenBao has. `None` where it is absent or not allowed, or where
    /// the metadata does not fit into an answer.
    async fn list_details(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Option<Keys>> {
        let modes = &self.detection.listing;
        let mut limit = limit.filter(|_| modes.takes_limit());
        loop {
            let page = modes.page.load(Ordering::Relaxed);
            limit = limit.map(|limit| limit.min(page));
            let call = self.list_call(DETAILS, folder, after, limit);
            match (self.attempt(&call, after, limit).await?, limit) {
                (Attempt::Done(keys), _) => return Ok(Some(keys)),
                (Attempt::Absent, _) => {
                    modes.has_details.store(false, Ordering::Relaxed);
                    modes.pages.store(false, Ordering::Relaxed);
                    return Ok(None);
                }
                // Of a page limit, or of the listing itself: a request without a limit tells.
                (Attempt::Forbidden(_), Some(_)) => {
                    let call = self.list_call(DETAILS, folder, after, None);
                    if let Attempt::Done(keys) = self.attempt(&call, after, None).await? {
                        modes.accepts_limit.store(false, Ordering::Relaxed);
                        return Ok(Some(keys));
                    }
                    modes.has_details.store(false, Ordering::Relaxed);
                    return Ok(None);
                }
                (Attempt::Forbidden(_), None) => {
                    modes.has_details.store(false, Ordering::Relaxed);
                    return Ok(None);
                }
                (Attempt::Oversize, Some(size)) if size > 1 => {
                    modes.page.store(size / 2, Ordering::Relaxed);
                }
                (Attempt::Oversize, _) => return Ok(None),
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Attempt> {
        let response = self.send(call).await?;
        if response.is_oversize {
            return Ok(Attempt::Oversize);
        }
        if error::is_forbidden(&response) {
            return Ok(Attempt::Forbidden(response));
        }
        if call.path.contains(DETAILS) && error::is_without_details(&response) {
            return Ok(Attempt::Absent);
        }
        self.keys(response, call, after, limit).map(Attempt::Done)
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
        if let Some(after) = after {
            query.push_str(&format!("&after={}", encode_segment(after)));
        }
        let mut call = Call::read(format!("{}/{kind}{}", self.root, encode_path(folder)));
        call.may_be_oversize = true;
        call.with_query(query)
    }

    fn keys(
        &self,
        response: HttpResponse,
        call: &Call,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Keys> {
        if response.is_oversize {
            return Err(error::oversize());
        }
        let pages = self.detection.listing.pages.load(Ordering::Relaxed);
        let response = match self.check(response, call) {
            Ok(response) => response,
            // An empty folder does not exist. A page can be empty because of a filter.
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                let rest = match limit {
                    Some(_) if pages => Rest::Unknown,
                    _ => Rest::None,
                };
                return Ok(Keys {
                    rest,
                    ..Keys::default()
                });
            }
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
        let is_full = limit == Some(listing.keys.len());
        let mut keys = listing.keys;
        keys.sort_unstable();
        // A server that does not page returns all keys each time.
        if let Some(after) = after {
            keys.retain(|key| key.as_str() > after);
        }
        let rest = match (keys.is_empty(), pages) {
            (_, false) => Rest::None,
            (true, _) if limit.is_none() => Rest::None,
            (false, _) if is_full => Rest::Page,
            _ => Rest::Unknown,
        };
        Ok(Keys {
            keys: keys.into(),
            facts,
            rest,
        })
    }
}

impl ListingModes {
    fn takes_limit(&self) -> bool {
        self.pages.load(Ordering::Relaxed) && self.accepts_limit.load(Ordering::Relaxed)
    }
}
