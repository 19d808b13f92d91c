//! What a provider declares is what it does: each capability works where it is there, and is refused where it is not.

use std::time::Duration;

use secrets_core::{
    Capability, DeleteMode, DescribeOptions, Error, ErrorKind, GetItem, GetOptions, ListOptions,
    PutMode, PutOptions, SecretName, Version, VersionsOptions,
};

use super::check::{CaseResult, Stop, ensure, refused, same};
use super::context::{Context, Store};

cases! { "capability":
    capability_put [],
    capability_create [],
    capability_if_version [],
    capability_idempotent_put [],
    capability_delete [],
    capability_restore [],
    capability_purge [],
    capability_delete_window [],
    capability_list [],
    capability_describe [],
    capability_versions [],
    capability_rollback [],
    capability_tags [],
    capability_expiry [],
    capability_binary [],
    capability_batch [],
    every_capability_has_a_case [],
    capabilities_fit_together [],
}

const NAME: &str = "value";
const OLD: &[u8] = b"old";

async fn with_old<'a>(cx: &Context<'a>) -> Result<(Store<'a>, SecretName), Stop> {
    let name = cx.name(NAME)?;
    Ok((cx.holding(&[(&name, OLD)]).await?, name))
}

/// Shows that the provider refuses what it does not declare, and that the refusal changes nothing.
pub(super) async fn prove_absent(cx: &Context<'_>, capability: Capability) -> CaseResult {
    let (store, name) = with_old(cx).await?;
    let put = async |options: PutOptions| store.put_with(&name, b"new", options).await.map(drop);
    let delete = async |mode: DeleteMode| store.delete(&name, mode).await;
    let some_version = || Version::new("1");
    let answers: Vec<(&str, Result<(), Error>)> = match capability {
        Capability::Put => vec![("put", put(PutOptions::default()).await)],
        Capability::Create => vec![(
            "a put that creates",
            put(PutOptions::default().with_mode(PutMode::Create)).await,
        )],
        Capability::IfVersion => {
            let current = store.get(&name).await?.metadata.version;
            let mode = PutMode::IfVersion(current.unwrap_or_else(some_version));
            vec![(
                "a put over a version",
                put(PutOptions::default().with_mode(mode)).await,
            )]
        }
        Capability::IdempotentPut | Capability::Batch => {
            return prove_unneeded(cx, capability).await;
        }
        Capability::Delete => vec![
            ("a delete", delete(DeleteMode::Soft).await),
            ("a purge", delete(DeleteMode::Purge).await),
        ],
        Capability::Restore => vec![("a restore", store.restore(&name).await)],
        Capability::Purge => vec![("a purge", delete(DeleteMode::Purge).await)],
        Capability::DeleteWindow => {
            let week = Duration::from_secs(7 * 24 * 3600);
            vec![(
                "a delete with a window",
                delete(DeleteMode::Window(week)).await,
            )]
        }
        Capability::List => vec![(
            "a listing",
            store.provider.list(&ListOptions::default()).await.map(drop),
        )],
        Capability::Describe => vec![("a description", store.describe(&name).await.map(drop))],
        Capability::Versions => vec![
            (
                "a listing of versions",
                store
                    .provider
                    .versions(&name, &VersionsOptions::default())
                    .await
                    .map(drop),
            ),
            (
                "a get of a version",
                store.get_version(&name, &some_version()).await.map(drop),
            ),
        ],
        Capability::Rollback => vec![(
            "a rollback",
            store.rollback(&name, &some_version()).await.map(drop),
        )],
        Capability::Tags => {
            let tags = [("team".to_owned(), "payments".to_owned())].into();
            vec![(
                "a put with tags",
                put(PutOptions::default().with_tags(Some(tags))).await,
            )]
        }
        Capability::Expiry => {
            let end = cx.fixture.clock().wall() + Duration::from_secs(3600);
            vec![(
                "a put with an end of validity",
                put(PutOptions::default().with_expires_at(end)).await,
            )]
        }
        Capability::Binary => {
            let answer = store.put(&name, b"\xff\x00\xfe").await.map(drop);
            // The value is at fault here, not the operation.
            let kinds = [ErrorKind::InvalidValue, ErrorKind::Unsupported];
            refused("a put of bytes that are no text", answer, &kinds)?;
            Vec::new()
        }
        other => {
            return Err(Stop::fail(format!(
                "the suite does not know how to prove that {other} is absent"
            )));
        }
    };
    for (what, answer) in answers {
        let what = format!("{capability} is not declared, but {what}");
        refused(&what, answer, &[ErrorKind::Unsupported])?;
    }
    store.holds(&name, OLD).await?;
    Err(Stop::Unsupported(format!(
        "{capability} is absent, and was refused"
    )))
}

