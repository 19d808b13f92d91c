//! The queue of records: who waits for what, and for how long.

use super::*;

#[tokio::test]
async fn stats_tell_of_records_and_of_what_was_refused() {
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default().with_queue(8, Duration::from_millis(100)),
        &kept,
    );
    let stack = stack(&layer);
    let stats = |written, refused| AuditStats { written, refused };
    assert_eq!(layer.stats(), stats(0, 0));
    layer.flush().await.unwrap();
    stack.clone().oneshot(get("a")).await.unwrap();
    stack.clone().oneshot(put("a")).await.unwrap();
    assert_eq!(layer.stats(), stats(3, 0));
    kept.set(FAILS);
    stack.clone().oneshot(get("a")).await.unwrap_err();
    stack.clone().oneshot(put("a")).await.unwrap_err();
    assert_eq!(layer.stats(), stats(3, 2));
    kept.set(BLOCKS);
    stack.clone().oneshot(get("a")).await.unwrap_err();
    assert_eq!(layer.stats(), stats(3, 3));
    assert!(layer.flush().await.is_err());
    kept.set(WORKS);
    while layer.flush().await.is_err() {}
    // What was in the sink's hands when it was given up may be there.
    let written = kept.records().len() as u64;
    assert_eq!(layer.stats(), stats(written, 3));
    assert!(format!("{layer:?}").contains("config"), "{layer:?}");
}

/// A gap has the number of all that is missing, whatever it is missing for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_counts_what_failed_what_found_no_room_and_what_nobody_waited_for() {
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default().with_queue(3, Duration::from_millis(60)),
        &kept,
    );
    let stack = stack(&layer);
    kept.set(FAILS);
    for _ in 0..3 {
        stack.clone().oneshot(get("a")).await.unwrap_err();
    }
    kept.set(BLOCKS);
    let calls = kept.0.calls.load(Ordering::SeqCst);
    let first = tokio::spawn(stack.clone().oneshot(get("first")));
    while kept.0.calls.load(Ordering::SeqCst) == calls {
        tokio::task::yield_now().await;
    }
    // One is in the hands of the sink, so that two find room, and no others.
    let reads = (0..6).map(|at| stack.clone().oneshot(get(&format!("s{at}"))));
    for read in join_all(reads).await {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    first.await.unwrap().unwrap_err();
    kept.set(WORKS);
    while layer.flush().await.is_err() {}
    stack.clone().oneshot(get("last")).await.unwrap();
    let records = kept.records();
    let gaps = records.iter().filter(|record| record.event == Event::Gap);
    let missing: u64 = gaps.filter_map(|record| record.count).sum();
    assert_eq!(missing, 3 + 6);
    let reads: Vec<_> = records
        .iter()
        .filter(|record| record.event == Event::Read)
        .collect();
    // What the sink had in its hands was kept, although nobody waited for it any more.
    assert_eq!(reads.len(), 2);
    assert_eq!(reads[0].name.as_deref(), Some("first"));
    assert_eq!(layer.stats().refused, 3 + 1 + 6);
}

#[tokio::test]
async fn where_there_is_nothing_to_tell_the_sink_is_left_alone() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    for _ in 0..3 {
        layer.flush().await.unwrap();
        layer.reopen();
    }
    layer.flush().await.unwrap();
    assert_eq!(kept.0.calls.load(Ordering::SeqCst), 0);
}

/// While the sink fails, hits are refused from the first failure on, whatever it was that could not be written.
#[tokio::test]
async fn a_failure_stops_the_counting_until_something_is_written_again() {
    for first in ["cached", "fresh"] {
        let kept = Kept::default();
        let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
        let stack = stack(&layer);
        stack.clone().oneshot(get("cached")).await.unwrap();
        kept.set(FAILS);
        match first {
            "cached" => assert!(layer.flush().await.is_err()),
            _ => assert!(stack.clone().oneshot(get("fresh")).await.is_err()),
        }
        for _ in 0..3 {
            assert!(stack.clone().oneshot(get("cached")).await.is_err());
            assert!(layer.flush().await.is_err());
        }
        kept.set(WORKS);
        stack.clone().oneshot(get("fresh")).await.unwrap();
        let reported = kept.records();
        let sum = |event: Event| -> u64 {
            let those = reported.iter().filter(|record| record.event == event);
            those.filter_map(|record| record.count).sum()
        };
        // The hit that was given is reported, and those that were refused are missing.
        assert_eq!(sum(Event::Hits), 1, "{first}");
        assert_eq!(sum(Event::Gap), 3 + u64::from(first == "fresh"));
        let before = reported.len();
        stack.clone().oneshot(get("cached")).await.unwrap();
        assert_eq!(kept.records().len(), before);
    }
}

/// A count that could not be reported is tried again a second later, and not without a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_that_are_not_told_are_tried_once_a_second() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    let stack = stack(&layer);
    stack.clone().oneshot(get("cached")).await.unwrap();
    kept.set(FAILS);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let calls = kept.0.calls.load(Ordering::SeqCst);
    assert!((1..=3).contains(&calls), "{calls} tries");
    kept.set(WORKS);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let hits = kept.records();
    assert_eq!((hits.len(), hits[0].count), (1, Some(1)));
}

