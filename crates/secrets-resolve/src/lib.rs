#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod document;
mod file;
mod lookup;
#[cfg(feature = "template")]
mod template;
mod tokens;
mod value;
mod zeroizing_writer;

pub use file::{FileFormat, FileScan, FileSet};
pub use lookup::{Lookup, resolve_files, resolve_str, resolve_value};
#[cfg(feature = "template")]
pub use template::{Template, render_templates};
pub use value::ValueScan;
