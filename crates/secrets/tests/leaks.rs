//! A random value is planted wherever plaintext goes, and searched for in everything that comes out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(all(feature = "full", unix))]

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use polysecrets::file::FileStore;
use polysecrets::{
    Answer, Call, Config, Environment, Error, FileFormat, GetItem, GetOptions, Metadata,
    OpenContext, Origin, ProviderEntry, PutOptions, Reply, Request, Response, Result, RetryConfig,
    Secret, SecretField, SecretName, SecretRef, SecretValue, Secrets, Settings, Template,
};
use secrets_testkit::canary::{Canary, Sinks, TraceCapture};
use secrets_testkit::fault::{Fault, FaultServer, Reply as HttpReply, Script};

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn value(canary: &Canary) -> SecretValue {
    canary.reveal().as_str().into()
}

/// Says the error to the sinks in every form, or the answer.
fn tell<T: std::fmt::Debug>(sinks: &mut Sinks<'_>, what: &str, outcome: &Result<T>) {
    match outcome {
        Ok(answer) => sinks.debug(what, answer),
        Err(error) => {
            sinks.error(what, error);
            sinks.format(what, error);
            sinks.debug(what, &error.hint());
        }
    }
}

#[test]
fn no_public_type_shows_a_value() {
    let canary = Canary::generate_with_escapes();
    canary.positive_control().unwrap();
    let mut sinks = Sinks::new([&canary]);
    let plain = canary.reveal();

    let secret = Secret::new(value(&canary), Metadata::new(name("a")));
    let origin = Origin::fresh("main".into());
    let answer = Answer::new(secret.clone(), origin.clone());
    sinks.debug("SecretValue", &value(&canary));
    sinks.debug("Secret", &secret);
    sinks.debug("Answer", &answer);
    sinks.debug("GetItem", &GetItem::new(name("a"), GetOptions::default()));
    let put = Call::Put {
        name: name("a"),
        value: value(&canary),
        options: PutOptions::default(),
    };
    sinks.debug("Request", &Request::new(put));
    sinks.debug(
        "Response",
        &Response::new(Reply::Secret(secret), origin.clone()),
    );
    sinks.debug(
        "Response",
        &Response::new(Reply::Secrets(vec![Ok(answer)]), origin),
    );
    let environment = Environment::from_iter([("A_VARIABLE", plain.as_str())]);
    sinks.debug("Environment", &environment);
    sinks.debug(
        "OpenContext",
        &OpenContext::new("main").with_environment(environment.clone()),
    );
    let settings = Settings::from_pairs([("token", plain.as_str())]);
    sinks.debug("Settings", &settings);
    let config = Config::default().with_provider("main", ProviderEntry::new("vault", settings));
    sinks.debug("Config", &config);
    sinks.debug("DescribedSetting", &config.describe());
    let builder = Secrets::builder().config(config).environment(environment);
    sinks.debug("SecretsBuilder", &builder);
    sinks.debug("Secrets", &builder.build().unwrap());
    assert!(sinks.scanned() > 10);
    sinks.assert_clean();
}

#[test]
fn no_setting_and_no_wrong_setting_shows_a_value() {
    let canary = Canary::generate_with_escapes();
    let plain = canary.reveal();
    let mut sinks = Sinks::new([&canary]);
    for key in [
        "token",
        "tokn",
        "address",
        "mount",
        "namespace",
        "shape",
        "path",
        "passphrase",
        "prefix",
    ] {
        for scheme in ["vault", "file", "dotenv", "env", "memory"] {
            let settings = Settings::from_pairs([(key, plain.as_str())]);
            let config =
                Config::default().with_provider("main", ProviderEntry::new(scheme, settings));
            let secrets = Secrets::builder()
                .config(config)
                .default_provider("main")
                .build()
                .unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let info = runtime.block_on(secrets.info("main"));
            // Where a provider is is not a secret, and neither is which environment variables it reads.
            if matches!(key, "address" | "mount" | "namespace" | "path" | "prefix") {
                continue;
            }
            tell(&mut sinks, &format!("{scheme} {key}"), &info);
        }
    }
    assert!(sinks.scanned() > 20);
    sinks.assert_clean();
}

