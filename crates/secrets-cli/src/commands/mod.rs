//! One file a verb.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod get;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod render;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod run;
pub(crate) mod set;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod trust;
pub(crate) mod versions;
