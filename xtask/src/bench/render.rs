//! Files with very many references to local secrets.

use std::fmt::Write as _;
use std::path::Path;

use super::measure::Cost;
use super::report::{Verdict, in_units, judge};
use super::row::{Invocation, Limits, Row, Side};
use super::{Bench, Measured, local, measured, ours};
use crate::shell::Result;

const ROUNDS: usize = 15;
const SMALL: usize = 10_000;
const LARGE: usize = 100_000;
/// Secrets of the encrypted file, each referred to many times.
const STORED: usize = 100;
/// Milliseconds that the small file may take beyond opening the store.
const TARGET: f64 = 25.0;
/// Ten times the work, with room for what a longer file costs a cache.
const GROWTH: f64 = 12.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut broken = plain(bench)?;
    broken.extend(encrypted(bench)?);
    Ok(broken)
}

/// As many secrets as references, in a `.env` file.
fn plain(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("render-dotenv")?;
    ours::write(
        &folder.join("secrets.toml"),
        "default = \"local\"\n\n[providers.local]\ntype = \"dotenv\"\npath = \"values.env\"\n\n\
         # The tools that count slow a program down fifty times.\n\
         [timeouts]\ndeadline = \"20m\"\nattempt = \"10m\"\n",
    )?;
    let names: Vec<String> = (0..LARGE).map(|number| format!("S{number:06}")).collect();
    let mut rows = Vec::new();
    // The first row opens the store of the second, so that their difference is the rendering alone.
    for (count, stored) in [(1, SMALL), (SMALL, SMALL), (LARGE, LARGE)] {
        let place = folder.join(count.to_string());
        crate::shell::at(&place, std::fs::create_dir_all(&place))?;
        let values = lines(&names[..stored], |name| format!("{name}={}", value(name)));
        ours::write(&place.join("values.env"), &values)?;
        std::fs::copy(folder.join("secrets.toml"), place.join("secrets.toml"))
            .map_err(|error| format!("{}: {error}", place.display()))?;
        let file = references(&place, count, |number| names[number].clone())?;
        let wanted = lines_numbered(count, |number| value(&names[number]));
        let own = ours::command(bench, &place).asked(&["render", &file]);
        let floor = Invocation::new(&bench.yardstick, &["render", "values.env", &file], &place);
        rows.push(Row::new(&format!("floor {count}"), Side::Floor, floor).printing(&wanted));
        rows.push(Row::new(&format!("secrets .env {count}"), Side::Ours, own).printing(&wanted));
    }
    let Measured { costs, mut broken } = measured(bench, rows, ROUNDS, None)?;
    broken.extend(judged(&costs, "secrets .env"));
    Ok(broken)
}

/// Few secrets of the encrypted file, each in many places.
fn encrypted(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("render-file")?;
    let names: Vec<String> = (0..STORED).map(|number| format!("S{number:06}")).collect();
    let secrets: Vec<(String, String)> = names
        .iter()
        .map(|name| (name.clone(), value(name)))
        .collect();
    let own = local::store(bench, &folder, &secrets)?;
    let plain = lines(&names, |name| format!("{name}={}", value(name)));
    ours::write(&folder.join("values.env"), &plain)?;
    let mut rows = Vec::new();
    for count in [1, SMALL, LARGE] {
        let name = |number: usize| names[number % STORED].clone();
        let file = references(&folder, count, name)?;
        let wanted = lines_numbered(count, |number| value(&name(number)));
        let floor = Invocation::new(&bench.yardstick, &["render", "values.env", &file], &folder);
        rows.push(Row::new(&format!("floor {count}"), Side::Floor, floor).printing(&wanted));
        let row = Row::new(
            &format!("secrets file {count}"),
            Side::Ours,
            own.asked(&["render", &file]),
        );
        rows.push(row.printing(&wanted).within(Limits::default()));
    }
    let Measured { costs, mut broken } = measured(bench, rows, ROUNDS, None)?;
    broken.extend(judged(&costs, "secrets file"));
    Ok(broken)
}

/// That the work grows with the references and not faster, and what it takes beyond the smallest one.
fn judged(costs: &[(Row, Cost)], name: &str) -> Vec<String> {
    let find = |count: usize| {
        let wanted = format!("{name} {count}");
        costs
            .iter()
            .find(|(row, _)| row.name == wanted)
            .map(|(_, cost)| *cost)
    };
    let (Some(one), Some(small), Some(large)) = (find(1), find(SMALL), find(LARGE)) else {
        return Vec::new();
    };
    let mut verdicts = Vec::new();
    let beyond = small.wall_ms - one.wall_ms;
    verdicts.push(Verdict {
        gate: false,
        kept: beyond <= TARGET,
        text: format!(
            "{name} {SMALL}: {beyond:.2} ms beyond opening the store (asked <= {TARGET})"
        ),
    });
    if let Some(growth) = growth(small, large) {
        verdicts.push(Verdict {
            gate: true,
            kept: growth <= GROWTH,
            text: format!(
                "{name}: {growth:.2} times the instructions for ten times the references (asked <= {GROWTH})"
            ),
        });
    }
    judge(&verdicts)
}

fn growth(small: Cost, large: Cost) -> Option<f64> {
    Some(in_units(large.instructions?, 1.0) / in_units(small.instructions?, 1.0))
}

/// A YAML file with a reference a line.
fn references(folder: &Path, count: usize, name: impl Fn(usize) -> String) -> Result<String> {
    let file = format!("app-{count}.yaml");
    let mut text = String::new();
    for number in 0..count {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "key{number:06}: ${{secret:{}}}", name(number));
    }
    ours::write(&folder.join(&file), &text)?;
    Ok(file)
}

fn lines_numbered(count: usize, value: impl Fn(usize) -> String) -> String {
    let numbers: Vec<usize> = (0..count).collect();
    lines(&numbers, |number| {
        format!("key{number:06}: {}", value(*number))
    })
}

fn lines<T>(all: &[T], line: impl Fn(&T) -> String) -> String {
    let mut text = String::new();
    for one in all {
        let _ = writeln!(text, "{}", line(one));
    }
    text
}

fn value(name: &str) -> String {
    format!("value-of-{name}-0123456789abcdef")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_wants_both_counts() {
        let cost = |instructions| Cost {
            instructions,
            ..Cost::default()
        };
        assert_eq!(growth(cost(Some(10)), cost(Some(100))), Some(10.0));
        assert_eq!(growth(cost(Some(10)), cost(None)), None);
    }
}
