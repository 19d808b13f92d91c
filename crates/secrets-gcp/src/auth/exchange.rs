//! Posts forms to OAuth endpoints, and reads the tokens that they give.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrets_core::{Clock, Error, Result, SecretValue};
use secrets_provider::{
    BaseUrl, HttpClient, HttpRequest, HttpResponse, Method, Url, WipedBuffer, decode,
    encode_segment,
};

use super::AccessToken;
use crate::error;
use crate::wire::Issued;

/// An answer to a login has a few kilobytes.
const BODY_LIMIT: usize = 256 * 1024;

/// How logins reach their endpoints. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) http: HttpClient,
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether credentials may go in clear to another machine.
    pub(crate) allow_http: bool,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange(..)")
    }
}

impl Exchange {
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.wall()
    }

    /// An address that a credential goes to. `field` names it in errors.
    pub(crate) fn address(&self, text: &str, field: &str) -> Result<Url> {
        let base = BaseUrl::parse(text).map_err(|failure| {
            Error::invalid_config(format!(
                "`{field}` in the credential: {}",
                failure.message()
            ))
            .with_hint("take the file as Google made it")
        })?;
        if !base.is_https() && !base.is_loopback() && !self.allow_http {
            return Err(Error::invalid_config(format!(
                "`{field}` in the credential is another machine, and the credential would go there in clear"
            ))
            .with_hint("use https, or set `allow_http = true` if the network is your own"));
        }
        Url::parse(text.trim())
            .map_err(|_| Error::invalid_config(format!("`{field}` in the credential is not a URL")))
    }

    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        self.http.send(request.with_body_limit(BODY_LIMIT)).await
    }

    pub(crate) async fn post_form(
        &self,
        url: Url,
        fields: &[(&str, &SecretValue)],
    ) -> Result<HttpResponse> {
        let request = HttpRequest::new(Method::POST, url)
            .with_body("application/x-www-form-urlencoded", form(fields)?);
        self.send(request).await
    }

    /// The token in an answer; `hint` says what to do about the credential if it is refused.
    pub(crate) fn issued(
        &self,
        response: &HttpResponse,
        hint: &'static str,
    ) -> Result<AccessToken> {
        if !response.status.is_success() {
            return Err(error::from_login(response, hint, self.now()));
        }
        let issued: Issued<'_> = decode(&response.body)?;
        Ok(AccessToken::new(&*issued.access_token)
            .with_expires_in(issued.expires_in.map(Duration::from_secs)))
    }
}

fn form(fields: &[(&str, &SecretValue)]) -> Result<SecretValue> {
    let length: usize = fields.iter().map(|(_, value)| 3 * value.len() + 32).sum();
    let mut body = WipedBuffer::with_capacity(length);
    for (number, (name, value)) in fields.iter().enumerate() {
        if number > 0 {
            body.extend_from_slice(b"&");
        }
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"=");
        // Written piece by piece, so that no copy of the whole is left behind.
        use std::io::Write as _;
        let _ = write!(body, "{}", encode_segment(value.expose_str()?));
    }
    Ok(body.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        let fields = [("a", &SecretValue::from("x y&=+/")), ("b", &"".into())];
        let body = form(&fields).unwrap();
        assert_eq!(body.expose_str().unwrap(), "a=x%20y%26%3D%2B%2F&b=");
    }
}
