//! Hits of the cache that are counted: which are reported together, and when.

use secrets_testkit::ManualClock;

use super::*;
use crate::{CacheConfig, CacheLayer, CacheService, CachedRead, TryCached};

/// What the next answers come with.
#[derive(Clone)]
struct Next {
    origin: Origin,
    version: Option<&'static str>,
}

/// A layer on a clock that stands, around answers as they are wanted.
struct Counting {
    kept: Kept,
    clock: Arc<ManualClock>,
    layer: AuditLayer,
    next: Arc<Mutex<Next>>,
}

impl Counting {
    fn new(deadline: Duration) -> Self {
        let (kept, clock) = (Kept::default(), Arc::new(ManualClock::new()));
        let config = AuditConfig::default()
            .with_hits(Hits::Aggregate)
            .with_queue(64, deadline);
        let sinks: Vec<Box<dyn AuditSink>> = vec![Box::new(kept.clone())];
        let layer = AuditLayer::new(config, sinks, Arc::default(), clock.clone()).unwrap();
        let next = Next {
            origin: cached("main"),
            version: Some("7"),
        };
        Self {
            kept,
            clock,
            layer,
            next: Arc::new(Mutex::new(next)),
        }
    }

    async fn get(&self, request: Request) {
        let next = self.next.lock().unwrap().clone();
        let answered = service_fn(move |request: Request| {
            let next = next.clone();
            async move {
                let name = request.call.name().unwrap().clone();
                let mut metadata = Metadata::new(name);
                if let Some(version) = next.version {
                    metadata = metadata.with_version(Version::new(version));
                }
                let secret = Secret::new("hunter2".into(), metadata);
                Ok(Response::new(Reply::Secret(secret), next.origin))
            }
        });
        self.layer.layer(answered).oneshot(request).await.unwrap();
    }

    async fn flushed(&self) -> Vec<Record> {
        self.layer.flush().await.unwrap();
        std::mem::take(&mut *self.kept.0.records.lock().unwrap())
    }
}

fn cached(provider: &str) -> Origin {
    Origin::fresh(provider.into()).with_freshness(Freshness::Cached {
        age: Duration::from_secs(1),
    })
}

#[tokio::test]
async fn what_differs_in_anything_is_counted_by_itself() {
    let counting = Counting::new(Duration::from_secs(5));
    let age = Duration::from_secs(1);
    let stale = cached("main").with_freshness(Freshness::Stale { age });
    // Provider, chain, freshness; version; name and reason.
    let uses = [
        (cached("main"), Some("7"), "a", None),
        (cached("other"), Some("7"), "a", None),
        (
            cached("main").with_via(Arc::<str>::from("chain")),
            Some("7"),
            "a",
            None,
        ),
        (
            cached("main").with_via(Arc::<str>::from("chain2")),
            Some("7"),
            "a",
            None,
        ),
        (stale, Some("7"), "a", None),
        (cached("main"), Some("8"), "a", None),
        (cached("main"), None, "a", None),
        (cached("main"), Some("7"), "b", None),
        (cached("main"), Some("7"), "a", Some("ticket 7")),
        (cached("main"), Some("7"), "a", Some("ticket 8")),
    ];
    for round in 1..=3 {
        for (origin, version, name, reason) in &uses {
            *counting.next.lock().unwrap() = Next {
                origin: origin.clone(),
                version: *version,
            };
            // The same text need not be the same memory.
            let reason = reason.map(|reason| Arc::from(reason.to_owned()));
            counting.get(get(name).with_reason(reason)).await;
        }
        if round == 2 {
            assert!(counting.kept.records().is_empty());
        }
    }
    let reported = counting.flushed().await;
    assert_eq!(reported.len(), uses.len());
    for (origin, version, name, reason) in &uses {
        let of = |record: &&Record| {
            record.provider.as_deref() == Some(&*origin.provider)
                && record.via.as_deref() == origin.via.as_deref()
                && record.source == Some(origin.freshness.into())
                && record.version.as_deref() == *version
                && record.name.as_deref() == Some(name)
                && record.reason.as_deref() == *reason
        };
        let found: Vec<_> = reported.iter().filter(of).collect();
        assert_eq!(found.len(), 1, "{name} {version:?} {reason:?}");
        assert_eq!((found[0].event, found[0].count), (Event::Hits, Some(3)));
        assert_eq!(found[0].operation.as_deref(), Some("get"));
        assert_eq!(found[0].outcome.as_deref(), Some("ok"));
    }
    assert!(counting.flushed().await.is_empty());
    assert_eq!(counting.layer.stats().written, uses.len() as u64);
}

