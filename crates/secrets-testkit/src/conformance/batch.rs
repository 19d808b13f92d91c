//! Many secrets in one call.

use secrets_core::{Capability, ErrorKind, GetItem, GetOptions, SecretName, plan_reads};

use super::check::{CaseResult, Stop, ensure, refused, same};
use super::context::Context;

cases! { "batch":
    many_in_the_order_asked [],
    many_of_none [],
    many_with_duplicates [],
    many_with_missing_ones [],
    many_more_than_a_page [],
    many_with_versions [Versions, Put],
    many_of_missing_ones_only [],
    many_as_planned [],
}

fn items<'a>(names: impl IntoIterator<Item = &'a SecretName>) -> Vec<GetItem> {
    names
        .into_iter()
        .map(|name| GetItem::new(name.clone(), GetOptions::default()))
        .collect()
}

fn numbered(cx: &Context<'_>, count: usize) -> Result<Vec<(SecretName, Vec<u8>)>, Stop> {
    (0..count)
        .map(|number| {
            Ok((
                cx.name(&format!("n{number:03}"))?,
                format!("value {number}").into_bytes(),
            ))
        })
        .collect()
}

async fn get_numbered(cx: &Context<'_>, count: usize) -> CaseResult {
    let mut secrets = numbered(cx, count)?;
    let pairs: Vec<_> = secrets
        .iter()
        .map(|(name, value)| (name, &value[..]))
        .collect();
    let store = cx.holding(&pairs).await?;
    fastrand::shuffle(&mut secrets);
    let asked = items(secrets.iter().map(|(name, _)| name));
    let (answers, requests) = cx.requests_of(store.provider.get_many(&asked)).await;
    ensure(answers.len() == count, || {
        format!("{count} asked, {} answered", answers.len())
    })?;
    for ((name, value), answer) in secrets.iter().zip(answers) {
        let secret = answer?;
        ensure(secret.metadata.name == *name, || {
            "the answers are not in the order asked".to_owned()
        })?;
        same(&secret.value, value)?;
    }
    match requests {
        Some(requests) if cx.has(Capability::Batch) => ensure(requests < count as u64, || {
            format!("batch is declared, but {count} secrets cost {requests} requests")
        }),
        _ => Ok(()),
    }
}

async fn many_in_the_order_asked(cx: &Context<'_>) -> CaseResult {
    get_numbered(cx, 9).await
}

async fn many_more_than_a_page(cx: &Context<'_>) -> CaseResult {
    // More than one batch of any provider, and more than the gets that the default has in flight.
    get_numbered(cx, 45).await
}

async fn many_of_none(cx: &Context<'_>) -> CaseResult {
    let store = cx.open().await?;
    let (answers, requests) = cx.requests_of(store.provider.get_many(&[])).await;
    ensure(answers.is_empty(), || {
        format!("nothing asked, {} answered", answers.len())
    })?;
    ensure(requests.unwrap_or(0) == 0, || {
        "nothing was asked for, but requests were sent".to_owned()
    })
}

async fn many_with_duplicates(cx: &Context<'_>) -> CaseResult {
    let (one, two) = (cx.name("one")?, cx.name("two")?);
    let store = cx.holding(&[(&one, b"1"), (&two, b"2")]).await?;
    let asked = items([&one, &two, &one, &one]);
    let answers = store.provider.get_many(&asked).await;
    ensure(answers.len() == 4, || {
        format!("4 asked, {} answered", answers.len())
    })?;
    for (answer, value) in answers.into_iter().zip([b"1", b"2", b"1", b"1"]) {
        same(&answer?.value, value)?;
    }
    Ok(())
}

async fn many_with_missing_ones(cx: &Context<'_>) -> CaseResult {
    let (one, two) = (cx.name("one")?, cx.name("two")?);
    let missing = cx.name("missing")?;
    let store = cx.holding(&[(&one, b"1"), (&two, b"2")]).await?;
    let asked = items([&missing, &one, &missing, &two]);
    let mut answers = store.provider.get_many(&asked).await.into_iter();
    for expected in [None, Some(b"1"), None, Some(b"2")] {
        let answer = answers
            .next()
            .ok_or_else(|| Stop::fail("fewer answers than items"))?;
        match expected {
            Some(value) => same(&answer?.value, value)?,
            None => {
                refused("a missing item", answer, &[ErrorKind::NotFound])?;
            }
        }
    }
    ensure(answers.next().is_none(), || {
        "more answers than items".to_owned()
    })
}

async fn many_of_missing_ones_only(cx: &Context<'_>) -> CaseResult {
    let names = [cx.name("a")?, cx.name("b")?, cx.name("c")?];
    let store = cx.open().await?;
    let answers = store.provider.get_many(&items(&names)).await;
    ensure(answers.len() == 3, || {
        format!("3 asked, {} answered", answers.len())
    })?;
    for answer in answers {
        refused("a missing item", answer, &[ErrorKind::NotFound])?;
    }
    Ok(())
}

async fn many_with_versions(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    let first = store.put_version(&name, b"first").await?;
    let second = store.put_version(&name, b"second").await?;
    let versions = [Some(first.clone()), None, Some(second), Some(first)];
    let asked: Vec<_> = versions
        .into_iter()
        .map(|version| GetItem::new(name.clone(), GetOptions::default().with_version(version)))
        .collect();
    let answers = store.provider.get_many(&asked).await;
    ensure(answers.len() == 4, || {
        format!("4 asked, {} answered", answers.len())
    })?;
    let values: [&[u8]; 4] = [b"first", b"second", b"second", b"first"];
    for (answer, value) in answers.into_iter().zip(values) {
        same(&answer?.value, value)?;
    }
    Ok(())
}

async fn many_as_planned(cx: &Context<'_>) -> CaseResult {
    let secrets = numbered(cx, 45)?;
    let pairs: Vec<_> = secrets
        .iter()
        .map(|(name, value)| (name, &value[..]))
        .collect();
    let store = cx.holding(&pairs).await?;
    // What opens a session is not part of a plan.
    store
        .provider
        .get(&secrets[0].0, &GetOptions::default())
        .await?;
    let asked = items(secrets.iter().map(|(name, _)| name));
    let plan = plan_reads(&*store.provider, &asked);
    let mut places: Vec<usize> = plan.iter().flat_map(|call| call.items.clone()).collect();
    places.sort_unstable();
    ensure(places.iter().copied().eq(0..asked.len()), || {
        "an item is in none or several of the planned calls".to_owned()
    })?;
    let mut sent = 0;
    for call in &plan {
        let alone: Vec<GetItem> = call.items.iter().map(|at| asked[*at].clone()).collect();
        let again = plan_reads(&*store.provider, &alone);
        ensure(again.len() == 1 && again[0].call == call.call, || {
            format!("the items of one {} alone are planned otherwise", call.call)
        })?;
        let (answers, requests) = cx.requests_of(store.provider.get_many(&alone)).await;
        for (at, answer) in call.items.iter().zip(answers) {
            same(&answer?.value, &secrets[*at].1)?;
        }
        sent += requests.unwrap_or(0);
    }
    let planned: usize = plan.iter().map(|call| call.requests).sum();
    let (answers, together) = cx.requests_of(store.provider.get_many(&asked)).await;
    ensure(answers.iter().all(Result::is_ok), || {
        "what was read call by call cannot be read in one go".to_owned()
    })?;
    match together {
        Some(together) => ensure(together == planned as u64 && sent == together, || {
            format!("{planned} requests planned, {together} sent in one go, {sent} call by call")
        }),
        None => Ok(()),
    }
}
