use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::Credential;
use super::shared::Shared;

/// The credential files that point at one fake, in a folder that goes with it.
#[derive(Debug)]
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> io::Result<Self> {
        TempDir::new().map(Self)
    }

    pub(super) fn credential(&self, shared: &Shared, kind: Credential) -> io::Result<PathBuf> {
        let (name, content) = match kind {
            Credential::ServiceAccount => ("service-account.json", service_account(shared)),
            Credential::AuthorizedUser => ("authorized-user.json", authorized_user(shared)),
            Credential::ExternalAccount => {
                ("external-account.json", self.external_account(shared)?)
            }
            Credential::Impersonated => {
                let mut content = self.external_account(shared)?;
                content["service_account_impersonation_url"] = format!(
                    "{}/v1/projects/-/serviceAccounts/{}:generateAccessToken",
                    shared.url(),
                    shared.account.email()
                )
                .into();
                ("impersonated.json", content)
            }
        };
        self.write(name, &format!("{content:#}\n"))
    }

    pub(super) fn subject_token(&self, shared: &Shared) -> io::Result<PathBuf> {
        self.write("subject-token", &shared.subject_token())
    }

    fn external_account(&self, shared: &Shared) -> io::Result<Value> {
        Ok(json!({
            "type": "external_account",
            "universe_domain": "googleapis.com",
            "audience": shared.audience(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", shared.url()),
            "credential_source": {"file": self.subject_token(shared)?},
        }))
    }

    /// In one step, so that a reader sees the old content or the new one.
    fn write(&self, name: &str, content: &str) -> io::Result<PathBuf> {
        let path = self.0.path().join(name);
        let new = self.0.path().join(format!("{name}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&new)?.write_all(content.as_bytes())?;
        std::fs::rename(&new, &path)?;
        Ok(path)
    }
}

fn service_account(shared: &Shared) -> Value {
    let account = &shared.account;
    let url = shared.url();
    json!({
        "type": "service_account",
        "project_id": shared.project_id,
        "private_key_id": account.key_id(),
        "private_key": account.private_key_pem().as_str(),
        "client_email": account.email(),
        "client_id": "100000000000000000001",
        "auth_uri": format!("{url}/auth"),
        "token_uri": format!("{url}/token"),
        "universe_domain": "googleapis.com",
    })
}

fn authorized_user(shared: &Shared) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": shared.user.client_id,
        "client_secret": shared.user.client_secret,
        "refresh_token": shared.user.refresh_token,
        "token_uri": format!("{}/token", shared.url()),
        "quota_project_id": shared.project_id,
        "universe_domain": "googleapis.com",
    })
}
