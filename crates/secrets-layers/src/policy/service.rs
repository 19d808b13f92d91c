use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use secrets_core::{
    Answer, Call, Error, ErrorKind, Operation, Origin, Reply, Request, Response, Result, SecretName,
};
use tower::{Layer, Service};

use super::handle::{Policy, check_principal, single};
use super::memo::{Question, Verdict};
#[cfg(feature = "cache")]
use crate::cache::CacheHit;
#[cfg(feature = "cache")]
use crate::cached_read::{CachedRead, TryCached};

/// Lets through what a policy allows to a principal, and nothing else.
///
/// - An operation on one secret is allowed or [`PermissionDenied`](ErrorKind::PermissionDenied); the hint names the rule.
/// - Of many secrets each is decided for itself: the denied ones are errors, the rest is served.
/// - A listing shows what may be listed. It is denied where nothing at all may be.
/// - Health checks and closing are let through: they concern no secret.
///
/// A policy in the process of the one whom it restricts is a guard rail against mistakes, not a border: who can change the
/// program, its environment or its configuration can do without it.
#[derive(Debug, Clone)]
pub struct PolicyLayer(Arc<Access>);

/// For whom a policy is asked.
#[derive(Debug)]
struct Access {
    policy: Policy,
    principal: Arc<str>,
    /// The provider or chain of requests that name none.
    default: Arc<str>,
}

impl PolicyLayer {
    /// A layer for this principal; `default` is the provider or chain that answers requests which name none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for an empty name, one over 256 bytes or with control characters.
    pub fn new(
        policy: Policy,
        principal: impl Into<Arc<str>>,
        default: impl Into<Arc<str>>,
    ) -> Result<Self> {
        let principal = principal.into();
        check_principal(&principal)?;
        Ok(Self(Arc::new(Access {
            policy,
            principal,
            default: default.into(),
        })))
    }

    /// The policy behind the layer.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// For whom it is asked.
    pub fn principal(&self) -> &str {
        &self.0.principal
    }
}

impl<S> Layer<S> for PolicyLayer {
    type Service = PolicyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        PolicyService {
            inner,
            access: Arc::clone(&self.0),
        }
    }
}

/// The service of [`PolicyLayer`].
#[derive(Debug, Clone)]
pub struct PolicyService<S> {
    inner: S,
    access: Arc<Access>,
}

impl Access {
    /// Why it is denied, if it is.
    fn refusal(&self, operation: Operation, scope: &str, name: &SecretName) -> Option<Error> {
        let verdict = self.policy.verdict(Question {
            principal: &self.principal,
            operation: single(operation),
            scope,
            name,
        });
        match verdict {
            Verdict::Allowed => None,
            Verdict::Denied(reason) => {
                let error = self.denied(operation, scope, &reason).with_name(name);
                Some(error)
            }
        }
    }

    /// What whoever is denied gets to know.
    fn denied(&self, operation: Operation, scope: &str, reason: &str) -> Error {
        let principal = &*self.principal;
        let error = Error::new(
            ErrorKind::PermissionDenied,
            format!("the policy does not let {principal:?} {}", verb(operation)),
        )
        .with_operation(operation)
        .with_hint(reason.to_owned());
        match scope {
            "" => error,
            scope => error.with_provider(scope.into(), ""),
        }
    }

    fn tell(&self, error: &Error) {
        tracing::info!(
            principal = &*self.principal,
            operation = error.operation().map(Operation::as_str),
            provider = error.provider(),
            name = error.name().map(SecretName::as_str),
            reason = error.hint(),
            "denied by the policy"
        );
    }

    fn shows(&self, scope: &str, name: &SecretName) -> bool {
        let verdict = self.policy.verdict(Question {
            principal: &self.principal,
            operation: Operation::List,
            scope,
            name,
        });
        verdict == Verdict::Allowed
    }
}

/// What is done to a secret, in words.
fn verb(operation: Operation) -> &'static str {
    match operation {
        Operation::Get | Operation::GetMany => "read this secret",
        Operation::Describe => "read the metadata of this secret",
        Operation::List => "list secrets here",
        Operation::Put => "write this secret",
        Operation::Delete => "delete this secret",
        Operation::Restore => "restore this secret",
        Operation::Versions => "list the versions of this secret",
        Operation::Rollback => "roll this secret back",
        _ => "do this",
    }
}

/// What is left to do once the rest is answered.
#[derive(Debug)]
enum After {
    /// To put the denied ones, each with its place, among the answers.
    Join {
        denied: Vec<(usize, Error)>,
        total: usize,
    },
    /// To leave out what may not be listed.
    Sift {
        access: Arc<Access>,
        scope: Option<Arc<str>>,
    },
}

