//! A thousand tasks read the same uncached key from a provider that takes 5 ms.

use std::time::{Duration, Instant};

use secrets::layers::CacheConfig;
use tokio::runtime::Runtime;

use crate::clients::{Client, Ours};
use crate::store::{Store, VALUE};
#[cfg(feature = "aws")]
use crate::{amazon, clients::TTL, upstream::Upstream};
use crate::{median, print};

const ROUNDS: usize = 11;
const TASKS: usize = 1000;
const DELAY: Duration = Duration::from_millis(5);

/// Returns the number of calls and the milliseconds.
type Rush<'a> = (&'a str, Box<dyn Fn() -> (u64, f64) + 'a>);

pub(crate) fn measure(runtime: &Runtime) {
    #[cfg(feature = "aws")]
    let upstream = Upstream::start(DELAY);
    let rushes: Vec<Rush<'_>> = vec![
        (
            "ours",
            Box::new(|| {
                let store = Store::new(DELAY);
                let ours = Ours::cold(store.behind(CacheConfig::default()), 1);
                let took = rush(runtime, &ours);
                (store.calls(), took)
            }),
        ),
        #[cfg(feature = "aws")]
        (
            "ours, over http",
            Box::new(|| {
                let ours = Ours::cold(amazon::handle(&upstream, CacheConfig::default()), 1);
                let took = rush(runtime, &ours);
                (upstream.calls(), took)
            }),
        ),
        #[cfg(feature = "aws")]
        (
            "aws",
            Box::new(|| {
                let amazon = runtime.block_on(amazon::Amazon::cold(&upstream, 1, TTL));
                let took = rush(runtime, &amazon);
                (upstream.calls(), took)
            }),
        ),
    ];
    let mut all = vec![(0, Vec::new()); rushes.len()];
    for _ in 0..ROUNDS {
        for ((most, times), (_, rush)) in all.iter_mut().zip(&rushes) {
            let (calls, took) = rush();
            *most = calls.max(*most);
            times.push(took);
        }
    }
    for ((calls, times), (whose, _)) in all.into_iter().zip(&rushes) {
        print("1000 cold gets, calls", whose, calls as f64);
        print("1000 cold gets, ms", whose, median(times));
    }
}

fn rush(runtime: &Runtime, client: &impl Client) -> f64 {
    runtime.block_on(async {
        let started = Instant::now();
        let reads: Vec<_> = (0..TASKS)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.read(0).await })
            })
            .collect();
        for read in reads {
            assert_eq!(read.await.expect("a task"), VALUE.len());
        }
        started.elapsed().as_secs_f64() * 1e3
    })
}
