//! What the end-to-end tests share: the real command, in a home of its own for each test.
#![forbid(unsafe_code)]

mod binary;
mod home;
mod terminal;

pub use binary::secrets_command;
pub use home::{Home, Ran, is_json_error};
pub use terminal::Terminal;

/// Whether the full figures are wanted, which take their time: `cargo xtask test --deep`.
pub fn is_deep() -> bool {
    std::env::var_os("POLYSECRETS_DEEP").is_some()
}

/// A variable that `cargo xtask test` sets for a server that it started.
///
/// # Panics
/// If it is not set: a test that needs a server does not pass without one.
pub fn server(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set; run `cargo xtask test`, or `cargo xtask servers up` and its `env`")
    })
}
