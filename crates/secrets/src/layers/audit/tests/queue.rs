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
#[tokio::test]
async fn a_gap_counts_what_failed_what_found_no_room_and_what_nobody_waited_for() {
    let kept = Kept::default();
    let layer = layer(
        AuditConfig::default().with_queue(1, Duration::from_millis(60)),
        &kept,
    );
    let stack = stack(&layer);
    kept.set(FAILS);
    for _ in 0..3 {
        stack.clone().oneshot(get("a")).await.unwrap_err();
    }
    kept.set(BLOCKS);
    // One in the hands of the sink, one in the queue, and no room for those that come then.
    let reads = (0..6).map(|at| stack.clone().oneshot(get(&format!("s{at}"))));
    for read in join_all(reads).await {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    kept.set(WORKS);
    while stack.clone().oneshot(get("last")).await.is_err() {}
    let records = kept.records();
    let gaps = records.iter().filter(|record| record.event == Event::Gap);
    let missing: u64 = gaps.filter_map(|record| record.count).sum();
    let reads = records.iter().filter(|record| record.event == Event::Read);
    // Of the reads of `last` those that were refused are missing too.
    let refused = layer.stats().refused - 9;
    assert_eq!(missing + reads.count() as u64, 3 + 6 + 1 + refused);
    let last = records.last().unwrap();
    assert_eq!(last.name.as_deref(), Some("last"));
    assert!(missing >= 3 + 5, "{missing}");
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
        story.contains(&told(Event::Outcome, "p", "ok")),
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
        [told(Event::Read, "a", "ok"), told(Event::Intent, "b", "")]
    );
}

/// A sink that counts how often it is told to open anew.
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
            "it is not told"
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
