//! What was put comes back: every byte, or a typed refusal.

use secrets_core::{Capability, ErrorKind, SecretState};

use super::check::{CaseResult, Stop, ensure, same};
use super::context::Context;
use super::json;

cases! { "round_trip":
    plain_text [],
    empty_value [],
    every_byte_value [Binary],
    bytes_that_are_not_utf8 [Binary],
    large_binary_value [Binary],
    large_text_value [],
    value_of_exactly_the_limit [],
    unicode_text [],
    unicode_is_not_normalised [],
    byte_order_mark [],
    carriage_returns_and_line_feeds [],
    trailing_newline [],
    newline_alone [],
    leading_and_trailing_spaces [],
    spaces_alone [],
    tabs_and_control_characters [],
    nul_bytes [],
    text_that_is_valid_base64 [],
    text_with_syntax_of_other_formats [],
    text_that_looks_like_another_type [],
    multi_line_pem [],
    one_long_line [],
    json_object_keeps_number_text [],
    json_object_nested [],
    json_object_with_escapes [],
    json_object_empty [],
    json_field_is_read [],
    json_array_is_byte_exact [],
    json_scalars_are_byte_exact [],
    broken_json_is_byte_exact [],
    same_value_twice [Put],
    shorter_over_longer [Put],
    reopened_store_has_the_value [],
    metadata_of_a_read_secret [],
}

async fn round_trip(cx: &Context<'_>, label: &str, value: &[u8]) -> CaseResult {
    let name = cx.name(label)?;
    let store = cx.holding(&[(&name, value)]).await?;
    store.holds(&name, value).await
}

/// For text that a store without [`Capability::Binary`] may refuse, but not change.
async fn round_trip_or_refusal(cx: &Context<'_>, label: &str, value: &[u8]) -> CaseResult {
    match round_trip(cx, label, value).await {
        Err(Stop::Error(error))
            if error.kind() == ErrorKind::InvalidValue && !cx.has(Capability::Binary) =>
        {
            Err(Stop::Unsupported(format!(
                "binary is absent, and the text was refused: {error}"
            )))
        }
        other => other,
    }
}

async fn plain_text(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "value", b"correct horse battery staple").await
}

async fn empty_value(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "value", b"").await
}

async fn every_byte_value(cx: &Context<'_>) -> CaseResult {
    let up: Vec<u8> = (0..=255).collect();
    let down: Vec<u8> = (0..=255).rev().collect();
    round_trip(cx, "up", &up).await?;
    round_trip(cx, "down", &down).await
}

async fn bytes_that_are_not_utf8(cx: &Context<'_>) -> CaseResult {
    for (label, value) in [
        ("lone", &b"\xff"[..]),
        ("cut", b"caf\xc3"),
        ("surrogate", b"\xed\xa0\x80"),
        ("overlong", b"\xc0\x80"),
        ("zeros", &[0; 16]),
    ] {
        round_trip(cx, label, value).await?;
    }
    Ok(())
}

const KIB: usize = 1024;

async fn large_binary_value(cx: &Context<'_>) -> CaseResult {
    // Half of the limit, because a store of text may have to encode it.
    let limit = cx.capabilities.max_value_bytes.unwrap_or(64 * KIB) / 2;
    let value: Vec<u8> = (0..limit.min(32 * KIB)).map(|_| fastrand::u8(..)).collect();
    round_trip(cx, "value", &value).await
}

fn text_of(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b"0123456789abcdefghijklmnopqrstuvwxyz\n"[at % 37])
        .collect()
}

async fn large_text_value(cx: &Context<'_>) -> CaseResult {
    let limit = cx.capabilities.max_value_bytes.unwrap_or(64 * KIB);
    round_trip(cx, "value", &text_of(limit.min(64 * KIB))).await
}

async fn value_of_exactly_the_limit(cx: &Context<'_>) -> CaseResult {
    match cx.capabilities.max_value_bytes {
        // A limit beyond this is not one that a test can reach in reasonable time.
        Some(limit) if limit <= 4 * KIB * KIB => round_trip(cx, "value", &text_of(limit)).await,
        _ => Err(Stop::Unsupported(
            "the provider names no limit, or one above 4 MiB".to_owned(),
        )),
    }
}

async fn unicode_text(cx: &Context<'_>) -> CaseResult {
    let text = "naïve ключ 鍵 مفتاح 🔑 👩‍👩‍👧 \u{10ffff} \u{200b}\u{202e}end";
    round_trip(cx, "value", text.as_bytes()).await
}

