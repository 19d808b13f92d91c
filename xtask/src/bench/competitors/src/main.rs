//! Measures hits, stampedes, outages and misses of our cache and of its competitors, in one process and in turns.
//!
//! Prints a line for each figure: measurement, program, value.

#[cfg(feature = "aws")]
mod amazon;
mod clients;
mod counting;
mod guarded;
mod outage;
mod stampede;
mod store;
#[cfg(feature = "aws")]
mod upstream;

use std::time::{Duration, Instant};

use clients::{Client, Map, Moka, Ours, Stacked, Tower, name};
use guarded::{Boxed, guarded};
use secrets::layers::CacheConfig;
use secrets::{GetOptions, SecretName, SecretProvider, SecretRef, Secrets};
use store::{Store, VALUE};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Many short rounds, so another process disturbs few of them.
const ROUNDS: usize = 401;
const READS: usize = 2000;

fn main() {
    let one = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let two = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let wanted = |name: &str| argument(1).is_none_or(|only| only == name);
    if wanted("hits") {
        hits(&one, 1);
        hits(&one, 1000);
    }
    if wanted("shared") {
        shared(&two);
    }
    if wanted("stampede") {
        stampede::measure(&two);
    }
    if wanted("outage") {
        outage::measure(&one);
    }
    if wanted("misses") {
        misses(&one);
    }
}

/// Arguments for profiling: a group, a row of it, and the number of rounds.
fn argument(place: usize) -> Option<String> {
    std::env::args().nth(place)
}

fn print(what: &str, whose: &str, value: f64) {
    println!("{what}\t{whose}\t{value}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

type Measure<'a> = (&'a str, Box<dyn Fn() -> f64 + 'a>);

/// Runs all measures in turns and prints their medians.
fn in_turns(what: &str, measures: &[Measure<'_>]) {
    let only = argument(2);
    let rounds = argument(3).map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let measures: Vec<&Measure<'_>> = measures
        .iter()
        .filter(|(whose, _)| only.as_deref().is_none_or(|only| only == *whose))
        .collect();
    let mut all = vec![Vec::new(); measures.len()];
    for _ in 0..rounds {
        for (values, (_, measure)) in all.iter_mut().zip(&measures) {
            values.push(measure());
        }
    }
    for ((whose, _), values) in measures.iter().zip(all) {
        print(what, whose, median(values));
    }
}

fn hits(runtime: &Runtime, keys: usize) {
    let ours = runtime.block_on(Ours::new(keys));
    let guarded = runtime.block_on(guarded(keys));
    let (with_origin, guarded_with_origin) = (Stacked(ours.clone()), Stacked(guarded.clone()));
    let boxed = runtime.block_on(Boxed::new(keys));
    let (map, moka, tower) = (Map::new(keys), Moka::new(keys), Tower::new(keys));
    #[cfg(feature = "aws")]
    let amazon = runtime.block_on(amazon::Amazon::new(keys));
    for unit in [Unit::Nanoseconds, Unit::Allocations] {
        let measures: Vec<Measure<'_>> = vec![
            ("ours", unit.measure(runtime, &ours, keys)),
            (
                "ours, with origin",
                unit.measure(runtime, &with_origin, keys),
            ),
            (
                "ours, policy and audit",
                unit.measure(runtime, &guarded, keys),
            ),
            (
                "ours, policy, audit, origin",
                unit.measure(runtime, &guarded_with_origin, keys),
            ),
            ("ours, boxed stack", unit.measure(runtime, &boxed, keys)),
            ("map with a TTL", unit.measure(runtime, &map, keys)),
            ("moka", unit.measure(runtime, &moka, keys)),
            ("tower, 3 boxed layers", unit.measure(runtime, &tower, keys)),
            #[cfg(feature = "aws")]
            ("aws", unit.measure(runtime, &amazon, keys)),
        ];
        in_turns(&format!("hit, {keys} keys, {}", unit.as_str()), &measures);
    }
}

/// The unit of a measurement.
#[derive(Clone, Copy)]
enum Unit {
    Nanoseconds,
    Allocations,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Allocations => "allocations",
        }
    }

    fn measure<'a>(
        self,
        runtime: &'a Runtime,
        client: &'a impl Client,
        keys: usize,
    ) -> Box<dyn Fn() -> f64 + 'a> {
        match self {
            Self::Nanoseconds => Box::new(move || time(runtime, client, keys)),
            Self::Allocations => Box::new(move || blocks(runtime, client, keys)),
        }
    }
}