#[tokio::test]
async fn a_count_tells_when_its_first_and_last_were() {
    let counting = Counting::new(Duration::from_secs(5));
    let clock = &counting.clock;
    for round in 0..2 {
        clock.advance(Duration::from_millis(40));
        let first = clock.wall();
        counting.get(get("a")).await;
        clock.advance(Duration::from_millis(300));
        counting.get(get("a")).await;
        let last = clock.wall();
        clock.advance(Duration::from_millis(200));
        let reported = counting.flushed().await;
        assert_eq!(reported.len(), 1);
        assert_eq!(reported[0].count, Some(2), "round {round}");
        assert_eq!((reported[0].since, reported[0].time), (Some(first), last));
    }
}

#[tokio::test]
async fn when_counts_are_not_told_in_time_hits_are_recorded_singly() {
    // The thread tells by its own clock: on a machine that is busy its second may be over before the test is.
    for _ in 0..50 {
        let counting = Counting::new(Duration::from_millis(500));
        let started = Instant::now();
        counting.get(get("a")).await;
        // A second to count, and the deadline to write it.
        counting.clock.advance(Duration::from_millis(1500));
        counting.get(get("a")).await;
        let early = counting.kept.records();
        counting.clock.advance(Duration::from_millis(1));
        counting.get(get("a")).await;
        let singly = counting.kept.records();
        let reported = counting.flushed().await;
        if started.elapsed() > Duration::from_millis(900) {
            continue;
        }
        assert!(early.is_empty());
        assert_eq!(story(&singly), [self::reported(Event::Read, "a", "ok")]);
        assert_eq!(
            (reported.len(), reported[1].event, reported[1].count),
            (2, Event::Hits, Some(2))
        );
        // Then they are counted again, once the thread has come to the end of its round.
        counting.layer.flush().await.unwrap();
        counting.get(get("a")).await;
        assert!(counting.kept.records().is_empty());
        return;
    }
    panic!("this machine takes a second for three reads");
}

#[tokio::test]
async fn answers_of_the_provider_and_errors_are_never_counted() {
    let counting = Counting::new(Duration::from_secs(5));
    counting.next.lock().unwrap().origin = Origin::fresh("main".into());
    counting.get(get("a")).await;
    counting.get(get("a")).await;
    assert_eq!(counting.kept.records().len(), 2);
    let kept = Kept::default();
    let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    stack(&layer).oneshot(get("missing")).await.unwrap_err();
    assert_eq!(
        story(&kept.records()),
        [reported(Event::Read, "missing", "not_found")]
    );
}

#[tokio::test]
async fn items_of_the_cache_are_counted_beside_those_that_are_not() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    let items = ["cached/a", "b", "cached/a", "missing/c"]
        .map(|one| GetItem::new(name(one), GetOptions::default()));
    let many = || {
        Request::new(Call::GetMany {
            items: items.to_vec(),
        })
    };
    stack(&layer).oneshot(many()).await.unwrap();
    stack(&layer).oneshot(many()).await.unwrap();
    assert_eq!(kept.records().len(), 4);
    layer.flush().await.unwrap();
    let last = kept.records().pop().unwrap();
    assert_eq!((last.event, last.count), (Event::Hits, Some(4)));
    assert_eq!(last.operation.as_deref(), Some("get-many"));
}

/// Each hit that was given is in a count, while others take the counts away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hit_is_lost_between_two_tellings() {
    const EACH: u64 = 4000;
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default()
            .with_hits(Hits::Aggregate)
            .with_queue(1024, Duration::from_secs(10)),
        &kept,
    );
    let stack = stack(&layer);
    let readers = (0..4).map(|at| {
        let stack = stack.clone();
        tokio::spawn(async move {
            for _ in 0..EACH {
                let name = format!("cached/{}", at % 2);
                stack.clone().oneshot(get(&name)).await.unwrap();
            }
        })
    });
    let readers = join_all(readers);
    tokio::pin!(readers);
    loop {
        tokio::select! {
            ended = &mut readers => {
                ended.into_iter().for_each(|ended| ended.unwrap());
                break;
            }
            flushed = layer.flush() => flushed.unwrap(),
        }
    }
    layer.flush().await.unwrap();
    let counts = kept.records().into_iter().filter_map(|record| record.count);
    assert_eq!(counts.sum::<u64>(), 4 * EACH);
}

