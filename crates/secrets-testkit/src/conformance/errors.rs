//! Errors, health, closing, and what none of them may show.

use secrets_core::{
    Capability, DeleteMode, DescribeOptions, Error, ErrorKind, GetItem, GetOptions, HealthStatus,
    ListOptions, PutMode, Version, VersionsOptions,
};
use tracing::instrument::WithSubscriber;

use super::check::{CaseResult, Stop, ensure, refused};
use super::context::{Context, Store};
use crate::canary::{Canary, Sinks, TraceCapture};

cases! { "errors":
    get_of_a_missing_secret [],
    describe_of_a_missing_secret [Describe],
    missing_after_a_look_is_found_once_put [Put],
    errors_are_one_lowercase_line [],
    refused_writes_do_not_show_the_value [Put],
    types_do_not_show_the_value [],
    traces_do_not_show_the_value [],
    info_is_complete_and_stable [],
    health_is_answered [],
    close_can_be_repeated [],
    close_loses_nothing [],
    calls_after_close_do_not_panic [],
}

async fn get_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for label in ["missing", "missing/deeper/down"] {
        let answer = store.get(&cx.name(label)?).await;
        refused("a get of a missing secret", answer, &[ErrorKind::NotFound])?;
    }
    // The folder of a secret is no secret.
    let name = cx.name("folder/secret")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let answer = store.get(&cx.name("folder")?).await;
    refused(
        "a get of the folder of a secret",
        answer,
        &[ErrorKind::NotFound],
    )?;
    let answer = store.get(&cx.name("folder/secret/below")?).await;
    refused("a get below a secret", answer, &[ErrorKind::NotFound])?;
    Ok(())
}

async fn describe_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    let answer = store.describe(&cx.name("missing")?).await;
    refused(
        "a description of a missing secret",
        answer,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn missing_after_a_look_is_found_once_put(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    for _ in 0..3 {
        refused(
            "a get of a missing secret",
            store.get(&name).await,
            &[ErrorKind::NotFound],
        )?;
    }
    store.put(&name, b"value").await?;
    store.holds(&name, b"value").await
}

/// Every error that a provider can be brought to give without a failing server.
async fn provoked(cx: &Context<'_>, store: &Store<'_>, value: &[u8]) -> Result<Vec<Error>, Stop> {
    let missing = cx.name("missing")?;
    let mut errors = Vec::new();
    let mut keep = |error: Option<Error>| errors.extend(error);
    let unknown = cx.fixture.unknown_version();
    keep(store.get(&missing).await.err());
    keep(store.describe(&missing).await.err());
    keep(store.get_version(&missing, &unknown).await.err());
    keep(store.delete(&missing, DeleteMode::Soft).await.err());
    keep(store.delete(&missing, DeleteMode::Purge).await.err());
    keep(store.restore(&missing).await.err());
    keep(store.rollback(&missing, &unknown).await.err());
    keep(
        store
            .provider
            .versions(&missing, &VersionsOptions::default())
            .await
            .err(),
    );
    if cx.has(Capability::Put) {
        let name = cx.name("there")?;
        store.put(&name, b"old").await?;
        keep(store.put_mode(&name, value, PutMode::Create).await.err());
        for version in [unknown, Version::new("no version")] {
            let mode = PutMode::IfVersion(version);
            keep(store.put_mode(&name, value, mode).await.err());
        }
        let mut odd = vec![0xff, 0x00];
        odd.extend_from_slice(value);
        keep(store.put(&cx.name("odd")?, &odd).await.err());
        if let Some(limit) = cx.capabilities.max_value_bytes
            && limit <= 64 * 1024 * 1024
        {
            let large = value.repeat(limit / value.len() + 1);
            keep(store.put(&name, &large).await.err());
        }
    } else {
        keep(store.put(&missing, value).await.err());
    }
    Ok(errors)
}

async fn errors_are_one_lowercase_line(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for error in provoked(cx, &store, b"some value").await? {
        let (text, message) = (error.to_string(), error.message());
        ensure(!message.is_empty(), || {
            format!("{:?} has no message", error.kind())
        })?;
        ensure(!text.contains(['\n', '\r']), || {
            format!("an error has more than one line: {text:?}")
        })?;
        ensure(!message.ends_with('.'), || {
            format!("an error ends with a full stop: {message}")
        })?;
        let mut letters = message.chars().take(2);
        let (first, second) = (letters.next(), letters.next());
        let is_capitalised =
            first.is_some_and(char::is_uppercase) && second.is_some_and(char::is_lowercase);
        ensure(!is_capitalised, || {
            format!("an error begins with a capital: {message}")
        })?;
        ensure(error.kind() != ErrorKind::Unexpected, || {
            format!("an ordinary mistake gives an unexpected error: {text}")
        })?;
        ensure(!error.is_retryable(), || {
            format!("a permanent mistake is reported as retryable: {text}")
        })?;
    }
    Ok(())
}

async fn refused_writes_do_not_show_the_value(cx: &Context<'_>) -> CaseResult {
    for canary in [Canary::generate(), Canary::generate_with_escapes()] {
        let store = cx.open().await?;
        let errors = provoked(cx, &store, canary.reveal().as_bytes()).await?;
        let mut sinks = Sinks::new([&canary]);
        sinks.debug("provider", &*store.provider);
        for error in &errors {
            sinks.error(format_args!("{:?} error", error.kind()), error);
            sinks.bytes("hint", error.hint().unwrap_or_default());
        }
        cx.no_leaks(&sinks)?;
    }
    Ok(())
}

async fn types_do_not_show_the_value(cx: &Context<'_>) -> CaseResult {
    let canary = Canary::generate();
    let name = cx.name("value")?;
    let text = format!("{{\"password\":\"{}\"}}", canary.reveal().as_str());
    let store = cx.holding(&[(&name, text.as_bytes())]).await?;
    let secret = store.get(&name).await?;
    ensure(!canary.scan(secret.value.expose_bytes()).is_empty(), || {
        "the value that was read does not hold what was planted".to_owned()
    })?;
    let mut sinks = Sinks::new([&canary]);
    sinks.debug("secret", &secret);
    sinks.debug("provider", &*store.provider);
    sinks.debug("info", store.provider.info());
    sinks.debug("health", &store.provider.health().await);
    if let Err(error) = secret.value.field("user") {
        sinks.error("missing field", &error);
    }
    cx.no_leaks(&sinks)
}

async fn traces_do_not_show_the_value(cx: &Context<'_>) -> CaseResult {
    let canary = Canary::generate();
    let capture = TraceCapture::new();
    let name = cx.name("value")?;
    let work = async {
        tracing::trace!(case = "traces_do_not_show_the_value", "the capture works");
        let store = cx.holding(&[(&name, canary.reveal().as_bytes())]).await?;
        let item = GetItem::new(name.clone(), GetOptions::default());
        store.get(&name).await?;
        for answer in store.provider.get_many(&[item]).await {
            answer?;
        }
        // Refused or not: what is traced on the way counts.
        let _ = store
            .provider
            .describe(&name, &DescribeOptions::default())
            .await;
        let _ = store
            .provider
            .list(&ListOptions::default().with_prefix(cx.prefix()))
            .await;
        let _ = store
            .provider
            .versions(&name, &VersionsOptions::default())
            .await;
        let _ = store.provider.health().await;
        provoked(cx, &store, canary.reveal().as_bytes()).await?;
        let _ = store.delete(&name, DeleteMode::Soft).await;
        Ok::<(), Stop>(())
    };
    work.with_subscriber(capture.dispatch()).await?;
    ensure(capture.event_count() > 0, || {
        "the capture of traces saw nothing, not even its own event".to_owned()
    })?;
    let mut sinks = Sinks::new([&canary]);
    sinks.trace("provider", &capture);
    cx.no_leaks(&sinks)
}

async fn info_is_complete_and_stable(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    let (info, requests) = cx
        .requests_of(async { store.provider.info().clone() })
        .await;
    ensure(requests.unwrap_or(0) == 0, || {
        "info sent requests".to_owned()
    })?;
    let is_scheme = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .chars()
                .all(|one| matches!(one, 'a'..='z' | '0'..='9' | '-'))
    };
    ensure(is_scheme(info.scheme), || {
        format!(
            "{:?} is no scheme: lowercase letters, digits and hyphens",
            info.scheme
        )
    })?;
    ensure(!info.name.is_empty(), || {
        "the provider has no name".to_owned()
    })?;
    let again = store.provider.info();
    ensure(
        again.scheme == info.scheme && again.capabilities == info.capabilities,
        || "info changes from call to call".to_owned(),
    )
}

