//! Figures of Infisical, each with its source, and how many requests this provider has in flight.

/// The largest value. In base64 it still fits into the 1 MiB that Fastify takes for a request by default, which
/// Infisical leaves as it is.
pub(crate) const MAX_VALUE_BYTES: usize = 512 * 1024;
/// What a value may take in a request's JSON, so that names and tags find room beside it.
pub(crate) const MAX_JSON_BYTES: usize = 768 * 1024;
/// How many versions are on a page unless asked otherwise: each costs a request.
pub(crate) const VERSIONS_ON_A_PAGE: usize = 50;
/// How many requests are in flight at once, where one call needs several.
pub(crate) const IN_FLIGHT: usize = 8;
/// Of the 600 a minute that Infisical's cloud takes from an address (Infisical, rate limits). A plan may allow less.
pub(crate) const CLOUD_CALLS_A_SECOND: u32 = 10;
/// The server's limits for metadata (its `ResourceMetadataWithEncryptionSchema`), in UTF-16 units.
pub(crate) const MAX_TAG_KEY_UNITS: usize = 255;
pub(crate) const MAX_TAG_VALUE_UNITS: usize = 1020;
/// The server's numbers of versions are 32-bit integers; it fails on larger ones.
pub(crate) const MAX_VERSION: u64 = i32::MAX as u64;
/// The longest key, in the UTF-16 units that the server counts: it sees no route in a longer one (Fastify's
/// `maxParamLength`, which Infisical leaves at its default).
pub(crate) const MAX_KEY_UNITS: usize = 100;
/// The longest folder name, in bytes (the column `secret_folders.name`).
pub(crate) const MAX_FOLDER_BYTES: usize = 255;
/// From this many different secrets of one folder on, the folder is listed.
pub(crate) const LIST_FROM: usize = 3;
