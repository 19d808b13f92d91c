//! Properties that hold for every external input: one function per target, which panics on a violation.
//!
//! The programs in `src/bin` pass libFuzzer's inputs to these functions (`cargo xtask test -p fuzz`), and a test of the
//! workspace passes the files of `corpus` (`tests/tests/it/fuzz.rs`). Add every failing input to the corpus.

mod addresses;
mod answers;
mod audit;
mod config;
mod dotenv;
mod fields;
mod input;
mod masking;
mod names;
mod references;
mod retry_after;
mod scratch;
mod store;
mod templates;

pub use addresses::addresses;
pub use answers::answers;
pub use audit::audit;
pub use config::config;
pub use dotenv::dotenv;
pub use fields::fields;
pub use masking::masking;
pub use names::names;
pub use references::references;
pub use retry_after::retry_after;
pub use store::store;
pub use templates::templates;

/// Checks one input.
pub type Target = fn(&[u8]);

/// The targets, by the name of the program and of the folder in `corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("addresses", addresses),
    ("answers", answers),
    ("audit", audit),
    ("config", config),
    ("dotenv", dotenv),
    ("fields", fields),
    ("masking", masking),
    ("names", names),
    ("references", references),
    ("retry_after", retry_after),
    ("store", store),
    ("templates", templates),
];
