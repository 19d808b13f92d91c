//! The one place where AWS's errors become ours: on codes. The one thing that the service tells by nothing but text is in
//! [`Text`]. Its own words are never passed on, and no error of the SDK is kept: their `Debug` prints raw bodies.

use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use secrets_core::{Error, ErrorKind, SecretName, Version, looks_like_content};
use secrets_provider::{HeaderMap, HeaderName, HeaderValue, retry_after};

use crate::auth::{LoginAnswer, LoginLog};
use crate::names::Arn;
use crate::wire::LoginRefusal;

/// The window in which AWS takes a signature is 5 minutes; a clock that differs by more than this is reported as wrong.
const SKEW: Duration = Duration::from_secs(4 * 60);
/// The longest code of an error that is shown.
const MAX_CODE_CHARS: usize = 64;

/// What was asked for, which decides what a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A write that makes the secret.
    Create,
    /// A write of a new version.
    Write,
    /// That a stage be moved from the version that it is expected at.
    MoveStage,
    /// Anything else.
    Other,
}

/// Why a request is invalid, for which the service has no code but a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The secret is scheduled for deletion: "marked for deletion", "scheduled for deletion", "currently marked deleted".
    Deleted,
    /// The secret is a replica, or has replicas: "Operation not permitted on a replica secret".
    Replica,
    Other,
}

impl Reason {
    fn from_message(text: &str) -> Self {
        if text.to_ascii_lowercase().contains("replica") {
            return Self::Replica;
        }
        let deleted = ["marked for deletion", "scheduled for deletion", "deleted"];
        match deleted.iter().any(|words| text.contains(words)) {
            true => Self::Deleted,
            false => Self::Other,
        }
    }
}

/// A call that failed, without anything of the SDK's.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service answered with an error.
    Service(ServiceFailure),
    /// The way to it failed, or no credential was to be had.
    Ours(Error),
}

/// What of an error answer may be kept.
#[derive(Debug, Clone)]
pub(crate) struct ServiceFailure {
    code: String,
    reason: Reason,
    status: u16,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    /// What the service's clock said.
    date: Option<SystemTime>,
}

impl Failure {
    pub(crate) fn from_sdk<E>(
        failure: SdkError<E, HttpResponse>,
        login: &LoginLog,
        now: SystemTime,
    ) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        if let SdkError::ServiceError(context) = &failure {
            let error = context.err();
            return Self::Service(ServiceFailure::new(
                error.code().unwrap_or_default(),
                error.message().unwrap_or_default(),
                context.raw(),
                now,
            ));
        }
        if let Some(ours) = below::<Error>(&failure)
            && below::<CredentialsError>(&failure).is_none()
        {
            return Self::Ours(ours.clone());
        }
        if let Some(credentials) = below::<CredentialsError>(&failure) {
            return Self::Ours(from_credentials(credentials, login.last(), now));
        }
        Self::Ours(match failure {
            SdkError::TimeoutError(_) => Error::from(ErrorKind::Timeout),
            SdkError::ResponseError(context) => not_aws(context.raw().status().as_u16()),
            _ => Error::new(ErrorKind::Unexpected, "AWS's SDK cannot make the request")
                .with_hint("check region, endpoint and name"),
        })
    }

    /// Whether the service may have refused only because this machine's clock is wrong. AWS's SDK has learned the
    /// difference from the answer by then.
    pub(crate) fn may_be_skew(&self, now: SystemTime) -> bool {
        let Self::Service(failure) = self else {
            return false;
        };
        failure.is_of_signature() && failure.skew(now).is_some()
    }

    /// Whether the credential is not taken, so that a new one may help.
    pub(crate) fn wants_new_credential(&self) -> bool {
        let Self::Service(failure) = self else {
            return false;
        };
        matches!(
            failure.code.as_str(),
            "ExpiredToken"
                | "ExpiredTokenException"
                | "InvalidClientTokenId"
                | "UnrecognizedClientException"
        )
    }

    /// Whether the action is denied as such, or unknown to the server, as it is to some emulators and proxies.
    pub(crate) fn is_of_action(&self) -> bool {
        let Self::Service(failure) = self else {
            return matches!(self, Self::Ours(error) if error.kind() == ErrorKind::InvalidResponse);
        };
        failure.code.starts_with("AccessDenied")
            || matches!(failure.status, 404 | 405 | 501)
            || matches!(
                failure.code.as_str(),
                "UnknownOperationException"
                    | "InvalidAction"
                    | "NotImplemented"
                    | "UnsupportedOperationException"
            )
    }

    /// Whether the request is refused for what is in it, so that parts of it may be accepted.
    pub(crate) fn is_of_content(&self) -> bool {
        matches!(self, Self::Service(failure) if matches!(
            failure.code.as_str(),
            "InvalidParameterException" | "InvalidRequestException" | "ResourceNotFoundException"
                | "SerializationException" | "ValidationException" | "DecryptionFailure"
        ))
    }

    /// The error, for a call of the API that was about something.
    pub(crate) fn into_error(self, action: &str, asked: Asked, now: SystemTime) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Service(failure) => failure.into_error(action, asked, now),
        }
    }
}

