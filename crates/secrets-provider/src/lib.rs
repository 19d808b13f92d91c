#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod base64;
mod credentials;
mod http;
mod pages;
mod settings;
mod task;
mod tokens;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use base64::{decode_base64, encode_base64};
pub use credentials::{Credential, NamedFile};
pub use http::{
    BaseUrl, ClientIdentity, ClientOptions, DEFAULT_BODY_LIMIT, HttpClient, HttpRequest,
    HttpResponse, SettingNames, Transport, WipedBuffer, decode, encode, encode_segment,
    refused_redirect, retry_after, root_stores_parsed, sensitive_header,
};
pub use pages::page_after;
pub use reqwest::Url;
pub use settings::{Ambient, at_most_one_credential, both, http_scheme, missing, required};
pub use task::run_to_completion;
pub use tokens::{
    Backoff, Expiring, RefreshGuard, SharedToken, TokenLifetime, jittered, renew_after,
};
