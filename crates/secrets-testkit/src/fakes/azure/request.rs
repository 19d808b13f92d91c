use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::query::{find, pairs};
use super::refusal::{Outcome, Refusal};
use super::shelf::Item;

/// The versions of the interface that are known: those of the secrets and of the keys alike.
const API_VERSIONS: [&str; 10] = [
    "2026-04-01",
    "2025-07-01",
    "7.6",
    "7.5",
    "7.4",
    "7.3",
    "7.2",
    "7.1",
    "7.0",
    "2016-10-01",
];

/// The most entries of a page, and how many one has by default.
const PAGE: usize = 25;

/// A request to the vault whose token is good.
pub(super) struct Ask {
    pub(super) method: Method,
    /// Decoded; the last one is empty if the path ends with a slash.
    pub(super) segments: Vec<String>,
    /// `https://` and what the client calls this host.
    pub(super) base: String,
    uri_path: String,
    api_version: String,
    query: Vec<(String, String)>,
    is_json: bool,
    body: Bytes,
}

impl Ask {
    pub(super) fn new(
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
        base: String,
    ) -> Outcome<Self> {
        let path = uri.path().trim_start_matches('/');
        let segments = path
            .split('/')
            .map(|segment| {
                let decoded = percent_decode_str(segment).decode_utf8();
                decoded.map(|text| text.into_owned())
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Refusal::bad("The request URI is not valid UTF-8."))?;
        let query = pairs(uri.query().unwrap_or_default())
            .ok_or_else(|| Refusal::bad("The query is not valid UTF-8."))?;
        let api_version = find(&query, "api-version")
            .filter(|version| !version.is_empty())
            .ok_or_else(|| Refusal::bad("api-version must be specified"))?
            .to_owned();
        if !API_VERSIONS.contains(&api_version.as_str()) {
            return Err(Refusal::bad(format!(
                "The specified version ({api_version}) is not recognized. Consider using the latest supported version \
                 ({}).",
                API_VERSIONS[0]
            )));
        }
        Ok(Self {
            method,
            uri_path: uri.path().to_owned(),
            segments,
            base,
            api_version,
            query,
            is_json: headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.starts_with("application/json")),
            body,
        })
    }

    /// As it was sent.
    pub(super) fn uri_path(&self) -> &str {
        &self.uri_path
    }

    /// The address of a secret or a key, or of one version of it.
    pub(super) fn id<T: Item>(&self, name: &str, version: Option<&str>) -> String {
        let version = version.map_or_else(String::new, |version| format!("/{version}"));
        format!("{}/{}/{name}{version}", self.base, T::PATH)
    }

    /// The body as JSON. An error names the place alone, since the body may hold a secret.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Outcome<T> {
        self.only(&[])?;
        if !self.is_json {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                "The content type of the request must be application/json.",
            ));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Refusal::bad(format!(
                "Property has invalid value\r\n(line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }

    /// Refuses a body, and a parameter beside the version of the interface.
    pub(super) fn bare(&self) -> Outcome<()> {
        self.only(&[])?;
        self.no_body()
    }

    /// Where a list begins, and how long its page is.
    pub(super) fn paging(&self) -> Outcome<Paging> {
        self.only(&["maxresults", "$skiptoken"])?;
        self.no_body()?;
        let size = match find(&self.query, "maxresults") {
            None => PAGE,
            Some(text) => text
                .parse()
                .ok()
                .filter(|size| (1..=PAGE).contains(size))
                .ok_or_else(|| {
                    Refusal::bad(format!(
                        "Invalid value for the maxresults parameter: it must be from 1 to {PAGE}."
                    ))
                })?,
        };
        let after = match find(&self.query, "$skiptoken") {
            None => String::new(),
            Some(token) => URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .and_then(|text| Some(text.strip_prefix("after:")?.to_owned()))
                .ok_or_else(|| Refusal::bad("Invalid value for the $skiptoken parameter."))?,
        };
        Ok(Paging { size, after })
    }

    /// A page of a list: of `entries`, which begin behind where `paging` says, as many as fit.
    pub(super) fn page(
        &self,
        paging: &Paging,
        entries: impl Iterator<Item = (String, Value)>,
    ) -> Value {
        let mut value = Vec::new();
        let mut last = String::new();
        for (key, entry) in entries {
            if value.len() == paging.size {
                return json!({ "value": value, "nextLink": self.next_link(paging, &last) });
            }
            value.push(entry);
            last = key;
        }
        json!({ "value": value, "nextLink": null })
    }

    /// A page without entries that is not the last one, as the service may send it.
    pub(super) fn empty_page(&self, paging: &Paging) -> Value {
        json!({ "value": [], "nextLink": self.next_link(paging, &paging.after) })
    }

    fn next_link(&self, paging: &Paging, after: &str) -> String {
        format!(
            "{}{}?api-version={}&$skiptoken={}&maxresults={}",
            self.base,
            self.uri_path,
            self.api_version,
            URL_SAFE_NO_PAD.encode(format!("after:{after}")),
            paging.size
        )
    }

    fn only(&self, known: &[&str]) -> Outcome<()> {
        let unknown = self
            .query
            .iter()
            .find(|(name, _)| name != "api-version" && !known.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some((name, _)) => Err(Refusal::bad(format!(
                "The request URI contains an unknown parameter: {name}"
            ))),
        }
    }

    fn no_body(&self) -> Outcome<()> {
        if self.body.is_empty() || self.body.as_ref() == b"{}" {
            return Ok(());
        }
        Err(Refusal::bad("The request must not have a body."))
    }
}

#[derive(Debug)]
pub(super) struct Paging {
    size: usize,
    /// The entry that the page before ended with; empty at the beginning.
    pub(super) after: String,
}

/// A name of a secret or of a key.
pub(super) fn check_name(name: &str) -> Outcome<()> {
    let valid = (1..=127).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if valid {
        return Ok(());
    }
    Err(Refusal::bad(format!(
        "The request URI contains an invalid name: {name}"
    )))
}
