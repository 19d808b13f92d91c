//! Writes: what they need to be true, what they leave as it is, and what they refuse.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use secrets_core::{Capability, ErrorKind, PutMode, PutOptions, Version};

use super::check::{CaseResult, Stop, ensure, refused, same};
use super::context::{Context, Store};

cases! { "write":
    put_creates_and_replaces [Put],
    put_answers_with_metadata [Put],
    put_leaves_other_secrets_alone [Put],
    times_are_told_in_the_right_unit [Put],
    create_writes_a_new_secret [Create],
    create_refuses_an_existing_secret [Create],
    create_refused_adds_no_version [Create, Versions],
    create_after_purge [Create, Purge],
    creates_at_once_have_one_winner [Create],
    if_version_writes_over_the_current_one [IfVersion],
    if_version_refuses_a_stale_one [IfVersion],
    if_version_refuses_an_unknown_one [IfVersion],
    if_version_refuses_a_missing_secret [IfVersion],
    if_version_follows_a_chain [IfVersion],
    if_version_is_not_fooled_by_equal_content [IfVersion],
    if_versions_at_once_have_one_winner [IfVersion],
    tags_round_trip [Tags],
    tags_stay_without_new_ones [Tags],
    tags_are_replaced_and_cleared [Tags],
    expiry_round_trips [Expiry],
    expired_value_is_not_given_out [Expiry],
    repeated_put_with_one_token_is_one_put [IdempotentPut, Versions],
    other_token_is_another_put [IdempotentPut, Versions],
    oversize_value_is_refused_before_any_call [Put],
    oversize_value_leaves_the_old_one [Put],
}

async fn put_creates_and_replaces(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    refused(
        "a get before the first put",
        store.get(&name).await,
        &[ErrorKind::NotFound],
    )?;
    for value in ["one", "two", "three"] {
        store.put(&name, value).await?;
        store.holds(&name, value).await?;
    }
    Ok(())
}

async fn put_answers_with_metadata(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let put = store.put(&name, b"value").await?;
    ensure(put.name == name, || {
        format!("the metadata names {}, what was put is {name}", put.name)
    })?;
    let read = store.get(&name).await?.metadata;
    if cx.has(Capability::Versions) || cx.has(Capability::IfVersion) {
        ensure(put.version.is_some(), || {
            "the metadata that put answered with has no version".to_owned()
        })?;
    }
    if put.version.is_some() {
        ensure(put.version == read.version, || {
            format!(
                "put answered with version {:?}, get with {:?}",
                put.version, read.version
            )
        })?;
    }
    Ok(())
}

async fn put_leaves_other_secrets_alone(cx: &Context<'_>) -> CaseResult {
    let names = [
        cx.name("a")?,
        cx.name("a/b")?,
        cx.name("ab")?,
        cx.name("b/a")?,
    ];
    let store = cx.open().await?;
    for (number, name) in names.iter().enumerate() {
        store.put(name, number.to_string()).await?;
    }
    store.put(&names[0], b"changed").await?;
    store.holds(&names[0], b"changed").await?;
    for (number, name) in names.iter().enumerate().skip(1) {
        store.holds(name, number.to_string()).await?;
    }
    Ok(())
}

async fn times_are_told_in_the_right_unit(cx: &Context<'_>) -> CaseResult {
    // Clocks of servers differ by minutes; seconds that are taken for milliseconds differ by decades.
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let now = cx.fixture.clock().wall();
    let mut reported = vec![
        store.put(&name, b"value").await?,
        store.get(&name).await?.metadata,
    ];
    if cx.has(Capability::Describe) {
        reported.push(store.describe(&name).await?);
    }
    if cx.has(Capability::List) {
        reported.extend(store.list(&cx.prefix(), None).await?);
    }
    if cx.has(Capability::Versions) {
        reported.extend(store.versions(&name, None).await?);
    }
    for time in reported
        .iter()
        .flat_map(|metadata| [metadata.created_at, metadata.updated_at])
        .flatten()
    {
        ensure(now - DAY < time && time < now + DAY, || {
            format!("a secret that was put at {now:?} is dated {time:?}")
        })?;
    }
    Ok(())
}

