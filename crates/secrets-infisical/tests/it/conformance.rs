//! The conformance suite on the fake: both versions of the API, each way to log in, each way to keep values.

use crate::support;
use std::sync::Arc;

use async_trait::async_trait;
use polysecrets_infisical::{Encoding, InfisicalConfig};
use secrets_core::{OpenContext, Result, SecretProvider};
use secrets_provider::Transport;
use secrets_testkit::conformance::{self, Fixture, KnownGap};
use secrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions, Older};

struct OnFake {
    fake: InfisicalFake,
    config: InfisicalConfig,
    transport: Transport,
    server: &'static str,
    gaps: Vec<KnownGap>,
}

impl OnFake {
    async fn new(
        options: InfisicalOptions,
        server: &'static str,
        change: impl FnOnce(&InfisicalFake, &mut InfisicalConfig),
    ) -> Self {
        let fake = InfisicalFake::start(options).await.unwrap();
        let mut config = support::config(&fake);
        change(&fake, &mut config);
        Self {
            fake,
            config,
            transport: Transport::default(),
            server,
            gaps: Vec::new(),
        }
    }

    async fn passes(self) {
        conformance::run(&self).await.assert_passed();
        assert_eq!(self.fake.ignored(), Vec::<String>::new());
    }
}

#[async_trait]
impl Fixture for OnFake {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let context = OpenContext::new("main");
        let (config, transport) = (self.config.clone(), self.transport.clone());
        let provider = polysecrets_infisical::open(config, context, transport).await?;
        Ok(Arc::new(provider))
    }

    fn server(&self) -> String {
        self.server.to_owned()
    }

    fn requests_sent(&self) -> Option<u64> {
        Some(self.transport.requests_sent())
    }

    fn known_gaps(&self) -> Vec<KnownGap> {
        self.gaps.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_4() {
    let options = InfisicalOptions::default();
    OnFake::new(options, "fake v4", |_, _| {})
        .await
        .passes()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_3_in_a_folder() {
    let options = InfisicalOptions::default()
        .with_older(Older::NoV4)
        .with_older(Older::RefusesMissingReferences)
        .with_older(Older::EmptiesMissingReferences);
    OnFake::new(options, "fake v3", |fake, config| {
        fake.seed("dev", "/team/api", "there", "already");
        config.path = Some("/team/api".to_owned());
    })
    .await
    .passes()
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_encoding() {
    const TRIMMED: [&str; 7] = [
        "byte_order_mark",
        "carriage_returns_and_line_feeds",
        "trailing_newline",
        "leading_and_trailing_spaces",
        "spaces_alone",
        "tabs_and_control_characters",
        "json_scalars_are_byte_exact",
    ];
    let options = InfisicalOptions::default();
    let mut plain = OnFake::new(options, "fake v4, plain values", |_, config| {
        config.encoding = Encoding::Never;
    })
    .await;
    let gap = |case, reason, failure| KnownGap::new(case, reason).failing_with(failure);
    plain.gaps = TRIMMED
        .map(|case| gap(case, "the server trims plain values", "which is trimmed"))
        .into();
    plain.gaps.push(gap(
        "text_with_syntax_of_other_formats",
        "the server takes `${HOME}` for a reference",
        "which is a reference",
    ));
    plain.passes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_encoded_by_a_service_token() {
    let options = InfisicalOptions::default();
    OnFake::new(options, "fake v4, service token", |fake, config| {
        config.universal_auth = None;
        config.service_token = Some(fake.service_token("dev", "/**").into());
        config.encoding = Encoding::Always;
    })
    .await
    .passes()
    .await;
}
