//! Masking beside a bare search for the same patterns. Its time must grow linearly with the text.

use std::collections::BTreeMap;

use super::Bench;
use super::report::{Verdict, judge};
use crate::shell::{Result, cargo, read, say};

/// The share of the speed of a bare search for all matches, which neither streams nor spans line breaks nor writes. For a
/// leftmost search, which misses overlaps and is a vector search for a few patterns, this is a target only.
const SHARE: f64 = 0.5;
/// Time for eight times the text, with some room for cache misses.
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
                    text: format!("{what}: {share:.2} of {search} (limit >= {SHARE})"),
                });
            }
        }
        if what.starts_with("times the time") {
            verdicts.push(Verdict {
                gate: true,
                kept: *value <= GROWTH,
                text: format!("{what}: {value:.2} (limit <= {GROWTH})"),
            });
        }
    }
    if verdicts.is_empty() {
        verdicts.push(Verdict {
            gate: true,
            kept: false,
            text: "the masking benchmark printed no figures".to_owned(),
        });
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_growth_are_checked() {
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
