//! Prints tables and checks gates.

use super::measure::Cost;
use super::row::{Limits, Row};

/// The table of the costs. Ratios are to the first row.
pub(super) fn table(rows: &[Row], costs: &[Cost]) -> String {
    let mut text = format!(
        "{:<26} {:>9} {:>7} {:>9} {:>9} {:>9} {:>8} {:>9} {:>9} {:>6} {:>7}\n",
        "command",
        "wall ms",
        "ratio",
        "cpu ms",
        "peak MiB",
        "M instr",
        "allocs",
        "syscalls",
        "requests",
        "conns",
        "flight"
    );
    for (row, cost) in rows.iter().zip(costs) {
        let upstream =
            |count: fn(&super::server::Counts) -> u64| whole(cost.upstream.as_ref().map(count));
        text.push_str(&format!(
            "{:<26} {:>9.2} {:>7.2} {:>9.2} {:>9} {:>9} {:>8} {:>9} {:>9} {:>6} {:>7}\n",
            row.name,
            cost.wall_ms,
            cost.ratio,
            cost.cpu_ms,
            optional(cost.peak_kib, 1024.0),
            optional(cost.instructions, 1e6),
            whole(cost.allocations),
            whole(cost.syscalls),
            upstream(|counts| counts.requests),
            upstream(|counts| counts.connections),
            upstream(|counts| counts.in_flight),
        ));
    }
    text
}

/// A limit and its measurement.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    /// Whether exceeding the limit fails. Times never do.
    pub(super) gate: bool,
    pub(super) kept: bool,
    pub(super) text: String,
}

pub(super) fn verdicts(name: &str, limits: &Limits, cost: &Cost) -> Vec<Verdict> {
    let upstream = cost.upstream;
    let mut all = Vec::new();
    let mut check = |gate, what: &str, most: bool, limit: Option<f64>, value: Option<f64>| {
        if let (Some(limit), Some(value)) = (limit, value) {
            let kept = if most { value <= limit } else { value >= limit };
            let sign = if most { "<=" } else { ">=" };
            let text = format!(
                "{name}: {what} {} (limit {sign} {})",
                short(value),
                short(limit)
            );
            all.push(Verdict { gate, kept, text });
        }
    };
    let count = |value: Option<u64>| value.map(|value| in_units(value, 1.0));
    let requests = upstream.map(|counts| counts.requests);
    let in_flight = upstream.map(|counts| counts.in_flight);
    check(
        true,
        "requests",
        true,
        count(limits.requests),
        count(requests),
    );
    check(
        true,
        "in flight",
        false,
        count(limits.in_flight),
        count(in_flight),
    );
    let instructions = cost.instructions.map(|count| in_units(count, 1e6));
    check(
        true,
        "M instructions",
        true,
        limits.instructions,
        instructions,
    );
    check(
        true,
        "allocations",
        true,
        count(limits.allocations),
        count(cost.allocations),
    );
    check(
        true,
        "system calls",
        true,
        count(limits.syscalls),
        count(cost.syscalls),
    );
    let peak = cost.peak_kib.map(|count| in_units(count, 1024.0));
    check(true, "peak MiB", true, limits.peak, peak);
    check(false, "wall ms", true, limits.wall, Some(cost.wall_ms));
    check(false, "cpu ms", true, limits.cpu, Some(cost.cpu_ms));
    check(
        false,
        "times the floor",
        true,
        limits.ratio,
        Some(cost.ratio),
    );
    check(
        true,
        "times the floor",
        true,
        limits.gated_ratio,
        Some(cost.ratio),
    );
    all
}

/// Prints the verdicts and returns the texts of the broken gates.
pub(super) fn judge(verdicts: &[Verdict]) -> Vec<String> {
    let mut broken = Vec::new();
    for verdict in verdicts {
        let word = match (verdict.kept, verdict.gate) {
            (true, _) => "ok    ",
            (false, true) => "BROKEN",
            (false, false) => "slow  ",
        };
        println!("  {word} {}", verdict.text);
        if verdict.gate && !verdict.kept {
            broken.push(verdict.text.clone());
        }
    }
    broken
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn optional(count: Option<u64>, unit: f64) -> String {
    count.map_or_else(
        || "-".to_owned(),
        |count| format!("{:.2}", in_units(count, unit)),
    )
}

fn whole(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
pub(super) fn in_units(count: u64, unit: f64) -> f64 {
    count as f64 / unit
}

#[cfg(test)]
mod tests {
    use super::super::row::{Invocation, Side};
    use super::super::server::Counts;
    use super::*;
    use std::path::Path;

    fn cost() -> Cost {
        Cost {
            wall_ms: 2.0,
            ratio: 4.0,
            cpu_ms: 1.0,
            peak_kib: Some(2048),
            instructions: Some(1_500_000),
            allocations: Some(21),
            syscalls: None,
            upstream: Some(Counts {
                requests: 5,
                connections: 4,
                in_flight: 3,
            }),
        }
    }

    #[test]
    fn a_row_has_all_columns() {
        let rows = [Row::new(
            "ours",
            Side::Ours,
            Invocation::new("/bin/x", &[], Path::new("/")),
        )];
        let text = table(&rows, &[cost()]);
        let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        let wanted = [
            "ours", "2.00", "4.00", "1.00", "2.00", "1.50", "21", "-", "5", "4", "3",
        ];
        assert_eq!(row, wanted);
    }

    #[test]
    fn only_counts_are_gates() {
        let limits = Limits {
            requests: Some(4),
            in_flight: Some(3),
            syscalls: Some(1),
            wall: Some(1.0),
            ..Limits::default()
        };
        let verdicts = verdicts("ours", &limits, &cost());
        let summary: Vec<_> = verdicts.iter().map(|one| (one.gate, one.kept)).collect();
        assert_eq!(summary, [(true, false), (true, true), (false, false)]);
        assert_eq!(judge(&verdicts), ["ours: requests 5 (limit <= 4)"]);
    }
}
