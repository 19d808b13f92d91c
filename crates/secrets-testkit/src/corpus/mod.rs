//! Recorded answers of real services, and the errors that they must become.
//!
//! A corpus is a JSON file: a list of answers, each with where it was recorded and what is expected of the provider that
//! meets it. It is the memory of what a service really says, long after the server is gone.
//!
//! ```json
//! [{
//!   "name": "throttled",
//!   "source": "recorded from OpenBao 2.7.2, 2026-11-22, a rate limit quota of one request an hour",
//!   "operation": "get",
//!   "status": 429,
//!   "headers": [["content-type", "application/json"], ["retry-after", "3"]],
//!   "body": {"errors": ["request path \"secret/data/a\": rate limit quota exceeded"]},
//!   "expect": {"kind": "RateLimited", "retryable": true, "stale_ok": true, "retry_after_ms": 3000}
//! }]
//! ```
//!
//! Every field is needed and no other is allowed. `body` is an object or a list, sent as it is written in the file; or a
//! string, whose text is sent; or `null` for none. `operation` is the call that provokes the answer, in words that the
//! test of the provider understands. `kind` is the name of an [`ErrorKind`](secrets_core::ErrorKind).
//!
//! ```
//! # extern crate secrets_core as polysecrets_core;
//! use polysecrets_core::{Error, ErrorKind};
//! use polysecrets_testkit::corpus::Corpus;
//!
//! let text = r#"[{
//!     "name": "throttled", "source": "the documentation", "operation": "get",
//!     "status": 429, "headers": [], "body": null,
//!     "expect": {"kind": "RateLimited", "retryable": true, "stale_ok": true, "retry_after_ms": null}
//! }]"#;
//! let corpus = Corpus::parse(text)?;
//! corpus.assert_covers(1, &[ErrorKind::RateLimited]);
//! for recorded in corpus.entries() {
//!     // Serve `recorded.reply()` from a fault server, make the call, look at the error:
//!     recorded.check(&Error::from(ErrorKind::RateLimited)).unwrap();
//!     assert!(recorded.check(&Error::from(ErrorKind::Timeout)).is_err());
//! }
//! # Ok::<(), polysecrets_testkit::corpus::CorpusError>(())
//! ```
//!
//! [`Corpus::replay`] does the serving and the looking.

mod file;
mod recorded;
mod replay;

pub use file::{Corpus, CorpusError};
pub use recorded::{Expected, Mismatch, Recorded};
