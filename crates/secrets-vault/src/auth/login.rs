//! Logins: the requests that return a token.

use std::sync::PoisonError;
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{
    Credential, HttpResponse, Life, Method as HttpMethod, decode, encode, sensitive_header,
};

use super::method::{Method, Token};
use super::{Inner, MARGIN};
use crate::client::Call;
use crate::error::{Purpose, not_wrapped};
use crate::names::encode_path;
use crate::wire::{AppRoleLogin, CertLogin, Envelope, JwtLogin, PasswordLogin, WrappedSecretId};

impl Inner {
    /// Gets a token by the configured method.
    pub(super) async fn acquire(&self) -> Result<Token> {
        let (path, body) = match &self.method {
            Method::Token(value, _) => return Token::given(value, &self.method.token_name()),
            Method::TokenFile(file) => {
                return Token::given(&file.read_credential()?, &self.method.token_name());
            }
            Method::WrappedToken(wrapping) => {
                let response = self.unwrap(wrapping).await?;
                return self.issued(&response);
            }
            Method::AppRole {
                mount,
                role_id,
                secret_id,
                wrapped,
            } => {
                let secret_id = self.secret_id(secret_id.as_ref(), *wrapped).await?;
                let login = AppRoleLogin {
                    role_id: role_id.expose_str()?,
                    secret_id: secret_id
                        .as_ref()
                        .map(SecretValue::expose_str)
                        .transpose()?,
                };
                (
                    format!("auth/{}/login", encode_path(mount)),
                    encode(&login, 256)?,
                )
            }
            Method::Userpass {
                mount,
                username,
                password,
            } => {
                let login = PasswordLogin {
                    password: password.expose_str()?,
                };
                let user = encode_path(username).replace('/', "%2F");
                let path = format!("auth/{}/login/{user}", encode_path(mount));
                (path, encode(&login, 6 * password.len() + 32)?)
            }
            Method::Jwt { mount, role, jwt } => {
                let jwt = jwt.read()?;
                let login = JwtLogin {
                    role: role.as_deref(),
                    jwt: jwt.expose_str()?,
                };
                let path = format!("auth/{}/login", encode_path(mount));
                (path, encode(&login, jwt.len() + 256)?)
            }
            Method::Cert { mount, name } => {
                let login = CertLogin {
                    name: name.as_deref(),
                };
                (
                    format!("auth/{}/login", encode_path(mount)),
                    encode(&login, 64)?,
                )
            }
        };
        let call = Call::post(path, body, Purpose::Login);
        let response = self.endpoint.send_checked(&call, None).await?;
        self.issued(&response)
    }

    async fn secret_id(
        &self,
        given: Option<&Credential>,
        wrapped: bool,
    ) -> Result<Option<SecretValue>> {
        let Some(given) = given else { return Ok(None) };
        let opened = {
            let unwrapped = self
                .unwrapped
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unwrapped.clone()
        };
        if !wrapped {
            return given.read().map(Some);
        }
        if opened.is_some() {
            return Ok(opened);
        }
        let wrapping = given.read()?;
        let response = self.unwrap(&wrapping).await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(data) = envelope.data else {
            return Err(not_wrapped("secret id"));
        };
        let inside: WrappedSecretId<'_> =
            decode(data.get().as_bytes()).map_err(|_| not_wrapped("secret id"))?;
        let secret_id = SecretValue::from(&*inside.secret_id);
        *self
            .unwrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(secret_id.clone());
        Ok(Some(secret_id))
    }

    async fn unwrap(&self, wrapping: &SecretValue) -> Result<HttpResponse> {
        let header = sensitive_header(wrapping, "the wrapping token")?;
        let call = Call {
            method: HttpMethod::POST,
            purpose: Purpose::Login,
            ..Call::read("sys/wrapping/unwrap")
        };
        let answer = self.endpoint.send_checked(&call, Some(&header)).await;
        answer.map_err(|failure| match failure.kind() {
            ErrorKind::Unauthenticated => Error::new(
                ErrorKind::Unauthenticated,
                "the wrapping token is expired or already used",
            )
            .with_hint(
                "if you did not use it, somebody else did: revoke what it held and get a new one",
            ),
            _ => failure,
        })
    }

    fn issued(&self, response: &HttpResponse) -> Result<Token> {
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(login) = envelope.auth else {
            return Err(not_wrapped("token"));
        };
        let value = SecretValue::from(&*login.client_token);
        let mut token = Token::given(&value, "the token from the server")?;
        if login.lease_duration > 0 {
            let lasts = Duration::from_secs(login.lease_duration);
            token.granted = Some(lasts);
            token.renewable = login.renewable;
            token.life = Life::ending(self.shared.now(), lasts, MARGIN);
        } else {
            // A root token never expires.
            token.granted = Some(Duration::MAX);
        }
        Ok(token)
    }
}