async fn unicode_is_not_normalised(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "composed", "\u{e9}\u{212b}\u{fb01}".as_bytes()).await?;
    round_trip(cx, "decomposed", "e\u{301}A\u{30a}fi".as_bytes()).await
}

async fn byte_order_mark(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "value", "\u{feff}after the mark".as_bytes()).await
}

async fn carriage_returns_and_line_feeds(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "windows", b"one\r\ntwo\r\n\r\nthree").await?;
    round_trip(cx, "mac", b"one\rtwo\r").await?;
    round_trip(cx, "mixed", b"\n\r\n\r").await
}

async fn trailing_newline(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "one", b"value\n").await?;
    round_trip(cx, "three", b"value\n\n\n").await?;
    round_trip(cx, "windows", b"value\r\n").await
}

async fn newline_alone(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "value", b"\n").await
}

async fn leading_and_trailing_spaces(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "spaces", b"  value with spaces   ").await?;
    round_trip(cx, "wide", "\u{a0}\u{3000}value\u{2003}".as_bytes()).await
}

async fn spaces_alone(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "value", b"   ").await
}

async fn tabs_and_control_characters(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "tabs", b"\tone\ttwo\t").await?;
    let controls: Vec<u8> = (1..0x20).chain([0x7f]).collect();
    round_trip_or_refusal(cx, "controls", &controls).await
}

async fn nul_bytes(cx: &Context<'_>) -> CaseResult {
    round_trip_or_refusal(cx, "value", b"\0before\0\0after\0").await
}

async fn text_that_is_valid_base64(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "padded", b"aGVsbG8gd29ybGQ=").await?;
    round_trip(cx, "bare", b"YWJjZA").await?;
    round_trip(cx, "word", b"password").await?;
    round_trip(cx, "binary", b"//79AAEC/w==").await
}

