//! Many calls at once, and calls that are dropped half way.

use futures_util::future::join_all;
use secrets_core::{
    DeleteMode, DeleteOptions, Error, ErrorKind, GetOptions, ListOptions, PutMode, PutOptions,
    Secret, SecretName, SecretValue,
};

use super::check::{CaseResult, Stop, ensure, refused, same};
use super::context::{Context, Store, cancelled};

cases! { "concurrency":
    parallel_puts_all_land [Put],
    parallel_puts_from_two_providers_all_land [Put],
    parallel_puts_to_one_name [Put],
    parallel_puts_to_one_name_keep_versions [Put, Versions],
    parallel_gets_of_one_name [],
    parallel_gets_of_many_names [],
    readers_see_whole_values_only [Put],
    parallel_deletes_of_one_name [Delete],
    listing_beside_writes [List, Put],
    dropped_get [],
    dropped_put [Put],
    dropped_create [Create],
    dropped_delete [Delete, Put],
    dropped_list [List],
    calls_that_are_never_polled [],
}

const PARALLEL: usize = 16;
const ROUNDS: usize = 24;

async fn spawned<T: Send + 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Result<Vec<T>, Stop> {
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    join_all(tasks)
        .await
        .into_iter()
        .map(|outcome| outcome.map_err(|error| Stop::fail(format!("a call panicked: {error}"))))
        .collect()
}

fn put_task(
    store: &Store<'_>,
    name: SecretName,
    value: String,
) -> impl Future<Output = Result<(), Error>> + Send + 'static {
    let provider = store.provider.clone();
    async move {
        let value = SecretValue::from(value);
        provider
            .put(&name, &value, &PutOptions::default())
            .await
            .map(drop)
    }
}

fn get_task(
    store: &Store<'_>,
    name: SecretName,
) -> impl Future<Output = Result<Secret, Error>> + Send + 'static {
    let provider = store.provider.clone();
    async move { provider.get(&name, &GetOptions::default()).await }
}

async fn all_land(cx: &Context<'_>, stores: &[Store<'_>]) -> CaseResult {
    let mut calls = Vec::new();
    let mut names = Vec::new();
    for number in 0..PARALLEL {
        let name = cx.name(&format!("value-{number}"))?;
        let store = &stores[number % stores.len()];
        calls.push(put_task(store, name.clone(), format!("value {number}")));
        names.push(name);
    }
    for answer in spawned(calls).await? {
        answer?;
    }
    cx.fixture.settle().await;
    for (number, name) in names.iter().enumerate() {
        for store in stores {
            store.holds(name, format!("value {number}")).await?;
        }
    }
    Ok(())
}

async fn parallel_puts_all_land(cx: &Context<'_>) -> CaseResult {
    all_land(cx, &[cx.open().await?]).await
}

async fn parallel_puts_from_two_providers_all_land(cx: &Context<'_>) -> CaseResult {
    if !cx.fixture.is_shared() {
        return Err(Stop::Unsupported(
            "the fixture says that the store lives in the provider".to_owned(),
        ));
    }
    all_land(cx, &[cx.open().await?, cx.open().await?]).await
}

async fn parallel_puts_to_one_name(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"first").await?;
    let calls =
        (0..PARALLEL).map(|number| put_task(&store, name.clone(), format!("value {number}")));
    let mut landed = Vec::new();
    for (number, answer) in spawned(calls.collect::<Vec<_>>())
        .await?
        .into_iter()
        .enumerate()
    {
        match answer {
            Ok(()) => landed.push(format!("value {number}")),
            // A store without locks may turn one of two writes away, if it says so.
            Err(error) => {
                refused::<()>("a write beside others", Err(error), &[ErrorKind::Conflict])?;
            }
        }
    }
    cx.fixture.settle().await;
    ensure(!landed.is_empty(), || {
        "of all writes at once none succeeded".to_owned()
    })?;
    let value = store.get(&name).await?.value;
    ensure(
        landed
            .iter()
            .any(|one| one.as_bytes() == value.expose_bytes()),
        || "the value is none of those that were written".to_owned(),
    )
}

