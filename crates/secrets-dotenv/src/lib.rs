#![doc = include_str!("../README.md")]
//!
//! # The syntax
//!
//! There is no standard, so what is read here is what the common tools agree on, and where they do not agree on what a
//! line means, it is an error with its place instead of a guess:
//!
//! - A line is blank, a comment that starts with `#`, or `KEY=value` with an optional `export` before it and spaces or tabs
//!   around `=`. A key has ASCII letters, digits, `_`, `-` and `.`, and starts with one of the first three.
//! - A bare value ends at the end of the line or before a `#` that follows a space or tab, which starts a comment; spaces
//!   and tabs around it are not part of it. It has no escapes.
//! - A value in single quotes is taken as it is. In double quotes, `\n`, `\r`, `\t`, `\\`, `\"`, `\$` and a backslash before
//!   a backtick are escapes, and a backslash before anything else is a backslash. Both may go over several lines, in which a line ends with a line feed
//!   however the file ends them.
//! - A byte order mark at the start is left alone. Lines end with LF or CR LF. A lone CR, a NUL, a value that starts with
//!   a backtick, and a `#` directly after `=` or a closing quote are errors: tools read them differently.
//! - `$` means nothing.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod syntax;

pub use syntax::{Entry, Quoting, for_each_piece, parse, quote, text, unquoted};
