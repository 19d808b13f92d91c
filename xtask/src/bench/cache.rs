//! Cached reads in a program, beside the competitors. Counts and ratios are gates, times are targets.

use std::collections::BTreeMap;
use std::process::Command;

use super::report::{Verdict, judge};
use super::{Bench, competitors};
use crate::shell::{Result, read};

/// Measurement and program to value.
type Figures = BTreeMap<(String, String), f64>;

const OURS: &str = "ours";
/// Our provider for AWS, with the same server as AWS's client.
const OVER_HTTP: &str = "ours, over http";
/// All layers of a handle, with a policy and an audit log of hits.
const GUARDED: &str = "ours, policy and audit";
/// The same with the origin of the value.
const WITH_ORIGIN: &str = "ours, policy, audit, origin";
/// The same layers, composed and boxed by hand.
const BOXED: &str = "ours, boxed stack";
const TOWER: &str = "tower, 3 boxed layers";
const AWS: &str = "aws";

pub(super) fn run(bench: &Bench) -> Result<Vec<String>> {
    let mut competitors = Command::new(competitors::caches(bench)?);
    let text = read(&mut competitors)?;
    let figures = parse(&text).ok_or("cannot parse the output of the competitors")?;
    print!("{}", table(&text));
    if !figures.keys().any(|(_, whose)| whose == AWS) {
        println!("  skipped aws: pass --aws-sdk to measure it");
    }
    Ok(judge(&verdicts(&figures)))
}

fn parse(text: &str) -> Option<Figures> {
    text.lines()
        .map(|line| {
            let mut parts = line.split('\t');
            let (what, whose) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            Some(((what, whose), parts.next()?.parse().ok()?))
        })
        .collect()
}

/// The lines in columns.
fn table(text: &str) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        if let [what, whose, value] = parts[..] {
            let value: f64 = value.parse().unwrap_or(f64::NAN);
            all.push_str(&format!("{what:<34} {whose:<24} {value:>10.2}\n"));
        }
    }
    all
}

fn verdicts(figures: &Figures) -> Vec<Verdict> {
    let figure = |what: &str, whose: &str| figures.get(&(what.to_owned(), whose.to_owned()));
    let mut all = Vec::new();
    let mut limit = |gate: bool, what: &str, value: Option<f64>, most: bool, limit: f64| {
        // A skipped competitor has no ratio. Our own missing figures break the gate.
        if value.is_none() && what.contains(AWS) {
            return;
        }
        let value = value.unwrap_or(f64::NAN);
        let kept = if most { value <= limit } else { value >= limit };
        let sign = if most { "<=" } else { ">=" };
        all.push(Verdict {
            gate,
            kept,
            text: format!("{what}: {value:.2} (limit {sign} {limit})"),
        });
    };
    for keys in [1, 1000] {
        let (times, blocks) = (
            format!("hit, {keys} keys, ns"),
            format!("hit, {keys} keys, allocations"),
        );
        let ratio = |one: &str, other: &str| Some(figure(&times, one)? / figure(&times, other)?);
        let of = |what: &str, whose: &str| figure(what, whose).copied();
        limit(true, &blocks, of(&blocks, OURS), true, 0.0);
        limit(false, &times, of(&times, OURS), true, 110.0);
        for whose in [GUARDED, WITH_ORIGIN, BOXED] {
            let name = whose.trim_start_matches("ours, ");
            let count = of(&blocks, whose);
            limit(true, &format!("{blocks}, {name}"), count, true, 2.0);
            let what = format!("hit, {keys} keys, {name} to tower's boxes");
            limit(whose == GUARDED, &what, ratio(whose, TOWER), true, 2.0);
        }
        limit(
            true,
            &format!("hit, {keys} keys, ours to aws"),
            ratio(OURS, AWS),
            true,
            0.5,
        );
    }
    let shared = "8 tasks on 2 threads, million/s";
    let faster = |competitor: &str| Some(figure(shared, OURS)? / figure(shared, competitor)?);
    limit(true, "8 tasks, ours to aws", faster(AWS), false, 2.0);
    limit(true, "8 tasks, ours to moka", faster("moka"), false, 1.0);
    let of = |what: &str| figure(what, OURS).copied();
    limit(
        true,
        "1000 cold gets, calls",
        of("1000 cold gets, calls"),
        true,
        1.0,
    );
    limit(
        true,
        "1000 cold gets from aws-sm, calls",
        figure("1000 cold gets, calls", OVER_HTTP).copied(),
        true,
        1.0,
    );
    limit(
        false,
        "1000 cold gets, ms",
        of("1000 cold gets, ms"),
        true,
        20.0,
    );
    for (whose, what) in [
        (OURS, "answered in an outage, %"),
        (OVER_HTTP, "answered in an outage, %"),
        (OVER_HTTP, "answered at errors 500, %"),
    ] {
        let from = if whose == OVER_HTTP {
            " from aws-sm"
        } else {
            ""
        };
        let share = figure(what, whose).copied();
        limit(true, &format!("{what}{from}"), share, false, 100.0);
    }
    for what in [
        "stale in an outage, ms",
        "stale in an outage, 99 %, ms",
        "stale in an outage, first, ms",
    ] {
        limit(false, what, of(what), true, 1.0);
    }
    let added = (|| Some(figure("miss, ns", OURS)? - figure("miss, ns", "provider alone")?))();
    limit(false, "a miss adds, ns", added, true, 2000.0);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_excessive_figure_breaks_its_gate() {
        let text = "hit, 1 keys, allocations\tours\t0\nhit, 1000 keys, allocations\tours\t1\n";
        let verdicts = verdicts(&parse(text).unwrap());
        let of = |name: &str| {
            let mut found = verdicts.iter().filter(|one| one.text.starts_with(name));
            found.next().map(|one| (one.gate, one.kept))
        };
        assert_eq!(of("hit, 1 keys, allocations:"), Some((true, true)));
        assert_eq!(of("hit, 1000 keys, allocations:"), Some((true, false)));
        assert_eq!(of("1000 cold gets, calls"), Some((true, false)));
        assert_eq!(of("8 tasks, ours to aws"), None);
        assert_eq!(parse("one\ttwo\tthree\n"), None);
    }
}
