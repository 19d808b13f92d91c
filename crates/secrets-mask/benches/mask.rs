//! Measures masking beside bare searches for the same patterns with `aho-corasick`: for all matches, as masking needs
//! them, and for leftmost ones, which use a vector search for few patterns and miss overlaps.
//! Prints a line for each figure: measurement, program, and the best of all rounds.
#![allow(clippy::print_stdout, reason = "prints figures")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark panics when it cannot continue"
)]

use std::hint::black_box;
use std::time::Instant;

use aho_corasick::{AhoCorasick, MatchKind};
use polysecrets_mask::{Masker, spellings};
use secrets_core::SecretValue;

const ROUNDS: usize = 5;
/// In MiB. An eighth of it exceeds the processor's cache.
const TEXT: usize = 64;
const MIB: usize = 1024 * 1024;
/// The capacity of a pipe.
const PIECE: usize = 64 * 1024;

fn main() {
    let begun = Instant::now();
    for count in [1, 5, 20, 100] {
        let values: Vec<String> = (0..count).map(value).collect();
        let masker = Masker::new(
            values
                .iter()
                .map(|value| ("v", SecretValue::from(value.as_str()))),
        );
        let texts: Vec<SecretValue> = values
            .iter()
            .flat_map(|value| spellings(&value.as_str().into(), 4))
            .collect();
        let bare = AhoCorasick::new(texts.iter().map(SecretValue::expose_bytes)).unwrap();
        let leftmost = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(texts.iter().map(SecretValue::expose_bytes))
            .unwrap();
        let started = Instant::now();
        black_box(Masker::new(
            values
                .iter()
                .map(|value| ("v", SecretValue::from(value.as_str()))),
        ));
        let build = started.elapsed();
        let log = log(TEXT * MIB, &values);
        let mut best = [f64::MAX; 4];
        for _ in 0..ROUNDS {
            let all = || assert!(bare.find_overlapping_iter(&log).count() > 0);
            let first = || assert!(leftmost.find_iter(&log).count() > 0);
            let turns: [&dyn Fn(); 4] = [
                &all,
                &|| stream(&masker, &log),
                &|| stream(&masker, &log[..log.len() / 8]),
                &first,
            ];
            for (best, turn) in best.iter_mut().zip(turns) {
                let before = clock(begun);
                turn();
                *best = best.min(clock(begun) - before);
            }
        }
        let figure = |what: &str, whose: &str, value: f64| {
            println!("{what}, {count} values\t{whose}\t{value:.3}");
        };
        let speed = |seconds: f64| TEXT as f64 / seconds;
        figure("MiB/s", "aho-corasick", speed(best[0]));
        figure("MiB/s", "leftmost", speed(best[3]));
        figure("MiB/s", "ours", speed(best[1]));
        figure(
            "times the time for 8 times the text",
            "ours",
            best[1] / best[2],
        );
        figure("ms to build", "ours", build.as_secs_f64() * 1e3);
        figure("MiB", "ours", masker.memory() as f64 / MIB as f64);
    }
}

/// The processor time of this thread in seconds, if the system reports it, so other processes do not count. Otherwise the
/// time since the start.
fn clock(begun: Instant) -> f64 {
    // Yielding updates the statistics.
    std::thread::yield_now();
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    account
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .map_or_else(|| begun.elapsed().as_secs_f64(), |spent| spent / 1e9)
}

fn stream(masker: &Masker, text: &[u8]) {
    let mut stream = masker.stream();
    let mut output = Vec::with_capacity(2 * PIECE);
    let mut masked = 0;
    for piece in text.chunks(PIECE) {
        stream.feed(piece, &mut output);
        masked += output.len();
        output.clear();
    }
    stream.finish(&mut output);
    assert!(masked + output.len() < text.len());
}

/// 32 letters and digits, the same in every run.
fn value(number: usize) -> String {
    let mut random = fastrand::Rng::with_seed(number as u64 + 1);
    (0..32).map(|_| random.alphanumeric()).collect()
}

/// Lines of a server's log, every 100th with a value.
fn log(bytes: usize, values: &[String]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 256);
    let mut random = fastrand::Rng::with_seed(7);
    let mut number = 0;
    while text.len() < bytes {
        let line = format!(
            "2026-01-02T03:04:05.{:06}Z INFO service::handler: request {:08x} GET /items/{} took {} ms status=200{}\n",
            number % 1_000_000,
            random.u32(..),
            random.u16(..),
            random.u8(..),
            match number % 100 {
                0 => format!(" token={}", values[number / 100 % values.len()]),
                _ => String::new(),
            }
        );
        text.extend_from_slice(line.as_bytes());
        number += 1;
    }
    text
}
