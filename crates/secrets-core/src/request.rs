use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Deadline, DeleteOptions, DescribeOptions, Error, ErrorKind, GetItem, GetOptions, Health,
    ListOptions, Metadata, Page, PutMode, PutOptions, Result, RollbackOptions, Secret, SecretName,
    SecretValue, Version, VersionsOptions,
};

/// The name of an operation, for errors, traces, audit and policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Reading one secret.
    Get,
    /// Reading many secrets.
    GetMany,
    /// Reading metadata.
    Describe,
    /// Listing secrets.
    List,
    /// Writing a secret.
    Put,
    /// Deleting a secret.
    Delete,
    /// Undoing a soft delete.
    Restore,
    /// Listing versions.
    Versions,
    /// Making an earlier version current.
    Rollback,
    /// Checking health.
    Health,
    /// Closing the provider.
    Close,
}

impl Operation {
    /// The name as it is shown: lowercase, with hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get-many",
            Self::Describe => "describe",
            Self::List => "list",
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::Versions => "versions",
            Self::Rollback => "rollback",
            Self::Health => "health",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What goes down through the layers: a call, its target and its deadline.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// The provider or chain to ask; `None` for the default one.
    pub target: Option<Arc<str>>,
    /// When the answer is due. Queues, sleeps and attempts all count against it.
    pub deadline: Option<Deadline>,
    /// The most attempts at a provider; `None` for the retry policy's own number.
    pub max_attempts: Option<u32>,
    /// The caller's reason, for the audit log.
    pub reason: Option<Arc<str>>,
    /// The operation and its arguments.
    pub call: Call,
    /// Who hears of retries. A caller that holds another answer need not wait for the last attempt.
    pub retry_observer: Option<Arc<dyn RetryObserver>>,
}

/// Hears of each attempt that failed and that another attempt follows.
pub trait RetryObserver: Debug + Send + Sync {
    /// Runs before each retry, on the task that retries: it must not block.
    fn on_retry(&self, error: &Error);
}

impl Request {
    /// A call to the default provider, without a deadline.
    pub fn new(call: Call) -> Self {
        Self {
            target: None,
            deadline: None,
            max_attempts: None,
            reason: None,
            call,
            retry_observer: None,
        }
    }

    /// The same request for another call.
    pub fn with_call(mut self, call: Call) -> Self {
        self.call = call;
        self
    }

    /// Sets the provider or chain to ask.
    pub fn with_target(mut self, target: impl Into<Option<Arc<str>>>) -> Self {
        self.target = target.into();
        self
    }

    /// Sets the caller's reason.
    pub fn with_reason(mut self, reason: impl Into<Option<Arc<str>>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Registers who hears of retries.
    pub fn with_retry_observer(
        mut self,
        observer: impl Into<Option<Arc<dyn RetryObserver>>>,
    ) -> Self {
        self.retry_observer = observer.into();
        self
    }

    /// Reports a failed attempt that another attempt follows.
    pub fn report_retry(&self, error: &Error) {
        if let Some(observer) = &self.retry_observer {
            observer.on_retry(error);
        }
    }

    /// Sets the deadline.
    pub fn with_deadline(mut self, deadline: impl Into<Option<Deadline>>) -> Self {
        self.deadline = deadline.into();
        self
    }
}

/// An operation and its arguments.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields are the arguments of the provider's method of the same name"
)]
pub enum Call {
    /// [`SecretProvider::get`](crate::SecretProvider::get).
    Get {
        name: SecretName,
        options: GetOptions,
    },
    /// [`SecretProvider::get_many`](crate::SecretProvider::get_many).
    GetMany { items: Vec<GetItem> },
    /// [`SecretProvider::describe`](crate::SecretProvider::describe).
    Describe {
        name: SecretName,
        options: DescribeOptions,
    },
    /// [`SecretProvider::list`](crate::SecretProvider::list).
    List { options: ListOptions },
    /// [`SecretProvider::put`](crate::SecretProvider::put).
    Put {
        name: SecretName,
        value: SecretValue,
        options: PutOptions,
    },
    /// [`SecretProvider::delete`](crate::SecretProvider::delete).
    Delete {
        name: SecretName,
        options: DeleteOptions,
    },
    /// [`SecretProvider::restore`](crate::SecretProvider::restore).
    Restore { name: SecretName },
    /// [`SecretProvider::versions`](crate::SecretProvider::versions).
    Versions {
        name: SecretName,
        options: VersionsOptions,
    },
    /// [`SecretProvider::rollback`](crate::SecretProvider::rollback).
    Rollback {
        name: SecretName,
        to: Version,
        options: RollbackOptions,
    },
    /// [`SecretProvider::health`](crate::SecretProvider::health).
    Health,
    /// [`SecretProvider::close`](crate::SecretProvider::close).
    Close,
}