async fn read_all(client: &impl Client, keys: usize, reads: usize) {
    for read in 0..reads {
        assert_eq!(client.read(read % keys).await, VALUE.len());
    }
}

/// Nanoseconds per read.
fn time(runtime: &Runtime, client: &impl Client, keys: usize) -> f64 {
    runtime.block_on(async {
        // Warm up after the other measures.
        read_all(client, keys, keys).await;
        let started = Instant::now();
        read_all(client, keys, READS).await;
        started.elapsed().as_nanos() as f64 / READS as f64
    })
}

/// Allocations per read, rounded to hundredths, since moka allocates occasionally.
fn blocks(runtime: &Runtime, client: &impl Client, keys: usize) -> f64 {
    runtime.block_on(async {
        let before = counting::allocations();
        read_all(client, keys, READS).await;
        let more = counting::allocations() - before;
        (more as f64 / READS as f64 * 100.0).round() / 100.0
    })
}

/// Eight tasks on two threads read one key.
fn shared(runtime: &Runtime) {
    let ours = runtime.block_on(Ours::new(1));
    let guarded = runtime.block_on(guarded(1));
    let (map, moka) = (Map::new(1), Moka::new(1));
    #[cfg(feature = "aws")]
    let amazon = runtime.block_on(amazon::Amazon::new(1));
    let measures: Vec<Measure<'_>> = vec![
        ("ours", Box::new(|| million_a_second(runtime, &ours))),
        (
            "ours, policy and audit",
            Box::new(|| million_a_second(runtime, &guarded)),
        ),
        (
            "map with a TTL",
            Box::new(|| million_a_second(runtime, &map)),
        ),
        ("moka", Box::new(|| million_a_second(runtime, &moka))),
        #[cfg(feature = "aws")]
        ("aws", Box::new(|| million_a_second(runtime, &amazon))),
    ];
    in_turns("8 tasks on 2 threads, million/s", &measures);
}

fn million_a_second(runtime: &Runtime, client: &impl Client) -> f64 {
    const TASKS: usize = 8;
    // Enough reads to make the cost of spawning a task negligible.
    const EACH: usize = 2 * READS;
    runtime.block_on(async {
        let started = Instant::now();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { read_all(&client, 1, EACH).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("a task");
        }
        (TASKS * EACH) as f64 / started.elapsed().as_secs_f64() / 1e6
    })
}

/// What the stack adds to a provider without delay when the cache keeps nothing.
fn misses(runtime: &Runtime) {
    const MISSES: usize = 200;
    let store = Store::new(Duration::ZERO);
    let config = CacheConfig::default()
        .with_refresh_ahead(false)
        .with_ttl(Duration::ZERO)
        .with_max_stale(Duration::ZERO);
    let secrets = store.behind(config);
    let bare = Secrets::builder()
        .provider("main", store.clone())
        .default_provider("main")
        .build()
        .expect("a handle");
    let reference: SecretRef = name(0).parse().expect("a reference");
    let secret: SecretName = name(0).parse().expect("a name");
    let per = |started: Instant| started.elapsed().as_nanos() as f64 / MISSES as f64;
    let through = |secrets: &Secrets| {
        runtime.block_on(async {
            let started = Instant::now();
            for _ in 0..MISSES {
                secrets.get(&reference).await.expect("a value");
            }
            per(started)
        })
    };
    let measures: Vec<Measure<'_>> = vec![
        (
            "provider alone",
            Box::new(|| {
                runtime.block_on(async {
                    let options = GetOptions::default();
                    let started = Instant::now();
                    for _ in 0..MISSES {
                        store.get(&secret, &options).await.expect("a value");
                    }
                    per(started)
                })
            }),
        ),
        ("ours, no cache", Box::new(|| through(&bare))),
        ("ours", Box::new(|| through(&secrets))),
    ];
    in_turns("miss, ns", &measures);
}
