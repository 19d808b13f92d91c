//! What the services that give credentials answered last: STS, SSO, the container's and the machine's. The SDK turns a
//! refusal of theirs into text, which says neither whether it passes nor whose fault it is.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use secrets_core::Clock;

use crate::client::http::AwsHttpClient;
use crate::error::ServiceFailure;

/// The last answer.
#[derive(Debug, Clone)]
pub(crate) enum LoginAnswer {
    /// It looked like a success.
    Accepted,
    Refused(ServiceFailure),
}

/// Keeps the last answer. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoginLog(Arc<Mutex<Option<LoginAnswer>>>);

impl LoginLog {
    pub(crate) fn last(&self) -> Option<LoginAnswer> {
        self.lock().clone()
    }

    fn note(&self, answer: LoginAnswer) {
        *self.lock() = Some(answer);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<LoginAnswer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The HTTP client for logins.
#[derive(Clone)]
pub(crate) struct LoginHttp {
    pub(crate) inner: AwsHttpClient,
    pub(crate) log: LoginLog,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for LoginHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginHttp(..)")
    }
}

impl HttpClient for LoginHttp {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(LoginConnector {
            inner: self.inner.http_connector(settings, components),
            log: self.log.clone(),
            clock: Arc::clone(&self.clock),
        })
    }
}

#[derive(Debug)]
struct LoginConnector {
    inner: SharedHttpConnector,
    log: LoginLog,
    clock: Arc<dyn Clock>,
}

impl HttpConnector for LoginConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.inner.call(request);
        let (log, clock) = (self.log.clone(), Arc::clone(&self.clock));
        HttpConnectorFuture::new(async move {
            let response = answer.await?;
            let refused = ServiceFailure::from_login(&response, clock.wall());
            log.note(refused.map_or(LoginAnswer::Accepted, LoginAnswer::Refused));
            Ok(response)
        })
    }
}
