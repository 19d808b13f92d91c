//! Values that must not be read by others, found in text and streams and replaced by `***`.
//!
//! A [`Masker`] knows its values from the start and takes a text as a whole or in pieces; a [`LiveMasker`] learns values
//! while a program runs, and masks its log. What is found, and what cannot be, is told in `docs/layers/mask.md`.

mod automaton;
mod breaks;
mod forms;
mod heads;
mod live;
#[cfg(feature = "mask-tracing")]
mod make_writer;
mod masker;
mod stream;
#[cfg(test)]
mod tests;

pub use forms::spellings;
pub use live::{LiveMasker, MaskWriter};
#[cfg(feature = "mask-tracing")]
pub use make_writer::MaskMakeWriter;
pub use masker::{MaskOptions, Masker, Replacement};
pub use stream::MaskStream;