async fn create_writes_a_new_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let metadata = store.put_mode(&name, b"new", PutMode::Create).await?;
    ensure(metadata.name == name, || {
        "the metadata names another secret".to_owned()
    })?;
    store.holds(&name, b"new").await
}

async fn create_refuses_an_existing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"old").await?;
    for value in ["new", "old"] {
        refused(
            "a create of an existing secret",
            store.put_mode(&name, value, PutMode::Create).await,
            &[ErrorKind::AlreadyExists],
        )?;
        store.holds(&name, b"old").await?;
    }
    Ok(())
}

async fn create_refused_adds_no_version(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put_mode(&name, b"old", PutMode::Create).await?;
    let before = store.version_ids(&name).await?;
    refused(
        "a create of an existing secret",
        store.put_mode(&name, b"new", PutMode::Create).await,
        &[ErrorKind::AlreadyExists],
    )?;
    ensure(store.version_ids(&name).await? == before, || {
        "a refused create changed the versions".to_owned()
    })
}

async fn create_after_purge(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"old").await?;
    store.delete(&name, secrets_core::DeleteMode::Purge).await?;
    store.put_mode(&name, b"new", PutMode::Create).await?;
    store.holds(&name, b"new").await
}

const RIVALS: usize = 8;

/// Lets `RIVALS` conditional writes run at once; one wins with its value, the others are refused with `loss`.
async fn one_winner(
    cx: &Context<'_>,
    store: &Store<'_>,
    name: &secrets_core::SecretName,
    mode: PutMode,
    loss: &[ErrorKind],
) -> CaseResult {
    let writes = (0..RIVALS).map(|number| {
        let (provider, name, mode) = (store.provider.clone(), name.clone(), mode.clone());
        tokio::spawn(async move {
            let value = secrets_core::SecretValue::from(format!("rival {number}"));
            provider
                .put(&name, &value, &PutOptions::default().with_mode(mode))
                .await
        })
    });
    let mut winners = Vec::new();
    for (number, answer) in join_all(writes).await.into_iter().enumerate() {
        match answer.map_err(|error| Stop::fail(format!("a write panicked: {error}")))? {
            Ok(_) => winners.push(number),
            Err(error) => {
                refused::<()>("a write that lost", Err(error), loss)?;
            }
        }
    }
    cx.fixture.settle().await;
    ensure(winners.len() == 1, || {
        format!(
            "{} of {RIVALS} conditional writes at once succeeded",
            winners.len()
        )
    })?;
    store.holds(name, format!("rival {}", winners[0])).await
}

async fn creates_at_once_have_one_winner(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for round in 0..3 {
        let name = cx.name(&format!("value-{round}"))?;
        one_winner(
            cx,
            &store,
            &name,
            PutMode::Create,
            &[ErrorKind::AlreadyExists],
        )
        .await?;
    }
    Ok(())
}

async fn if_version_writes_over_the_current_one(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let first = store.put_version(&name, b"old").await?;
    let second = store
        .put_mode(&name, b"new", PutMode::IfVersion(first.clone()))
        .await?
        .version;
    ensure(second.is_some() && second != Some(first), || {
        "a conditional write did not answer with a new version".to_owned()
    })?;
    store.holds(&name, b"new").await
}

async fn if_version_refuses_a_stale_one(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let first = store.put_version(&name, b"one").await?;
    let second = store.put_version(&name, b"two").await?;
    refused(
        "a write over a stale version",
        store
            .put_mode(&name, b"three", PutMode::IfVersion(first))
            .await,
        &[ErrorKind::Conflict],
    )?;
    let read = store.get(&name).await?;
    same(&read.value, b"two")?;
    ensure(read.metadata.version == Some(second), || {
        "a refused write changed the current version".to_owned()
    })
}

