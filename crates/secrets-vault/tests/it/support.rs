//! The real server that the tests run against, and its administrator.

use std::time::Duration;

use polysecrets_vault::{AppRoleConfig, Engine, VaultConfig, VaultProvider};
use secrets_core::{
    GetOptions, ListOptions, OpenContext, PutOptions, Result, Secret, SecretName, SecretProvider,
    SecretValue,
};
use secrets_provider::{
    BaseUrl, ClientOptions, HeaderName, HttpClient, HttpRequest, Method, Transport, encode,
    sensitive_header,
};
use serde_json::{Value, json};

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

/// A server with the token of its administrator.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) address: String,
    pub(crate) token: String,
    pub(crate) ca: Option<String>,
    http: HttpClient,
}

impl Admin {
    pub(crate) fn plain() -> Self {
        let address = variable("POLYSECRETS_TEST_BAO_ADDR");
        Self::new(address, variable("POLYSECRETS_TEST_BAO_TOKEN"), None)
    }

    pub(crate) fn tls() -> Self {
        let address = variable("POLYSECRETS_TEST_BAO_TLS_ADDR");
        let ca = variable("POLYSECRETS_TEST_BAO_TLS_CA");
        Self::new(
            address,
            variable("POLYSECRETS_TEST_BAO_TLS_TOKEN"),
            Some(ca),
        )
    }

    /// The nodes of the cluster: the active one first, then the standbys.
    pub(crate) async fn cluster() -> Vec<Self> {
        let token = variable("POLYSECRETS_TEST_BAO_CLUSTER_TOKEN");
        let addresses = variable("POLYSECRETS_TEST_BAO_CLUSTER_ADDRS");
        let mut nodes = Vec::new();
        for address in addresses.split(',') {
            let node = Self::new(address.to_owned(), token.clone(), None);
            let leader = node.read("sys/leader").await;
            nodes.push((leader["is_self"] != true, node));
        }
        nodes.sort_by_key(|(is_standby, _)| *is_standby);
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    fn new(address: String, token: String, ca: Option<String>) -> Self {
        let pem = ca.as_ref().map(|path| std::fs::read(path).unwrap());
        let http = Transport::default()
            .client(ClientOptions::default().with_ca_pem(pem))
            .unwrap();
        Self {
            address,
            token,
            ca,
            http,
        }
    }

    /// Sends a request, and gives the status and the answer.
    pub(crate) async fn try_send(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut url = BaseUrl::parse(&self.address)
            .unwrap()
            .join(&format!("v1/{path}"));
        url.set_query((!query.is_empty()).then_some(query));
        let token = sensitive_header(&self.token.as_str().into(), "the token").unwrap();
        let mut request = HttpRequest::new(method, url)
            .with_header(HeaderName::from_static("x-vault-token"), token);
        if !body.is_null() {
            request = request.with_json(encode(&body, 256).unwrap());
        }
        let response = self.http.send(request).await.unwrap();
        let body = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
        (response.status.as_u16(), body)
    }

    /// The same; anything but success is a panic.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_send(method.clone(), path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn read(&self, path: &str) -> Value {
        self.send(Method::GET, path, Value::Null).await
    }