/// Abilities that make a call better and are asked for without knowing: without them the call just works as usual.
async fn prove_unneeded(cx: &Context<'_>, capability: Capability) -> CaseResult {
    let (store, name) = with_old(cx).await?;
    if capability == Capability::IdempotentPut {
        let options = PutOptions::default().with_idempotency_token("token-1".to_owned());
        match store.put_with(&name, b"new", options).await {
            Ok(_) => store.holds(&name, b"new").await?,
            Err(error) => {
                refused::<()>("a put with a token", Err(error), &[ErrorKind::Unsupported])?;
                store.holds(&name, OLD).await?;
            }
        }
    } else {
        let item = GetItem::new(name.clone(), GetOptions::default());
        for answer in store.provider.get_many(&[item.clone(), item]).await {
            same(&answer?.value, OLD)?;
        }
    }
    Err(Stop::Unsupported(format!(
        "{capability} is absent, and calls work without it"
    )))
}

/// The proof that the capability is absent, unless it is there.
async fn present(cx: &Context<'_>, capability: Capability) -> CaseResult {
    match cx.has(capability) {
        true => Ok(()),
        false => prove_absent(cx, capability).await,
    }
}

async fn capability_put(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Put).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    store.put(&name, OLD).await?;
    store.holds(&name, OLD).await
}

async fn capability_create(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Create).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    store.put_mode(&name, OLD, PutMode::Create).await?;
    store.holds(&name, OLD).await
}

async fn capability_if_version(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::IfVersion).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    let version = store.put_version(&name, OLD).await?;
    store
        .put_mode(&name, b"new", PutMode::IfVersion(version))
        .await?;
    store.holds(&name, b"new").await
}

async fn capability_idempotent_put(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::IdempotentPut).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    let token = "c2d1f9f4-1f5c-4b0e-8a53-9d0f2e7a6b33".to_owned();
    let options = PutOptions::default().with_idempotency_token(token);
    let first = store.put_with(&name, OLD, options.clone()).await?;
    let second = store.put_with(&name, OLD, options).await?;
    ensure(first.version == second.version, || {
        format!(
            "one token gave the versions {:?} and {:?}",
            first.version, second.version
        )
    })
}

async fn capability_delete(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Delete).await?;
    let (store, name) = with_old(cx).await?;
    store.delete(&name, DeleteMode::Soft).await?;
    let gone = [ErrorKind::NotFound, ErrorKind::Deleted];
    refused("a get of a deleted secret", store.get(&name).await, &gone)?;
    Ok(())
}

async fn capability_restore(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Restore).await?;
    let (store, name) = with_old(cx).await?;
    store.delete(&name, DeleteMode::Soft).await?;
    store.restore(&name).await?;
    store.holds(&name, OLD).await
}

async fn capability_purge(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Purge).await?;
    let (store, name) = with_old(cx).await?;
    store.delete(&name, DeleteMode::Purge).await?;
    let gone = [ErrorKind::NotFound, ErrorKind::Deleted];
    refused("a get of a purged secret", store.get(&name).await, &gone)?;
    Ok(())
}

async fn capability_delete_window(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::DeleteWindow).await?;
    let (store, name) = with_old(cx).await?;
    let week = Duration::from_secs(7 * 24 * 3600);
    store.delete(&name, DeleteMode::Window(week)).await?;
    let answer = store.get(&name).await;
    refused("a get of a deleted secret", answer, &[ErrorKind::Deleted])?;
    Ok(())
}

async fn capability_list(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::List).await?;
    let (store, name) = with_old(cx).await?;
    let listed = store.list_names(&cx.prefix(), None).await?;
    super::check::same_names(&listed, &[&name])
}

