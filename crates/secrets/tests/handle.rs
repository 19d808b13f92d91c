//! The handle over real providers: routing, chains, declared secrets, defaults, fields and batches.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![cfg(feature = "memory")]

mod support;

use std::sync::Arc;

use futures_util::TryStreamExt;
use polysecrets::{
    AmbientCredentials, ChainEntry, ChainMember, Config, DeclaredSecret, ErrorKind, OnError,
    ProviderEntry, SecretRef, Secrets, Settings, Version,
};
use support::{Failing, memory};

fn reference(text: &str) -> SecretRef {
    text.parse().unwrap()
}

async fn two_memories(chain: ChainEntry) -> Secrets {
    let config = Config::default()
        .with_chain("both", chain)
        .with_default("both");
    let secrets = Secrets::builder()
        .config(config)
        .provider("one", memory("one").await)
        .provider("two", memory("two").await)
        .build()
        .unwrap();
    secrets
        .put("one://shared", "from one".into())
        .await
        .unwrap();
    secrets
        .put("two://shared", "from two".into())
        .await
        .unwrap();
    secrets.put("two://only", "two".into()).await.unwrap();
    secrets
}

fn both() -> ChainEntry {
    ChainEntry::new([ChainMember::new("one"), ChainMember::new("two")])
}

#[tokio::test]
async fn the_first_member_of_a_chain_that_has_a_secret_answers() {
    let secrets = two_memories(both()).await;
    let answer = secrets.get_with_origin("shared").await.unwrap();
    assert_eq!(answer.secret.value.expose_str().unwrap(), "from one");
    assert_eq!(
        (&*answer.origin.provider, answer.origin.via.as_deref()),
        ("one", Some("both"))
    );
    let answer = secrets.get_with_origin("only").await.unwrap();
    assert_eq!(&*answer.origin.provider, "two");
    let error = secrets.get("missing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().starts_with("secret not found: missing"),
        "{error}"
    );
}

#[tokio::test]
async fn a_batch_through_a_chain_has_an_origin_for_each_answer() {
    let secrets = two_memories(both()).await;
    let answers = secrets
        .get_many(&[
            reference("only"),
            reference("missing"),
            reference("shared"),
            reference("only"),
        ])
        .await;
    let origins: Vec<_> = answers
        .iter()
        .map(|answer| {
            answer
                .as_ref()
                .map(|answer| answer.origin.provider.to_string())
                .map_err(|e| e.kind())
        })
        .collect();
    let (one, two) = (Ok("one".to_owned()), Ok("two".to_owned()));
    assert_eq!(origins, [two.clone(), Err(ErrorKind::NotFound), one, two]);
}

#[tokio::test]
async fn writes_to_a_chain_need_a_member_to_write_to() {
    let secrets = two_memories(both()).await;
    let error = secrets.put("new", "x".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("one, two"), "{error:?}");

    let secrets = two_memories(both().with_write("two")).await;
    secrets.put("new", "x".into()).await.unwrap();
    assert!(secrets.exists("two://new").await.unwrap());
    assert!(!secrets.exists("one://new").await.unwrap());
}

#[tokio::test]
async fn a_listing_merges_and_the_first_counts() {
    let secrets = two_memories(both()).await;
    let names: Vec<String> = secrets
        .list("")
        .map_ok(|one| one.name.to_string())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(names, ["shared", "only"]);
    let all = secrets.get_all("sh").await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all["shared"].expose_str().unwrap(), "from one");
}