/// Everything that a handle does with a secret, given to the sinks with its traces.
async fn whole_life(sinks: &mut Sinks<'_>, secrets: &Secrets, canary: &Canary) {
    let plain = canary.reveal();
    tell(sinks, "put", &secrets.put("life", value(canary)).await);
    tell(
        sinks,
        "put again",
        &secrets.put("life", value(canary)).await,
    );
    let create = PutOptions::default().with_mode(polysecrets::PutMode::Create);
    tell(
        sinks,
        "create",
        &secrets.put_with("life", value(canary), create).await,
    );
    let huge: SecretValue = plain.repeat(1 + (3 << 20) / plain.len()).into();
    tell(sinks, "huge", &secrets.put("huge", huge).await);
    let nul: SecretValue = format!("\0{}\u{1b}[31m", *plain).into();
    tell(sinks, "control characters", &secrets.put("nul", nul).await);
    tell(sinks, "get", &secrets.get("life").await);
    tell(sinks, "get", &secrets.get_with_origin("life").await);
    tell(sinks, "field of text", &secrets.get("life#field").await);
    tell(
        sinks,
        "missing version",
        &secrets.get("life?version=99").await,
    );
    let both: Vec<SecretRef> = ["life", "missing"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    for answer in secrets.get_many(&both).await {
        tell(sinks, "get_many", &answer);
    }
    tell(sinks, "get_all", &secrets.get_all("").await);
    tell(
        sinks,
        "list",
        &secrets.list("").try_collect::<Vec<_>>().await,
    );
    tell(sinks, "describe", &secrets.describe("life").await);
    tell(
        sinks,
        "versions",
        &secrets.versions("life").try_collect::<Vec<_>>().await,
    );
    let yaml = "a: ${secret:life}\nb: ${secret:missing}\n";
    tell(
        sinks,
        "missing in a file",
        &secrets.resolve_text(yaml, FileFormat::Yaml, None).await,
    );
    let json = serde_json::json!({ "a": "${secret:nul}", "b": 1, "c": "${secret:life#x}" });
    tell(
        sinks,
        "missing in a value",
        &secrets.resolve_value(json).await,
    );
    for source in [
        "{{ secrets.life.x }}",
        "{{ secrets.life + 1 }}",
        "{{ secrets.missing }}",
        "{{ secrets.life | nope }}",
    ] {
        if let Ok(template) = Template::parse("t", source) {
            tell(
                sinks,
                source,
                &secrets.render_template(&template, None).await,
            );
        }
    }
    let field = SecretField::new("life".parse::<SecretRef>().unwrap());
    if secrets.fill(&field).await.is_ok() {
        sinks.bytes("checkpoint", serde_json::to_vec(&field).unwrap());
    }
    sinks.debug("SecretField", &field);
    tell(
        sinks,
        "rollback",
        &secrets.rollback("life", "1".into()).await,
    );
    tell(sinks, "delete", &secrets.delete("life").await);
    tell(sinks, "deleted", &secrets.get("life").await);
    sinks.debug("health", &secrets.health().await);
    tell(sinks, "close", &secrets.close().await);
}

#[test]
fn no_local_provider_shows_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let canary = Canary::generate_with_escapes();
    let mut sinks = Sinks::new([&canary]);
    let path = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let recipient = FileStore::generate_identity(path("identity.txt")).unwrap();
    let file = Settings::from_pairs([
        ("path", path("store.txt")),
        ("identity", path("identity.txt")),
    ]);
    FileStore::create(
        file.deserialize().unwrap(),
        &OpenContext::new("f"),
        [recipient],
    )
    .unwrap();

    for (scheme, settings) in [
        ("memory", Settings::default()),
        ("env", Settings::default()),
        ("dotenv", Settings::from_pairs([("path", path(".env"))])),
        ("file", file),
    ] {
        let config = Config::default().with_provider("main", ProviderEntry::new(scheme, settings));
        let secrets = Secrets::builder()
            .config(config)
            .environment(Environment::from_iter([("LIFE", canary.reveal().as_str())]))
            .default_provider("main")
            .build()
            .unwrap();
        let capture = TraceCapture::new();
        let guard = capture.on_this_thread();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(whole_life(&mut sinks, &secrets, &canary));
        drop(guard);
        assert!(capture.event_count() > 5, "{scheme} was not traced");
        sinks.trace(scheme, &capture);
    }
    sinks.assert_clean();
}

