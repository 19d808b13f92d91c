use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::{Operation, SecretName};

/// The result of everything in polysecrets that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Callers and layers decide on the kind alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The secret, version or field does not exist.
    NotFound,
    /// The secret or version exists, but is deleted (perhaps restorably) or destroyed.
    Deleted,
    /// The secret or version exists, but is disabled, expired or not valid yet.
    Disabled,
    /// A create-only write found an existing secret.
    AlreadyExists,
    /// A conditional write found another version than the one it named, or the store changed meanwhile.
    Conflict,
    /// There is no valid credential: none, a wrong one or an expired one.
    Unauthenticated,
    /// The provider knows the caller and refuses.
    PermissionDenied,
    /// The provider throttles; see [`Error::retry_after`].
    RateLimited,
    /// The provider cannot be reached, or cannot answer now.
    Unavailable,
    /// The deadline passed.
    Timeout,
    /// The name cannot be a secret's name, in general or with this provider.
    InvalidName,
    /// The value cannot be stored or used this way: too large, not text, not a JSON object.
    InvalidValue,
    /// The configuration, a reference or another input is wrong.
    InvalidConfig,
    /// The provider's answer does not follow its protocol.
    InvalidResponse,
    /// Data is damaged, tampered with, or older than data seen before.
    IntegrityFailure,
    /// The provider does not have this operation.
    Unsupported,
    /// Anything else: a bug in the provider or in polysecrets.
    Unexpected,
}

impl ErrorKind {
    /// Whether a retry of the same call may succeed.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Timeout)
    }

    /// Whether a cache may serve a stale value, within its age limit.
    ///
    /// Never after a refusal or a deletion: those are facts about the secret, not about the connection.
    pub fn is_stale_ok(self) -> bool {
        self.is_retryable()
    }

    /// The name in logs, JSON output and metrics: `not_found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Deleted => "deleted",
            Self::Disabled => "disabled",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::InvalidName => "invalid_name",
            Self::InvalidValue => "invalid_value",
            Self::InvalidConfig => "invalid_config",
            Self::InvalidResponse => "invalid_response",
            Self::IntegrityFailure => "integrity_failure",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected",
        }
    }

    /// The message of an error that has none of its own.
    fn default_message(self) -> &'static str {
        match self {
            Self::NotFound => "secret not found",
            Self::Deleted => "secret is deleted",
            Self::Disabled => "secret is disabled",
            Self::AlreadyExists => "secret already exists",
            Self::Conflict => "secret was changed meanwhile",
            Self::Unauthenticated => "not authenticated",
            Self::PermissionDenied => "permission denied",
            Self::RateLimited => "too many requests",
            Self::Unavailable => "provider is unavailable",
            Self::Timeout => "deadline passed",
            Self::InvalidName => "invalid name",
            Self::InvalidValue => "invalid value",
            Self::InvalidConfig => "invalid configuration",
            Self::InvalidResponse => "invalid response from the provider",
            Self::IntegrityFailure => "data is damaged or tampered with",
            Self::Unsupported => "not supported by this provider",
            Self::Unexpected => "unexpected error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A position in a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourcePosition {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl SourcePosition {
    /// A position in text without a file.
    pub fn new(line: usize, column: usize) -> Self {
        Self {
            file: None,
            line,
            column,
        }
    }

    /// The same position, in this file.
    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}:{}", file.display(), self.line, self.column),
            None => write!(f, "line {}, column {}", self.line, self.column),
        }
    }
}

