#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
mod base_url;
mod buffer;
mod client;
mod error;
mod file;
mod json;
mod life;
mod proxy;
mod retry_after;
mod settings;
mod shared_token;
mod tls;
mod transport;

#[cfg(feature = "aws")]
pub use aws::AwsHttpClient;
#[cfg(feature = "azure")]
pub use azure::{AzureHttpClient, azure_headers, carried_error, carry_error};
pub use base_url::{BaseUrl, encode_segment};
pub use buffer::WipedBuffer;
pub use client::{DEFAULT_BODY_LIMIT, HttpClient, HttpRequest, HttpResponse, sensitive_header};
pub use error::refused_redirect;
pub use file::{Credential, NamedFile};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use json::{decode, encode};
pub use life::{Backoff, Life, jittered, renew_after};
pub use reqwest::Url;
pub use retry_after::retry_after;
pub use settings::{Ambient, at_most_one_credential, both, missing, required, scheme_of};
pub use shared_token::{Expiring, SharedToken, Turn};
pub use tls::root_stores_parsed;
pub use transport::{ClientIdentity, ClientOptions, SettingNames, Transport};
