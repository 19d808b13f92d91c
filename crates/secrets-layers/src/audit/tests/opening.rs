//! A layer whose sinks are made with the first use that is to be recorded.

use super::*;

/// A layer with these sinks behind an opening that fails so often first, and how often it was opened.
fn opening(kept: &Kept, config: AuditConfig, failures: usize) -> (AuditLayer, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let (kept, times) = (kept.clone(), opened.clone());
    let open: OpenSinks = Box::new(move || {
        let fails = times.fetch_add(1, Ordering::SeqCst) < failures;
        let sink: Box<dyn AuditSink> = Box::new(kept.clone());
        Box::pin(async move {
            match fails {
                true => Err(Error::new(ErrorKind::InvalidConfig, "no key").with_hint("make one")),
                false => Ok(vec![sink]),
            }
        })
    });
    let default = Some(Arc::from("project"));
    let layer = AuditLayer::lazy(config, Arc::default(), Arc::new(SystemClock), default, open);
    (layer.unwrap(), opened)
}

#[tokio::test]
async fn the_first_use_opens_the_log_and_is_recorded() {
    for is_write in [false, true] {
        let kept = Kept::default();
        let (layer, opened) = opening(&kept, AuditConfig::default(), 0);
        let stack = stack(&layer);
        // Nothing was used, so there is nothing to open again, to flush or to tell.
        layer.reopen();
        layer.flush().await.unwrap();
        assert_eq!(
            (layer.stats(), opened.load(Ordering::SeqCst)),
            (AuditStats::default(), 0)
        );
        let first = if is_write { put("a") } else { get("missing") };
        let _ = stack.clone().oneshot(first).await;
        stack.clone().oneshot(get("b")).await.unwrap();
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        let records = kept.records();
        assert_eq!(records.len(), if is_write { 3 } else { 2 });
        // Who answered is reported; where nobody did, who was meant.
        assert_eq!(records[0].provider.as_deref(), Some("project"));
        assert_eq!(records.last().unwrap().provider.as_deref(), Some("main"));
        assert_eq!(layer.stats().written, records.len() as u64);
    }
}

