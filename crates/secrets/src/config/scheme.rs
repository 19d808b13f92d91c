//! What the configuration has to know about schemes: which of them stay on this machine.

pub(super) use crate::registry::canonical_scheme as canonical;

/// The schemes that talk to no network.
const LOCAL: &[&str] = &["env", "dotenv", "memory", "file"];

/// Whether a provider of this scheme, or alias of one, keeps what it is configured with on this machine.
pub(super) fn is_local(scheme: &str) -> bool {
    LOCAL.contains(&canonical(scheme))
}
