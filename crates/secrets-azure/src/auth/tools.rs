//! Logins of developers: a token from `az`, else from `azd`. The SDK knows how to ask them; what runs is started here,
//! with the environment that may be read, without input, and for a limited time.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::TokenCredential;
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzureDeveloperCliCredential,
    AzureDeveloperCliCredentialOptions, Executor,
};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use secrets_core::{Environment, Error, ErrorKind, Result};
use zeroize::Zeroizing;

use super::Token;
use super::entra::of_sdk;
use crate::error;

/// How long a tool may take. `az` starts in one to three seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// What a shell says of a program that is not there.
const NOT_FOUND: i32 = 127;

/// Whoever is logged in on this machine.
#[derive(Debug)]
pub(crate) struct DeveloperTools {
    pub(crate) tenant_id: Option<String>,
    pub(crate) environment: Environment,
}

impl DeveloperTools {
    pub(crate) async fn token(&self, scope: &str) -> Result<Token> {
        let az = self.az(scope).await;
        let Err(first) = az else { return az };
        let azd = self.azd(scope).await;
        let Err(second) = azd else { return azd };
        Err(Error::new(
            ErrorKind::Unauthenticated,
            format!("{}, {}", first.message(), second.message()),
        )
        .with_hint("log in with `az login` or `azd auth login`"))
    }

    async fn az(&self, scope: &str) -> Result<Token> {
        let options = AzureCliCredentialOptions {
            tenant_id: self.tenant_id.clone(),
            executor: Some(self.executor("az")),
            ..AzureCliCredentialOptions::default()
        };
        let got = match AzureCliCredential::new(Some(options)) {
            Ok(tool) => tool.get_token(&[scope], None).await,
            Err(failure) => Err(failure),
        };
        got.map(|token| of_sdk(&token))
            .map_err(|failure| error::from_sdk(&failure, "az"))
    }

    async fn azd(&self, scope: &str) -> Result<Token> {
        let options = AzureDeveloperCliCredentialOptions {
            tenant_id: self.tenant_id.clone(),
            executor: Some(self.executor("azd")),
        };
        let got = match AzureDeveloperCliCredential::new(Some(options)) {
            Ok(tool) => tool.get_token(&[scope], None).await,
            Err(failure) => Err(failure),
        };
        got.map(|token| of_sdk(&token))
            .map_err(|failure| error::from_sdk(&failure, "azd"))
    }

    fn executor(&self, tool: &'static str) -> Arc<dyn Executor> {
        Arc::new(Limited {
            tool,
            environment: self.environment.clone(),
        })
    }
}

/// What `az account get-access-token` answers, apart from the token.
#[derive(Default, serde::Deserialize)]
struct CliToken<'a> {
    #[serde(default)]
    expires_on: Option<i64>,
    #[serde(default, rename = "expiresOn", borrow)]
    expires_on_local: Option<Cow<'a, str>>,
}

struct Limited {
    tool: &'static str,
    environment: Environment,
}

impl fmt::Debug for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tool)
    }
}

impl Limited {
    /// The answer as `az` gives it since 2.54: before, it had the end of the token only as local time.
    fn with_expiry(&self, mut output: Output) -> Output {
        let answer: CliToken<'_> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let ends = answer
            .expires_on_local
            .filter(|_| answer.expires_on.is_none());
        let Some(ends) = ends.and_then(|ends| self.seconds(&ends)) else {
            return output;
        };
        let start = format!("{{\"expires_on\":{ends},");
        let old = Zeroizing::new(std::mem::take(&mut output.stdout));
        let rest = old
            .trim_ascii_start()
            .strip_prefix(b"{")
            .unwrap_or_default();
        output.stdout.reserve_exact(start.len() + rest.len());
        output.stdout.extend_from_slice(start.as_bytes());
        output.stdout.extend_from_slice(rest);
        output
    }

    /// Seconds since 1970 of `2030-01-02 03:04:05.000000` in the time zone that the tool runs in.
    fn seconds(&self, local: &str) -> Option<i64> {
        let time: DateTime = local.parse().ok()?;
        let zone = match self.environment.text("TZ") {
            Some(zone) => TimeZone::get(zone)
                .or_else(|_| TimeZone::posix(zone))
                .ok()?,
            None => TimeZone::system(),
        };
        Some(time.to_zoned(zone).ok()?.timestamp().as_second())
    }

    fn failed(&self, why: &str) -> io::Error {
        let message = format!("{} {why}", self.tool);
        io::Error::other(Error::new(ErrorKind::Unauthenticated, message))
    }
}

#[async_trait]
impl Executor for Limited {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(args).env_clear().stdin(Stdio::null());
        for (name, value) in self.environment.iter() {
            if let Ok(value) = value.expose_str() {
                command.env(name, value);
            }
        }
        command.kill_on_drop(true);
        let output = match tokio::time::timeout(LIMIT, command.output()).await {
            Err(_) => return Err(self.failed("takes too long")),
            Ok(Err(_)) => return Err(self.failed("cannot be started")),
            Ok(Ok(output)) => output,
        };
        // What a tool writes may quote anything; it is not passed on.
        match output.status.code() {
            Some(0) => Ok(self.with_expiry(output)),
            Some(NOT_FOUND) => Err(self.failed("is not installed")),
            _ => Err(self.failed("is not logged in, or gives no token for the vault")),
        }
    }
}