impl ServiceFailure {
    fn new(code: &str, message: &str, raw: &HttpResponse, now: SystemTime) -> Self {
        let header = |name: &str| raw.headers().get(name);
        let mut wait = HeaderMap::new();
        for name in ["retry-after", "x-amz-retry-after", "date"] {
            if let Some(value) = header(name).and_then(|value| HeaderValue::from_str(value).ok()) {
                wait.insert(HeaderName::from_static(name), value);
            }
        }
        Self {
            code: plain(code),
            reason: Reason::from_message(message),
            status: raw.status().as_u16(),
            retry_after: retry_after(&wait, now),
            request_id: header("x-amzn-requestid").map(plain),
            date: header("date").and_then(|date| httpdate::parse_http_date(date).ok()),
        }
    }

    /// The refusal of a service that gives credentials; `None` if it gives some. They answer in XML, in JSON, or, as the
    /// metadata service does, with a code in an answer of status 200.
    pub(crate) fn from_login(raw: &HttpResponse, now: SystemTime) -> Option<Self> {
        let body = raw.body().bytes().unwrap_or_default();
        let answer: LoginRefusal<'_> = serde_json::from_slice(body).unwrap_or_default();
        let code = raw.headers().get("x-amzn-errortype");
        let code = code.or(answer.code.as_deref()).map(|code| {
            // `namespace#Code:address`
            let code = code.rsplit('#').next().unwrap_or_default();
            code.split(':').next().unwrap_or_default()
        });
        let code = code.or_else(|| {
            let text = std::str::from_utf8(body).ok()?;
            Some(text.split_once("<Code>")?.1.split_once("</Code>")?.0)
        });
        let is_refusal = match code {
            Some(code) => code != "Success",
            None => !raw.status().is_success(),
        };
        is_refusal.then(|| Self::new(code.unwrap_or_default(), "", raw, now))
    }

    fn into_login_error(self, now: SystemTime) -> Error {
        let error = match (self.is_of_signature(), self.skew(now)) {
            (true, Some(skew)) => wrong_clock(skew),
            _ => self.login_error(),
        };
        match self.retry_after {
            Some(wait) if error.is_retryable() => error.with_retry_after(wait),
            _ => error,
        }
    }