#[test]
fn no_answer_of_a_server_and_no_token_is_shown() {
    let canary = Canary::generate_with_escapes();
    let token = Canary::generate();
    let mut sinks = Sinks::new([&canary, &token]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let capture = TraceCapture::new();
    let guard = capture.on_this_thread();
    runtime.block_on(async {
        let plain = serde_json::to_string(canary.reveal().as_str()).unwrap();
        let bodies = [
            (
                200,
                format!(r#"{{"data":{{"data":{{"value":{plain}}},"metadata":{{"version":1}}}}}}"#),
            ),
            (
                200,
                format!(r#"{{"data":{{"data":{plain},"metadata":{{"version":1}}}}}}"#),
            ),
            (
                200,
                format!(
                    r#"{{"data":{{"data":{{"value":{plain}}},"metadata":{{"version":{plain}}}}}}}"#
                ),
            ),
            (200, format!(r#"{{"data":{plain}"#)),
            (200, plain.clone()),
            (400, format!(r#"{{"errors":[{plain}]}}"#)),
            (403, format!(r#"{{"errors":[{plain}]}}"#)),
            (404, format!(r#"{{"errors":[],"data":{plain}}}"#)),
            (429, plain.clone()),
            (500, format!(r#"{{"errors":[{plain}]}}"#)),
            (503, plain.clone()),
            (307, plain.clone()),
        ];
        for (status, body) in bodies {
            let reply = HttpReply::new(status)
                .header("location", "http://127.0.0.1:1/")
                .body(body);
            let server = FaultServer::start(Script::always(Fault::reply(reply)))
                .await
                .unwrap();
            let settings = Settings::from_pairs([
                ("address", server.url()),
                ("token", token.reveal().to_string()),
            ]);
            let mut config =
                Config::default().with_provider("main", ProviderEntry::new("vault", settings));
            config.retry = RetryConfig::default()
                .with_waits(Duration::from_millis(1), Duration::from_millis(1));
            let secrets = Secrets::builder()
                .config(config)
                .default_provider("main")
                .build()
                .unwrap();
            whole_life(&mut sinks, &secrets, &canary).await;
            assert!(server.request_count() > 0);
            sinks.debug("handle", &secrets);
            tell(&mut sinks, "info", &secrets.info("main").await);
        }
    });
    drop(guard);
    assert!(capture.event_count() > 50);
    sinks.trace("vault", &capture);
    sinks.assert_clean();
}

#[test]
fn the_scan_would_find_a_leak() {
    let canary = Canary::generate();
    let mut sinks = Sinks::new([&canary]);
    let leak = Error::new(
        polysecrets::ErrorKind::Unexpected,
        canary.reveal().to_string(),
    );
    sinks.error("planted", &leak);
    assert!(!sinks.leaks().is_empty());
    let capture = TraceCapture::new();
    let guard = capture.on_this_thread();
    tracing::trace!(value = canary.reveal().as_str(), "planted");
    drop(guard);
    let mut sinks = Sinks::new([&canary]);
    sinks.trace("planted", &capture);
    assert!(!sinks.leaks().is_empty());
    let arc = Arc::new(sinks);
    assert!(arc.verdict().is_err());
}
