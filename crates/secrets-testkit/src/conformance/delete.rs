//! Deletes: what is gone, what can come back, and what must not.

use std::time::Duration;

use secrets_core::{Capability, DeleteMode, ErrorKind, PutMode, SecretName, SecretState};

use super::check::{CaseResult, Stop, ensure, refused, same};
use super::context::{Context, Store};

cases! { "delete":
    deleted_secret_is_not_given_out [Delete],
    restorable_secret_is_deleted_not_missing [Delete, Restore],
    deleted_secret_is_not_listed [Delete, List],
    deleted_secret_is_described_as_such [Delete, Describe],
    deleted_secret_is_not_in_a_batch [Delete],
    delete_of_a_missing_secret [Delete],
    delete_twice [Delete],
    delete_leaves_other_secrets_alone [Delete],
    restore_brings_the_value_back [Restore, Delete],
    restore_brings_versions_and_tags_back [Restore, Delete, Versions, Put],
    restore_brings_it_back_into_the_list [Restore, Delete, List],
    restore_of_a_living_secret [Restore],
    restore_of_a_missing_secret [Restore],
    delete_again_after_restore [Restore, Delete],
    purge_removes_for_good [Purge],
    purge_of_a_deleted_secret [Purge, Restore],
    purge_of_a_missing_secret [Purge],
    purge_takes_all_versions [Purge, Versions, Put],
    put_after_purge [Purge, Put],
    put_after_delete [Delete, Put],
    create_after_delete [Delete, Create],
    deleted_version_is_not_given_out [Delete, Versions, Put],
    delete_with_a_window_is_restorable [DeleteWindow, Restore],
    delete_with_a_window_ends [DeleteWindow],
}

const GONE: [ErrorKind; 2] = [ErrorKind::NotFound, ErrorKind::Deleted];

async fn is_gone(store: &Store<'_>, name: &SecretName) -> CaseResult {
    refused("a get of a deleted secret", store.get(name).await, &GONE)?;
    Ok(())
}

async fn deleted<'a>(cx: &Context<'a>, name: &SecretName) -> Result<Store<'a>, Stop> {
    let store = cx.holding(&[(name, b"value")]).await?;
    store.delete(name, DeleteMode::Soft).await?;
    Ok(store)
}

async fn deleted_secret_is_not_given_out(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    is_gone(&deleted(cx, &name).await?, &name).await
}

async fn restorable_secret_is_deleted_not_missing(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    refused(
        "a get of a deleted secret",
        store.get(&name).await,
        &[ErrorKind::Deleted],
    )?;
    Ok(())
}

async fn deleted_secret_is_not_listed(cx: &Context<'_>) -> CaseResult {
    let (name, other) = (cx.name("gone")?, cx.name("here")?);
    let store = cx.holding(&[(&name, b"1"), (&other, b"2")]).await?;
    store.delete(&name, DeleteMode::Soft).await?;
    let listed = store.list_names(&cx.prefix(), None).await?;
    super::check::same_names(&listed, &[&other])
}

async fn deleted_secret_is_described_as_such(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    match store.describe(&name).await {
        Ok(metadata) => ensure(
            matches!(
                metadata.state,
                SecretState::Deleted | SecretState::Destroyed
            ),
            || format!("a deleted secret is described as {}", metadata.state),
        ),
        Err(error) => {
            refused::<()>("a description of a deleted secret", Err(error), &GONE)?;
            Ok(())
        }
    }
}

async fn deleted_secret_is_not_in_a_batch(cx: &Context<'_>) -> CaseResult {
    let (name, other) = (cx.name("gone")?, cx.name("here")?);
    let store = cx.holding(&[(&name, b"1"), (&other, b"2")]).await?;
    store.delete(&name, DeleteMode::Soft).await?;
    let items = [&name, &other]
        .map(|name| secrets_core::GetItem::new(name.clone(), secrets_core::GetOptions::default()));
    let mut answers = store.provider.get_many(&items).await.into_iter();
    match (answers.next(), answers.next()) {
        (Some(gone), Some(here)) => {
            refused("a get of a deleted secret", gone, &GONE)?;
            same(&here?.value, b"2")
        }
        _ => Err(Stop::fail("fewer answers than items")),
    }
}

async fn delete_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("missing")?;
    let store = cx.open().await?;
    let answer = store.delete(&name, DeleteMode::Soft).await;
    refused(
        "a delete of a missing secret",
        answer,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn delete_twice(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    let answer = store.delete(&name, DeleteMode::Soft).await;
    refused("a delete of a deleted secret", answer, &GONE)?;
    is_gone(&store, &name).await
}

async fn delete_leaves_other_secrets_alone(cx: &Context<'_>) -> CaseResult {
    let names = [
        cx.name("a")?,
        cx.name("a/b")?,
        cx.name("ab")?,
        cx.name("b/a")?,
    ];
    let secrets = names.each_ref().map(|name| (name, &b"value"[..]));
    let store = cx.holding(&secrets).await?;
    store.delete(&names[0], DeleteMode::Soft).await?;
    is_gone(&store, &names[0]).await?;
    for name in &names[1..] {
        store.holds(name, b"value").await?;
    }
    store.delete(&names[1], DeleteMode::Soft).await?;
    for name in &names[2..] {
        store.holds(name, b"value").await?;
    }
    Ok(())
}

async fn restore_brings_the_value_back(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    store.restore(&name).await?;
    let secret = store.get(&name).await?;
    same(&secret.value, b"value")?;
    ensure(secret.metadata.state == SecretState::Enabled, || {
        format!("a restored secret has the state {}", secret.metadata.state)
    })
}

async fn restore_brings_versions_and_tags_back(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let tags = [("team".to_owned(), "payments".to_owned())].into();
    let options = match cx.has(Capability::Tags) {
        true => secrets_core::PutOptions::default().with_tags(Some(tags)),
        false => secrets_core::PutOptions::default(),
    };
    let first = store.put_with(&name, b"one", options.clone()).await?;
    store.put(&name, b"two").await?;
    let before = store.version_ids(&name).await?;
    store.delete(&name, DeleteMode::Soft).await?;
    store.restore(&name).await?;
    store.holds(&name, b"two").await?;
    ensure(store.version_ids(&name).await? == before, || {
        "a restored secret has other versions than before".to_owned()
    })?;
    let first = first
        .version
        .ok_or_else(|| Stop::fail("put answered without a version"))?;
    same(&store.get_version(&name, &first).await?.value, b"one")?;
    if cx.has(Capability::Tags) && cx.has(Capability::Describe) {
        let tags = store.describe(&name).await?.tags;
        ensure(Some(&tags) == options.tags.as_ref(), || {
            format!("a restored secret has the tags {tags:?}")
        })?;
    }
    Ok(())
}

async fn restore_brings_it_back_into_the_list(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    store.restore(&name).await?;
    let listed = store.list_names(&cx.prefix(), None).await?;
    super::check::same_names(&listed, &[&name])
}

async fn restore_of_a_living_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    store.restore(&name).await?;
    store.holds(&name, b"value").await
}