#[tokio::test]
async fn an_error_of_a_member_stops_the_chain_unless_it_says_otherwise() {
    for (kind, on_error, goes_on) in [
        (ErrorKind::Unavailable, OnError::Fail, false),
        (ErrorKind::Unavailable, OnError::Warn, true),
        (ErrorKind::PermissionDenied, OnError::Fail, false),
        (ErrorKind::PermissionDenied, OnError::Skip, true),
        (ErrorKind::Deleted, OnError::Fail, false),
        (ErrorKind::NotFound, OnError::Fail, true),
    ] {
        let chain = ChainEntry::new([
            ChainMember::new("broken").with_on_error(on_error),
            ChainMember::new("good"),
        ]);
        let config = Config::default()
            .with_chain("both", chain)
            .with_default("both");
        let secrets = Secrets::builder()
            .config(config)
            .provider("broken", Arc::new(Failing::new(kind)))
            .provider("good", memory("good").await)
            .build()
            .unwrap();
        secrets.put("good://a", "1".into()).await.unwrap();
        let single = secrets.get("a").await.map_err(|error| error.kind());
        let batch = secrets
            .get_many(&[reference("a")])
            .await
            .remove(0)
            .map_err(|error| error.kind());
        assert_eq!(single.is_ok(), goes_on, "{kind:?} {on_error:?}");
        assert_eq!(batch.is_ok(), goes_on, "{kind:?} {on_error:?}");
        if !goes_on {
            assert_eq!((single.unwrap_err(), batch.unwrap_err()), (kind, kind));
        }
    }
}