async fn if_version_refuses_an_unknown_one(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"old").await?;
    for version in [cx.fixture.unknown_version(), Version::new("no version")] {
        refused(
            "a write over an unknown version",
            store
                .put_mode(&name, b"new", PutMode::IfVersion(version))
                .await,
            &[ErrorKind::Conflict],
        )?;
        store.holds(&name, b"old").await?;
    }
    Ok(())
}

async fn if_version_refuses_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let mode = PutMode::IfVersion(cx.fixture.unknown_version());
    refused(
        "a write over a version of a missing secret",
        store.put_mode(&name, b"new", mode).await,
        &[ErrorKind::Conflict, ErrorKind::NotFound],
    )?;
    refused(
        "a get after it",
        store.get(&name).await,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn if_version_follows_a_chain(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let mut version = store.put_version(&name, b"0").await?;
    for number in 1..5 {
        let mode = PutMode::IfVersion(version);
        version = store
            .put_mode(&name, number.to_string(), mode)
            .await?
            .version
            .ok_or_else(|| Stop::fail("a conditional write answered without a version"))?;
        store.holds(&name, number.to_string()).await?;
    }
    Ok(())
}

async fn if_version_is_not_fooled_by_equal_content(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let first = store.put_version(&name, b"same").await?;
    store.put(&name, b"other").await?;
    store.put(&name, b"same").await?;
    refused(
        "a write over a version whose content came back",
        store
            .put_mode(&name, b"new", PutMode::IfVersion(first))
            .await,
        &[ErrorKind::Conflict],
    )?;
    store.holds(&name, b"same").await
}

async fn if_versions_at_once_have_one_winner(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for round in 0..3 {
        let name = cx.name(&format!("value-{round}"))?;
        let version = store.put_version(&name, b"old").await?;
        one_winner(
            cx,
            &store,
            &name,
            PutMode::IfVersion(version),
            &[ErrorKind::Conflict],
        )
        .await?;
    }
    Ok(())
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The tags as a read and, where there is one, a description tell them.
async fn has_tags(
    cx: &Context<'_>,
    store: &Store<'_>,
    name: &secrets_core::SecretName,
    expected: &BTreeMap<String, String>,
) -> CaseResult {
    let differ = |from: &str, actual: &BTreeMap<String, String>| {
        format!("{from} tells the tags {actual:?}, should be {expected:?}")
    };
    let read = if cx.has(Capability::Describe) {
        store.describe(name).await?.tags
    } else {
        store.get(name).await?.metadata.tags
    };
    ensure(read == *expected, || differ("the store", &read))
}

async fn tags_round_trip(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let expected = tags(&[
        ("team", "payments"),
        ("stage", "prod-1"),
        ("owner_id", "42"),
    ]);
    let options = PutOptions::default().with_tags(expected.clone());
    store.put_with(&name, b"value", options).await?;
    has_tags(cx, &store, &name, &expected).await?;
    store.holds(&name, b"value").await
}

async fn tags_stay_without_new_ones(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let expected = tags(&[("team", "payments")]);
    let options = PutOptions::default().with_tags(expected.clone());
    store.put_with(&name, b"one", options).await?;
    store.put(&name, b"two").await?;
    has_tags(cx, &store, &name, &expected).await?;
    store.holds(&name, b"two").await
}

async fn tags_are_replaced_and_cleared(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    for expected in [
        tags(&[("team", "payments"), ("stage", "prod")]),
        tags(&[("team", "search")]),
        tags(&[]),
    ] {
        let options = PutOptions::default().with_tags(expected.clone());
        store.put_with(&name, b"value", options).await?;
        has_tags(cx, &store, &name, &expected).await?;
    }
    Ok(())
}

const HOUR: Duration = Duration::from_secs(3600);

fn close_to(left: SystemTime, right: SystemTime) -> bool {
    let distance = left
        .duration_since(right)
        .or_else(|_| right.duration_since(left))
        .unwrap_or_default();
    // Stores keep whole seconds, some round and some cut.
    distance <= Duration::from_secs(1)
}

async fn expiry_round_trips(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let end = cx.fixture.clock().wall() + 2 * HOUR;
    store
        .put_with(&name, b"value", PutOptions::default().with_expires_at(end))
        .await?;
    let secret = store.get(&name).await?;
    same(&secret.value, b"value")?;
    let reported = secret.metadata.expires_at;
    ensure(
        reported.is_some_and(|reported| close_to(reported, end)),
        || format!("the expiry is {reported:?}, not {end:?}"),
    )
}

async fn expired_value_is_not_given_out(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let now = cx.fixture.clock().wall();
    let answer = store
        .put_with(
            &name,
            b"value",
            PutOptions::default().with_expires_at(now + HOUR),
        )
        .await;
    answer?;
    if !cx.fixture.advance(2 * HOUR) {
        // Time cannot be moved, so the value is one that has ended already, which may be refused as well.
        let options = PutOptions::default().with_expires_at(now - HOUR);
        if let Err(error) = store.put_with(&name, b"value", options).await {
            refused::<()>(
                "a put of an expired value",
                Err(error),
                &[ErrorKind::InvalidValue],
            )?;
            return Ok(());
        }
    }
    let kinds = [ErrorKind::Disabled, ErrorKind::Deleted, ErrorKind::NotFound];
    refused("a get of an expired value", store.get(&name).await, &kinds)?;
    Ok(())
}

async fn versions_after_two_puts(cx: &Context<'_>, tokens: [&str; 2]) -> Result<usize, Stop> {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    for token in tokens {
        let options = PutOptions::default().with_idempotency_token(token.to_owned());
        store.put_with(&name, b"value", options).await?;
    }
    store.holds(&name, b"value").await?;
    Ok(store.version_ids(&name).await?.len())
}

const TOKEN: &str = "6f1b0e52-62a4-4a4e-9a53-1f0e2f5d7c11";
const OTHER_TOKEN: &str = "0b7c9b5e-5b0f-4d0c-8a57-6f9d3c2b1a22";

async fn repeated_put_with_one_token_is_one_put(cx: &Context<'_>) -> CaseResult {
    let versions = versions_after_two_puts(cx, [TOKEN, TOKEN]).await?;
    ensure(versions == 1, || {
        format!("one token put twice made {versions} versions")
    })
}

async fn other_token_is_another_put(cx: &Context<'_>) -> CaseResult {
    let versions = versions_after_two_puts(cx, [TOKEN, OTHER_TOKEN]).await?;
    ensure(versions == 2, || {
        format!("two tokens made {versions} versions")
    })
}

/// One byte more than the provider takes.
fn oversize(cx: &Context<'_>) -> Result<Vec<u8>, Stop> {
    match cx.capabilities.max_value_bytes {
        Some(limit) if limit <= 256 * 1024 * 1024 => Ok(vec![b'x'; limit + 1]),
        _ => Err(Stop::Unsupported(
            "the provider names no limit, or one above 256 MiB".to_owned(),
        )),
    }
}

async fn oversize_value_is_refused_before_any_call(cx: &Context<'_>) -> CaseResult {
    let value = oversize(cx)?;
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let (answer, requests) = cx.requests_of(store.put(&name, &value)).await;
    refused("a value over the limit", answer, &[ErrorKind::InvalidValue])?;
    ensure(requests.unwrap_or(0) == 0, || {
        format!(
            "a value over the limit was refused after {} requests",
            requests.unwrap_or(0)
        )
    })?;
    refused(
        "a get after it",
        store.get(&name).await,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn oversize_value_leaves_the_old_one(cx: &Context<'_>) -> CaseResult {
    let value = oversize(cx)?;
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"old").await?;
    refused(
        "a value over the limit",
        store.put(&name, &value).await,
        &[ErrorKind::InvalidValue],
    )?;
    store.holds(&name, b"old").await
}