async fn health_is_answered(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    let health = store.provider.health().await?;
    ensure(
        matches!(
            health.status,
            HealthStatus::Healthy | HealthStatus::Degraded
        ),
        || format!("a store that works says that it is {}", health.status),
    )?;
    ensure(!health.detail.contains(['\n', '\r']), || {
        "the detail of health has more than one line".to_owned()
    })
}

async fn close_can_be_repeated(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for _ in 0..3 {
        store.provider.close().await?;
    }
    Ok(())
}

async fn close_loses_nothing(cx: &Context<'_>) -> CaseResult {
    if !cx.fixture.is_shared() {
        return Err(Stop::Unsupported(
            "the fixture says that the store lives in the provider".to_owned(),
        ));
    }
    let name = cx.name("value")?;
    let other = cx.open().await?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    store.provider.close().await?;
    if cx.has(Capability::Put) {
        // Another provider on the store is none of the one that was closed.
        other.holds(&name, b"value").await?;
    }
    cx.open().await?.holds(&name, b"value").await
}

async fn calls_after_close_do_not_panic(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    store.provider.close().await?;
    // Each may work or fail; the runner turns a panic into a failure.
    if let Ok(secret) = store.get(&name).await {
        super::check::same(&secret.value, b"value")?;
    }
    let item = GetItem::new(name.clone(), GetOptions::default());
    let answers = store.provider.get_many(&[item]).await;
    ensure(answers.len() == 1, || {
        format!("1 asked after close, {} answered", answers.len())
    })?;
    let _ = store.describe(&name).await;
    let _ = store
        .provider
        .list(&ListOptions::default().with_prefix(cx.prefix()))
        .await;
    let _ = store
        .provider
        .versions(&name, &VersionsOptions::default())
        .await;
    let _ = store.put(&name, b"value").await;
    let _ = store.rollback(&name, &cx.fixture.unknown_version()).await;
    let _ = store.delete(&name, DeleteMode::Soft).await;
    let _ = store.restore(&name).await;
    let _ = store.provider.health().await;
    store.provider.close().await?;
    Ok(())
}
