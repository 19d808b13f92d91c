//! The size of the program, with everything and without cloud services.

use std::path::Path;

use super::Bench;
use super::report::{Verdict, in_units, judge};
use crate::shell::{Result, at};

/// The features of the lean program.
pub(super) const LEAN: &[&str] = &["--no-default-features", "--features", "vault"];
/// In bytes, stripped.
const LIMIT: u64 = 20_000_000;
/// Without cloud services.
const LEAN_LIMIT: u64 = 8_000_000;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut verdicts = vec![verdict("secrets", &bench.secrets, LIMIT)?];
    if bench.lean.exists() {
        verdicts.push(verdict("without clouds", &bench.lean, LEAN_LIMIT)?);
    } else {
        println!("  skipped the program without clouds: not built; run without --built");
    }
    Ok(judge(&verdicts))
}

fn verdict(name: &str, program: &Path, limit: u64) -> Result<Verdict> {
    let bytes = at(program, std::fs::metadata(program))?.len();
    Ok(Verdict {
        gate: true,
        kept: bytes <= limit,
        text: format!(
            "{name}: {:.2} MB (limit <= {:.2})",
            in_units(bytes, 1e6),
            in_units(limit, 1e6)
        ),
    })
}
