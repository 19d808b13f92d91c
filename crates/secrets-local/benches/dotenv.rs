//! How long a `.env` file takes to be read and to answer for all of its names, by its number of lines. Prints a table of
//! the best of 15 rounds, which a busy machine disturbs least.
#![allow(clippy::print_stdout, reason = "a table is what it is for")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use polysecrets_local::dotenv::{DotenvConfig, open, syntax};
use secrets_core::{GetItem, GetOptions, OpenContext, SecretName, SecretProvider};

fn best(rounds: usize, mut measure: impl FnMut() -> Duration) -> f64 {
    let times = (0..rounds).map(|_| measure());
    times.min().unwrap().as_secs_f64() * 1e3
}

/// `cargo bench --bench dotenv -- --rounds 1 --lines 10000` is for counting instructions.
fn option(name: &str) -> Option<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)?.parse().ok()
}

fn main() {
    let rounds = option("--rounds").unwrap_or(15);
    println!("  lines   parse ms   read and get_many of all ms");
    for count in option("--lines").map_or(vec![1_000, 10_000, 100_000], |count| vec![count]) {
        measure(count, rounds);
    }
}

fn measure(count: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for number in 0..count {
        writeln!(
            text,
            "SERVICE_KEY_{number}=value-{number}-of-thirty-two-chars"
        )
        .unwrap();
    }
    std::fs::write(folder.path().join(".env"), &text).unwrap();
    let items: Vec<GetItem> = (0..count)
        .map(|number| {
            let name = SecretName::new(format!("service/key-{number}")).unwrap();
            GetItem::new(name, GetOptions::default())
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let context = OpenContext::new("local").with_base_dir(folder.path());
    let parse = best(rounds, || {
        let start = Instant::now();
        black_box(syntax::parse(black_box(&text)).unwrap());
        start.elapsed()
    });
    let batch = best(rounds, || {
        let provider = runtime
            .block_on(open(DotenvConfig::default(), context.clone()))
            .unwrap();
        let start = Instant::now();
        let answers = runtime.block_on(provider.get_many(&items));
        let elapsed = start.elapsed();
        assert!(answers.iter().all(Result::is_ok));
        elapsed
    });
    println!("{count:>7} {parse:>10.2} {batch:>29.2}");
}
