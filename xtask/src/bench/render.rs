//! Files with many references to local secrets.

use std::fmt::Write as _;
use std::path::Path;

use super::measure::Cost;
use super::report::{Verdict, in_units, judge};
use super::row::{Invocation, Limits, Row, Side};
use super::{Bench, Measured, commands, local, measured};
use crate::shell::Result;

const ROUNDS: usize = 15;
const SMALL: usize = 10_000;
const LARGE: usize = 100_000;
/// Secrets in the encrypted file, each with many references.
const STORED: usize = 100;
/// Milliseconds for the small file, after opening the store.
const TARGET: f64 = 25.0;
/// Time for ten times the work, with some room for cache misses.
const GROWTH: f64 = 12.0;

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut broken = plain(bench)?;
    broken.extend(encrypted(bench)?);
    Ok(broken)
}

/// As many secrets as references, in a `.env` file.
fn plain(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("render-dotenv")?;
    commands::write(
        &folder.join("secrets.toml"),
        "default = \"local\"\n\n[providers.local]\ntype = \"dotenv\"\npath = \"values.env\"\n\n\
         # The measuring tools slow a program down fifty times.\n\
         [timeouts]\ndeadline = \"20m\"\nattempt = \"10m\"\n",
    )?;
    let names: Vec<String> = (0..LARGE).map(|number| format!("S{number:06}")).collect();
    let mut rows = Vec::new();
    // The first row opens the same store as the second, so their difference is the rendering.
    for (count, stored) in [(1, SMALL), (SMALL, SMALL), (LARGE, LARGE)] {
        let place = folder.join(count.to_string());
        crate::shell::at(&place, std::fs::create_dir_all(&place))?;
        let values = lines(&names[..stored], |name| format!("{name}={}", value(name)));
        commands::write(&place.join("values.env"), &values)?;
        std::fs::copy(folder.join("secrets.toml"), place.join("secrets.toml"))
            .map_err(|error| format!("{}: {error}", place.display()))?;
        let file = references(&place, count, |number| names[number].clone())?;
        let wanted = lines_numbered(count, |number| value(&names[number]));
        let own = commands::command(bench, &place).with_arguments(&["render", &file]);
        let floor = Invocation::new(&bench.baseline, &["render", "values.env", &file], &place);
        rows.push(Row::new(&format!("floor {count}"), Side::Floor, floor).printing(&wanted));
        rows.push(Row::new(&format!("secrets .env {count}"), Side::Ours, own).printing(&wanted));
    }
    let Measured { costs, mut broken } = measured(bench, rows, ROUNDS, None)?;
    broken.extend(checked(&costs, "secrets .env"));
    Ok(broken)
}

/// Few secrets from the encrypted file, each in many places.
fn encrypted(bench: &Bench) -> Result<Vec<String>> {
    let folder = bench.folder("render-file")?;
    let names: Vec<String> = (0..STORED).map(|number| format!("S{number:06}")).collect();
    let secrets: Vec<(String, String)> = names
        .iter()
        .map(|name| (name.clone(), value(name)))
        .collect();
    let own = local::store(bench, &folder, &secrets)?;
    let plain = lines(&names, |name| format!("{name}={}", value(name)));
    commands::write(&folder.join("values.env"), &plain)?;
    let mut rows = Vec::new();
    for count in [1, SMALL, LARGE] {
        let name = |number: usize| names[number % STORED].clone();
        let file = references(&folder, count, name)?;
        let wanted = lines_numbered(count, |number| value(&name(number)));
        let floor = Invocation::new(&bench.baseline, &["render", "values.env", &file], &folder);
        rows.push(Row::new(&format!("floor {count}"), Side::Floor, floor).printing(&wanted));
        let row = Row::new(
            &format!("secrets file {count}"),
            Side::Ours,
            own.with_arguments(&["render", &file]),
        );
        rows.push(row.printing(&wanted).within(Limits::default()));
    }
    let Measured { costs, mut broken } = measured(bench, rows, ROUNDS, None)?;
    broken.extend(checked(&costs, "secrets file"));
    Ok(broken)
}

/// Checks that the work grows linearly with the references, and the time beyond the smallest file.
fn checked(costs: &[(Row, Cost)], name: &str) -> Vec<String> {
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
        text: format!("{name} {SMALL}: {beyond:.2} ms after opening the store (limit <= {TARGET})"),
    });
    if let Some(growth) = growth(small, large) {
        verdicts.push(Verdict {
            gate: true,
            kept: growth <= GROWTH,
            text: format!(
                "{name}: {growth:.2} times the instructions for ten times the references (limit <= {GROWTH})"
            ),
        });
    }
    judge(&verdicts)
}

fn growth(small: Cost, large: Cost) -> Option<f64> {
    Some(in_units(large.instructions?, 1.0) / in_units(small.instructions?, 1.0))
}

/// A YAML file with a reference on each line.
fn references(folder: &Path, count: usize, name: impl Fn(usize) -> String) -> Result<String> {
    let file = format!("app-{count}.yaml");
    let mut text = String::new();
    for number in 0..count {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "key{number:06}: ${{secret:{}}}", name(number));
    }
    commands::write(&folder.join(&file), &text)?;
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
    fn growth_needs_both_counts() {
        let cost = |instructions| Cost {
            instructions,
            ..Cost::default()
        };
        assert_eq!(growth(cost(Some(10)), cost(Some(100))), Some(10.0));
        assert_eq!(growth(cost(Some(10)), cost(None)), None);
    }
}
