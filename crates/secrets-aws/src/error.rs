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

use crate::names::Arn;

/// The window in which AWS takes a signature is 5 minutes; a clock that differs by more than this is told to be wrong.
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

/// Texts of the service, for which it has no code.
struct Text;

impl Text {
    /// Stands in each `InvalidRequestException` about a secret that is scheduled for deletion: "marked for deletion",
    /// "scheduled for deletion", "currently marked deleted".
    const DELETED: &str = "delet";
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
#[derive(Debug)]
pub(crate) struct ServiceFailure {
    code: String,
    is_about_deletion: bool,
    status: u16,
    retry_after: Option<Duration>,
    request_id: Option<String>,
    /// What the service's clock said.
    date: Option<SystemTime>,
}

impl Failure {
    pub(crate) fn of<E>(failure: SdkError<E, HttpResponse>, now: SystemTime) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        if let SdkError::ServiceError(context) = &failure {
            let (error, raw) = (context.err(), context.raw());
            let header = |name: &str| raw.headers().get(name);
            let mut wait = HeaderMap::new();
            for name in ["retry-after", "x-amz-retry-after", "date"] {
                if let Some(value) =
                    header(name).and_then(|value| HeaderValue::from_str(value).ok())
                {
                    wait.insert(HeaderName::from_static(name), value);
                }
            }
            return Self::Service(ServiceFailure {
                code: plain(error.code().unwrap_or_default()),
                is_about_deletion: error
                    .message()
                    .is_some_and(|text| text.contains(Text::DELETED)),
                status: raw.status().as_u16(),
                retry_after: retry_after(&wait, now),
                request_id: header("x-amzn-requestid").map(plain),
                date: header("date").and_then(|date| httpdate::parse_http_date(date).ok()),
            });
        }
        if let Some(ours) = below::<Error>(&failure)
            && below::<CredentialsError>(&failure).is_none()
        {
            return Self::Ours(ours.clone());
        }
        if let Some(credentials) = below::<CredentialsError>(&failure) {
            return Self::Ours(from_credentials(credentials));
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

    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Service(failure) if failure.code.starts_with("AccessDenied"))
    }

    /// The error, for a call of the API that was about something.
    pub(crate) fn told(self, action: &str, asked: Asked, now: SystemTime) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Service(failure) => failure.told(action, asked, now),
        }
    }
}

impl ServiceFailure {
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

    fn told(self, action: &str, asked: Asked, now: SystemTime) -> Error {
        let error = match (self.is_of_signature(), self.skew(now)) {
            (true, Some(skew)) => Error::new(
                ErrorKind::Unauthenticated,
                format!(
                    "this machine's clock differs from that of AWS by {} minutes",
                    skew.as_secs() / 60
                ),
            )
            .with_hint("set the clock; AWS takes no signature that is more than 5 minutes off"),
            _ => from_code(
                &self.code,
                self.is_about_deletion,
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

/// The error for one item of a batch.
pub(crate) fn from_item(code: &str, message: &str, action: &str) -> Error {
    let is_about_deletion = message.contains(Text::DELETED);
    from_code(
        &plain(code),
        is_about_deletion,
        400,
        action,
        Asked::Other,
        None,
    )
}

fn from_code(
    code: &str,
    is_about_deletion: bool,
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
        "InvalidRequestException" if is_about_deletion && asked == Asked::Create => {
            Error::new(ErrorKind::Deleted, "a deleted secret still has this name")
                .with_hint("restore it, or purge it and wait until its name is free")
        }
        "InvalidRequestException" if is_about_deletion => Error::from(ErrorKind::Deleted)
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
                .with_hint("start the listing anew")
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
        "BandwidthLimitExceeded" | "PriorRequestNotComplete" | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded" | "RequestThrottled" | "RequestThrottledException" | "SlowDown"
        | "ThrottledException" | "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
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

pub(crate) fn from_credentials(failure: &CredentialsError) -> Error {
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
    match failure {
        CredentialsError::CredentialsNotLoaded(_) => no_credential(),
        CredentialsError::ProviderTimedOut(_) => {
            Error::new(ErrorKind::Timeout, "no credential for aws in time")
                .with_hint("check the profile's source, or the network of the metadata service")
        }
        CredentialsError::InvalidConfiguration(_) => {
            bad_files()
        }
        _ => Error::new(
            ErrorKind::Unauthenticated,
            "the source of the credential for aws refuses or fails",
        )
        .with_hint("log in anew, for example with `aws sso login`; check the role, its trust policy and the token file"),
    }
}

pub(crate) fn bad_files() -> Error {
    Error::invalid_config("the profile, or a file of AWS's configuration, cannot be used")
        .with_hint(
            "check `profile`, AWS_PROFILE, ~/.aws/config and ~/.aws/credentials, and `role_arn`",
        )
}

pub(crate) fn no_profile(name: &str) -> Error {
    let name = match looks_like_content(name) {
        true => String::new(),
        false => format!(" {name:?}"),
    };
    Error::invalid_config(format!("there is no profile{name}")).with_hint(
        "`aws configure list-profiles` shows which there are; check `profile` and AWS_PROFILE",
    )
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