#[tokio::test]
async fn declared_secrets_stand_for_their_references() {
    let mut optional = DeclaredSecret::new("MAYBE", reference("store://nothing"));
    optional.required = false;
    let config = Config::default()
        .with_default("store")
        .with_secret(DeclaredSecret::new(
            "PASSWORD",
            reference("store://db#password"),
        ))
        .with_secret(DeclaredSecret::new(
            "PORT",
            reference("store://port?default=5432"),
        ))
        .with_secret(optional);
    let secrets = Secrets::builder()
        .config(config)
        .provider("store", memory("store").await)
        .build()
        .unwrap();
    secrets
        .put("db", r#"{"password":"hunter2","n":1754110382}"#.into())
        .await
        .unwrap();

    assert_eq!(
        secrets.get("PASSWORD").await.unwrap().expose_str().unwrap(),
        "hunter2"
    );
    assert_eq!(
        secrets.get("PORT").await.unwrap().expose_str().unwrap(),
        "5432"
    );
    assert_eq!(
        secrets.get("db#n").await.unwrap().expose_str().unwrap(),
        "1754110382"
    );
    assert_eq!(secrets.get_optional("db#nothing").await.unwrap(), None);

    let declared = secrets.get_declared().await;
    let found: Vec<_> = declared
        .iter()
        .map(|(_, answer)| answer.as_ref().unwrap().is_some())
        .collect();
    assert_eq!(found, [true, true, false]);
}

#[tokio::test]
async fn many_references_to_one_secret_are_one_call() {
    let counting = Arc::new(Failing::counting(memory("store").await));
    let secrets = Secrets::builder()
        .provider("store", counting.clone())
        .default_provider("store")
        .build()
        .unwrap();
    for document in 0..5 {
        let fields: Vec<String> = (0..20)
            .map(|field| format!(r#""f{field}":"{document}-{field}""#))
            .collect();
        let value = format!("{{{}}}", fields.join(",")).into();
        secrets.put(format!("doc{document}"), value).await.unwrap();
    }
    let references: Vec<SecretRef> = (0..100)
        .map(|number| reference(&format!("doc{}#f{}", number % 5, number / 5)))
        .collect();
    let answers = secrets.get_many(&references).await;
    for (number, answer) in answers.iter().enumerate() {
        let expected = format!("{}-{}", number % 5, number / 5);
        assert_eq!(
            answer.as_ref().unwrap().secret.value.expose_str().unwrap(),
            expected
        );
    }
    assert_eq!(counting.gets(), 5);
}

#[tokio::test]
async fn versions_and_rollback_go_through_the_handle() {
    let secrets = Secrets::builder()
        .default_provider("memory")
        .build()
        .unwrap();
    let first = secrets
        .put("key", "old".into())
        .await
        .unwrap()
        .version
        .unwrap();
    secrets.put("key", "new".into()).await.unwrap();
    let versions: Vec<Version> = secrets
        .versions("key")
        .map_ok(|one| one.version.unwrap())
        .try_collect()
        .await
        .unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[1], first);
    let old = SecretRef::new("key".try_into().unwrap()).with_version(first.clone());
    assert_eq!(secrets.get(old).await.unwrap().expose_str().unwrap(), "old");
    secrets.rollback("key", first).await.unwrap();
    assert_eq!(
        secrets.get("key").await.unwrap().expose_str().unwrap(),
        "old"
    );
    secrets.delete("key").await.unwrap();
    assert_eq!(
        secrets.get("key").await.unwrap_err().kind(),
        ErrorKind::Deleted
    );
    secrets.restore("key").await.unwrap();
    assert!(secrets.exists("key").await.unwrap());
}

#[tokio::test]
async fn a_write_to_part_of_a_secret_is_refused() {
    let secrets = Secrets::builder()
        .default_provider("memory")
        .build()
        .unwrap();
    for part in ["a#field", "a?version=1", "a?default=x"] {
        let error = secrets.put(part, "x".into()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{part}");
    }
    assert!(!secrets.exists("a").await.unwrap());
}

#[tokio::test]
async fn unknown_providers_and_a_missing_default_say_what_there_is() {
    let secrets = Secrets::builder().build().unwrap();
    let error = secrets.get("a").await.unwrap_err();
    assert!(error.hint().unwrap().contains("secrets init"), "{error:?}");
    let error = secrets.get("valut://a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("memory"), "{error:?}");
    assert!(
        Secrets::builder()
            .default_provider("valut")
            .build()
            .is_err()
    );
}

#[tokio::test]
async fn nothing_is_asked_before_it_is_needed_and_closing_is_for_what_was_opened() {
    let secrets = Secrets::builder()
        .default_provider("memory")
        .build()
        .unwrap();
    assert!(secrets.health().await.is_empty());
    secrets.close().await.unwrap();
    secrets.put("a", "1".into()).await.unwrap();
    assert_eq!(secrets.health().await.len(), 1);
    secrets.close().await.unwrap();
}

#[test]
fn the_blocking_handle_works_without_a_runtime_and_refuses_inside_one() {
    let handle = Secrets::builder()
        .default_provider("memory")
        .build()
        .unwrap();
    let secrets = polysecrets::blocking::Secrets::new(handle).unwrap();
    secrets.put("a", "1".into()).unwrap();
    assert_eq!(secrets.get("a").unwrap().expose_str().unwrap(), "1");
    assert_eq!(secrets.list("").unwrap().len(), 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(async { secrets.get("a").unwrap_err() });
    assert!(error.hint().unwrap().contains("polysecrets::Secrets"));
}

#[tokio::test]
#[cfg(feature = "vault")]
async fn a_new_value_is_not_sent_where_an_unapproved_configuration_says() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings::from_pairs([("address", address.as_str()), ("token", "its-own")]);
    let refused = AmbientCredentials::Refused {
        config: "/elsewhere/secrets.toml".into(),
    };
    let entry = ProviderEntry::new("vault", settings).with_trust(refused);
    let config = Config::default()
        .with_provider("theirs", entry)
        .with_default("theirs");
    let secrets = Secrets::builder().config(config).build().unwrap();
    let error = secrets.put("a", "hunter2".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.hint().unwrap().contains("secrets trust"));
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn a_default_that_is_nearly_a_name_is_told_which() {
    let error = Secrets::builder()
        .default_provider("memroy")
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("memory"), "{error:?}");
}

#[tokio::test]
async fn an_unapproved_configuration_writes_no_file_outside_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("profile");
    for (path, allowed) in [
        (outside.to_str().unwrap(), false),
        ("../.profile", false),
        ("sub/../../.env", false),
        ("own.env", true),
    ] {
        let settings = Settings::from_pairs([("path", path)]);
        let refused = AmbientCredentials::Refused {
            config: "secrets.toml".into(),
        };
        let entry = ProviderEntry::new("dotenv", settings).with_trust(refused);
        let mut config = Config::default()
            .with_provider("theirs", entry)
            .with_default("theirs");
        config.base_dir = folder.path().to_owned();
        let secrets = Secrets::builder().config(config).build().unwrap();
        let outcome = secrets.put("PATH", "evil".into()).await;
        assert_eq!(outcome.is_ok(), allowed, "{path}: {outcome:?}");
    }
    assert!(!outside.exists());
}

#[tokio::test]
async fn a_version_read_through_a_chain_is_one_of_the_member_that_is_written_to() {
    let chain =
        ChainEntry::new([ChainMember::new("env"), ChainMember::new("two")]).with_write("two");
    let config = Config::default()
        .with_chain("both", chain)
        .with_default("both");
    let secrets = Secrets::builder()
        .config(config)
        .environment([("USER", "shadow")].into_iter().collect())
        .provider("two", memory("two").await)
        .build()
        .unwrap();
    let version = secrets
        .put("user", "stored".into())
        .await
        .unwrap()
        .version
        .unwrap();
    assert_eq!(
        secrets.get("user").await.unwrap().expose_str().unwrap(),
        "shadow"
    );
    let old = SecretRef::new("user".try_into().unwrap()).with_version(version);
    assert_eq!(
        secrets.get(&old).await.unwrap().expose_str().unwrap(),
        "stored"
    );
    let answers = secrets
        .get_many(&[old, reference("user"), reference("user?version=99")])
        .await;
    let values: Vec<_> = answers
        .iter()
        .map(|answer| {
            answer
                .as_ref()
                .map(|one| one.secret.value.expose_str().unwrap().to_owned())
        })
        .map(|value| value.map_err(|error| error.kind()))
        .collect();
    assert_eq!(
        values,
        [
            Ok("stored".into()),
            Ok("shadow".into()),
            Err(ErrorKind::NotFound)
        ]
    );
}

#[tokio::test]
async fn a_secret_declared_as_a_part_is_not_written_over() {
    let config = Config::default()
        .with_default("memory")
        .with_secret(DeclaredSecret::new("KEY", reference("memory://api#key")));
    let secrets = Secrets::builder().config(config).build().unwrap();
    secrets
        .put("api", r#"{"key":"1","other":"2"}"#.into())
        .await
        .unwrap();
    let error = secrets.put("KEY", "new".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("api"), "{error:?}");
    assert_eq!(
        secrets
            .get("api#other")
            .await
            .unwrap()
            .expose_str()
            .unwrap(),
        "2"
    );
}

#[tokio::test]
async fn credentials_of_what_could_have_been_asked_are_told() {
    let chain = ChainEntry::new([ChainMember::new("env"), ChainMember::new("store")]);
    let settings = Settings::from_pairs([("path", "/nowhere/store.txt")]);
    let config = Config::default()
        .with_chain("both", chain)
        .with_default("both")
        .with_provider("store", ProviderEntry::new("file", settings));
    let key = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";
    let secrets = Secrets::builder()
        .config(config)
        .environment(
            [("A", "1"), ("SECRETS_IDENTITY", key)]
                .into_iter()
                .collect(),
        )
        .build()
        .unwrap();
    assert_eq!(secrets.get("A").await.unwrap().expose_str().unwrap(), "1");
    let reported = secrets.credential_variables().await;
    if cfg!(feature = "file") {
        assert_eq!(reported, ["SECRETS_IDENTITY"]);
    }
}

#[tokio::test]
#[cfg(feature = "dotenv")]
async fn what_is_wanted_at_the_start_is_missed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("secrets.toml");
    let text = "default = \"local\"\npreload = [\"A\"]\n[providers.local]\ntype = \"dotenv\"\n[secrets]\nA = \"a\"\nB = \"b\"\n";
    std::fs::write(&config, text).unwrap();
    let error = Secrets::from_config(&config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    std::fs::write(folder.path().join(".env"), "A=1\n").unwrap();
    let secrets = Secrets::from_config(&config).await.unwrap();
    assert_eq!(secrets.get("A").await.unwrap().expose_str().unwrap(), "1");
}