async fn parallel_puts_to_one_name_keep_versions(cx: &Context<'_>) -> CaseResult {
    // Fewer than the versions that stores keep by default.
    const WRITES: usize = 6;
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"first").await?;
    let calls = (0..WRITES).map(|number| put_task(&store, name.clone(), format!("value {number}")));
    let answers = spawned(calls.collect::<Vec<_>>()).await?;
    let landed = answers.iter().filter(|answer| answer.is_ok()).count();
    cx.fixture.settle().await;
    let versions = store.version_ids(&name).await?;
    ensure(versions.len() == landed + 1, || {
        format!(
            "{landed} writes over a first one made {} versions",
            versions.len()
        )
    })?;
    let mut values = Vec::new();
    for version in &versions {
        values.push(
            store
                .get_version(&name, version)
                .await?
                .value
                .expose_bytes()
                .to_vec(),
        );
    }
    values.sort();
    values.dedup();
    ensure(values.len() == versions.len(), || {
        "two versions of different writes have one content".to_owned()
    })
}

async fn parallel_gets_of_one_name(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let calls: Vec<_> = (0..2 * PARALLEL)
        .map(|_| get_task(&store, name.clone()))
        .collect();
    for answer in spawned(calls).await? {
        same(&answer?.value, b"value")?;
    }
    Ok(())
}

async fn parallel_gets_of_many_names(cx: &Context<'_>) -> CaseResult {
    let names = (0..PARALLEL)
        .map(|number| cx.name(&format!("value-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    let secrets: Vec<_> = names
        .iter()
        .map(|name| (name, name.as_str().as_bytes()))
        .collect();
    let store = cx.holding(&secrets).await?;
    let calls: Vec<_> = names
        .iter()
        .map(|name| get_task(&store, name.clone()))
        .collect();
    for (name, answer) in names.iter().zip(spawned(calls).await?) {
        same(&answer?.value, name.as_str().as_bytes())?;
    }
    Ok(())
}

async fn readers_see_whole_values_only(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let limit = cx.capabilities.max_value_bytes.unwrap_or(usize::MAX);
    let value_of = |number: usize| {
        let length = (2000 + 97 * (number % 13)).min(limit);
        char::from(b'a' + (number % 26) as u8)
            .to_string()
            .repeat(length)
    };
    let lengths: Vec<_> = (0..26 * 13).map(|number| value_of(number).len()).collect();
    store.put(&name, value_of(0)).await?;

    let reader = {
        let (provider, name) = (store.provider.clone(), name.clone());
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..60 {
                seen.push(provider.get(&name, &GetOptions::default()).await);
                tokio::task::yield_now().await;
            }
            seen
        })
    };
    for number in 1..20 {
        store.put(&name, value_of(number)).await?;
    }
    let seen = reader
        .await
        .map_err(|error| Stop::fail(format!("a read panicked: {error}")))?;
    for answer in seen {
        let value = answer?.value;
        let bytes = value.expose_bytes();
        let is_whole = lengths.contains(&bytes.len()) && bytes.iter().all(|byte| *byte == bytes[0]);
        ensure(is_whole, || {
            "a read beside writes gave a mix of two values".to_owned()
        })?;
    }
    Ok(())
}

async fn parallel_deletes_of_one_name(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let (provider, name) = (store.provider.clone(), name.clone());
            async move { provider.delete(&name, &DeleteOptions::default()).await }
        })
        .collect();
    let gone = [ErrorKind::NotFound, ErrorKind::Deleted, ErrorKind::Conflict];
    let mut deleted = 0;
    for answer in spawned(calls).await? {
        match answer {
            Ok(()) => deleted += 1,
            Err(error) => {
                refused::<()>("a delete beside others", Err(error), &gone)?;
            }
        }
    }
    cx.fixture.settle().await;
    ensure(deleted > 0, || {
        "of all deletes at once none succeeded".to_owned()
    })?;
    refused("a get after it", store.get(&name).await, &gone[..2])?;
    Ok(())
}

