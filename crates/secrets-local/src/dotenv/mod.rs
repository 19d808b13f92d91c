//! Secrets in a `.env` file.

pub mod syntax;
