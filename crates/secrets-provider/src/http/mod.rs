//! One transport for every provider that speaks HTTP.

mod base_url;
mod buffer;
mod client;
mod error;
mod json;
mod proxy;
mod retry_after;
mod tls;
mod transport;

pub use base_url::{BaseUrl, encode_segment};
pub use buffer::WipedBuffer;
pub use client::{DEFAULT_BODY_LIMIT, HttpClient, HttpRequest, HttpResponse, sensitive_header};
pub use error::refused_redirect;
pub use json::{decode, encode};
pub use retry_after::retry_after;
pub use tls::root_stores_parsed;
pub use transport::{ClientIdentity, ClientOptions, SettingNames, Transport};
