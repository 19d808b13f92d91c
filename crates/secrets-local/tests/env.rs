//! How names find environment variables, and which of those are secrets.
#![cfg(feature = "env")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use polysecrets_local::env::{self, EnvConfig, EnvProvider};
use secrets_core::{
    Environment, Error, ErrorKind, GetItem, GetOptions, ListOptions, Location, OpenContext,
    PutOptions, SecretName, SecretProvider, SecretValue, Version,
};

async fn open(config: EnvConfig, variables: &[(&str, &str)]) -> EnvProvider {
    let environment: Environment = variables.iter().copied().collect();
    let context = OpenContext::new("test").with_environment(environment);
    env::open(config, context).await.unwrap()
}

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

async fn get(provider: &EnvProvider, from: &str) -> Result<String, Error> {
    let secret = provider.get(&name(from), &GetOptions::default()).await?;
    assert_eq!(secret.metadata.name.as_str(), from);
    Ok(secret.value.expose_str().unwrap().to_owned())
}

async fn listed(provider: &EnvProvider, options: ListOptions) -> Vec<String> {
    let page = provider.list(&options).await.unwrap();
    page.items
        .iter()
        .map(|item| item.name.to_string())
        .collect()
}

#[tokio::test]
async fn unlisted_variables_are_found_all_the_same() {
    let config = EnvConfig::default().with_unlisted();
    let provider = open(config, &[("DB_PASSWORD", "1")]).await;
    assert!(listed(&provider, ListOptions::default()).await.is_empty());
    assert_eq!(get(&provider, "db/password").await.unwrap(), "1");
}

#[tokio::test]
async fn a_name_is_found_exactly_and_by_custom() {
    let provider = open(
        EnvConfig::default(),
        &[("DB_PASSWORD", "1"), ("with space", "2")],
    )
    .await;
    for from in ["DB_PASSWORD", "db/password", "db-password", "db.Password"] {
        assert_eq!(get(&provider, from).await.unwrap(), "1");
    }
    assert_eq!(get(&provider, "with space").await.unwrap(), "2");
    let error = get(&provider, "db/user").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.hint().unwrap().contains("DB_USER"));
}

