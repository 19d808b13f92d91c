//! Listings: nothing lost, nothing twice, no values.

use secrets_core::{Capability, ListOptions, PageToken, SecretName, SecretState};

use super::check::{CaseResult, Stop, ensure, same_names};
use super::context::{Context, Store};
use crate::canary::{Canary, Sinks};

cases! { "list":
    list_finds_what_was_put [List],
    list_without_prefix_has_it_too [List],
    list_in_pages_of_one [List],
    list_in_pages_of_two [List],
    list_in_one_large_page [List],
    list_by_prefix_is_by_text [List],
    list_by_prefix_in_pages [List],
    list_by_a_whole_name [List],
    list_of_nothing [List],
    list_gives_names_that_can_be_read [List],
    list_has_an_overwritten_secret_once [List, Put],
    list_tells_the_current_version [List, Put, Versions],
    list_of_a_changing_store [List, Put],
    list_with_a_foreign_page_token [List],
    list_holds_no_values [List],
    describe_tells_what_get_tells [Describe],
    describe_holds_no_value [Describe],
}

async fn with_names<'a>(
    cx: &Context<'a>,
    labels: &[&str],
) -> Result<(Store<'a>, Vec<SecretName>), Stop> {
    let names = labels
        .iter()
        .map(|label| cx.name(label))
        .collect::<Result<Vec<_>, _>>()?;
    let secrets: Vec<_> = names.iter().map(|name| (name, &b"value"[..])).collect();
    Ok((cx.holding(&secrets).await?, names))
}

const LABELS: [&str; 7] = ["a", "b", "b/c", "b/d", "bc", "e/f/g", "h"];

async fn lists_all(cx: &Context<'_>, page_size: Option<usize>) -> CaseResult {
    let (store, names) = with_names(cx, &LABELS).await?;
    let listed = store.list_names(&cx.prefix(), page_size).await?;
    same_names(&listed, &names.iter().collect::<Vec<_>>())
}

async fn list_finds_what_was_put(cx: &Context<'_>) -> CaseResult {
    lists_all(cx, None).await
}

async fn list_in_pages_of_one(cx: &Context<'_>) -> CaseResult {
    lists_all(cx, Some(1)).await
}

async fn list_in_pages_of_two(cx: &Context<'_>) -> CaseResult {
    lists_all(cx, Some(2)).await
}

async fn list_in_one_large_page(cx: &Context<'_>) -> CaseResult {
    lists_all(cx, Some(1000)).await
}

async fn list_without_prefix_has_it_too(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &["a", "b/c"]).await?;
    let listed = store.list_names("", None).await?;
    for name in &names {
        let times = listed.iter().filter(|listed| *listed == name).count();
        ensure(times == 1, || format!("{name} is listed {times} times"))?;
    }
    Ok(())
}

async fn list_by_prefix_is_by_text(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &LABELS).await?;
    for (prefix, expected) in [
        ("b", &["b", "b/c", "b/d", "bc"][..]),
        ("b/", &["b/c", "b/d"]),
        ("bc", &["bc"]),
        ("e", &["e/f/g"]),
        ("e/f", &["e/f/g"]),
        ("e/f/", &["e/f/g"]),
    ] {
        let expected: Vec<_> = LABELS
            .iter()
            .zip(&names)
            .filter(|(label, _)| expected.contains(label))
            .map(|(_, name)| name)
            .collect();
        let whole = cx.prefix_of(prefix);
        let listed = store.list_names(&whole, None).await?;
        same_names(&listed, &expected)?;
    }
    Ok(())
}

async fn list_by_prefix_in_pages(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &LABELS).await?;
    let listed = store.list_names(&cx.prefix_of("b"), Some(1)).await?;
    same_names(&listed, &names[1..5].iter().collect::<Vec<_>>())
}

async fn list_by_a_whole_name(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &["only", "other"]).await?;
    let listed = store.list_names(names[0].as_str(), None).await?;
    same_names(&listed, &[&names[0]])
}

async fn list_of_nothing(cx: &Context<'_>) -> CaseResult {
    let (store, _) = with_names(cx, &["a"]).await?;
    for prefix in [cx.prefix_of("zz"), cx.prefix_of("a/zz/")] {
        let listed = store.list_names(&prefix, None).await?;
        same_names(&listed, &[])?;
    }
    Ok(())
}

