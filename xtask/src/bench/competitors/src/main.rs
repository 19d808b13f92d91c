//! What a hit, a stampede, an outage and a miss cost, ours beside the rivals, all in one process and in turns.
//!
//! Prints one line a figure: what was measured, whose it is, the value.

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

/// Many and short, so that a turn of another program on the processor falls into few of them.
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

/// A profiler wants one group alone, or of that one row, for so many rounds.
fn argument(place: usize) -> Option<String> {
    std::env::args().nth(place)
}

fn tell(what: &str, whose: &str, value: f64) {
    println!("{what}\t{whose}\t{value}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

type Measure<'a> = (&'a str, Box<dyn Fn() -> f64 + 'a>);

/// All in turns; tells the median of each.
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
        tell(what, whose, median(values));
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
            ("ours", unit.of(runtime, &ours, keys)),
            ("ours, with origin", unit.of(runtime, &with_origin, keys)),
            ("ours, policy and audit", unit.of(runtime, &guarded, keys)),
            (
                "ours, policy, audit, origin",
                unit.of(runtime, &guarded_with_origin, keys),
            ),
            ("ours, boxed stack", unit.of(runtime, &boxed, keys)),
            ("map with a TTL", unit.of(runtime, &map, keys)),
            ("moka", unit.of(runtime, &moka, keys)),
            ("tower, 3 boxed layers", unit.of(runtime, &tower, keys)),
            #[cfg(feature = "aws")]
            ("aws", unit.of(runtime, &amazon, keys)),
        ];
        in_turns(&format!("hit, {keys} keys, {}", unit.as_str()), &measures);
    }
}

/// What is measured of reads.
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

    fn of<'a>(
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

/// Nanoseconds a read.
fn time(runtime: &Runtime, client: &impl Client, keys: usize) -> f64 {
    runtime.block_on(async {
        // What others did meanwhile is not to be paid for in the first reads.
        read_all(client, keys, keys).await;
        let started = Instant::now();
        read_all(client, keys, READS).await;
        started.elapsed().as_nanos() as f64 / READS as f64
    })
}

/// Allocations a read, rounded to hundredths: moka does some now and then.
fn blocks(runtime: &Runtime, client: &impl Client, keys: usize) -> f64 {
    runtime.block_on(async {
        let before = counting::allocations();
        read_all(client, keys, READS).await;
        let more = counting::allocations() - before;
        (more as f64 / READS as f64 * 100.0).round() / 100.0
    })
}

/// Eight tasks on two threads, one key.
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
    // So many that to begin a task is nothing beside them.
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

/// What the whole stack adds to a provider that answers at once, when nothing is kept.
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