    fn login_error(&self) -> Error {
        let refused = |problem: String, hint: &'static str| {
            Error::new(
                ErrorKind::Unauthenticated,
                format!("no credential for aws: {problem}"),
            )
            .with_hint(hint)
        };
        let (code, status) = (self.code.as_str(), self.status);
        match (code, status) {
            (code, status) if is_throttling(code) || status == 429 => Error::new(
                ErrorKind::RateLimited,
                "the service that gives credentials for aws limits the rate of requests",
            )
            .with_hint("try again later; share one login among processes"),
            (_, 408 | 504) | ("RequestTimeout" | "RequestTimeoutException", _) => Error::new(
                ErrorKind::Timeout,
                "the service that gives credentials for aws does not answer in time",
            ),
            ("IDPCommunicationError" | "IDPCommunicationErrorException", _) => Error::new(
                ErrorKind::Unavailable,
                "AWS cannot reach the identity provider of the token",
            )
            .with_hint("try again; check that the identity provider is public and answers"),
            (_, 500..=599) => Error::new(
                ErrorKind::Unavailable,
                format!("the service that gives credentials for aws answers with status {status}"),
            )
            .with_hint("try again; see the AWS Health Dashboard"),
            ("", 401 | 403 | 404 | 410) => refused(
                format!("its source answers with status {status}"),
                "check the role of the machine or container, and its authorization token",
            ),
            ("", _) => Error::new(
                ErrorKind::InvalidResponse,
                format!("no credential for aws: status {status} with a body that is not AWS's"),
            )
            .with_hint("check AWS_ENDPOINT_URL_STS, and proxies on the way"),
            ("AccessDenied" | "AccessDeniedException" | "ForbiddenException", _) => refused(
                "AWS denies the role".to_owned(),
                "check the role's ARN and trust policy, `external_id`, and the permission sts:AssumeRole of who assumes it",
            ),
            (
                "ExpiredToken"
                | "ExpiredTokenException"
                | "UnauthorizedException"
                | "InvalidIdentityToken"
                | "InvalidIdentityTokenException"
                | "IDPRejectedClaim"
                | "IDPRejectedClaimException",
                _,
            ) => refused(
                format!("the token is expired or not accepted ({code})"),
                "log in again, for example with `aws sso login`; check the token file and the identity provider in IAM",
            ),
            (code, _) => refused(
                format!("its source refuses with {code}"),
                "check the source's settings in the profile; look the code up in AWS's documentation",
            ),
        }
    }

    fn is_of_signature(&self) -> bool {
        matches!(
            self.code.as_str(),
            "AuthFailure"
                | "InvalidSignatureException"
                | "RequestExpired"
                | "RequestTimeTooSkewed"
                | "SignatureDoesNotMatch"
        )
    }

    /// By how much this machine's clock is wrong, if by so much that no signature of it is taken.
    fn skew(&self, now: SystemTime) -> Option<Duration> {
        let date = self.date?;
        let distance = date
            .duration_since(now)
            .unwrap_or_else(|earlier| earlier.duration());
        (distance > SKEW).then_some(distance)
    }

    fn into_error(self, action: &str, asked: Asked, now: SystemTime) -> Error {
        let error = match (self.is_of_signature(), self.skew(now)) {
            (true, Some(skew)) => wrong_clock(skew),
            _ => from_code(
                &self.code,
                self.reason,
                self.status,
                action,
                asked,
                self.request_id.as_deref(),
            ),
        };
        match self.retry_after {
            Some(wait) if error.is_retryable() => error.with_retry_after(wait),
            _ => error,
        }
    }
}

fn wrong_clock(skew: Duration) -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        format!(
            "this machine's clock differs from that of AWS by {} minutes",
            skew.as_secs() / 60
        ),
    )
    .with_hint("set the clock; AWS takes no signature that is more than 5 minutes off")
}

fn is_throttling(code: &str) -> bool {
    matches!(
        code,
        "BandwidthLimitExceeded"
            | "PriorRequestNotComplete"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "SlowDown"
            | "ThrottledException"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException"
    )
}

/// The error for one item of a batch.
pub(crate) fn from_item(code: &str, message: &str, action: &str) -> Error {
    from_code(
        &plain(code),
        Reason::from_message(message),
        400,
        action,
        Asked::Other,
        None,
    )
}

