//! Shared by the end-to-end tests: the real command, in a new home for each test.
#![forbid(unsafe_code)]

mod binary;
mod home;
mod terminal;

pub use binary::secrets_command;
pub use home::{Home, Ran, is_json_error};
pub use terminal::Terminal;

/// Whether to run the long version of a test: `cargo xtask test --deep`.
pub fn is_deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some()
}

/// The value of a variable that `cargo xtask test` sets for a server.
///
/// # Panics
/// If the variable is not set, so a test never passes without its server.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set; run `cargo xtask test`, or `cargo xtask servers up` and set its `env`")
    })
}
