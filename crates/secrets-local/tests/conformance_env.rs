//! The env provider conforms, read-only, on a snapshot that grows with every seed.
#![cfg(feature = "env")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use polysecrets_local::env::{self, EnvConfig};
use secrets_core::{
    Environment, Error, ErrorKind, OpenContext, Result, SecretName, SecretProvider, SecretValue,
};
use secrets_testkit::conformance::{self, Fixture};

const PREFIX: &str = "APP_";

#[derive(Default)]
struct Variables(Mutex<BTreeMap<String, SecretValue>>);

#[async_trait]
impl Fixture for Variables {
    async fn open(&self) -> Result<Arc<dyn SecretProvider>> {
        let variables = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // What has no prefix must not come through.
        let others = [
            ("HOME".to_owned(), "/home/me".into()),
            ("ct".to_owned(), "1".into()),
        ];
        let environment: Environment = variables.into_iter().chain(others).collect();
        let context = OpenContext::new("env").with_environment(environment);
        let config = EnvConfig::default().with_prefix(PREFIX);
        Ok(Arc::new(env::open(config, context).await?))
    }

    async fn seed(&self, name: &SecretName, value: &SecretValue) -> Result<()> {
        // The system takes neither of these, so a snapshot of a real environment never holds them.
        if name.as_str().contains('=') {
            return Err(Error::from(ErrorKind::InvalidName).with_name(name));
        }
        if value.expose_bytes().contains(&0) {
            return Err(Error::from(ErrorKind::InvalidValue).with_name(name));
        }
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{PREFIX}{name}"), value.clone());
        Ok(())
    }

    fn server(&self) -> String {
        "an injected snapshot".to_owned()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conformance() {
    let report = conformance::run(&Variables::default()).await;
    report.assert_passed();
}