/// An error of any provider or layer: one kind, one line, and a hint at the next action.
///
/// It is cheap to clone, and holds no value and no credential. `Display` is one lowercase line without the hint and
/// without the cause, which [`source`](StdError::source) returns.
///
/// ```
/// use polysecrets_core::{Error, ErrorKind, SecretName};
///
/// let name = SecretName::new("db/password")?;
/// let error = Error::not_found(&name).with_hint("list the secrets there are");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert_eq!(error.to_string(), "secret not found: db/password");
/// # Ok::<(), polysecrets_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Option<Cow<'static, str>>,
    hint: Option<Cow<'static, str>>,
    operation: Option<Operation>,
    scheme: Option<Cow<'static, str>>,
    provider: Option<Arc<str>>,
    name: Option<SecretName>,
    position: Option<SourcePosition>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error with this message: a lowercase fragment without a full stop and without the secret's name, which
    /// [`with_name`](Self::with_name) adds. It must never hold a value or a credential.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::with(kind, Some(message.into()))
    }

    /// [`ErrorKind::InvalidConfig`] with this message.
    pub fn invalid_config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::InvalidConfig, message)
    }

    /// [`ErrorKind::InvalidConfig`] for a page token that the provider did not issue.
    pub fn invalid_page_token() -> Self {
        Self::invalid_config("invalid page token")
            .with_hint("list from the start, and pass on tokens as they come")
    }

    /// [`ErrorKind::NotFound`] for this name.
    pub fn not_found(name: &SecretName) -> Self {
        Self::from(ErrorKind::NotFound).with_name(name)
    }

    /// [`ErrorKind::Unsupported`] for an operation that a provider does not have.
    pub fn unsupported(operation: Operation) -> Self {
        Self::new(
            ErrorKind::Unsupported,
            format!("this provider does not support {operation}"),
        )
        .with_operation(operation)
    }

    fn with(kind: ErrorKind, message: Option<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message,
            hint: None,
            operation: None,
            scheme: None,
            provider: None,
            name: None,
            position: None,
            retry_after: None,
            source: None,
        }))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Sets the hint: what the reader can do next.
    pub fn with_hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.edit(|inner| inner.hint = Some(hint.into()))
    }

    /// Names the operation.
    pub fn with_operation(self, operation: Operation) -> Self {
        self.edit(|inner| inner.operation = Some(operation))
    }

    /// Names the provider as in the configuration, and its scheme. The handle does this for every provider.
    pub fn with_provider(self, provider: Arc<str>, scheme: impl Into<Cow<'static, str>>) -> Self {
        self.edit(|inner| {
            inner.provider = Some(provider);
            inner.scheme = Some(scheme.into());
        })
    }

    /// Names the secret.
    pub fn with_name(self, name: &SecretName) -> Self {
        self.edit(|inner| inner.name = Some(name.clone()))
    }

    /// Sets the position in a file.
    pub fn with_position(self, position: SourcePosition) -> Self {
        self.edit(|inner| inner.position = Some(position))
    }

    /// Sets how long the provider asks callers to wait.
    pub fn with_retry_after(self, wait: Duration) -> Self {
        self.edit(|inner| inner.retry_after = Some(wait))
    }

    /// Sets the cause. Never a vendor SDK's error as it is: its `Debug` prints raw bodies.
    pub fn with_source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a retry of the same call may succeed; follows from the kind.
    pub fn is_retryable(&self) -> bool {
        self.kind().is_retryable()
    }

    /// Whether a cache may serve a stale value; follows from the kind.
    pub fn is_stale_ok(&self) -> bool {
        self.kind().is_stale_ok()
    }

    /// The message without name, provider and position.
    pub fn message(&self) -> &str {
        self.0
            .message
            .as_deref()
            .unwrap_or(self.kind().default_message())
    }

    /// What the reader can do next.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The provider's name in the configuration.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// The provider's scheme.
    pub fn scheme(&self) -> Option<&str> {
        self.0.scheme.as_deref()
    }

    /// The requested secret.
    pub fn name(&self) -> Option<&SecretName> {
        self.0.name.as_ref()
    }

    /// The position in a file.
    pub fn position(&self) -> Option<&SourcePosition> {
        self.0.position.as_ref()
    }

    /// How long the provider asks callers to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position() {
            write!(f, "{position}: ")?;
        }
        f.write_str(self.message())?;
        if let Some(name) = self.name() {
            write!(f, ": {name}")?;
        }
        if let Some(provider) = self.provider() {
            write!(f, " (provider {provider})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug
            .field("kind", &self.kind())
            .field("message", &self.message());
        if let Some(hint) = self.hint() {
            debug.field("hint", &hint);
        }
        if let Some(operation) = self.operation() {
            debug.field("operation", &operation);
        }
        if let Some(provider) = self.provider() {
            debug.field("provider", &provider);
        }
        if let Some(scheme) = self.scheme() {
            debug.field("scheme", &scheme);
        }
        if let Some(name) = self.name() {
            debug.field("name", &name.as_str());
        }
        if let Some(position) = self.position() {
            debug.field("position", position);
        }
        if let Some(wait) = self.retry_after() {
            debug.field("retry_after", &wait);
        }
        if let Some(source) = &self.0.source {
            debug.field("source", &source.to_string());
        }
        debug.finish()
    }
}

/// An error with the message of its kind.
impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::with(kind, None)
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_with_name_and_provider() {
        let name = SecretName::new("db/password").unwrap();
        let error = Error::not_found(&name).with_provider("main".into(), "vault");
        assert_eq!(
            error.to_string(),
            "secret not found: db/password (provider main)"
        );
    }

    #[test]
    fn display_leaves_out_source_and_hint() {
        let error = Error::new(ErrorKind::InvalidConfig, "unknown key \"tpye\"")
            .with_hint("did you mean `type`?")
            .with_position(SourcePosition::new(3, 7).in_file("secrets.toml"))
            .with_source(std::io::Error::other("cause"));
        assert_eq!(error.to_string(), "secrets.toml:3:7: unknown key \"tpye\"");
        assert_eq!(error.source().unwrap().to_string(), "cause");
    }

    #[test]
    fn editing_a_shared_error_leaves_the_other_one_alone() {
        let first = Error::from(ErrorKind::Timeout);
        let second = first.clone().with_hint("wait");
        assert_eq!(first.hint(), None);
        assert_eq!(second.hint(), Some("wait"));
    }

    #[test]
    fn only_errors_of_the_way_are_retried_or_answered_stale() {
        assert!(ErrorKind::RateLimited.is_retryable() && ErrorKind::Unavailable.is_stale_ok());
        for kind in [
            ErrorKind::PermissionDenied,
            ErrorKind::Deleted,
            ErrorKind::Disabled,
            ErrorKind::NotFound,
        ] {
            assert!(!kind.is_retryable() && !kind.is_stale_ok());
        }
    }
}