impl Call {
    /// Which operation this is.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Get { .. } => Operation::Get,
            Self::GetMany { .. } => Operation::GetMany,
            Self::Describe { .. } => Operation::Describe,
            Self::List { .. } => Operation::List,
            Self::Put { .. } => Operation::Put,
            Self::Delete { .. } => Operation::Delete,
            Self::Restore { .. } => Operation::Restore,
            Self::Versions { .. } => Operation::Versions,
            Self::Rollback { .. } => Operation::Rollback,
            Self::Health => Operation::Health,
            Self::Close => Operation::Close,
        }
    }

    /// The secret that it concerns; `None` for a call about many or none.
    pub fn name(&self) -> Option<&SecretName> {
        match self {
            Self::Get { name, .. }
            | Self::Describe { name, .. }
            | Self::Put { name, .. }
            | Self::Delete { name, .. }
            | Self::Restore { name }
            | Self::Versions { name, .. }
            | Self::Rollback { name, .. } => Some(name),
            Self::GetMany { .. } | Self::List { .. } | Self::Health | Self::Close => None,
        }
    }

    /// Whether a retry is safe after an answer was lost.
    ///
    /// A put is idempotent if it carries an idempotency token and the provider honours it. A conditional put is not: a
    /// retry would find its own first success.
    pub fn is_idempotent(&self, put_tokens_honoured: bool) -> bool {
        match self {
            Self::Get { .. }
            | Self::GetMany { .. }
            | Self::Describe { .. }
            | Self::List { .. }
            | Self::Versions { .. }
            | Self::Restore { .. }
            | Self::Health => true,
            Self::Put { options, .. } => {
                put_tokens_honoured
                    && options.idempotency_token.is_some()
                    && options.mode == PutMode::Upsert
            }
            Self::Delete { .. } | Self::Rollback { .. } | Self::Close => false,
        }
    }
}

/// The age of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Freshness {
    /// The provider answered.
    Fresh,
    /// The cache answered within the time to live.
    Cached {
        /// How long ago the provider answered.
        age: Duration,
    },
    /// The cache answered after the time to live, because the provider could not be reached.
    Stale {
        /// How long ago the provider answered.
        age: Duration,
    },
}

/// Where an answer came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Origin {
    /// The provider's name in the configuration.
    pub provider: Arc<str>,
    /// The chain that led to the provider.
    pub via: Option<Arc<str>>,
    /// The age of the answer.
    pub freshness: Freshness,
}

impl Origin {
    /// A fresh answer from this provider.
    pub fn fresh(provider: Arc<str>) -> Self {
        Self {
            provider,
            via: None,
            freshness: Freshness::Fresh,
        }
    }

    /// Sets the chain.
    pub fn with_via(mut self, chain: impl Into<Option<Arc<str>>>) -> Self {
        self.via = chain.into();
        self
    }

    /// Sets the age.
    pub fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }
}

/// A secret and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The secret.
    pub secret: Secret,
    /// Where it came from.
    pub origin: Origin,
}

impl Answer {
    /// A secret from this origin.
    pub fn new(secret: Secret, origin: Origin) -> Self {
        Self { secret, origin }
    }
}

/// What comes back up through the layers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Response {
    /// The answer.
    pub reply: Reply,
    /// Where it came from. The secrets of a [`Reply::Secrets`] have their own.
    pub origin: Origin,
}

impl Response {
    /// An answer from this origin.
    pub fn new(reply: Reply, origin: Origin) -> Self {
        Self { reply, origin }
    }
}

/// The answer to a [`Call`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Reply {
    /// To a get.
    Secret(Secret),
    /// To a get-many: one result an item, in the order asked.
    Secrets(Vec<Result<Answer>>),
    /// To a describe, put or rollback.
    Metadata(Metadata),
    /// To a list or versions.
    Page(Page),
    /// To a health check.
    Health(Health),
    /// To a delete, restore or close.
    Done,
}

impl Reply {
    /// The error for a layer or provider whose answer does not fit the call.
    pub fn mismatch(operation: Operation) -> Error {
        Error::new(
            ErrorKind::Unexpected,
            format!("the answer does not fit the call {operation}"),
        )
        .with_operation(operation)
    }
}