fn from_code(
    code: &str,
    reason: Reason,
    status: u16,
    action: &str,
    asked: Asked,
    request_id: Option<&str>,
) -> Error {
    match code {
        "ResourceNotFoundException" if asked == Asked::Create => {
            Error::invalid_config("AWS does not find what the new secret needs")
                .with_hint("check that `kms_key_id` is a key of this region and account")
        }
        "ResourceNotFoundException" => Error::from(ErrorKind::NotFound)
            .with_hint("check the name, `secret_prefix` and the region; a secret belongs to one region of one account"),
        "InvalidRequestException" | "InvalidParameterException" if reason == Reason::Replica => {
            Error::new(
                ErrorKind::Conflict,
                "the secret is a replica, or has replicas",
            )
            .with_hint("change it in its primary region; a secret with replicas is deleted after them (`aws secretsmanager remove-regions-from-replication`)")
        }
        "InvalidRequestException" if reason == Reason::Deleted && asked == Asked::Create => {
            Error::new(ErrorKind::Deleted, "a deleted secret still has this name")
                .with_hint("restore it, or purge it and wait until its name is free")
        }
        "InvalidRequestException" if reason == Reason::Deleted => Error::from(ErrorKind::Deleted)
            .with_hint("restore it with `secrets restore`"),
        "InvalidRequestException" => Error::new(
            ErrorKind::Conflict,
            "the state of the secret does not allow this",
        )
        .with_hint("it may be managed by another service, replicated from another region, or in rotation"),
        "ResourceExistsException" => match asked {
            Asked::Create => Error::from(ErrorKind::AlreadyExists),
            _ => Error::new(
                ErrorKind::Conflict,
                "the idempotency token was used for another value",
            )
            .with_hint("take a new token for a new value"),
        },
        "InvalidParameterException" | "ValidationException" | "SerializationException" => match asked {
            Asked::MoveStage => Error::from(ErrorKind::Conflict)
                .with_hint("read the secret again, then repeat the change"),
            Asked::Create | Asked::Write => Error::new(
                ErrorKind::InvalidValue,
                "AWS refuses the name, the value or a setting of the secret",
            )
            .with_hint("check the name, the value's size, the tags and `kms_key_id`"),
            Asked::Other => Error::invalid_config(format!("AWS refuses a parameter of {action}"))
                .with_hint("check the name and the settings of the provider"),
        },
        "InvalidNextTokenException" => {
            Error::invalid_config("the page token is none of this listing, or too old")
                .with_hint("start the listing again")
        }
        "LimitExceededException" => Error::new(
            ErrorKind::Conflict,
            "a quota of the secret or the account is used up",
        )
        .with_hint("see the quotas of Secrets Manager; versions without a stage go away by themselves after a day"),
        "DecryptionFailure" | "EncryptionFailure" => Error::new(
            ErrorKind::PermissionDenied,
            "the KMS key of the secret cannot be used",
        )
        .with_hint("check that the key is enabled, and that its policy allows kms:Decrypt and kms:GenerateDataKey"),
        "PreconditionNotMetException" => Error::from(ErrorKind::Conflict),
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "UnauthorizedOperation" => {
            Error::new(ErrorKind::PermissionDenied, "permission denied").with_hint(format!(
                "allow secretsmanager:{action} on it in the policy of the user or role, and kms:Decrypt on a KMS key of its own"
            ))
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            Error::new(ErrorKind::Unauthenticated, "the temporary credential has expired")
                .with_hint("get a new one, for example with `aws sso login`, and set all its three parts")
        }
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => Error::new(
            ErrorKind::Unauthenticated,
            "AWS does not know the access key",
        )
        .with_hint("check the access key's id, and the session token if it is a temporary one"),
        "AuthFailure" | "IncompleteSignature" | "IncompleteSignatureException"
        | "InvalidSignatureException" | "RequestExpired" | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch" => Error::new(
            ErrorKind::Unauthenticated,
            "AWS does not take the signature",
        )
        .with_hint("check the secret access key and this machine's clock"),
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "OptInRequired" => {
            Error::from(ErrorKind::Unauthenticated)
                .with_hint("check the credential, and that the account has signed up for the service")
        }
        code if is_throttling(code) => {
            Error::from(ErrorKind::RateLimited)
                .with_hint("ask more slowly, cache, or read many secrets at once; the quotas count per account and region")
        }
        "InternalFailure" | "InternalServerError" | "InternalServiceError"
        | "InternalServiceErrorException" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            Error::new(ErrorKind::Unavailable, "AWS answers with an error of its own")
                .with_hint("try again; see the AWS Health Dashboard")
        }
        "RequestTimeout" | "RequestTimeoutException" => Error::from(ErrorKind::Timeout),
        "UnknownOperationException" | "InvalidAction" => Error::new(
            ErrorKind::Unsupported,
            format!("the endpoint does not know {action}"),
        )
        .with_hint("check that `endpoint` is that of Secrets Manager"),
        _ => from_status(code, status, request_id),
    }
}

