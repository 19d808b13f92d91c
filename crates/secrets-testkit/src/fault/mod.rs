//! A server that fails on purpose.
//!
//! [`FaultServer`] speaks HTTP/1.1 over plain TCP on a free port of the loopback interface. The protocol is written by
//! hand because a library that keeps to the protocol could not truncate a body, reset a connection in the middle of a
//! reply or promise a length that it does not send. Which request meets which [`Fault`] is decided by a [`Script`], and
//! every request is recorded as it was sent, so that a test can count requests, see how many were in flight at once
//! and look for credentials where none belong.
//!
//! This is a test tool: recorded requests keep headers and bodies in clear, and their `Debug` output shows them.
//!
//! ```
//! use std::time::Duration;
//! use polysecrets_testkit::fault::{Fault, FaultServer, Reply, RetryAfter, Script};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = FaultServer::start(
//!     Script::sequence([Fault::throttled(429, RetryAfter::Seconds(1)), Fault::reset()])
//!         .then(Fault::reply(Reply::new(200).body("ok")).delayed(Duration::from_millis(5))),
//! )
//! .await?;
//!
//! let mut stream = tokio::net::TcpStream::connect(server.address()).await?;
//! stream.write_all(b"GET /v1/secret HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 429 "));
//! assert!(answer.contains("retry-after: 1\r\n"));
//! assert_eq!(server.requests()[0].target, "/v1/secret");
//! # Ok(())
//! # }
//! ```

mod recorder;
mod reply;
mod request;
mod script;
mod server;

pub use recorder::RecordedRequest;
pub use reply::{Reply, RetryAfter};
pub use script::{ConnectFault, Fault, Script};
pub use server::FaultServer;
