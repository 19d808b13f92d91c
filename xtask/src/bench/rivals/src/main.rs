//! What a hit, a stampede, an outage and a miss cost, ours beside the rivals, all in one process and in turns.
//!
//! Prints one line a figure: what was measured, whose it is, the value.

#[cfg(feature = "aws")]
mod amazon;
mod clients;
mod counting;
mod store;

use std::time::{Duration, Instant};

use clients::{Client, Map, Moka, Ours, Stacked, Tower, name};
use secrets::layers::CacheConfig;
use secrets::{Freshness, GetOptions, SecretName, SecretProvider, SecretRef, Secrets};
use store::{Store, VALUE};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const ROUNDS: usize = 41;
const READS: usize = 20_000;

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
    // One of them alone is what a profiler wants.
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("hits") {
        hits(&one, 1);
        hits(&one, 1000);
    }
    if wanted("shared") {
        shared(&two);
    }
    if wanted("stampede") {
        stampede(&two);
    }
    if wanted("outage") {
        outage(&one);
    }
    if wanted("misses") {
        misses(&one);
    }
}

fn tell(what: &str, whose: &str, value: f64) {
    println!("{what}\t{whose}\t{value}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

type Measure<'a> = (&'a str, Box<dyn Fn() -> f64 + 'a>);

/// All in turns; gives the median of each.
fn in_turns(measures: &[Measure<'_>]) -> Vec<f64> {
    let mut all = vec![Vec::new(); measures.len()];
    for _ in 0..ROUNDS {
        for (values, (_, measure)) in all.iter_mut().zip(measures) {
            values.push(measure());
        }
    }
    all.into_iter().map(median).collect()
}

fn hits(runtime: &Runtime, keys: usize) {
    let ours = runtime.block_on(Ours::new(keys));
    let boxed = Stacked(ours.clone());
    let (map, moka, tower) = (Map::new(keys), Moka::new(keys), Tower::new(keys));
    #[cfg(feature = "aws")]
    let amazon = runtime.block_on(amazon::Amazon::new(keys));
    let measures: Vec<Measure<'_>> = vec![
        ("ours", Box::new(|| time(runtime, &ours, keys))),
        (
            "ours, boxed stack",
            Box::new(|| time(runtime, &boxed, keys)),
        ),
        ("map with a TTL", Box::new(|| time(runtime, &map, keys))),
        ("moka", Box::new(|| time(runtime, &moka, keys))),
        (
            "tower, 3 boxed layers",
            Box::new(|| time(runtime, &tower, keys)),
        ),
        #[cfg(feature = "aws")]
        ("aws", Box::new(|| time(runtime, &amazon, keys))),
    ];
    let what = format!("hit, {keys} keys, ns");
    for ((whose, _), value) in measures.iter().zip(in_turns(&measures)) {
        tell(&what, whose, value);
    }
    let what = format!("hit, {keys} keys, allocations");
    tell(&what, "ours", blocks(runtime, &ours, keys));
    tell(&what, "ours, boxed stack", blocks(runtime, &boxed, keys));
    tell(&what, "map with a TTL", blocks(runtime, &map, keys));
    tell(&what, "moka", blocks(runtime, &moka, keys));
    tell(
        &what,
        "tower, 3 boxed layers",
        blocks(runtime, &tower, keys),
    );
    #[cfg(feature = "aws")]
    tell(&what, "aws", blocks(runtime, &amazon, keys));
}

async fn read_all(client: &impl Client, keys: usize) {
    for read in 0..READS {
        assert_eq!(client.read(read % keys).await, VALUE.len());
    }
}

/// Nanoseconds a read.
fn time(runtime: &Runtime, client: &impl Client, keys: usize) -> f64 {
    runtime.block_on(async {
        let started = Instant::now();
        read_all(client, keys).await;
        started.elapsed().as_nanos() as f64 / READS as f64
    })
}

/// Allocations a read, rounded to hundredths: moka does some now and then.
fn blocks(runtime: &Runtime, client: &impl Client, keys: usize) -> f64 {
    runtime.block_on(async {
        let before = counting::allocations();
        read_all(client, keys).await;
        let more = counting::allocations() - before;
        (more as f64 / READS as f64 * 100.0).round() / 100.0
    })
}

/// Eight tasks on two threads, one key.
fn shared(runtime: &Runtime) {
    let ours = runtime.block_on(Ours::new(1));
    let (map, moka) = (Map::new(1), Moka::new(1));
    #[cfg(feature = "aws")]
    let amazon = runtime.block_on(amazon::Amazon::new(1));
    let measures: Vec<Measure<'_>> = vec![
        ("ours", Box::new(|| million_a_second(runtime, &ours))),
        (
            "map with a TTL",
            Box::new(|| million_a_second(runtime, &map)),
        ),
        ("moka", Box::new(|| million_a_second(runtime, &moka))),
        #[cfg(feature = "aws")]
        ("aws", Box::new(|| million_a_second(runtime, &amazon))),
    ];
    for ((whose, _), value) in measures.iter().zip(in_turns(&measures)) {
        tell("8 tasks on 2 threads, million/s", whose, value);
    }
}

fn million_a_second(runtime: &Runtime, client: &impl Client) -> f64 {
    const TASKS: usize = 8;
    runtime.block_on(async {
        let started = Instant::now();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { read_all(&client, 1).await })
            })
            .collect();
        for task in tasks {
            task.await.expect("a task");
        }
        (TASKS * READS) as f64 / started.elapsed().as_secs_f64() / 1e6
    })
}

