//! The emulators that the tests run against, and how providers are opened on them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

mod calm;

use polysecrets_aws::{AwsConfig, AwsProvider};
use secrets_core::{OpenContext, SecretName};
use secrets_provider::Transport;
use secrets_testkit::fault::FaultServer;

#[allow(unused_imports, reason = "each test file uses its own part")]
pub(crate) use calm::Calm;

/// Reads a variable that tells where the test servers are.
///
/// # Panics
/// If it is not set: a test that needs a server must not pass without one.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set; `cargo xtask test` starts the servers and sets it, `cargo xtask servers env` prints it")
    })
}

/// A name that no other test uses.
pub(crate) fn unique(label: &str) -> String {
    let tail: String = std::iter::repeat_with(fastrand::alphanumeric)
        .take(8)
        .collect();
    format!("{label}-{}", tail.to_lowercase())
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// A configuration for an endpoint, with this access key.
pub(crate) fn config(endpoint: &str, id: &str, secret: &str) -> AwsConfig {
    let mut config = AwsConfig::default();
    config.region = Some("us-east-1".to_owned());
    config.endpoint = Some(endpoint.to_owned());
    config.access_key_id = Some(id.into());
    config.secret_access_key = Some(secret.into());
    config
}

/// ministack, which checks signatures and policies, with the key of a user.
pub(crate) fn ministack() -> AwsConfig {
    config(
        &variable("POLYSECRETS_TEST_MINISTACK_URL"),
        &variable("POLYSECRETS_TEST_MINISTACK_ACCESS_KEY_ID"),
        &variable("POLYSECRETS_TEST_MINISTACK_SECRET_ACCESS_KEY"),
    )
}

/// moto, which takes any key.
pub(crate) fn moto() -> AwsConfig {
    config(&variable("POLYSECRETS_TEST_MOTO_URL"), "any", "any")
}

/// A server that is programmed by the test.
pub(crate) fn fault(server: &FaultServer) -> AwsConfig {
    config(&server.url(), "AKIDEXAMPLE", "canary-of-the-key")
}

pub(crate) async fn open(config: AwsConfig) -> AwsProvider {
    open_with(config, OpenContext::new("main")).await
}

pub(crate) async fn open_with(config: AwsConfig, context: OpenContext) -> AwsProvider {
    polysecrets_aws::open(config, context, Transport::default())
        .await
        .unwrap()
}