async fn list_gives_names_that_can_be_read(cx: &Context<'_>) -> CaseResult {
    let (store, _) = with_names(cx, &LABELS).await?;
    let listed = store.list(&cx.prefix(), None).await?;
    ensure(listed.len() == LABELS.len(), || {
        format!("{} put, {} listed", LABELS.len(), listed.len())
    })?;
    for item in listed {
        ensure(item.state == SecretState::Enabled, || {
            format!("{} is listed as {}", item.name, item.state)
        })?;
        store.holds(&item.name, b"value").await?;
    }
    Ok(())
}

async fn list_has_an_overwritten_secret_once(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &["a", "b"]).await?;
    for number in 0..3 {
        store.put(&names[0], number.to_string()).await?;
    }
    let listed = store.list_names(&cx.prefix(), Some(1)).await?;
    same_names(&listed, &[&names[0], &names[1]])
}

async fn list_tells_the_current_version(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &["a"]).await?;
    let current = store.put_version(&names[0], b"new").await?;
    for item in store.list(&cx.prefix(), None).await? {
        // Not every provider tells it in a listing, but none may tell a wrong one.
        ensure(
            item.version
                .as_ref()
                .is_none_or(|reported| *reported == current),
            || {
                format!(
                    "listed with version {:?}, current is {current}",
                    item.version
                )
            },
        )?;
    }
    Ok(())
}

async fn list_of_a_changing_store(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &LABELS).await?;
    let mut options = ListOptions::default()
        .with_prefix(cx.prefix())
        .with_page_size(2);
    let mut listed = Vec::new();
    for round in 0..1000 {
        let page = store.provider.list(&options).await?;
        listed.extend(page.items.into_iter().map(|item| item.name));
        let Some(token) = page.next else {
            for name in &names {
                let times = listed.iter().filter(|listed| *listed == name).count();
                ensure(times == 1, || {
                    format!("{name} existed throughout and was listed {times} times")
                })?;
            }
            return Ok(());
        };
        options = options.with_page_token(token);
        if round < 6 {
            // Before and after what was listed already.
            for label in ["0-new", "b/c-new", "z-new"] {
                store
                    .put(&cx.name(&format!("{label}-{round}"))?, b"new")
                    .await?;
            }
        }
    }
    Err(Stop::fail("the listing does not end"))
}

async fn list_with_a_foreign_page_token(cx: &Context<'_>) -> CaseResult {
    let (store, names) = with_names(cx, &["a", "b"]).await?;
    for token in [
        "no token of yours",
        "",
        "\u{1f511}",
        "-1",
        "99999999999999999999",
    ] {
        let options = ListOptions::default()
            .with_prefix(cx.prefix())
            .with_page_token(PageToken::new(token));
        // What a listing from nowhere gives is open: a page of what is there or an error, no panic and no invention.
        if let Ok(page) = store.provider.list(&options).await {
            ensure(
                page.items.iter().all(|item| names.contains(&item.name)),
                || "a listing with a foreign page token gave secrets outside the prefix".to_owned(),
            )?;
        }
    }
    Ok(())
}

async fn list_holds_no_values(cx: &Context<'_>) -> CaseResult {
    let canary = Canary::generate();
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, canary.reveal().as_bytes())]).await?;
    let listed = store.list(&cx.prefix(), None).await?;
    let mut sinks = Sinks::new([&canary]);
    sinks.debug("listed metadata", &listed);
    cx.no_leaks(&sinks)
}

async fn describe_tells_what_get_tells(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let described = store.describe(&name).await?;
    let read = store.get(&name).await?.metadata;
    ensure(described.name == name, || {
        format!(
            "the description names {}, what was asked for is {name}",
            described.name
        )
    })?;
    ensure(described.state == SecretState::Enabled, || {
        format!(
            "a secret that can be read is described as {}",
            described.state
        )
    })?;
    if cx.has(Capability::Versions) {
        ensure(described.version == read.version, || {
            format!(
                "describe tells version {:?}, get {:?}",
                described.version, read.version
            )
        })?;
    }
    Ok(())
}

async fn describe_holds_no_value(cx: &Context<'_>) -> CaseResult {
    let canary = Canary::generate();
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, canary.reveal().as_bytes())]).await?;
    let mut sinks = Sinks::new([&canary]);
    sinks.debug("description", &store.describe(&name).await?);
    cx.no_leaks(&sinks)
}
