//! polysecrets providers that need no server: memory, environment, .env files and an encrypted file.
//!
//! Each is a module of its own behind a feature of its own, with the same names in it: `SCHEME`, `CAPABILITIES`, a
//! configuration, a provider and `open`.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(any(feature = "dotenv", feature = "file"))]
mod atomic;
#[cfg(any(feature = "dotenv", feature = "file"))]
mod disk;

#[cfg(any(feature = "dotenv", feature = "env"))]
mod variable;

#[cfg(feature = "dotenv")]
pub mod dotenv;
#[cfg(feature = "env")]
pub mod env;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "memory")]
pub mod memory;
