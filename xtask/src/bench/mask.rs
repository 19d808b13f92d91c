//! Masking beside a bare search for the same spellings, and that it grows with the text and not faster.

use std::collections::BTreeMap;

use super::Bench;
use super::report::{Verdict, judge};
use crate::shell::{Result, cargo, read, say};

/// Of the speed of the bare search for all places, which neither streams, nor looks past line breaks, nor writes. For the one for
/// the leftmost places, which misses what overlaps and for a few patterns is a vector search, it is a target.
const SHARE: f64 = 0.5;
/// For eight times the text, with room for what a longer one costs a cache.
const GROWTH: f64 = 10.0;

pub(super) fn run(_: &Bench) -> Result<Vec<String>> {
    say("building the benchmark of masking");
    let text = read(&mut cargo([
        "bench",
        "--quiet",
        "--package",
        "polysecrets-mask",
        "--bench",
        "mask",
    ]))?;
    for line in text.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        if let [what, whose, value] = parts[..] {
            println!("  {what:<52} {whose:<14} {value:>10}");
        }
    }
    Ok(judge(&verdicts(&text)))
}

fn verdicts(text: &str) -> Vec<Verdict> {
    let figures: BTreeMap<(&str, &str), f64> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.split('\t');
            let key = (parts.next()?, parts.next()?);
            Some((key, parts.next()?.parse().ok()?))
        })
        .collect();
    let mut verdicts = Vec::new();
    for ((what, whose), value) in &figures {
        if *whose != "ours" {
            continue;
        }
        for (gate, bare, search) in [
            (true, "aho-corasick", "a bare search"),
            (false, "leftmost", "one for leftmost places"),
        ] {
            if let Some(bare) = figures.get(&(*what, bare)) {
                let share = value / bare;
                verdicts.push(Verdict {
                    gate,
                    kept: share >= SHARE,
                    text: format!("{what}: {share:.2} of {search} (asked >= {SHARE})"),
                });
            }
        }
        if what.starts_with("times the time") {
            verdicts.push(Verdict {
                gate: true,
                kept: *value <= GROWTH,
                text: format!("{what}: {value:.2} (asked <= {GROWTH})"),
            });
        }
    }
    if verdicts.is_empty() {
        verdicts.push(Verdict {
            gate: true,
            kept: false,
            text: "the benchmark of masking told nothing".to_owned(),
        });
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_growth_are_judged() {
        let kept =
            |text: &str| -> Vec<bool> { verdicts(text).iter().map(|one| one.kept).collect() };
        let text = "MiB/s, 1 values\taho-corasick\t400\nMiB/s, 1 values\tours\t250\n\
                    times the time for 8 times the text, 1 values\tours\t20\nMiB, 1 values\tours\t3\n";
        assert_eq!(kept(text), [true, false]);
        assert_eq!(
            kept("MiB/s, 1 values\taho-corasick\t400\nMiB/s, 1 values\tours\t150\n"),
            [false]
        );
        let text = "MiB/s, 1 values\taho-corasick\t400\nMiB/s, 1 values\tleftmost\t4000\nMiB/s, 1 values\tours\t250\n";
        assert_eq!(verdicts(text).iter().filter(|one| one.gate).count(), 1);
        assert_eq!(kept(""), [false]);
    }
}
