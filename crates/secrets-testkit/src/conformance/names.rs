//! Names: what can be held is held apart, what cannot is refused.

use secrets_core::{Capability, ErrorKind, MAX_NAME_BYTES, SecretName, SecretValue};

use super::check::{CaseResult, Stop, described, ensure, refused};
use super::context::Context;

cases! { "names":
    invalid_names_are_refused [],
    name_with_many_segments [],
    names_with_special_characters [],
    name_in_unicode [],
    name_of_the_longest_kind [],
    names_that_differ_in_case [],
    names_that_differ_in_separators [],
    names_that_look_percent_encoded [],
    name_inside_another_one [],
}

async fn invalid_names_are_refused(_: &Context<'_>) -> CaseResult {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for name in [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\0b", "a\nb",
        "a\u{7f}", "a\u{85}", &long,
    ] {
        refused(
            "an invalid name",
            SecretName::new(name),
            &[ErrorKind::InvalidName],
        )?;
    }
    Ok(())
}

/// Holds all these secrets at once, each with a value of its own and listed by its own name, or refuses some.
///
/// A refused one must not have harmed those that were accepted.
async fn held_apart(cx: &Context<'_>, names: &[SecretName]) -> CaseResult {
    let writer = match cx.has(Capability::Put) {
        true => Some(cx.open().await?),
        false => None,
    };
    let mut held: Vec<(&SecretName, String)> = Vec::new();
    let mut refusals = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let value = format!("value {number}");
        let answer = match &writer {
            Some(store) => store.put(name, &value).await.map(drop),
            None => {
                cx.fixture
                    .seed(name, &SecretValue::from(value.as_str()))
                    .await
            }
        };
        match answer {
            Ok(()) => held.push((name, value)),
            Err(error) if is_refusal(error.kind(), !held.is_empty()) => {
                refusals.push(format!("{:?} was refused: {error}", name.as_str()));
            }
            Err(error) => {
                return Err(Stop::fail(format!(
                    "{:?} was neither held nor refused with InvalidName: {}",
                    name.as_str(),
                    described(&error)
                )));
            }
        }
    }

    let store = match writer {
        Some(store) => store,
        None => cx.open().await?,
    };
    for (name, value) in &held {
        match store.get(name).await {
            Ok(secret) => ensure(secret.value.expose_bytes() == value.as_bytes(), || {
                format!("{:?} has the value of another name", name.as_str())
            })?,
            // What was seeded by another way may be ambiguous for the provider, which it must say.
            Err(error) if error.kind() == ErrorKind::InvalidName => {
                refusals.push(format!("{:?} was not read: {error}", name.as_str()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if cx.has(Capability::List) {
        let listed = store.list_names(&cx.prefix(), None).await?;
        for (name, _) in &held {
            ensure(listed.contains(name), || {
                format!(
                    "{:?} is not listed by the name it was put with",
                    name.as_str()
                )
            })?;
        }
    }
    match refusals.is_empty() {
        true => Ok(()),
        false => Err(Stop::Unsupported(refusals.join("; "))),
    }
}

/// Of two names that a store cannot tell apart the second one may also be refused as a collision.
fn is_refusal(kind: ErrorKind, others_are_held: bool) -> bool {
    match kind {
        ErrorKind::InvalidName => true,
        ErrorKind::Conflict | ErrorKind::AlreadyExists => others_are_held,
        _ => false,
    }
}

fn raw(cx: &Context<'_>, tails: &[&str]) -> Result<Vec<SecretName>, Stop> {
    Ok(tails
        .iter()
        .map(|tail| cx.raw_name(tail))
        .collect::<Result<_, _>>()?)
}

async fn name_with_many_segments(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("a/b/c/d/e/f/g/h")?;
    let store = cx.holding(&[(&name, b"deep")]).await?;
    store.holds(&name, b"deep").await?;
    if cx.has(Capability::List) {
        let names = store.list_names(&cx.prefix(), None).await?;
        ensure(names == [name], || {
            "a name with many segments is not listed as it was put".to_owned()
        })?;
    }
    Ok(())
}

async fn names_with_special_characters(cx: &Context<'_>) -> CaseResult {
    let tails = [
        "with space",
        "q?a=b",
        "h#frag",
        "p%20q",
        "p%2F..%2Fq",
        "plus+plus",
        "am&p",
        "eq=eq",
        "co:lon",
        "at@at",
        "semi;colon",
        "quo\"te",
        "back\\slash",
        "tilde~",
        "star*",
        "dollar$x",
        "{brace}",
        "dot.dot",
        "..dots",
        "under_score",
        "a,b",
        "(x)",
        "[y]",
        "<z>",
        "^|`'!",
    ];
    held_apart(cx, &raw(cx, &tails)?).await
}

async fn name_in_unicode(cx: &Context<'_>) -> CaseResult {
    held_apart(
        cx,
        &raw(cx, &["ключ", "鍵", "\u{e9}", "e\u{301}", "🔑", "İ", "ı"])?,
    )
    .await
}

async fn name_of_the_longest_kind(cx: &Context<'_>) -> CaseResult {
    let room = MAX_NAME_BYTES - cx.prefix().len();
    held_apart(cx, &raw(cx, &[&"x".repeat(room), &"y".repeat(room)])?).await
}

async fn names_that_differ_in_case(cx: &Context<'_>) -> CaseResult {
    held_apart(cx, &raw(cx, &["password", "Password", "PASSWORD"])?).await
}

async fn names_that_differ_in_separators(cx: &Context<'_>) -> CaseResult {
    held_apart(
        cx,
        &raw(cx, &["a/b", "a-b", "a_b", "a.b", "a--b", "a-/b", "ab"])?,
    )
    .await
}

async fn names_that_look_percent_encoded(cx: &Context<'_>) -> CaseResult {
    held_apart(
        cx,
        &raw(
            cx,
            &["a/b", "a%2Fb", "a%2fb", "a%252Fb", "a b", "a+b", "a%20b"],
        )?,
    )
    .await
}

async fn name_inside_another_one(cx: &Context<'_>) -> CaseResult {
    held_apart(cx, &raw(cx, &["a", "a/b", "a/b/c", "a/bc"])?).await
}
