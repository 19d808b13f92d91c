//! The last step of the SDK's way to the network. What is secret is exchanged here, so that it never lies in the SDK's
//! memory, which is not wiped: values and tokens are put in after it is done with a request, and an answer that holds a
//! value is taken out before it sees it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use azure_core::Bytes;
use azure_core::http::headers::{AUTHORIZATION, Headers, WWW_AUTHENTICATE};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{AsyncRawResponse, Context, Request, StatusCode, Url};
use secrets_core::{Clock, Error, ErrorKind, SecretValue};
use secrets_provider::{HttpResponse, header};

use crate::auth::Session;
use crate::client::http::{AzureHttpClient, azure_headers, carry_error};
use crate::error::{self, Asked};

/// What one call hands past the SDK.
pub(super) struct Exchange {
    pub(super) asked: Asked,
    /// Whether the SDK reads the answer itself: it holds no value.
    pub(super) is_open: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    body: Option<SecretValue>,
    answer: Option<HttpResponse>,
    was_challenged: bool,
    was_refused: bool,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(..)")
    }
}

impl Exchange {
    pub(super) fn new(asked: Asked) -> Arc<Self> {
        Arc::new(Self {
            asked,
            is_open: false,
            state: Mutex::default(),
        })
    }

    /// For a listing.
    pub(super) fn open() -> Arc<Self> {
        Arc::new(Self {
            asked: Asked::Read,
            is_open: true,
            state: Mutex::default(),
        })
    }

    /// Sends this instead of the body that the SDK holds.
    pub(super) fn with_body(asked: Asked, body: SecretValue) -> Arc<Self> {
        let exchange = Self::new(asked);
        exchange.lock().body = Some(body);
        exchange
    }

    /// The answer, which the SDK has not seen.
    pub(super) fn take_answer(&self) -> Option<HttpResponse> {
        self.lock().answer.take()
    }

    /// Whether the vault itself was asked what its tokens are for.
    pub(super) fn was_challenged(&self) -> bool {
        self.lock().was_challenged
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stands at the end of the SDK's policies, and before its transport, which copies each answer twice.
pub(super) struct Step {
    pub(super) http: AzureHttpClient,
    pub(super) session: Arc<Session>,
    pub(super) vault: Url,
    /// What tokens are for; asked from the vault if absent.
    pub(super) resource: Option<String>,
    pub(super) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step(..)")
    }
}

impl Step {
    /// The refusal that the SDK waits for before it asks for a token. Where it is known what the vault would say, the
    /// vault is not asked, which saves a request; and it cannot steer a token to another service.
    fn challenge(resource: &str) -> AsyncRawResponse {
        let mut headers = Headers::new();
        headers.insert(WWW_AUTHENTICATE, format!("Bearer resource=\"{resource}\""));
        AsyncRawResponse::from_bytes(StatusCode::Unauthorized, headers, Bytes::new())
    }

    /// After a refusal of the vault.
    fn challenge_again(&self, response: &HttpResponse) -> AsyncRawResponse {
        match &self.resource {
            Some(resource) => Self::challenge(resource),
            None => AsyncRawResponse::from_bytes(
                StatusCode::Unauthorized,
                azure_headers(&response.headers),
                Bytes::new(),
            ),
        }
    }

    async fn exchange(
        &self,
        exchange: &Exchange,
        request: &Request,
    ) -> Result<AsyncRawResponse, Error> {
        if request.url().origin() != self.vault.origin() {
            return Err(Error::new(
                ErrorKind::InvalidResponse,
                "the vault sends on to another host, which gets no token",
            )
            .with_hint("check `vault_url`, and whether a proxy answers instead"));
        }
        let wants_token = request.headers().get_optional_str(&AUTHORIZATION).is_some();
        if !wants_token {
            if let Some(resource) = &self.resource {
                return Ok(Self::challenge(resource));
            }
            exchange.lock().was_challenged = true;
        }
        let mut request = request.clone();
        request.headers_mut().remove(AUTHORIZATION);
        let held = match wants_token {
            true => Some(self.session.token().await?),
            false => None,
        };
        let body = held.as_ref().and_then(|_| exchange.lock().body.clone());
        let token = held.as_ref().map(|held| held.header());
        let response = self.http.send(&request, token, body).await?;
        if response.status.is_success() {
            let (status, headers) = (response.status.as_u16(), &response.headers);
            if exchange.is_open {
                return Ok(AsyncRawResponse::from_bytes(
                    status.into(),
                    azure_headers(headers),
                    response.body.to_vec(),
                ));
            }
            let empty = AsyncRawResponse::from_bytes(status.into(), Headers::new(), Bytes::new());
            exchange.lock().answer = Some(response);
            return Ok(empty);
        }
        if response.status.as_u16() == 401 {
            let is_challenge = response.headers.contains_key(header::WWW_AUTHENTICATE);
            match &held {
                None if is_challenge => return Ok(self.challenge_again(&response)),
                // Once a call: a token may have been revoked, but a new one is not better than another new one.
                Some(held) if !exchange.lock().was_refused => {
                    exchange.lock().was_refused = true;
                    self.session.refuse(held);
                    if self.resource.is_some() || is_challenge {
                        return Ok(self.challenge_again(&response));
                    }
                }
                _ => {}
            }
        }
        Err(error::from_vault(
            &response,
            exchange.asked,
            self.clock.wall(),
        ))
    }
}

#[expect(
    elided_lifetimes_in_paths,
    reason = "the trait leaves them out, and the macro takes only the same form"
)]
#[async_trait]
impl Policy for Step {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        _next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let result = match context.value::<Arc<Exchange>>() {
            Some(exchange) => self.exchange(exchange, request).await,
            None => Err(Error::from(ErrorKind::Unexpected)),
        };
        result.map_err(carry_error)
    }
}
