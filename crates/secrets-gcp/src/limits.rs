//! Figures of Secret Manager, each with its source, and how many requests this provider has in flight.

/// The largest value that Secret Manager takes, in bytes (Secret Manager quotas and limits: 64 KiB).
pub(crate) const MAX_VALUE_BYTES: usize = 64 * 1024;
/// How many reads are under way at once. They share one connection of HTTP/2.
pub(crate) const READS_IN_FLIGHT: usize = 32;
/// Of the 90,000 that a project may access in a minute (Secret Manager quotas).
pub(crate) const READS_A_SECOND: u32 = 1500;
/// How many items a page has where nobody says; fewer requests than with the service's own default.
pub(crate) const PAGE_SIZE: usize = 1000;
/// The longest alias, in bytes (secretmanager/v1/resources.proto).
pub(crate) const MAX_ALIAS_BYTES: usize = 63;
/// The longest id, in bytes (secretmanager/v1/service.proto: up to 255 letters, digits, `-` and `_`).
pub(crate) const MAX_ID_BYTES: usize = 255;
/// Limits of labels and annotations (secretmanager/v1/resources.proto). Labels may have letters of any script; here those
/// that are not ASCII go into the annotation, which needs no table of scripts.
pub(crate) const MAX_LABELS: usize = 64;
pub(crate) const MAX_LABEL_CHARS: usize = 63;
pub(crate) const MAX_ANNOTATION_BYTES: usize = 16 * 1024;
