//! What the tests share: configurations for a fake, and opened providers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use polysecrets_gcp::{GcpConfig, GcpProvider};
use secrets_core::{OpenContext, SecretName};
use secrets_provider::Transport;
use secrets_testkit::fakes::gcp::{Credential, GcpFake};
use serde_json::{Value, json};

/// A configuration for the fake, without a credential.
pub(crate) fn config(fake: &GcpFake) -> GcpConfig {
    let mut config = GcpConfig::default();
    config.endpoint = Some(fake.url());
    config.project_id = Some(fake.project_id().to_owned());
    config
}

/// The same, with a credentials file of this kind.
pub(crate) fn key_file(fake: &GcpFake, kind: Credential) -> GcpConfig {
    let mut config = config(fake);
    config.credentials_file = Some(fake.credential_file(kind));
    config
}

pub(crate) async fn open(config: GcpConfig) -> GcpProvider {
    polysecrets_gcp::open(config, OpenContext::new("main"), Transport::default())
        .await
        .unwrap()
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

/// A key in PEM form that no other process has.
pub(crate) fn rsa_key() -> String {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)
        .unwrap()
        .serialize_pem()
}

/// The key file of a service account that logs in at this address.
pub(crate) fn service_account(url: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "key-1",
        "private_key": rsa_key(),
        "client_email": "app@p.iam.gserviceaccount.com",
        "token_uri": format!("{url}/token"),
    })
}

/// The login of a person at this address.
pub(crate) fn user(url: &str) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "client-secret",
        "refresh_token": "1//refresh",
        "quota_project_id": "quota-project",
        "token_uri": format!("{url}/token"),
    })
}