#[tokio::test]
async fn while_the_log_cannot_be_opened_nobody_is_asked() {
    let kept = Kept::default();
    let (layer, opened) = opening(&kept, AuditConfig::default(), 2);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let service = layer.layer(service_fn(move |request: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(request)
    }));
    for request in [get("a"), put("a")] {
        let error = service.clone().oneshot(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(error.hint(), Some("make one"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    service.oneshot(get("a")).await.unwrap();
    assert_eq!(
        (asked.load(Ordering::SeqCst), opened.load(Ordering::SeqCst)),
        (1, 3)
    );
    assert_eq!(kept.records().len(), 1);
}

#[tokio::test]
async fn with_a_warning_it_goes_on_without_a_log() {
    let kept = Kept::default();
    let config = AuditConfig::default().with_on_failure(OnFailure::Warn);
    let (layer, _) = opening(&kept, config, 2);
    let stack = stack(&layer);
    stack.clone().oneshot(get("a")).await.unwrap();
    stack.clone().oneshot(put("a")).await.unwrap();
    stack.clone().oneshot(get("b")).await.unwrap();
    assert_eq!(story(&kept.records()), [reported(Event::Read, "b", "ok")]);
}

#[tokio::test]
async fn what_a_write_was_about_is_in_both_of_its_records() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    let to = Version::new("3");
    for call in [
        Call::Rollback {
            name: name("r"),
            to: to.clone(),
            options: RollbackOptions::default(),
        },
        Call::Restore { name: name("s") },
    ] {
        let request = Request::new(call)
            .with_target(Some("chain".into()))
            .with_reason(Some(Arc::from("ticket 7")));
        stack(&layer).oneshot(request).await.unwrap();
    }
    let records = kept.records();
    assert_eq!(
        story(&records),
        [
            reported(Event::Intent, "r", ""),
            reported(Event::Outcome, "r", "ok"),
            reported(Event::Intent, "s", ""),
            reported(Event::Outcome, "s", "ok"),
        ]
    );
    let of = |at: usize| {
        let record: &Record = &records[at];
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        (
            text(&record.provider),
            text(&record.version),
            text(&record.reason),
        )
    };
    let words = |provider: &str, version: &str| {
        (
            provider.to_owned(),
            version.to_owned(),
            "ticket 7".to_owned(),
        )
    };
    assert_eq!(of(0), words("chain", "3"));
    assert_eq!(of(1), words("main", "3"));
    assert_eq!(of(2), words("chain", ""));
    assert!(records[0].duration_ms.is_none() && records[1].duration_ms.is_some());
}

#[tokio::test]
async fn listings_and_versions_tell_what_they_were_about() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    for call in [
        Call::List {
            options: ListOptions::default().with_prefix("db/"),
        },
        Call::Versions {
            name: name("v"),
            options: VersionsOptions::default(),
        },
        Call::Describe {
            name: name("d"),
            options: DescribeOptions::default().with_version(Version::new("3")),
        },
    ] {
        stack(&layer).oneshot(Request::new(call)).await.unwrap();
    }
    let reported: Vec<_> = kept
        .records()
        .iter()
        .map(|record| {
            let operation = record.operation.clone().unwrap().into_owned();
            let version = record.version.clone().unwrap_or_default();
            (operation, record.name.clone().unwrap(), version)
        })
        .collect();
    let was = |operation: &str, name: &str, version: &str| {
        (operation.to_owned(), name.to_owned(), version.to_owned())
    };
    assert_eq!(
        reported,
        [
            was("list", "db/*", ""),
            was("versions", "v", ""),
            was("describe", "d", "3"),
        ]
    );
}

#[tokio::test]
async fn what_was_asked_for_is_told_where_nothing_was_answered() {
    let kept = Kept::default();
    let layer = layer(AuditConfig::default(), &kept);
    let versioned = |name: &str| {
        let options = GetOptions::default().with_version(Version::new("5"));
        GetItem::new(super::name(name), options)
    };
    let one = versioned("missing/a");
    let call = Call::Get {
        name: one.name.clone(),
        options: one.options.clone(),
    };
    stack(&layer).oneshot(Request::new(call)).await.unwrap_err();
    let items = vec![versioned("missing/a"), versioned("b")];
    let many = || {
        Request::new(Call::GetMany {
            items: items.clone(),
        })
    };
    stack(&layer).oneshot(many()).await.unwrap();
    // All of them fail as one.
    let failing = layer.layer(service_fn(|_: Request| async {
        Err::<Response, _>(Error::from(ErrorKind::Timeout).with_provider("main".into(), "memory"))
    }));
    failing.oneshot(many()).await.unwrap_err();
    // Fewer answers than items: no provider does that, and none is left out.
    let short = layer.layer(service_fn(|_: Request| async {
        Ok(Response::new(
            Reply::Secrets(Vec::new()),
            Origin::fresh("main".into()),
        ))
    }));
    short.oneshot(many()).await.unwrap();
    let never = layer.layer(service_fn(
        |_: Request| -> BoxFuture<'static, Result<Response>> { Box::pin(std::future::pending()) },
    ));
    let limit = Duration::from_millis(20);
    tokio::time::timeout(limit, never.oneshot(many()))
        .await
        .unwrap_err();
    layer.flush().await.unwrap();
    let reported: Vec<_> = kept
        .records()
        .iter()
        .map(|record| {
            let outcome = record.outcome.clone().unwrap().into_owned();
            (
                record.name.clone().unwrap(),
                record.version.clone().unwrap(),
                outcome,
            )
        })
        .collect();
    let was = |name: &str, version: &str, outcome: &str| {
        (name.to_owned(), version.to_owned(), outcome.to_owned())
    };
    assert_eq!(
        reported,
        [
            was("missing/a", "5", "not_found"),
            was("missing/a", "5", "not_found"),
            was("b", "7", "ok"),
            was("missing/a", "5", "timeout"),
            was("b", "5", "timeout"),
            was("missing/a", "5", "unexpected"),
            was("b", "5", "unexpected"),
            was("missing/a", "5", "cancelled"),
            was("b", "5", "cancelled"),
        ]
    );
    assert_eq!(kept.records()[3].provider.as_deref(), Some("main"));
}
