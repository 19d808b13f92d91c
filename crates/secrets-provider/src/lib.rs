#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod credentials;
mod http;
mod settings;
mod tokens;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use credentials::{Credential, NamedFile};
pub use http::{
    BaseUrl, ClientIdentity, ClientOptions, DEFAULT_BODY_LIMIT, HttpClient, HttpRequest,
    HttpResponse, SettingNames, Transport, WipedBuffer, decode, encode, encode_segment,
    refused_redirect, retry_after, root_stores_parsed, sensitive_header,
};
pub use reqwest::Url;
pub use settings::{Ambient, at_most_one_credential, both, missing, required, http_scheme};
pub use tokens::{Backoff, Expiring, TokenLifetime, SharedToken, RefreshGuard, jittered, renew_after};
