//! How large the program is that people install.

use super::Bench;
use super::report::{Verdict, in_units, judge};
use crate::shell::{Result, at};

/// The stripped program without cloud SDKs, in bytes.
const LIMIT: u64 = 8_000_000;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let bytes = at(&bench.secrets, std::fs::metadata(&bench.secrets))?.len();
    let verdict = Verdict {
        gate: true,
        kept: bytes <= LIMIT,
        text: format!(
            "secrets: {:.2} MB (asked <= {:.2})",
            in_units(bytes, 1e6),
            in_units(LIMIT, 1e6)
        ),
    };
    Ok(judge(&[verdict]))
}