fn from_status(code: &str, status: u16, request_id: Option<&str>) -> Error {
    if code.is_empty() {
        return not_aws(status);
    }
    let id = request_id
        .map(|id| format!(", request {id}"))
        .unwrap_or_default();
    match status {
        429 => Error::from(ErrorKind::RateLimited),
        500..=599 => Error::new(
            ErrorKind::Unavailable,
            format!("AWS answers with {code}, status {status}{id}"),
        ),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("AWS answers with {code}, status {status}{id}"),
        )
        .with_hint("look the code up in AWS's documentation"),
    }
}

/// Statuses of load balancers, proxies and other servers come with bodies that are not AWS's.
fn not_aws(status: u16) -> Error {
    match status {
        429 => Error::from(ErrorKind::RateLimited),
        408 | 504 => Error::new(
            ErrorKind::Timeout,
            format!("a gateway in front of the service gives up, status {status}"),
        ),
        500..=599 => Error::new(
            ErrorKind::Unavailable,
            format!("the service answers with status {status} and no code"),
        )
        .with_hint("try again; see the AWS Health Dashboard, or the log of a private endpoint"),
        _ => Error::new(
            ErrorKind::InvalidResponse,
            format!("status {status} with a body that is not that of Secrets Manager"),
        )
        .with_hint("check `endpoint`, and proxies on the way"),
    }
}

/// Why there is no credential. `login` is what the service that was asked last answered, if one was.
pub(crate) fn from_credentials(
    failure: &CredentialsError,
    login: Option<LoginAnswer>,
    now: SystemTime,
) -> Error {
    // A role or a session is had over the network; what happened there says more.
    if let Some(ours) = below::<Error>(failure)
        && !matches!(failure, CredentialsError::CredentialsNotLoaded(_))
    {
        return Error::new(
            ours.kind(),
            format!("no credential for aws: {}", ours.message()),
        )
        .with_hint(ours.hint().unwrap_or_default().to_owned());
    }
    if let Some(LoginAnswer::Refused(refused)) = &login {
        let refusal = refused.clone().into_login_error(now);
        let is_final = !matches!(
            failure,
            CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
        );
        // A source that is there and does not answer for now is no reason to log in.
        if is_final || refusal.is_retryable() {
            return refusal;
        }
    }
    match failure {
        CredentialsError::CredentialsNotLoaded(_) => no_credential(),
        CredentialsError::ProviderTimedOut(_) => {
            Error::new(ErrorKind::Timeout, "no credential for aws in time")
                .with_hint("check the profile's source, or the network of the metadata service")
        }
        CredentialsError::InvalidConfiguration(_) => bad_files(),
        _ if matches!(login, Some(LoginAnswer::Accepted)) => Error::new(
            ErrorKind::InvalidResponse,
            "no credential for aws: the answer of its source holds none",
        )
        .with_hint("check AWS_ENDPOINT_URL_STS and the like, and proxies on the way"),
        _ => Error::new(
            ErrorKind::Unauthenticated,
            "the source of the credential for aws refuses or fails",
        )
        .with_hint("log in again, for example with `aws sso login`; check `credential_process`, the role, its trust policy and the token file"),
    }
}

pub(crate) fn bad_files() -> Error {
    Error::invalid_config("the profile, or a file of AWS's configuration, cannot be used")
        .with_hint(
            "check `profile`, AWS_PROFILE, ~/.aws/config and ~/.aws/credentials, and `role_arn`",
        )
}