async fn listing_beside_writes(cx: &Context<'_>) -> CaseResult {
    let stable = cx.name("stable")?;
    let store = cx.holding(&[(&stable, b"value")]).await?;
    let names = (0..PARALLEL)
        .map(|number| cx.name(&format!("value-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    let calls: Vec<_> = names
        .iter()
        .map(|name| put_task(&store, name.clone(), "value".to_owned()))
        .collect();
    let prefix = cx.prefix();
    let (written, listed) = tokio::join!(spawned(calls), async {
        let mut all = Vec::new();
        for _ in 0..5 {
            all.push(store.list_names(&prefix, Some(3)).await?);
        }
        Ok::<_, Stop>(all)
    });
    for answer in written? {
        answer?;
    }
    for listing in listed? {
        let times = listing.iter().filter(|name| **name == stable).count();
        ensure(times == 1, || {
            format!("a secret that existed throughout was listed {times} times")
        })?;
    }
    cx.fixture.settle().await;
    let listed = store.list_names(&prefix, None).await?;
    ensure(listed.len() == PARALLEL + 1, || {
        format!(
            "{} secrets are there, {} are listed",
            PARALLEL + 1,
            listed.len()
        )
    })
}

async fn dropped_get(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    for round in 0..ROUNDS {
        if let Some(answer) = cancelled(store.get(&name), round).await {
            same(&answer?.value, b"value")?;
        }
        store.holds(&name, b"value").await?;
    }
    Ok(())
}

async fn dropped_put(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let mut settled = "value first".to_owned();
    store.put(&name, &settled).await?;
    // A write that was on its way when it was dropped may still arrive, at any later time.
    let mut pending = Vec::new();
    for round in 0..ROUNDS {
        let new = format!("value {round} {}", "x".repeat(round * 40));
        match cancelled(store.put(&name, &new), round).await {
            Some(answer) => {
                answer?;
                settled = new;
            }
            None => pending.push(new),
        }
        cx.fixture.settle().await;
        let value = store.get(&name).await?.value;
        let is_whole = pending
            .iter()
            .chain([&settled])
            .any(|one| one.as_bytes() == value.expose_bytes());
        ensure(is_whole, || {
            "after a put that was dropped, the value is neither the old one nor one that was put"
                .to_owned()
        })?;
    }
    let other = cx.name("other")?;
    store.put(&other, b"still works").await?;
    store.holds(&other, b"still works").await
}

async fn dropped_create(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for round in 0..ROUNDS {
        let name = cx.name(&format!("value-{round}"))?;
        let work = store.put_mode(&name, b"dropped", PutMode::Create);
        let finished = cancelled(work, round).await.transpose()?;
        cx.fixture.settle().await;
        match store.put_mode(&name, b"second", PutMode::Create).await {
            Ok(_) => {
                ensure(finished.is_none(), || {
                    "a create succeeded over one that had finished".to_owned()
                })?;
                store.holds(&name, b"second").await?;
            }
            Err(error) => {
                refused::<()>(
                    "a create after one that was dropped",
                    Err(error),
                    &[ErrorKind::AlreadyExists],
                )?;
                store.holds(&name, b"dropped").await?;
            }
        }
    }
    Ok(())
}

async fn dropped_delete(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    for round in 0..ROUNDS {
        let name = cx.name(&format!("value-{round}"))?;
        store.put(&name, b"value").await?;
        let finished = cancelled(store.delete(&name, DeleteMode::Soft), round)
            .await
            .transpose()?;
        cx.fixture.settle().await;
        match store.get(&name).await {
            Ok(secret) => {
                ensure(finished.is_none(), || {
                    "a delete that had finished has no effect".to_owned()
                })?;
                same(&secret.value, b"value")?;
            }
            Err(error) => {
                let kinds = [ErrorKind::NotFound, ErrorKind::Deleted];
                refused::<()>("a get after a dropped delete", Err(error), &kinds)?;
            }
        }
    }
    let name = cx.name("other")?;
    store.put(&name, b"still works").await?;
    store.holds(&name, b"still works").await
}

async fn dropped_list(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let options = ListOptions::default().with_prefix(cx.prefix());
    for round in 0..ROUNDS {
        if let Some(answer) = cancelled(store.provider.list(&options), round).await {
            answer?;
        }
    }
    let listed = store.list_names(&cx.prefix(), None).await?;
    super::check::same_names(&listed, &[&name])
}

async fn calls_that_are_never_polled(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let value = SecretValue::from("never");
    drop(store.provider.put(&name, &value, &PutOptions::default()));
    drop(store.provider.delete(&name, &DeleteOptions::default()));
    drop(store.provider.close());
    cx.fixture.settle().await;
    store.holds(&name, b"value").await
}
