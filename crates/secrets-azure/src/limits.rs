//! Figures of Key Vault, each with its source, and how many requests this provider has in flight.

/// The largest value: 25 KB (Key Vault's documentation, "About secrets").
pub(crate) const MAX_VALUE_BYTES: usize = 25 * 1024;
/// The most bytes that are no text, of which base64 makes a third more.
pub(crate) const MAX_BINARY_BYTES: usize = MAX_VALUE_BYTES / 4 * 3;
/// How many reads are in flight at once.
pub(crate) const GETS_IN_FLIGHT: usize = 32;
/// A vault takes 4,000 in 10 seconds (Key Vault service limits, secrets transactions).
pub(crate) const CALLS_A_SECOND: u32 = 400;
/// The length of a version's id.
pub(crate) const VERSION_LENGTH: usize = 32;
/// The most tags of a secret, and the longest key and value in characters (Key Vault's documentation, "About secrets").
pub(crate) const MAX_TAGS: usize = 15;
pub(crate) const MAX_TAG_CHARS: usize = 512;
/// The most items that the service puts on a page.
pub(crate) const PAGE: usize = 25;
