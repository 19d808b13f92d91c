//! Secrets in a `.env` file, which stays a file for people: comments, order and line endings survive every write.

mod config;
mod expand;
mod file;
mod provider;

pub use secrets_dotenv as syntax;

pub use config::DotenvConfig;
pub use provider::{CAPABILITIES, DotenvProvider, SCHEME, open};
