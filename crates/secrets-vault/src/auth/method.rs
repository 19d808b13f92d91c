//! The ways to a token, and the token itself.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use secrets_core::{Result, SecretValue};
use secrets_provider::{Credential, Expiring, HeaderValue, Life, NamedFile, sensitive_header};

/// How we get a token.
pub(crate) enum Method {
    /// A token, and the setting or variable it comes from.
    Token(SecretValue, Cow<'static, str>),
    TokenFile(NamedFile),
    WrappedToken(SecretValue),
    AppRole {
        mount: String,
        role_id: SecretValue,
        secret_id: Option<Credential>,
        wrapped: bool,
    },
    Userpass {
        mount: String,
        username: String,
        password: SecretValue,
    },
    /// Kubernetes and JWT differ only in the mount.
    Jwt {
        mount: String,
        role: Option<String>,
        jwt: Credential,
    },
    Cert {
        mount: String,
        name: Option<String>,
    },
}

impl Method {
    /// Whether the token comes from a login of ours, which can be repeated.
    pub(super) fn is_login(&self) -> bool {
        matches!(
            self,
            Self::AppRole { .. } | Self::Userpass { .. } | Self::Jwt { .. } | Self::Cert { .. }
        )
    }

    /// The token, named after its source.
    pub(super) fn token_name(&self) -> Cow<'static, str> {
        match self {
            Self::Token(_, source) => format!("the token of {source}").into(),
            Self::TokenFile(file) => format!("the token in {file}").into(),
            _ => "the token".into(),
        }
    }
}

/// A token and its known lifetime.
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    pub(super) life: Life,
    /// The lifetime that the server granted.
    pub(super) granted: Option<Duration>,
    pub(super) renewable: bool,
}

impl Token {
    pub(super) fn given(value: &SecretValue, what: &str) -> Result<Self> {
        Ok(Self {
            header: sensitive_header(value, what)?,
            life: Life::endless(),
            granted: None,
            renewable: false,
        })
    }
}

impl Expiring for Token {
    fn life(&self) -> &Life {
        &self.life
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}