    /// Mounts a key/value engine under a name of its own.
    pub(crate) async fn mount(&self, version: u8) -> String {
        let mount = unique(&format!("kv{version}"));
        let body = json!({"type": "kv", "options": {"version": version.to_string()}});
        self.post(&format!("sys/mounts/{mount}"), body).await;
        // Version 2 is being set up for a moment.
        for _ in 0..100 {
            let path = format!(
                "{mount}/{}?list=true",
                if version == 2 { "metadata" } else { "" }
            );
            if self.try_send(Method::GET, &path, Value::Null).await.0 != 400 {
                return mount;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the mount {mount} does not become ready");
    }

    /// A provider for a mount, with a token that has this policy alone.
    pub(crate) async fn restricted(
        &self,
        mount: &str,
        engine: Engine,
        rules: &str,
    ) -> VaultProvider {
        let policy = self.policy(rules).await;
        let token = json!({"policies": [policy], "no_default_policy": true, "ttl": "1h"});
        let mut config = self.config(mount);
        config.engine = engine;
        config.token = Some(self.token(token).await.as_str().into());
        open(config).await
    }

    /// A policy with these rules.
    pub(crate) async fn policy(&self, rules: &str) -> String {
        let policy = unique("policy");
        self.post(
            &format!("sys/policies/acl/{policy}"),
            json!({"policy": rules}),
        )
        .await;
        policy
    }

    /// A policy that allows everything below a mount.
    pub(crate) async fn policy_for(&self, mount: &str) -> String {
        self.policy(&format!(
            "path \"{mount}/*\" {{ capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }}"
        ))
        .await
    }

    /// Enables an auth method under a name of its own.
    pub(crate) async fn auth(&self, kind: &str) -> String {
        let mount = unique(kind);
        self.post(&format!("sys/auth/{mount}"), json!({"type": kind}))
            .await;
        mount
    }

    /// An AppRole in an auth mount of its own; the settings go to the role.
    pub(crate) async fn approle(&self, settings: Value) -> AppRoleConfig {
        let mount = self.auth("approle").await;
        self.post(&format!("auth/{mount}/role/app"), settings).await;
        let role = self.read(&format!("auth/{mount}/role/app/role-id")).await;
        let secret = self
            .post(&format!("auth/{mount}/role/app/secret-id"), json!({}))
            .await;
        let mut approle = AppRoleConfig::default();
        approle.mount = Some(mount);
        approle.role_id = Some(role["data"]["role_id"].as_str().unwrap().into());
        approle.secret_id = Some(secret["data"]["secret_id"].as_str().unwrap().into());
        approle
    }

    /// A token with these settings.
    pub(crate) async fn token(&self, settings: Value) -> String {
        let answer = self.post("auth/token/create", settings).await;
        answer["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// A configuration for a mount, without a credential.
    pub(crate) fn config(&self, mount: &str) -> VaultConfig {
        let mut config = VaultConfig::default();
        config.address = Some(self.address.clone());
        config.mount = Some(mount.to_owned());
        config.ca_cert = self.ca.as_ref().map(Into::into);
        config
    }

    /// A configuration for a mount, with the administrator's token.
    pub(crate) fn root_config(&self, mount: &str, engine: Engine) -> VaultConfig {
        let mut config = self.config(mount);
        config.token = Some(self.token.as_str().into());
        config.engine = engine;
        config
    }
}

pub(crate) async fn open(config: VaultConfig) -> VaultProvider {
    polysecrets_vault::open(config, OpenContext::new("main"), Transport::default())
        .await
        .unwrap()
}

pub(crate) fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

pub(crate) async fn get(provider: &VaultProvider, text: &str) -> Result<Secret> {
    provider.get(&name(text), &GetOptions::default()).await
}

pub(crate) async fn text(provider: &VaultProvider, secret: &str) -> String {
    get(provider, secret)
        .await
        .unwrap()
        .value
        .expose_str()
        .unwrap()
        .to_owned()
}

pub(crate) async fn put(
    provider: &VaultProvider,
    secret: &str,
    value: impl Into<SecretValue>,
) -> Result<()> {
    provider
        .put(&name(secret), &value.into(), &PutOptions::default())
        .await
        .map(drop)
}

/// The names below a prefix, page by page.
pub(crate) async fn names(
    provider: &VaultProvider,
    prefix: &str,
    size: Option<usize>,
) -> Vec<String> {
    let mut options = ListOptions::default()
        .with_prefix(prefix)
        .with_page_size(size);
    let mut names = Vec::new();
    loop {
        let page = provider.list(&options).await.unwrap();
        assert!(size.is_none_or(|size| page.items.len() <= size));
        names.extend(page.items.into_iter().map(|item| item.name.to_string()));
        match page.next {
            Some(token) => options = options.with_page_token(token),
            None => return names,
        }
    }
}