async fn text_with_syntax_of_other_formats(cx: &Context<'_>) -> CaseResult {
    for (label, text) in [
        ("quotes", r#"it's "quoted" and `ticked`"#),
        ("backslashes", r"C:\new\table \\ \n \u0041 \"),
        ("shell", "$HOME ${HOME} $(id) $$ !1 ~ * ; & | > <"),
        ("comment", "before # after ; and // more"),
        ("url", "a%20b+c&d=e?f#g%zz"),
        ("template", "{{ secrets.X }} ${secret:a/b} %{x} <%= y %>"),
        ("markup", "<a href=\"x\">&amp;&#0;</a><![CDATA[ ]]>"),
        ("assignment", "export KEY=\"value\"\nOTHER='x'"),
        ("yaml", "- a: b\n  c: |\n    d\n...\n---\n"),
    ] {
        round_trip(cx, label, text.as_bytes()).await?;
    }
    Ok(())
}

async fn text_that_looks_like_another_type(cx: &Context<'_>) -> CaseResult {
    for (label, text) in [
        ("octal", "0123"),
        ("exponent", "1e10"),
        ("long", "12345678901234567890"),
        ("decimal", "0.10"),
        ("yes", "yes"),
        ("none", "null"),
        ("tilde", "~"),
        ("date", "2026-01-01"),
        ("infinity", "-Infinity"),
    ] {
        round_trip(cx, label, text.as_bytes()).await?;
    }
    Ok(())
}

async fn multi_line_pem(cx: &Context<'_>) -> CaseResult {
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    for _ in 0..24 {
        pem.push_str("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgx+/x+/x+/x+/x+/x\n");
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    round_trip(cx, "value", pem.as_bytes()).await
}

async fn one_long_line(cx: &Context<'_>) -> CaseResult {
    let length = cx.capabilities.max_value_bytes.unwrap_or(16 * KIB);
    round_trip(cx, "value", &vec![b'x'; length.min(16 * KIB)]).await
}

/// An object may come back in other words, as long as it says the same and numbers keep their text.
async fn json_round_trip(cx: &Context<'_>, label: &str, text: &str) -> CaseResult {
    let name = cx.name(label)?;
    let store = cx.holding(&[(&name, text.as_bytes())]).await?;
    let secret = store.get(&name).await?;
    ensure(
        json::equal(secret.value.expose_bytes(), text.as_bytes()),
        || "the JSON object that was read says something else than the one written".to_owned(),
    )
}

async fn json_object_keeps_number_text(cx: &Context<'_>) -> CaseResult {
    // One by one, and together: a parser that gives up on one number must not save the others.
    let numbers = [
        "1754110382",
        "1e400",
        "0.10",
        "12345678901234567890",
        "1E-7",
        "-0",
        "1.0",
        "3.14159265358979323846264338327950288",
    ];
    for (at, number) in numbers.iter().enumerate() {
        json_round_trip(cx, &format!("n{at}"), &format!("{{\"n\":{number}}}")).await?;
    }
    let fields: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(at, number)| format!("\"n{at}\":{number}"))
        .collect();
    json_round_trip(cx, "all", &format!("{{{}}}", fields.join(","))).await
}

async fn json_object_nested(cx: &Context<'_>) -> CaseResult {
    let text =
        r#"{"a":{"b":[1,"2",true,null,{"c":[]}],"d":{}},"e":[[1.50]],"":"empty key","f":false}"#;
    json_round_trip(cx, "value", text).await
}

async fn json_object_with_escapes(cx: &Context<'_>) -> CaseResult {
    let text = r#"{"q":"\"\\\/\b\f\n\r\t\u0000\u001f","e":"é \u00e9 \ud83d\udd11","key \"x\"":"v","s":" \n"}"#;
    json_round_trip(cx, "value", text).await
}

async fn json_object_empty(cx: &Context<'_>) -> CaseResult {
    json_round_trip(cx, "value", "{}").await
}

async fn json_field_is_read(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let text = r#"{"user":"app","port":5432,"ratio":0.10,"note":"line\nbreak","nested":{"a":1}}"#;
    let store = cx.holding(&[(&name, text.as_bytes())]).await?;
    let value = store.get(&name).await?.value;
    for (field, expected) in [
        ("user", "app"),
        ("port", "5432"),
        ("ratio", "0.10"),
        ("note", "line\nbreak"),
    ] {
        same(&value.field(field)?, expected.as_bytes())?;
    }
    Ok(())
}

async fn json_array_is_byte_exact(cx: &Context<'_>) -> CaseResult {
    round_trip(cx, "value", b"[1, 2.0 ,\"x\" ,{ \"a\":1e2 }]\n").await
}

async fn json_scalars_are_byte_exact(cx: &Context<'_>) -> CaseResult {
    for (label, text) in [
        ("string", &b"\"quoted \\u0041\""[..]),
        ("number", b"1754110382"),
        ("float", b"1.50"),
        ("exponent", b"1e400"),
        ("true", b"true"),
        ("null", b"null"),
        ("padded", b" 7 "),
    ] {
        round_trip(cx, label, text).await?;
    }
    Ok(())
}

async fn broken_json_is_byte_exact(cx: &Context<'_>) -> CaseResult {
    for (label, text) in [
        ("open", &b"{\"a\": 1"[..]),
        ("tail", b"{\"a\": 1} and more"),
        ("single", b"{'a': 1}"),
        ("comma", b"{\"a\": 1,}"),
        ("two", b"{\"a\":1}\n{\"b\":2}\n"),
    ] {
        round_trip(cx, label, text).await?;
    }
    Ok(())
}

async fn same_value_twice(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, b"same").await?;
    store.put(&name, b"same").await?;
    store.holds(&name, b"same").await
}

async fn shorter_over_longer(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.open().await?;
    store.put(&name, text_of(900)).await?;
    store.put(&name, b"short").await?;
    store.holds(&name, b"short").await?;
    store.put(&name, b"{\"a\":1,\"b\":2}").await?;
    store.put(&name, b"{\"b\":3}").await?;
    let value = store.get(&name).await?.value;
    ensure(json::equal(value.expose_bytes(), b"{\"b\":3}"), || {
        "an object that replaces another one keeps fields of the old one".to_owned()
    })?;
    store.put(&name, b"text again").await?;
    store.holds(&name, b"text again").await
}

async fn reopened_store_has_the_value(cx: &Context<'_>) -> CaseResult {
    if !cx.fixture.is_shared() {
        return Err(Stop::Unsupported(
            "the fixture says that the store lives in the provider".to_owned(),
        ));
    }
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"kept")]).await?;
    store.provider.close().await?;
    drop(store);
    cx.open().await?.holds(&name, b"kept").await
}

async fn metadata_of_a_read_secret(cx: &Context<'_>) -> CaseResult {
    let name = cx.name("value")?;
    let store = cx.holding(&[(&name, b"value")]).await?;
    let metadata = store.get(&name).await?.metadata;
    ensure(metadata.name == name, || {
        format!(
            "the metadata names {}, what was asked for is {name}",
            metadata.name
        )
    })?;
    ensure(metadata.state == SecretState::Enabled, || {
        format!("a secret that can be read has the state {}", metadata.state)
    })?;
    ensure(
        metadata.version.is_some() || !cx.has(Capability::Versions),
        || "versions are kept, but the metadata of a read secret has none".to_owned(),
    )
}
