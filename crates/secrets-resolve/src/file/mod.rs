//! References in files, replaced where they stand.

mod dotenv;
mod format;
mod json;
mod scan;
mod set;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

pub use format::FileFormat;
pub use scan::FileScan;
pub use set::FileSet;
pub(crate) use set::not_read;