fn handle(store: &std::sync::Arc<Store>, config: CacheConfig) -> Secrets {
    Secrets::builder()
        .provider("main", store.clone())
        .default_provider("main")
        .cache(config)
        .build()
        .expect("a handle")
}

/// A thousand gets of a key that is not there, and of one that has expired, from a provider that takes 5 ms.
fn stampede(runtime: &Runtime) {
    let (mut times, mut calls) = (Vec::new(), 0);
    for _ in 0..11 {
        let store = Store::new(Duration::from_millis(5));
        let secrets = handle(&store, CacheConfig::default());
        let took = runtime.block_on(async {
            let started = Instant::now();
            let gets: Vec<_> = (0..1000)
                .map(|_| {
                    let secrets = secrets.clone();
                    tokio::spawn(async move { secrets.get("a").await.map(drop) })
                })
                .collect();
            for get in gets {
                get.await.expect("a task").expect("a value");
            }
            started.elapsed()
        });
        times.push(took.as_secs_f64() * 1e3);
        calls = calls.max(store.calls());
    }
    tell("1000 cold gets, calls", "ours", calls as f64);
    tell("1000 cold gets, ms", "ours", median(times));
}

/// Reads of an expired key while the provider throttles: the first waits for it, the others do not.
fn outage(runtime: &Runtime) {
    let store = Store::new(Duration::ZERO);
    let config = CacheConfig::default()
        .with_ttl(Duration::from_millis(20))
        .with_max_stale(Duration::from_secs(600))
        .with_refresh_ahead(false);
    let secrets = handle(&store, config);
    let reference: SecretRef = "a".parse().expect("a reference");
    runtime.block_on(async {
        secrets.get(&reference).await.expect("a value");
        store.fail();
        tokio::time::sleep(Duration::from_millis(60)).await;
        let mut times = Vec::new();
        let started = Instant::now();
        let _ = secrets.get(&reference).await.expect("a stale value");
        tell(
            "stale in an outage, first, ms",
            "ours",
            started.elapsed().as_secs_f64() * 1e3,
        );
        while times.len() < 3000 {
            let started = Instant::now();
            let answer = secrets
                .get_with_origin(&reference)
                .await
                .expect("a stale value");
            assert!(matches!(answer.origin.freshness, Freshness::Stale { .. }));
            times.push(started.elapsed().as_secs_f64() * 1e3);
            // So that it spans refreshes behind the readers' backs.
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        times.sort_by(f64::total_cmp);
        tell("stale in an outage, ms", "ours", times[times.len() / 2]);
        tell(
            "stale in an outage, 99 %, ms",
            "ours",
            times[times.len() * 99 / 100],
        );
    });
}

/// What the whole stack adds to a provider that answers at once, when nothing is kept.
fn misses(runtime: &Runtime) {
    const MISSES: usize = 2000;
    let store = Store::new(Duration::ZERO);
    let config = CacheConfig::default()
        .with_refresh_ahead(false)
        .with_ttl(Duration::ZERO)
        .with_max_stale(Duration::ZERO);
    let secrets = handle(&store, config);
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
    for ((whose, _), value) in measures.iter().zip(in_turns(&measures)) {
        tell("miss, ns", whose, value);
    }
}
