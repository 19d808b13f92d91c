//! Stand-ins for services that cannot be run on one's own machine, for tests without a network or an account.
//!
//! Each one speaks the service's wire protocol, keeps its state in memory, and is as strict as the service: an unknown
//! field, a wrong type or a missing header is refused. The vendors' own SDKs are driven against them in the tests of this
//! project, so that what a fake accepts is what the vendor's client sends. Each one ends when it is dropped.
//!
//! [`Faults`] make a fake throttle, fail or lie; its time can be moved on. From other languages the same is done over the
//! wire, on the fake's own port: `POST /_fake/faults` with a [`Fault`] in JSON, `GET /_fake/faults` for those that wait,
//! `DELETE /_fake/faults`; `GET /_fake/asked` for the requests so far, `DELETE /_fake/asked`; and `POST /_fake/clock` with
//! `{"seconds":60}`. These need no login and meet no faults.

mod authority;
pub mod azure;
mod console;
mod faults;
pub mod gcp;
mod host;
pub mod infisical;
mod recorder;
mod time;

pub use authority::Authority;
pub use faults::{Fault, Faults};
pub use recorder::Asked;