/// A hit that is counted while the ones before it are on their way is reported a second later, without another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_while_others_are_told_is_told_next() {
    let kept = Kept::default();
    let config = AuditConfig::default()
        .with_hits(Hits::Aggregate)
        .with_queue(64, Duration::from_secs(20));
    let layer = layer(config, &kept);
    let stack = stack(&layer);
    kept.set(BLOCKS);
    stack.clone().oneshot(get("cached")).await.unwrap();
    while kept.0.calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stack.clone().oneshot(get("cached")).await.unwrap();
    kept.set(WORKS);
    let counts = || -> Vec<u64> {
        let records = kept.records().into_iter();
        records.filter_map(|record| record.count).collect()
    };
    let waited = Instant::now();
    while counts().len() < 2 && waited.elapsed() < Duration::from_secs(8) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(counts(), [1, 1]);
}

/// Reads of what a cache holds, around which a layer counts.
fn cached_within<F>(
    layer: &AuditLayer,
    answered: tower::util::ServiceFn<F>,
) -> AuditService<CacheService<tower::util::ServiceFn<F>>>
where
    tower::util::ServiceFn<F>: Service<Request, Response = Response, Error = Error, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let config = CacheConfig::default().with_negative_ttl(Duration::from_secs(5));
    let cache = CacheLayer::new(config, Arc::new(SystemClock)).unwrap();
    layer.layer(cache.layer(answered))
}

/// Whether it is given at once, and with which value.
fn glanced(service: &impl TryCached, text: &str, reason: Option<&Arc<str>>) -> Option<String> {
    let kept = service.try_cached(CachedRead {
        target: None,
        name: &name(text),
        version: None,
        reason,
    })?;
    Some(kept.into_value()?.expose_str().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_given_at_once_is_counted() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    let service = cached_within(&layer, service_fn(answer));
    assert_eq!(glanced(&service, "a", None), None);
    service.clone().oneshot(get("a")).await.unwrap();
    service.clone().oneshot(get("missing")).await.unwrap_err();
    let before = kept.records().len();
    let ticket = Arc::from("ticket 7");
    for reason in [None, Some(&ticket), Some(&ticket)] {
        let value = glanced(&service, "a", reason);
        assert_eq!(value.as_deref(), Some("hunter2"));
    }
    // An absence is an error, which is recorded by itself.
    assert_eq!(glanced(&service, "missing", None), None);
    assert_eq!(kept.records().len(), before);
    layer.flush().await.unwrap();
    let hits = kept.records().split_off(before);
    let reported: Vec<_> = hits
        .iter()
        .map(|hit| (hit.event, hit.reason.as_deref(), hit.count))
        .collect();
    assert_eq!(
        reported,
        [
            (Event::Hits, None, Some(1)),
            (Event::Hits, Some("ticket 7"), Some(2))
        ]
    );
    for hit in hits {
        assert_eq!(
            (hit.operation.as_deref(), hit.name.as_deref()),
            (Some("get"), Some("a"))
        );
        assert_eq!(
            (hit.provider.as_deref(), hit.version.as_deref()),
            (Some("main"), Some("7"))
        );
        assert_eq!(hit.source, Some(RecordSource::Cache));
    }
}

#[tokio::test]
async fn nothing_is_given_at_once_that_cannot_be_counted() {
    // Each hit has a record of its own, for which somebody has to wait.
    let kept = Kept::default();
    let each = layer(AuditConfig::default().with_hits(Hits::Each), &kept);
    let service = cached_within(&each, service_fn(answer));
    service.clone().oneshot(get("a")).await.unwrap();
    assert_eq!(glanced(&service, "a", None), None);
    each.flush().await.unwrap();
    assert_eq!(kept.records().len(), 1);

    // And none is given while none can be reported.
    let aggregate = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    let service = cached_within(&aggregate, service_fn(answer));
    service.clone().oneshot(get("a")).await.unwrap();
    kept.set(FAILS);
    service.clone().oneshot(get("b")).await.unwrap_err();
    assert_eq!(glanced(&service, "a", None), None);
    kept.set(WORKS);
    service.clone().oneshot(get("c")).await.unwrap();
    assert!(glanced(&service, "a", None).is_some());
}