#[tokio::test]
async fn only_variables_with_the_prefix_are_secrets() {
    let variables = [
        ("APP_TOKEN", "1"),
        ("TOKEN", "2"),
        ("APP_", "3"),
        ("app_OTHER", "4"),
    ];
    let provider = open(EnvConfig::default().with_prefix("APP_"), &variables).await;
    assert_eq!(get(&provider, "TOKEN").await.unwrap(), "1");
    assert_eq!(get(&provider, "token").await.unwrap(), "1");
    for outside in ["APP_TOKEN", "OTHER", "app_OTHER", "HOME"] {
        assert_eq!(
            get(&provider, outside).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
    assert_eq!(listed(&provider, ListOptions::default()).await, ["TOKEN"]);
}

#[tokio::test]
async fn an_empty_prefix_is_no_prefix() {
    let variables = [("A", "1"), ("B", "")];
    for config in [EnvConfig::default(), EnvConfig::default().with_prefix("")] {
        let provider = open(config, &variables).await;
        assert_eq!(listed(&provider, ListOptions::default()).await, ["A", "B"]);
        assert_eq!(get(&provider, "B").await.unwrap(), "");
        assert_eq!(provider.info().location.to_string(), "env:");
    }
}

#[tokio::test]
async fn a_mapped_name_comes_first_and_stands_for_its_variable() {
    let config = EnvConfig::default()
        .with_prefix("APP_")
        .with_well_known()
        .with_mapped("openai", "MY_OPENAI")
        .with_mapped("a/b", "APP_X");
    let variables = [
        ("OPENAI_API_KEY", "1"),
        ("MY_OPENAI", "2"),
        ("ANTHROPIC_API_KEY", "3"),
        ("APP_A_B", "4"),
        ("APP_X", "5"),
        ("APP_Y", "6"),
    ];
    let provider = open(config, &variables).await;
    assert_eq!(get(&provider, "openai").await.unwrap(), "2");
    assert_eq!(get(&provider, "anthropic").await.unwrap(), "3");
    assert_eq!(get(&provider, "a/b").await.unwrap(), "5");
    let missing = get(&provider, "huggingface").await.unwrap_err();
    assert!(missing.hint().unwrap().contains("HUGGINGFACE_TOKEN"));
    assert_eq!(
        listed(&provider, ListOptions::default()).await,
        ["A_B", "Y", "a/b", "anthropic", "openai"]
    );
}

#[tokio::test]
async fn two_variables_that_differ_are_ambiguous() {
    let provider = open(
        EnvConfig::default(),
        &[
            ("api_key", "canary1"),
            ("API_KEY", "canary2"),
            ("x", "same"),
            ("X", "same"),
        ],
    )
    .await;
    let error = get(&provider, "api_key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
    let reported = format!("{error} {error:?} {:?}", error.hint());
    assert!(
        reported.contains("api_key")
            && reported.contains("API_KEY")
            && !reported.contains("canary")
    );
    assert_eq!(get(&provider, "API_KEY").await.unwrap(), "canary2");
    assert_eq!(get(&provider, "x").await.unwrap(), "same");
}

#[tokio::test]
async fn two_names_for_one_variable_are_refused_together() {
    let provider = open(EnvConfig::default(), &[("A_B", "1"), ("C", "2")]).await;
    let items = ["a/b", "c", "a-b", "A_B", "a/b"]
        .map(|item| GetItem::new(name(item), GetOptions::default()));
    let kinds: Vec<_> = provider
        .get_many(&items)
        .await
        .into_iter()
        .map(|answer| answer.err().map(|error| error.kind()))
        .collect();
    let refused = Some(ErrorKind::InvalidName);
    assert_eq!(kinds, [refused, None, refused, None, refused]);
}

#[tokio::test]
async fn values_keep_their_bytes() {
    let bytes: Vec<u8> = (0..=255).collect();
    let environment: Environment = [("RAW", SecretValue::from(bytes.clone()))]
        .into_iter()
        .collect();
    let context = OpenContext::new("test").with_environment(environment);
    let provider = env::open(EnvConfig::default(), context).await.unwrap();
    let secret = provider
        .get(&name("RAW"), &GetOptions::default())
        .await
        .unwrap();
    assert_eq!(secret.value.expose_bytes(), bytes);
}

#[tokio::test]
async fn pages_end_and_miss_nothing() {
    let provider = open(
        EnvConfig::default(),
        &[("A", ""), ("B1", ""), ("B2", ""), ("B3", ""), ("C", "")],
    )
    .await;
    let mut options = ListOptions::default().with_prefix("B").with_page_size(2);
    let first = provider.list(&options).await.unwrap();
    assert_eq!(first.items.len(), 2);
    options = options.with_page_token(first.next);
    assert_eq!(listed(&provider, options.clone()).await, ["B3"]);
    assert_eq!(provider.list(&options).await.unwrap().next, None);
}

#[tokio::test]
async fn it_is_only_read_and_has_no_versions() {
    let provider = open(EnvConfig::default(), &[("A", "1")]).await;
    let put = provider
        .put(&name("A"), &"2".into(), &PutOptions::default())
        .await;
    assert_eq!(put.unwrap_err().kind(), ErrorKind::Unsupported);
    let options = GetOptions::default().with_version(Version::from("1"));
    let error = provider.get(&name("A"), &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_wrong_map_is_refused() {
    for (key, variable) in [("a//b", "X"), ("a", ""), ("a", "X=Y")] {
        let config = EnvConfig::default().with_mapped(key, variable);
        assert!(env::open(config, OpenContext::new("test")).await.is_err());
    }
}

#[test]
fn a_location_gives_the_prefix_and_nothing_else() {
    let mut config = EnvConfig::default();
    config
        .set_location(&"env:?prefix=APP_".parse::<Location>().unwrap())
        .unwrap();
    assert_eq!(config.prefix, "APP_");
    for wrong in ["env://APP_", "env:APP_", "env:?map=x"] {
        let error = config.set_location(&wrong.parse().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    }
}