async fn capability_describe(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Describe).await?;
    let (store, name) = with_old(cx).await?;
    let metadata = store
        .provider
        .describe(&name, &DescribeOptions::default())
        .await?;
    ensure(metadata.name == name, || {
        "the description names another secret".to_owned()
    })
}

async fn capability_versions(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Versions).await?;
    let (store, name) = with_old(cx).await?;
    let versions = store.version_ids(&name).await?;
    match versions.as_slice() {
        [only] => same(&store.get_version(&name, only).await?.value, OLD),
        _ => Err(Stop::fail(format!(
            "a secret written once has {} versions",
            versions.len()
        ))),
    }
}

async fn capability_rollback(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Rollback).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    let first = store.put_version(&name, OLD).await?;
    store.put(&name, b"new").await?;
    store.rollback(&name, &first).await?;
    store.holds(&name, OLD).await
}

async fn capability_tags(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Tags).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    let tags = [("team".to_owned(), "payments".to_owned())].into();
    let options = PutOptions::default().with_tags(Some(tags));
    store.put_with(&name, OLD, options.clone()).await?;
    let reported = match cx.has(Capability::Describe) {
        true => store.describe(&name).await?.tags,
        false => store.get(&name).await?.metadata.tags,
    };
    ensure(Some(&reported) == options.tags.as_ref(), || {
        format!("the tags are reported as {reported:?}")
    })
}

async fn capability_expiry(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Expiry).await?;
    let name = cx.name(NAME)?;
    let store = cx.open().await?;
    let end = cx.fixture.clock().wall() + Duration::from_secs(3600);
    store
        .put_with(&name, OLD, PutOptions::default().with_expires_at(end))
        .await?;
    let reported = store.get(&name).await?.metadata.expires_at;
    ensure(reported.is_some(), || {
        "an expiry was put and is not reported".to_owned()
    })
}

async fn capability_binary(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Binary).await?;
    let name = cx.name(NAME)?;
    let value = b"\xff\x00\xfe\x80";
    cx.holding(&[(&name, value)])
        .await?
        .holds(&name, value)
        .await
}

async fn capability_batch(cx: &Context<'_>) -> CaseResult {
    present(cx, Capability::Batch).await?;
    let names = (0..8)
        .map(|number| cx.name(&format!("{NAME}-{number}")))
        .collect::<Result<Vec<_>, _>>()?;
    let secrets: Vec<_> = names.iter().map(|name| (name, OLD)).collect();
    let store = cx.holding(&secrets).await?;
    let items: Vec<_> = names
        .iter()
        .map(|name| GetItem::new(name.clone(), GetOptions::default()))
        .collect();
    let (answers, requests) = cx.requests_of(store.provider.get_many(&items)).await;
    for answer in answers {
        same(&answer?.value, OLD)?;
    }
    ensure(requests.is_none_or(|requests| requests < 8), || {
        format!(
            "8 secrets in one call cost {} requests",
            requests.unwrap_or(0)
        )
    })
}

async fn every_capability_has_a_case(_: &Context<'_>) -> CaseResult {
    for capability in Capability::ALL {
        let case = format!("capability_{}", capability.as_str().replace('-', "_"));
        ensure(super::case_names().any(|known| known == case), || {
            format!("the suite has no case {case}; it is older than the contract")
        })?;
    }
    Ok(())
}

async fn capabilities_fit_together(cx: &Context<'_>) -> CaseResult {
    for (one, other) in [
        (Capability::Create, Capability::Put),
        (Capability::IfVersion, Capability::Put),
        (Capability::IdempotentPut, Capability::Put),
        (Capability::Restore, Capability::Delete),
        (Capability::DeleteWindow, Capability::Delete),
        (Capability::DeleteWindow, Capability::Restore),
        (Capability::Purge, Capability::Delete),
        (Capability::Rollback, Capability::Put),
        (Capability::Rollback, Capability::Versions),
        (Capability::Tags, Capability::Put),
        (Capability::Expiry, Capability::Put),
    ] {
        ensure(!cx.has(one) || cx.has(other), || {
            format!("{one} is declared without {other}, which it needs")
        })?;
    }
    Ok(())
}
