//! A leak scanner: plant a value, use it everywhere, then look for it in everything that came out.
//!
//! A [`Canary`] is a random value made at run time. [`Canary::scan`] finds it in text or bytes in the clear, in part,
//! and in the encodings that a leak takes on its way out: base64, hex, URL and JSON escapes, Rust's own `Debug` forms,
//! UTF-16 (see [`Form`]). [`Sinks`] runs whole classes of output through the scan: `Debug`, `Display`, errors with
//! their sources, [`tracing`] at every level ([`TraceCapture`]), and other processes ([`CommandCapture`]).
//!
//! A scan that finds nothing proves something only if the scanner can find: [`Canary::positive_control`] plants every
//! form and looks for it, and [`Sinks::assert_clean`] runs it first.
//!
//! ```
//! use polysecrets_testkit::canary::{Canary, Form, Sinks};
//!
//! let canary = Canary::generate();
//! let leak = format!("cannot parse {:?}", canary.reveal().as_str());
//! assert_eq!(canary.scan(&leak)[0].form, Form::Plain);
//!
//! let mut sinks = Sinks::new([&canary]);
//! sinks.format("a redacted type", &"***");
//! sinks.bytes("a log", b"put db/password: ok");
//! sinks.assert_clean();
//! ```

mod command;
mod forms;
mod scanner;
mod sinks;
mod trace;

pub use command::{CommandCapture, ProcessSnapshot};
pub use forms::Form;
pub use scanner::{Canary, Hit};
pub use sinks::{Leak, Sinks};
pub use trace::TraceCapture;
