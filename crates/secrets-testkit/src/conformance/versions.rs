//! Versions: distinct, kept, listed newest first, and made current again.

use std::collections::BTreeSet;

use secrets_core::{Capability, DescribeOptions, ErrorKind, SecretName, Version};

use super::check::{CaseResult, Stop, ensure, refused, same};
use super::context::{Context, Store};

cases! { "versions":
    each_put_makes_a_version [Versions, Put],
    versions_are_listed_newest_first [Versions, Put],
    versions_are_listed_in_pages [Versions, Put],
    versions_of_other_secrets_are_not_listed [Versions, Put],
    old_versions_are_read [Versions, Put],
    current_version_is_read_by_id [Versions, Put],
    old_version_is_described [Versions, Put, Describe],
    unknown_version_is_not_found [Versions],
    malformed_version_is_not_found [Versions],
    version_of_another_secret_is_not_given [Versions, Put],
    versions_of_a_missing_secret [Versions],
    listed_versions_name_the_secret [Versions, Put],
    rollback_brings_old_content_back [Rollback, Put],
    rollback_keeps_the_other_versions [Rollback, Versions, Put],
    rollback_to_the_current_version [Rollback, Put],
    rollback_twice [Rollback, Put],
    rollback_then_put [Rollback, Put],
    rollback_to_an_unknown_version [Rollback],
    rollback_of_a_missing_secret [Rollback],
}

/// A secret with `count` versions, whose values are `value 0`, `value 1` and so on, and their ids, oldest first.
async fn with_versions<'a>(
    cx: &Context<'a>,
    name: &SecretName,
    count: usize,
) -> Result<(Store<'a>, Vec<Version>), Stop> {
    let store = cx.open().await?;
    let mut versions = Vec::new();
    for number in 0..count {
        versions.push(store.put_version(name, format!("value {number}")).await?);
    }
    Ok((store, versions))
}

async fn each_put_makes_a_version(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 4).await?;
    let distinct: BTreeSet<_> = versions.iter().collect();
    ensure(distinct.len() == 4, || {
        "two puts answered with one version".to_owned()
    })?;
    let listed = store.version_ids(&name).await?;
    ensure(listed.len() == 4, || {
        format!("4 puts, {} versions are listed", listed.len())
    })
}

async fn versions_are_listed_newest_first(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, mut versions) = with_versions(cx, &name, 4).await?;
    versions.reverse();
    let listed = store.version_ids(&name).await?;
    ensure(listed == versions, || {
        format!("listed {listed:?}, should be {versions:?}")
    })
}

async fn versions_are_listed_in_pages(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, mut versions) = with_versions(cx, &name, 5).await?;
    versions.reverse();
    for size in [1, 2, 5, 100] {
        let listed: Vec<_> = store
            .versions(&name, Some(size))
            .await?
            .into_iter()
            .filter_map(|item| item.version)
            .collect();
        ensure(listed == versions, || {
            format!("in pages of {size}: listed {listed:?}, should be {versions:?}")
        })?;
    }
    Ok(())
}

async fn versions_of_other_secrets_are_not_listed(cx: &Context<'_>) -> CaseResult {
    let (name, child) = (cx.name("value")?, cx.name("value/b")?);
    let (store, _) = with_versions(cx, &name, 2).await?;
    for number in 0..3 {
        store.put(&child, number.to_string()).await?;
    }
    ensure(store.version_ids(&name).await?.len() == 2, || {
        "versions of another secret are listed".to_owned()
    })?;
    ensure(store.version_ids(&child).await?.len() == 3, || {
        "versions of another secret are listed".to_owned()
    })
}

async fn listed_versions_name_the_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, _) = with_versions(cx, &name, 2).await?;
    let listed = store.versions(&name, None).await?;
    ensure(listed.iter().all(|item| item.name == name), || {
        "a listed version has the name of another secret".to_owned()
    })
}

async fn reads_versions(store: &Store<'_>, name: &SecretName, versions: &[Version]) -> CaseResult {
    for (number, version) in versions.iter().enumerate() {
        let secret = store.get_version(name, version).await?;
        same(&secret.value, format!("value {number}").as_bytes())?;
        ensure(secret.metadata.version.as_ref() == Some(version), || {
            format!(
                "version {version} was asked for, the metadata says {:?}",
                secret.metadata.version
            )
        })?;
    }
    Ok(())
}

async fn old_versions_are_read(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 4).await?;
    reads_versions(&store, &name, &versions).await?;
    // A read of an old version must not make it current.
    store.holds(&name, b"value 3").await
}

