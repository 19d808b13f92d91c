//! The conformance suite against two emulators of AWS whose holes hardly overlap: each gap of one is no gap of the other.

use crate::support;
use std::sync::Arc;

use async_trait::async_trait;
use polysecrets_aws::AwsConfig;
use secrets_core::{OpenContext, Result, SecretProvider, Version};
use secrets_provider::Transport;
use secrets_testkit::conformance::{self, Fixture, KnownGap};
use tokio::sync::RwLock;

use crate::support::Calm;

struct Account {
    config: AwsConfig,
    transport: Transport,
    server: &'static str,
    gaps: Vec<KnownGap>,
    is_disposable: bool,
    /// For a server whose listings do not bear writes beside them.
    table: Option<Arc<RwLock<()>>>,
}

impl Account {
    fn new(config: AwsConfig, server: &'static str, gaps: Vec<KnownGap>) -> Self {
        Self {
            config,
            transport: Transport::default(),
            server,
            gaps,
            is_disposable: true,
            table: None,
        }
    }
}

#[async_trait]
impl Fixture for Account {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let context = OpenContext::new("main");
        let provider =
            polysecrets_aws::open(self.config.clone(), context, self.transport.clone()).await?;
        Ok(match &self.table {
            Some(table) => Arc::new(Calm {
                inner: provider,
                table: Arc::clone(table),
            }),
            None => Arc::new(provider),
        })
    }

    fn server(&self) -> String {
        self.server.to_owned()
    }

    fn is_disposable(&self) -> bool {
        self.is_disposable
    }

    fn requests_sent(&self) -> Option<u64> {
        Some(self.transport.requests_sent())
    }

    fn unknown_version(&self) -> Version {
        Version::new("00000000-0000-4000-8000-000000000000")
    }

    fn known_gaps(&self) -> Vec<KnownGap> {
        self.gaps.clone()
    }
}

/// AWS takes values from 1 byte (API reference, PutSecretValue, SecretString), and so do we before any call.
const EMPTY: &str = "empty_value";

fn gap(case: &str, reason: &str, failure: &str) -> KnownGap {
    KnownGap::new(case, reason).failing_with(failure)
}

fn empty() -> KnownGap {
    gap(
        EMPTY,
        "the service keeps no empty value",
        "AWS keeps no empty value",
    )
}

/// Cases, the reason why they fail, and how they do.
type Gaps = &'static [(&'static [&'static str], &'static str, &'static str)];

const MINISTACK: Gaps = &[
    (
        &["capability_idempotent_put"],
        "it does not make a new secret's version of the request's token",
        "one token gave the versions",
    ),
    (
        &["repeated_put_with_one_token_is_one_put"],
        "it does not make a new secret's version of the request's token",
        "one token put twice made 2 versions",
    ),
    (
        &["each_put_makes_a_version"],
        "it forgets a version at once that has no stage",
        "4 puts, 2 versions are listed",
    ),
    (
        &[
            "versions_are_listed_newest_first",
            "versions_are_listed_in_pages",
        ],
        "it forgets a version at once that has no stage",
        "should be",
    ),
    (
        &["versions_of_other_secrets_are_not_listed"],
        "it forgets a version at once that has no stage",
        "versions of another secret",
    ),
    (
        &["parallel_puts_to_one_name_keep_versions"],
        "it forgets a version at once that has no stage",
        "6 writes over a first one made 2 versions",
    ),
    (
        &[
            "old_versions_are_read",
            "old_version_is_described",
            "rollback_brings_old_content_back",
            "rollback_keeps_the_other_versions",
            "rollback_twice",
        ],
        "it forgets a version at once that has no stage",
        "NotFound",
    ),
    (
        &["list_of_a_changing_store"],
        "its page tokens are counts of secrets",
        "was listed 2 times",
    ),
];

const MOTO: Gaps = &[
    (
        &[
            "versions_of_a_missing_secret",
            "errors_are_one_lowercase_line",
        ],
        "it answers a listing of versions of a missing secret with status 500",
        "status 500",
    ),
    (
        &["put_after_delete"],
        "it takes a value for a deleted secret, and leaves it deleted",
        "secret is deleted",
    ),
    (
        &["rollback_then_put"],
        "after a rollback and a put it has two current versions, and gives the wrong one",
        "they differ from byte 0 on",
    ),
];

fn gaps(of: Gaps) -> Vec<KnownGap> {
    let listed = of
        .iter()
        .flat_map(|(cases, reason, failure)| cases.iter().map(|case| gap(case, reason, failure)));
    listed.chain([empty()]).collect()
}

#[test]
fn what_one_server_gets_wrong_the_other_gets_right() {
    let cases = |of: Gaps| of.iter().flat_map(|(cases, ..)| *cases);
    for case in cases(MINISTACK) {
        assert!(!cases(MOTO).any(|other| other == case), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ministack() {
    let account = Account::new(support::ministack(), "ministack 1.5.33", gaps(MINISTACK));
    conformance::run(&account).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto() {
    let mut account = Account::new(support::moto(), "moto 5.2.5", gaps(MOTO));
    account.table = Some(Arc::default());
    conformance::run(&account).await.assert_passed();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_secret() {
    let mut config = support::ministack();
    config.secret_name = Some(support::unique("document"));
    let mut account = Account::new(config, "ministack 1.5.33, secret_name", vec![]);
    // All keys share 64 KiB.
    account.is_disposable = false;
    conformance::run(&account).await.assert_passed();
}