async fn restore_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("missing")?;
    let store = cx.open().await?;
    let answer = store.restore(&name).await;
    refused(
        "a restore of a missing secret",
        answer,
        &[ErrorKind::NotFound],
    )?;
    refused(
        "a get after it",
        store.get(&name).await,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn delete_again_after_restore(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    for _ in 0..2 {
        store.restore(&name).await?;
        store.holds(&name, b"value").await?;
        store.delete(&name, DeleteMode::Soft).await?;
        is_gone(&store, &name).await?;
    }
    Ok(())
}

async fn purge_removes_for_good(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    store.delete(&name, DeleteMode::Purge).await?;
    is_gone(&store, &name).await?;
    if cx.has(Capability::Restore) {
        refused(
            "a restore of a purged secret",
            store.restore(&name).await,
            &GONE,
        )?;
        is_gone(&store, &name).await?;
    }
    if cx.has(Capability::List) {
        let listed = store.list_names(&cx.prefix(), None).await?;
        super::check::same_names(&listed, &[])?;
    }
    Ok(())
}

async fn purge_of_a_deleted_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    store.delete(&name, DeleteMode::Purge).await?;
    refused(
        "a restore of a purged secret",
        store.restore(&name).await,
        &GONE,
    )?;
    is_gone(&store, &name).await
}

async fn purge_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("missing")?;
    let store = cx.open().await?;
    let answer = store.delete(&name, DeleteMode::Purge).await;
    refused(
        "a purge of a missing secret",
        answer,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn purge_takes_all_versions(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let mut versions = Vec::new();
    for value in ["one", "two", "three"] {
        versions.push(store.put_version(&name, value).await?);
    }
    store.delete(&name, DeleteMode::Purge).await?;
    for version in &versions {
        let answer = store.get_version(&name, version).await;
        refused("a get of a purged version", answer, &GONE)?;
    }
    Ok(())
}

async fn put_after_purge(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"old").await?;
    store.delete(&name, DeleteMode::Purge).await?;
    store.put(&name, b"new").await?;
    store.holds(&name, b"new").await?;
    if cx.has(Capability::Versions) {
        let versions = store.version_ids(&name).await?;
        ensure(versions.len() == 1, || {
            format!(
                "a secret created again after a purge has {} versions",
                versions.len()
            )
        })?;
    }
    Ok(())
}

/// A write to a deleted secret either makes it live with the new value, or is refused and leaves it deleted.
async fn write_after_delete(cx: &Context<'_>, mode: PutMode) -> CaseResult {
    let name = cx.name("value")?;
    let store = deleted(cx, &name).await?;
    match store.put_mode(&name, b"new", mode).await {
        Ok(_) => store.holds(&name, b"new").await,
        Err(error) => {
            let kinds = [
                ErrorKind::Deleted,
                ErrorKind::AlreadyExists,
                ErrorKind::Conflict,
            ];
            refused::<()>("a write to a deleted secret", Err(error), &kinds)?;
            is_gone(&store, &name).await
        }
    }
}

async fn put_after_delete(cx: &Context<'_>) -> CaseResult {
    write_after_delete(cx, PutMode::Upsert).await
}

async fn create_after_delete(cx: &Context<'_>) -> CaseResult {
    write_after_delete(cx, PutMode::Create).await
}

async fn deleted_version_is_not_given_out(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let version = store.put_version(&name, b"value").await?;
    store.delete(&name, DeleteMode::Soft).await?;
    let answer = store.get_version(&name, &version).await;
    refused("a get of the version that was deleted", answer, &GONE)?;
    Ok(())
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

async fn delete_with_a_window_is_restorable(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    store.delete(&name, DeleteMode::Window(WEEK)).await?;
    refused(
        "a get of a deleted secret",
        store.get(&name).await,
        &[ErrorKind::Deleted],
    )?;
    store.restore(&name).await?;
    store.holds(&name, b"value").await
}

async fn delete_with_a_window_ends(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    store.delete(&name, DeleteMode::Window(WEEK)).await?;
    is_gone(&store, &name).await?;
    if cx.fixture.advance(2 * WEEK) {
        is_gone(&store, &name).await?;
        if cx.has(Capability::Restore) {
            let answer = store.restore(&name).await;
            refused("a restore after the window", answer, &GONE)?;
        }
    }
    Ok(())
}