/// What happened is recorded even if there is no room for anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_needs_no_room() {
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default().with_queue(1, Duration::from_secs(5)),
        &kept,
    );
    let sink = kept.clone();
    let (begun, wait) = tokio::sync::oneshot::channel();
    let begun = Arc::new(Mutex::new(Some(begun)));
    let put_stack = layer.layer(service_fn(move |request: Request| {
        sink.set(BLOCKS);
        begun.lock().unwrap().take().unwrap().send(()).unwrap();
        async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer(request).await
        }
    }));
    let put = tokio::spawn(put_stack.oneshot(put("p")));
    wait.await.unwrap();
    // These fill the sink's hands and the queue.
    let reads: Vec<_> = (0..3)
        .map(|at| tokio::spawn(stack(&layer).oneshot(get(&format!("s{at}")))))
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    kept.set(WORKS);
    put.await.unwrap().unwrap();
    for read in reads {
        read.await.unwrap().unwrap();
    }
    let story = story(&kept.records());
    assert!(
        story.contains(&reported(Event::Outcome, "p", "ok")),
        "{story:?}"
    );
}

#[tokio::test]
async fn a_warning_is_said_of_writes_too_and_the_record_comes_later() {
    let kept = Kept::default();
    let config = AuditConfig::default()
        .with_on_failure(OnFailure::Warn)
        .with_queue(16, Duration::from_millis(60));
    let layer = layer(config, &kept);
    let stack = stack(&layer);
    kept.set(BLOCKS);
    stack.clone().oneshot(get("a")).await.unwrap();
    stack.clone().oneshot(put("b")).await.unwrap();
    kept.set(WORKS);
    while layer.flush().await.is_err() {}
    // Nobody waited for them any more, but what they tell of happened. A write without its intent has no outcome either.
    assert_eq!(
        story(&kept.records()),
        [
            reported(Event::Read, "a", "ok"),
            reported(Event::Intent, "b", "")
        ]
    );
}

/// A sink that counts how often it is asked to open again.
#[derive(Debug, Clone, Default)]
struct Reopened(Arc<AtomicUsize>);

impl AuditSink for Reopened {
    fn write(&mut self, _: &[Record]) -> Result<()> {
        Ok(())
    }

    fn reopen(&mut self) -> Result<()> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Error::new(ErrorKind::Unavailable, "not yet")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn every_sink_is_told_to_open_anew() {
    let (first, second) = (Reopened::default(), Reopened::default());
    let sinks: Vec<Box<dyn AuditSink>> = vec![Box::new(first.clone()), Box::new(second.clone())];
    let layer = AuditLayer::new(
        AuditConfig::default(),
        sinks,
        Arc::default(),
        Arc::new(SystemClock),
    )
    .unwrap();
    for times in 1..=3 {
        layer.reopen();
        layer.flush().await.unwrap();
        for sink in [&first, &second] {
            assert_eq!(sink.0.load(Ordering::SeqCst), times);
        }
    }
    // One that has nothing to open says that it went well.
    TracingSink.reopen().unwrap();
}

#[tokio::test]
async fn the_end_of_the_last_handle_tells_what_was_counted() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default().with_hits(Hits::Aggregate), &kept);
    let stack = stack(&layer);
    for _ in 0..5 {
        stack.clone().oneshot(get("cached")).await.unwrap();
    }
    assert!(kept.records().is_empty());
    drop((layer, stack));
    let waited = Instant::now();
    while kept.records().is_empty() {
        assert!(
            waited.elapsed() < Duration::from_millis(700),
            "it is not reported"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(kept.records()[0].count, Some(5));
}

#[tokio::test]
async fn nonsense_is_refused_where_a_layer_is_made() {
    let config = AuditConfig::default().with_queue(0, Duration::from_secs(1));
    let made = AuditLayer::new(config, Vec::new(), Arc::default(), Arc::new(SystemClock));
    assert_eq!(made.unwrap_err().kind(), ErrorKind::InvalidConfig);
}

/// What is said of a use that is refused: its operation, its name, and what to do.
#[tokio::test]
async fn a_refusal_says_what_was_refused_and_why() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    kept.set(FAILS);
    let error = stack(&layer).oneshot(get("db/a")).await.unwrap_err();
    assert_eq!(error.name().map(|name| name.as_str()), Some("db/a"));
    assert_eq!(error.operation(), Some(secrets_core::Operation::Get));
    assert!(error.hint().unwrap().contains("on_failure"));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no room");
    let health = stack(&layer).oneshot(Request::new(Call::Health)).await;
    assert!(health.is_ok(), "what is not about secrets needs no record");
}

/// A service that is never ready, as one behind a limit.
#[derive(Clone)]
struct Busy;

impl Service<Request> for Busy {
    type Response = Response;
    type Error = Error;
    type Future = std::future::Ready<Result<Response>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<()>> {
        std::task::Poll::Ready(Err(Error::from(ErrorKind::RateLimited)))
    }

    fn call(&mut self, _: Request) -> Self::Future {
        std::future::ready(Err(Error::from(ErrorKind::Unexpected)))
    }
}

#[tokio::test]
async fn a_service_is_ready_when_the_one_within_is() {
    let kept = Kept::default();
    let mut service = layer(AuditConfig::default(), &kept).layer(Busy);
    let error = service.ready().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(kept.records().is_empty());
}
