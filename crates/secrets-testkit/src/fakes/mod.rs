//! Stand-ins for services that cannot be run on one's own machine, for tests without a network or an account.
//!
//! Each one speaks the service's wire protocol, keeps its state in memory, and is as strict as the service: an unknown
//! field, a wrong type or a missing header is refused. The vendors' own SDKs are driven against them in the tests of this
//! project, so that what a fake accepts is what the vendor's client sends. Switches make them throttle, fail or lie.

mod authority;
mod host;
mod recorder;

pub use authority::Authority;
pub use recorder::Asked;
