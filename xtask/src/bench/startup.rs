//! The cost of starting.

use super::row::{Invocation, Limits, Row, Side};
use super::{Bench, measured};
use crate::shell::Result;

const ROUNDS: usize = 41;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("startup")?;
    let start = |program: &std::path::Path| Invocation::new(program, &["--version"], &folder);
    let mut rows = vec![
        Row::new(
            "true",
            Side::Floor,
            Invocation::new("/bin/true", &[], &folder),
        ),
        Row::new("secrets --version", Side::Ours, start(&bench.secrets)).within(Limits {
            instructions: Some(1.5),
            syscalls: Some(79),
            peak: Some(8.9),
            wall: Some(3.0),
            ..Limits::default()
        }),
    ];
    for name in ["secretspec", "fnox", "teller"] {
        if let Some(path) = bench.peers.path(name) {
            rows.push(Row::new(
                &format!("{name} --version"),
                Side::Peer,
                start(path),
            ));
        }
    }
    Ok(measured(bench, rows, ROUNDS, None)?.broken)
}
