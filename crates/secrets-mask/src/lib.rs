#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod automaton;
mod encodings;
mod escapes;
mod line_breaks;
mod live;
#[cfg(feature = "tracing")]
mod make_writer;
mod marks;
mod masker;
mod prefilter;
mod reach;
mod scan;
mod spellings;
mod stream;
#[cfg(test)]
mod tests;
mod values;

pub use live::{LiveMasker, MaskWriter};
#[cfg(feature = "tracing")]
pub use make_writer::MaskMakeWriter;
pub use masker::{MaskOptions, Masker, Replacement};
pub use spellings::spellings;
pub use stream::MaskStream;
