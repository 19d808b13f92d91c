#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod automaton;
mod encodings;
mod line_breaks;
mod live;
#[cfg(feature = "tracing")]
mod make_writer;
mod masker;
mod prefilter;
mod stream;
#[cfg(test)]
mod tests;

pub use encodings::spellings;
pub use live::{LiveMasker, MaskWriter};
#[cfg(feature = "tracing")]
pub use make_writer::MaskMakeWriter;
pub use masker::{MaskOptions, Masker, Replacement};
pub use stream::MaskStream;
