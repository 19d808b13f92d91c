//! What the tests share: configurations for a fake, and opened providers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test file uses its own part")]

use secrets_core::{OpenContext, SecretName};
use secrets_gcp::{GcpConfig, GcpProvider};
use secrets_http::Transport;
use secrets_testkit::fakes::gcp::{Credential, GcpFake};

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
    secrets_gcp::open(config, OpenContext::new("main"), Transport::default())
        .await
        .unwrap()
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}
