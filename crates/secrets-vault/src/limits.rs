//! What a server accepts, and how much we ask of it at once.

use std::collections::BTreeMap;

use secrets_core::{Error, ErrorKind, Result};

use crate::names::is_printable;

/// The largest map, as JSON, that is sent. Raft storage accepts entries of 1 MiB unless `max_entry_size` says otherwise
/// (OpenBao and Vault documentation, "Limits"); 4 KiB of it are left for what the server adds.
pub(crate) const MAX_MAP_BYTES: usize = 1024 * 1024 - 4 * 1024;

/// The largest value: whatever its bytes are, it fits into the largest map in base64.
pub(crate) const MAX_VALUE_BYTES: usize = 764 * 1024;

/// How many strings a request body may hold, keys and values together (`max_request_json_strings` of OpenBao's listener).
pub(crate) const MAX_STRINGS: usize = 1000;

/// How many keys of a folder one request asks for, where the server pages.
pub(crate) const KEYS_PER_PAGE: usize = 1000;

/// How many secrets are described concurrently where the listing does not report their state.
pub(crate) const CONCURRENT_DESCRIBES: usize = 16;

/// Limits of custom metadata (KV version 2 API documentation).
const MAX_TAGS: usize = 64;
const MAX_TAG_KEY_BYTES: usize = 128;
const MAX_TAG_VALUE_BYTES: usize = 512;

/// Checks that custom metadata can hold these tags.
///
/// # Errors
/// [`ErrorKind::InvalidValue`] if it cannot.
pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    let fits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.chars().all(is_printable)
    };
    let tag_fits = |(key, value): (&String, &String)| {
        fits(key, MAX_TAG_KEY_BYTES) && fits(value, MAX_TAG_VALUE_BYTES)
    };
    if tags.len() <= MAX_TAGS && tags.iter().all(tag_fits) {
        return Ok(());
    }
    Err(
        Error::new(ErrorKind::InvalidValue, "custom metadata cannot hold the tags").with_hint(
            format!(
                "at most {MAX_TAGS} tags, keys of 1 to {MAX_TAG_KEY_BYTES} bytes, values of 1 to {MAX_TAG_VALUE_BYTES}, printable characters alone"
            ),
        ),
    )
}