async fn current_version_is_read_by_id(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, _) = with_versions(cx, &name, 2).await?;
    let current = store
        .get(&name)
        .await?
        .metadata
        .version
        .ok_or_else(|| Stop::fail("the metadata of a read secret has no version"))?;
    same(&store.get_version(&name, &current).await?.value, b"value 1")
}

async fn old_version_is_described(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 3).await?;
    for version in &versions {
        let options = DescribeOptions::default().with_version(version.clone());
        let reported = store.provider.describe(&name, &options).await?.version;
        ensure(reported.as_ref() == Some(version), || {
            format!("version {version} was to be described, the metadata says {reported:?}")
        })?;
    }
    let unknown = DescribeOptions::default().with_version(cx.fixture.unknown_version());
    refused(
        "a description of an unknown version",
        store.provider.describe(&name, &unknown).await,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn version_is_not_found(cx: &Context<'_>, version: Version) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let answer = store.get_version(&name, &version).await;
    refused("a get of such a version", answer, &[ErrorKind::NotFound])?;
    Ok(())
}

async fn unknown_version_is_not_found(cx: &Context<'_>) -> CaseResult {
    version_is_not_found(cx, cx.fixture.unknown_version()).await
}

async fn malformed_version_is_not_found(cx: &Context<'_>) -> CaseResult {
    for version in ["no version", "../1", "-1", "", "1?x=y&z"] {
        version_is_not_found(cx, Version::new(version)).await?;
    }
    Ok(())
}

async fn version_of_another_secret_is_not_given(cx: &Context<'_>) -> CaseResult {
    let (short, long) = (cx.name("short")?, cx.name("long")?);
    let (store, versions) = with_versions(cx, &long, 4).await?;
    store.put(&short, b"its own").await?;
    // Ids may be numbers that start again for each secret, so only the last one of the longer history decides.
    let answer = store.get_version(&short, &versions[3]).await;
    refused(
        "a get of another secret's version",
        answer,
        &[ErrorKind::NotFound],
    )?;
    Ok(())
}

async fn versions_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("missing")?;
    let store = cx.open().await?;
    let answer = store
        .provider
        .versions(&name, &secrets_core::VersionsOptions::default())
        .await;
    refused("a listing of its versions", answer, &[ErrorKind::NotFound])?;
    Ok(())
}

async fn rollback_brings_old_content_back(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 3).await?;
    let answer = store.rollback(&name, &versions[0]).await?;
    let secret = store.get(&name).await?;
    same(&secret.value, b"value 0")?;
    ensure(answer.version == secret.metadata.version, || {
        format!(
            "rollback answered with version {:?}, get with {:?}",
            answer.version, secret.metadata.version
        )
    })
}

async fn rollback_keeps_the_other_versions(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 3).await?;
    store.rollback(&name, &versions[0]).await?;
    reads_versions(&store, &name, &versions).await
}

async fn rollback_to_the_current_version(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 2).await?;
    store.rollback(&name, &versions[1]).await?;
    store.holds(&name, b"value 1").await
}

async fn rollback_twice(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 3).await?;
    store.rollback(&name, &versions[0]).await?;
    store.rollback(&name, &versions[1]).await?;
    store.holds(&name, b"value 1").await
}

async fn rollback_then_put(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let (store, versions) = with_versions(cx, &name, 2).await?;
    let current = store.rollback(&name, &versions[0]).await?.version;
    ensure(current.as_ref() != Some(&versions[1]), || {
        "a rollback took the id of a later version".to_owned()
    })?;
    let new = store.put_version(&name, b"after").await?;
    ensure(!versions.contains(&new), || {
        "a put after a rollback took the id of an old version".to_owned()
    })?;
    store.holds(&name, b"after").await
}

async fn rollback_to_an_unknown_version(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let before = match cx.has(Capability::Versions) {
        true => store.version_ids(&name).await?,
        false => Vec::new(),
    };
    for version in [cx.fixture.unknown_version(), Version::new("no version")] {
        let answer = store.rollback(&name, &version).await;
        refused(
            "a rollback to an unknown version",
            answer,
            &[ErrorKind::NotFound],
        )?;
    }
    store.holds(&name, b"value").await?;
    if cx.has(Capability::Versions) {
        ensure(store.version_ids(&name).await? == before, || {
            "a refused rollback changed the versions".to_owned()
        })?;
    }
    Ok(())
}

async fn rollback_of_a_missing_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("missing")?;
    let store = cx.open().await?;
    let answer = store.rollback(&name, &cx.fixture.unknown_version()).await;
    refused(
        "a rollback of a missing secret",
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