pub(crate) fn no_profile(name: &str) -> Error {
    Error::invalid_config(format!("there is no profile{}", shown(name))).with_hint(
        "`aws configure list-profiles` shows which there are; check `profile` and AWS_PROFILE",
    )
}

pub(crate) fn no_source_profile(profile: &str, source: &str) -> Error {
    Error::invalid_config(format!(
        "the profile{} names a `source_profile`{} that does not exist",
        shown(profile),
        shown(source)
    ))
    .with_hint("`aws configure list-profiles` shows which profiles there are")
}

pub(crate) fn unsupported_profile_setting(profile: &str, setting: &'static str) -> Error {
    Error::invalid_config(format!(
        "`{setting}` of the profile{} is not supported",
        shown(profile)
    ))
    .with_hint(match setting {
        "login_session" => "turn on the feature `login` of this provider (`aws-login` of the facade)",
        "mfa_serial" => "get a session with `aws sts get-session-token --serial-number …`, or use `credential_process` or `aws sso login`",
        _ => "remove it, or get the credential with a `credential_process`; a session lasts an hour and is renewed",
    })
}

pub(crate) fn empty_profile(variable: &str) -> Error {
    Error::invalid_config(format!("{variable} is set and names no profile"))
        .with_hint("name a profile, or unset it")
}

pub(crate) fn no_environment_keys(profile: &str) -> Error {
    Error::invalid_config(format!(
        "the profile{} takes its credential from the environment, which has none",
        shown(profile)
    ))
    .with_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
}

pub(crate) fn login_too_slow(limit: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("no credential for aws within {} seconds", limit.as_secs()),
    )
    .with_hint(
        "check what `credential_process` waits for, and the network of the credential's source",
    )
}

pub(crate) fn login_interrupted() -> Error {
    Error::new(ErrorKind::Unexpected, "the login was interrupted")
}

pub(crate) fn expired_credentials() -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the source of the credential for aws gives one that has expired",
    )
    .with_hint("check what `credential_process` runs, and this machine's clock")
}

pub(crate) fn bad_container_address(variable: &str) -> Error {
    Error::invalid_config(format!(
        "{variable} is not an address that credentials may be asked from"
    ))
    .with_hint("use https, or http to a loopback address, 169.254.170.2 or 169.254.170.23")
}

/// A name as an error shows it, unless it is the content of a file.
fn shown(name: &str) -> String {
    match looks_like_content(name) {
        true => String::new(),
        false => format!(" {name:?}"),
    }
}

pub(crate) fn no_credential() -> Error {
    Error::new(ErrorKind::Unauthenticated, "no credential for aws").with_hint(
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or log in with `aws sso login`",
    )
}

pub(crate) fn no_version(version: &Version) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no version {:?} of the secret", version.as_str()),
    )
    .with_hint("a version is an id from `secrets versions`, or a stage such as AWSPREVIOUS")
}

pub(crate) fn other_region(arn: Arn<'_>, region: &str) -> Error {
    Error::invalid_config(format!(
        "the ARN is of the region {}, the provider of {region}",
        one_line(arn.region)
    ))
    .with_hint("set `region` to that of the ARN, or configure a second provider for it")
}

/// Adds what an ARN tells about a refusal.
pub(crate) fn about(error: Error, name: &SecretName) -> Error {
    let error = error.with_name(name);
    match (error.kind(), Arn::parse(name.as_str())) {
        (ErrorKind::PermissionDenied | ErrorKind::NotFound, Some(arn)) => {
            let account = one_line(arn.account);
            error.with_hint(format!(
                "the secret is of account {account}; from another account it needs a resource policy, and a KMS key whose policy lets you in"
            ))
        }
        _ => error,
    }
}

pub(crate) fn incomplete(what: &str) -> Error {
    Error::new(
        ErrorKind::InvalidResponse,
        format!("the answer holds no {what}"),
    )
    .with_hint("check that the endpoint is that of Secrets Manager")
}

fn below<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// A code or an id as it may be shown: letters, digits and the like.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(MAX_CODE_CHARS)
        .collect()
}

fn one_line(text: &str) -> String {
    plain(text)
}
