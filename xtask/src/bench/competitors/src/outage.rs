//! Measures reads of an expired key while the provider fails.

use std::time::{Duration, Instant};

use secrets::layers::CacheConfig;
use secrets::{Freshness, SecretRef, Secrets};
use tokio::runtime::Runtime;

#[cfg(feature = "aws")]
use crate::{
    amazon,
    clients::Client,
    store::VALUE,
    upstream::{Mood, Upstream},
};
use crate::{clients::name, print, store::Store};

const TTL: Duration = Duration::from_millis(20);
const READS: usize = 3000;
/// The most time for all reads, for clients that wait in each.
const PATIENCE: Duration = Duration::from_secs(6);

pub(crate) fn measure(runtime: &Runtime) {
    let store = Store::new(Duration::ZERO);
    let secrets = store.behind(config());
    let throttled = "in an outage";
    runtime.block_on(async {
        let _ = secrets.get(reference()).await.expect("a value");
        store.fail();
        watch(async || is_stale(&secrets).await)
            .await
            .print(throttled, "ours");
    });
    #[cfg(feature = "aws")]
    for (mood, what) in [
        (Mood::Throttled, throttled),
        (Mood::Broken, "at errors 500"),
    ] {
        runtime.block_on(over_http(mood, what));
    }
}

/// Our client and AWS's, against the same failing server.
#[cfg(feature = "aws")]
async fn over_http(mood: Mood, what: &str) {
    let upstream = Upstream::start(Duration::ZERO);
    let secrets = amazon::handle(&upstream, config());
    let amazon = amazon::Amazon::cold(&upstream, 1, TTL).await;
    let _ = secrets.get(reference()).await.expect("a value");
    assert_eq!(amazon.read(0).await, VALUE.len());
    upstream.set(mood);
    watch(async || is_stale(&secrets).await)
        .await
        .print(what, "ours, over http");
    watch(async || amazon.read(0).await == VALUE.len())
        .await
        .print(what, "aws");
}

fn config() -> CacheConfig {
    CacheConfig::default()
        .with_ttl(TTL)
        .with_max_stale(Duration::from_secs(600))
        .with_refresh_ahead(false)
}

fn reference() -> SecretRef {
    name(0).parse().expect("a reference")
}

async fn is_stale(secrets: &Secrets) -> bool {
    let answer = secrets.get_with_origin(&reference()).await;
    answer.is_ok_and(|answer| matches!(answer.origin.freshness, Freshness::Stale { .. }))
}

/// The results of the reads.
struct Reads {
    first: f64,
    /// In milliseconds, sorted.
    times: Vec<f64>,
    answered: usize,
}

/// Reads repeatedly after the value has expired.
async fn watch(read: impl AsyncFn() -> bool) -> Reads {
    tokio::time::sleep(3 * TTL).await;
    let begun = Instant::now();
    let (mut times, mut answered) = (Vec::new(), 0);
    while times.len() < READS && begun.elapsed() < PATIENCE {
        let started = Instant::now();
        answered += usize::from(read().await);
        times.push(started.elapsed().as_secs_f64() * 1e3);
        // Pause, so the reads span background refreshes.
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    Reads {
        first,
        times,
        answered,
    }
}

impl Reads {
    fn print(&self, what: &str, whose: &str) {
        let count = self.times.len();
        let share = self.answered as f64 / count as f64 * 100.0;
        print(&format!("stale {what}, first, ms"), whose, self.first);
        print(&format!("stale {what}, ms"), whose, self.times[count / 2]);
        let late = self.times[count * 99 / 100];
        print(&format!("stale {what}, 99 %, ms"), whose, late);
        print(&format!("answered {what}, %"), whose, share);
    }
}
