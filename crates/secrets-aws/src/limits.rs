//! Figures of AWS, each with its source, and how many requests this provider has in flight.

/// The largest value in bytes: quotas of AWS Secrets Manager, "secret value".
pub(crate) const MAX_VALUE_BYTES: usize = 65_536;
/// The most secrets of one batch (API reference, BatchGetSecretValue, SecretIdList).
pub(crate) const BATCH: usize = 20;
/// Calls of `GetSecretValue` that an account has in a region (user guide, Secrets Manager quotas).
pub(crate) const READS_A_SECOND: u32 = 10_000;
/// How many requests of a [`PerSecret::get_many`] are in flight.
pub(crate) const IN_FLIGHT: usize = 8;
/// The lengths of a version's id (API reference, GetSecretValue, VersionId); all else is a stage.
pub(crate) const VERSION_ID_BYTES: std::ops::RangeInclusive<usize> = 32..=64;
/// The longest name of a stage (API reference, GetSecretValue, VersionStage).
pub(crate) const MAX_STAGE_BYTES: usize = 256;
/// Quotas of AWS Secrets Manager, "tags" and "staging labels".
pub(crate) const MAX_TAGS: usize = 50;
pub(crate) const MAX_TAG_KEY_CHARS: usize = 128;
pub(crate) const MAX_TAG_VALUE_CHARS: usize = 256;
/// The days for which a deleted secret may stay restorable (API reference, DeleteSecret, RecoveryWindowInDays).
pub(crate) const RECOVERY_DAYS: std::ops::RangeInclusive<u8> = 7..=30;
/// The longest name (API reference, CreateSecret, Name).
pub(crate) const MAX_NAME_BYTES: usize = 512;
/// The longest text that a listing can be narrowed down by (API reference, Filter, Values).
pub(crate) const MAX_FILTER_BYTES: usize = 512;
/// The longest policy of a role or user without white space (IAM quotas, "managed policies").
pub(crate) const MAX_POLICY_CHARS: usize = 6_144;
/// The most items of a page (API reference, ListSecrets and ListSecretVersionIds, MaxResults).
pub(crate) const MAX_PAGE: usize = 100;
