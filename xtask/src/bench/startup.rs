//! What it costs to start at all.

use super::measure::Subject;
use super::{Bench, Limit};
use crate::shell::Result;

const VERSION: &str = "secrets --version";

pub(super) const LIMITS: &[Limit] = &[Limit {
    row: VERSION,
    instructions: 1.5,
    wall: 3.0,
}];

pub(super) fn subjects(bench: &Bench) -> Result<Vec<Subject>> {
    Ok(vec![
        Subject::new("true", "/bin/true", &[]),
        Subject::new(VERSION, &bench.secrets, &["--version"]),
    ])
}
