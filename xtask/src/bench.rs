//! What our command costs beside the smallest thing that could do the same, as counts and ratios.
//!
//! A group is a file with a function that gives its rows; another group is one more line in [`GROUPS`].

mod measure;
mod startup;

use std::path::PathBuf;

use crate::shell::{Result, cargo, run, say, target};
use measure::{Cost, Subject};

const USAGE: &str = "usage: cargo xtask bench [GROUP...]";

/// Rows that are measured in turns, so that a noisy moment meets all of them.
struct Group {
    name: &'static str,
    subjects: fn(&Bench) -> Result<Vec<Subject>>,
    limits: &'static [Limit],
}

const GROUPS: &[Group] = &[Group {
    name: "startup",
    subjects: startup::subjects,
    limits: startup::LIMITS,
}];

/// The most that a row may cost. Counts are gates; a wall time is shown beside its limit only.
struct Limit {
    row: &'static str,
    /// Millions, under callgrind.
    instructions: f64,
    /// Milliseconds, median.
    wall: f64,
}

/// What every group finds ready.
pub(crate) struct Bench {
    /// The release build of the command.
    secrets: PathBuf,
}

/// The stripped program without cloud SDKs.
const SIZE_LIMIT: u64 = 8_000_000;

pub(crate) fn command(words: &[&str]) -> Result<()> {
    for word in words {
        if !GROUPS.iter().any(|group| group.name == *word) {
            let known: Vec<&str> = GROUPS.iter().map(|group| group.name).collect();
            return Err(format!(
                "no group is called {word}; there are {}\n{USAGE}",
                known.join(", ")
            ));
        }
    }
    say("building the release program");
    run(&mut cargo([
        "build",
        "--release",
        "--quiet",
        "--package",
        "polysecrets-cli",
        "--bin",
        "secrets",
    ]))?;
    let bench = Bench {
        secrets: target().join("release/secrets"),
    };
    let mut broken = Vec::new();
    broken.extend(size(&bench)?);
    for group in GROUPS {
        if words.is_empty() || words.contains(&group.name) {
            broken.extend(measure_group(group, &bench)?);
        }
    }
    if broken.is_empty() {
        Ok(())
    } else {
        Err(broken.join("\nxtask: "))
    }
}

fn size(bench: &Bench) -> Result<Option<String>> {
    let path = &bench.secrets;
    let bytes = crate::shell::at(path, std::fs::metadata(path))?.len();
    println!(
        "release program: {:.2} MB (limit {:.2})",
        megas(bytes),
        megas(SIZE_LIMIT)
    );
    Ok((bytes > SIZE_LIMIT)
        .then(|| format!("the release program has {bytes} bytes, more than {SIZE_LIMIT}")))
}

fn measure_group(group: &Group, bench: &Bench) -> Result<Vec<String>> {
    let subjects = (group.subjects)(bench)?;
    let costs = measure::all(&subjects)?;
    println!("\n{}", group.name);
    print!("{}", table(&subjects, &costs));
    let mut broken = Vec::new();
    for limit in group.limits {
        for (subject, cost) in subjects.iter().zip(&costs) {
            if subject.name != limit.row {
                continue;
            }
            println!(
                "limits of {}: {:.1} M instructions, {:.1} ms",
                limit.row, limit.instructions, limit.wall
            );
            if let Some(count) = cost.instructions
                && megas(count) > limit.instructions
            {
                broken.push(format!(
                    "{} takes {:.2} M instructions, more than {:.2}",
                    limit.row,
                    megas(count),
                    limit.instructions
                ));
            }
        }
    }
    Ok(broken)
}

/// The first row is the floor to which the ratios are.
fn table(subjects: &[Subject], costs: &[Cost]) -> String {
    let floor = costs.first().map_or(1.0, |cost| cost.wall_ms);
    let mut text = format!(
        "{:<24} {:>9} {:>7} {:>9} {:>10} {:>9}\n",
        "command", "wall ms", "ratio", "cpu ms", "peak MiB", "M instr"
    );
    for (subject, cost) in subjects.iter().zip(costs) {
        text.push_str(&format!(
            "{:<24} {:>9.2} {:>7.1} {:>9.2} {:>10} {:>9}\n",
            subject.name,
            cost.wall_ms,
            cost.wall_ms / floor,
            cost.cpu_ms,
            optional(cost.peak_kib, 1024.0),
            optional(cost.instructions, 1e6)
        ));
    }
    text
}

fn optional(count: Option<u64>, unit: f64) -> String {
    count.map_or_else(
        || "-".to_owned(),
        |count| format!("{:.2}", in_units(count, unit)),
    )
}

fn megas(count: u64) -> f64 {
    in_units(count, 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "shown with two decimals")]
fn in_units(count: u64, unit: f64) -> f64 {
    count as f64 / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_with_the_first() {
        let subjects = [
            Subject::new("true", "/bin/true", &[]),
            Subject::new("ours", "/bin/x", &[]),
        ];
        let cost = |wall_ms, instructions| Cost {
            wall_ms,
            cpu_ms: 1.0,
            peak_kib: Some(2048),
            instructions,
        };
        let text = table(&subjects, &[cost(0.5, None), cost(2.0, Some(1_500_000))]);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[1], ["true", "0.50", "1.0", "1.00", "2.00", "-"]);
        assert_eq!(rows[2], ["ours", "2.00", "4.0", "1.00", "2.00", "1.50"]);
    }
}
