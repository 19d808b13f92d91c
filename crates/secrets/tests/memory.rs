//! What a full cache takes of the machine's memory, measured in a process of its own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use polysecrets::layers::{CacheConfig, CacheLayer};
use polysecrets::{
    Answer, Call, Error, GetItem, GetOptions, Metadata, Origin, Reply, Request, Response, Secret,
    SecretName, SystemClock, Version,
};
use tower::{Layer, Service, ServiceExt};

const CHILD: &str = "POLYSECRETS_TEST_CACHE_BYTES";

/// How many keys are read in one call.
const BATCH: usize = 1000;

/// The configured bytes, the length of each value, and how many keys of a million are read in a run that is not deep.
const CASES: [(u64, usize, usize); 4] = [
    // Far fewer than there are keys, so that most make room for others.
    (32 << 20, 32, 200_000),
    (64 << 20, 3000, 100_000),
    // Large values, few entries.
    (64 << 20, 65_536, 10_000),
    // More than all of them take.
    (1 << 30, 32, 200_000),
];

#[test]
fn a_full_cache_takes_what_is_configured_and_a_fifth_more_at_most() {
    let deep = std::env::var_os("POLYSECRETS_DEEP").is_some();
    for (bytes, value, keys) in CASES {
        // What is read of large values is bounded by time, not by the number of keys.
        let keys = if deep && value < 10_000 {
            1_000_000
        } else {
            keys
        };
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, format!("{bytes} {value} {keys}"))
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let said = text.lines().find_map(|line| line.split_once("CACHE "));
        let numbers: Vec<u64> = said
            .unwrap()
            .1
            .split(' ')
            .map(|number| number.parse().unwrap())
            .collect();
        let [resident, counted, entries, evictions] = numbers[..] else {
            panic!("{text}")
        };
        let case = format!(
            "{keys} keys of {value} bytes in {bytes}: {resident} resident, {counted} counted, {entries} entries"
        );
        assert!(counted <= bytes, "{case}");
        assert_eq!(entries + evictions, keys as u64, "{case}");
        assert!(resident <= bytes + bytes / 5, "{case}");
        // What is counted is what is taken, not a guess far beyond it.
        assert!(resident * 2 >= counted, "{case}");
        assert!(
            resident <= counted + counted / 5 + (8 << 20),
            "{case}: counted too little"
        );
    }
}

/// The other process. Run as a test among others it has nothing to measure.
#[test]
fn child() {
    let Ok(settings) = std::env::var(CHILD) else {
        return;
    };
    let settings: Vec<usize> = settings
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    let [bytes, value, keys] = settings[..] else {
        panic!("{settings:?}")
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let said = runtime.block_on(fill(bytes as u64, value, keys));
    println!("CACHE {said}");
}

async fn fill(bytes: u64, value: usize, keys: usize) -> String {
    let config = CacheConfig::default()
        .with_ttl(Duration::from_secs(3600))
        // Enough entries that bytes are the bound.
        .with_bounds(4_000_000, bytes);
    let layer = CacheLayer::new(config, Arc::new(SystemClock)).unwrap();
    let mut service = layer.layer(provider(value));
    // All that the first call sets up is not the cache's.
    let warm = CacheLayer::new(CacheConfig::default(), Arc::new(SystemClock)).unwrap();
    read(&mut warm.layer(provider(value)), 0..BATCH).await;
    drop(warm);
    let before = resident();
    for batch in 0..keys / BATCH {
        read(&mut service, batch * BATCH..(batch + 1) * BATCH).await;
    }
    let after = resident();
    let stats = layer.cache().stats();
    format!(
        "{} {} {} {}",
        after.saturating_sub(before),
        stats.bytes,
        stats.entries,
        stats.evictions
    )
}

async fn read<S>(service: &mut S, numbers: std::ops::Range<usize>)
where
    S: Service<Request, Response = Response, Error = Error>,
{
    let items = numbers.map(|number| {
        let name = SecretName::new(format!("team/service/secret-{number:07}")).unwrap();
        GetItem::new(name, GetOptions::default())
    });
    let call = Call::GetMany {
        items: items.collect(),
    };
    let response = service.ready().await.unwrap().call(Request::new(call));
    let Reply::Secrets(answers) = response.await.unwrap().reply else {
        panic!("not secrets")
    };
    assert!(answers.iter().all(Result::is_ok));
}

/// As providers answer: with a version, and of a value's own.
fn provider(
    value: usize,
) -> impl Service<Request, Response = Response, Error = Error, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(move |request: Request| {
        let Call::GetMany { items } = &request.call else {
            panic!("not a get-many")
        };
        let origin = Origin::fresh("main".into());
        let answers = items.iter().map(|item| {
            let mut metadata = Metadata::new(item.name.clone());
            metadata.version = Some(Version::new("0d1f2c3b-4a59-4687-9b1c-0d1f2c3b4a59"));
            let secret = Secret::new(vec![b'x'; value].into(), metadata);
            Ok(Answer::new(secret, origin.clone()))
        });
        let reply = Reply::Secrets(answers.collect());
        std::future::ready(Ok::<_, Error>(Response::new(reply, origin.clone())))
    })
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