impl After {
    fn apply(self, outcome: Result<Response>) -> Result<Response> {
        match self {
            Self::Join { denied, total } => join(denied, total, outcome),
            Self::Sift { access, scope } => {
                let mut response = outcome?;
                let scope = scope.as_deref().unwrap_or(&access.default);
                if let Reply::Page(page) = &mut response.reply {
                    page.items.retain(|item| access.shows(scope, &item.name));
                }
                Ok(response)
            }
        }
    }
}

fn join(denied: Vec<(usize, Error)>, total: usize, outcome: Result<Response>) -> Result<Response> {
    let rest = total - denied.len();
    let (answers, origin) = match outcome {
        Ok(Response {
            reply: Reply::Secrets(answers),
            origin,
            ..
        }) if answers.len() == rest => (answers, origin),
        Ok(_) => return Err(Reply::mismatch(Operation::GetMany)),
        // An error of the rest must not hide who was denied.
        Err(error) => (vec![Err(error); rest], Origin::fresh("policy".into())),
    };
    let mut answers = answers.into_iter();
    let mut denied = denied.into_iter().peekable();
    let mut all: Vec<Result<Answer>> = Vec::with_capacity(total);
    for place in 0..total {
        match denied.next_if(|(at, _)| *at == place) {
            Some((_, error)) => all.push(Err(error)),
            None => all.extend(answers.next()),
        }
    }
    Ok(Response::new(Reply::Secrets(all), origin))
}

pin_project! {
    /// The future of what was let through, or refused.
    #[derive(Debug)]
    pub struct PolicyFuture<F> {
        // Absent for what is refused.
        #[pin]
        call: Option<F>,
        refused: Option<Box<Result<Response>>>,
        after: Option<Box<After>>,
    }
}

impl<F> PolicyFuture<F> {
    fn refused(answer: Result<Response>) -> Self {
        Self {
            call: None,
            refused: Some(Box::new(answer)),
            after: None,
        }
    }
}

impl<F: Future<Output = Result<Response>>> Future for PolicyFuture<F> {
    type Output = Result<Response>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(*refused);
        }
        let Some(call) = this.call.as_pin_mut() else {
            return Poll::Pending;
        };
        let outcome = ready!(call.poll(cx));
        Poll::Ready(match this.after.take() {
            None => outcome,
            Some(after) => after.apply(outcome),
        })
    }
}

#[cfg(feature = "cache")]
impl<S: TryCached> TryCached for PolicyService<S> {
    fn try_cached(&self, read: CachedRead<'_>) -> Option<CacheHit> {
        let is_allowed = self.access.policy.is_known_to_allow(Question {
            principal: &self.access.principal,
            operation: Operation::Get,
            scope: read.target.unwrap_or(&self.access.default),
            name: read.name,
        });
        match is_allowed {
            true => self.inner.try_cached(read),
            false => None,
        }
    }
}

impl<S: Service<Request, Response = Response, Error = Error>> Service<Request>
    for PolicyService<S>
{
    type Response = Response;
    type Error = Error;
    type Future = PolicyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let access = &self.access;
        let scope = request.target.as_deref().unwrap_or(&access.default);
        let operation = request.call.operation();
        let refuse = |error: Error| {
            access.tell(&error);
            PolicyFuture::refused(Err(error))
        };
        let after = match &mut request.call {
            Call::Health | Call::Close => None,
            Call::GetMany { items } => {
                let total = items.len();
                let mut denied = Vec::new();
                let mut place = 0;
                items.retain(|item| {
                    let refusal = access.refusal(operation, scope, &item.name);
                    let is_kept = refusal.is_none();
                    if let Some(error) = refusal {
                        access.tell(&error);
                        denied.push((place, error));
                    }
                    place += 1;
                    is_kept
                });
                if denied.len() == total && total > 0 {
                    let all = denied.into_iter().map(|(_, error)| Err(error)).collect();
                    let origin = Origin::fresh("policy".into());
                    return PolicyFuture::refused(Ok(Response::new(Reply::Secrets(all), origin)));
                }
                match denied.is_empty() {
                    true => None,
                    false => Some(Box::new(After::Join { denied, total })),
                }
            }
            Call::List { .. } => {
                if !access.policy.may_list(&access.principal, scope) {
                    let reason = "no role of the principal has the operation `list` here";
                    return refuse(access.denied(operation, scope, reason));
                }
                Some(Box::new(After::Sift {
                    access: Arc::clone(access),
                    scope: request.target.clone(),
                }))
            }
            call => match call.name() {
                Some(name) => match access.refusal(operation, scope, name) {
                    None => None,
                    Some(error) => return refuse(error),
                },
                None => {
                    let reason = "policies do not know this operation";
                    return refuse(access.denied(operation, scope, reason));
                }
            },
        };
        PolicyFuture {
            call: Some(self.inner.call(request)),
            refused: None,
            after,
        }
    }
}
