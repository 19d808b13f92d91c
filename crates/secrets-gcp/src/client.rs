//! One method an endpoint of the service.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::{Clock, Error, ErrorKind, OpenContext, Result, SecretValue};
use secrets_provider::{
    BaseUrl, HeaderName, HeaderValue, HttpClient, HttpRequest, HttpResponse, Method, WipedBuffer,
    decode, encode, encode_segment, header,
};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

use crate::auth::{Auth, MetadataServer};
use crate::error::{self, Asked};
use crate::wire::{
    Accessed, Encryption, NewSecret, Payload, Replication, SecretInfo, SecretsPage, TagsOfSecret,
    VersionInfo, VersionState, VersionsPage,
};

const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// Where secrets live, and where new ones go.
#[derive(Debug, Clone)]
pub(crate) enum Placement {
    Global(Replication),
    Regional {
        region: String,
        encryption: Option<Encryption>,
    },
}

/// The project, which on a machine of Google's cloud only its metadata server may know.
pub(crate) struct Project {
    id: OnceCell<String>,
    server: Option<MetadataServer>,
}

impl Project {
    pub(crate) fn known(id: String) -> Self {
        Self {
            id: OnceCell::new_with(Some(id)),
            server: None,
        }
    }

    pub(crate) fn of_machine(server: MetadataServer) -> Self {
        Self {
            id: OnceCell::new(),
            server: Some(server),
        }
    }

    /// The id, once it is known.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    async fn ask(&self) -> Result<&str> {
        let id = self.id.get_or_try_init(|| async {
            match &self.server {
                Some(server) => server.project().await,
                None => Err(Error::invalid_config("the project is missing")),
            }
        });
        id.await.map(String::as_str)
    }
}

/// The endpoints of one project. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    http: HttpClient,
    base: BaseUrl,
    project: Project,
    placement: Placement,
    auth: Option<Auth>,
    quota_project: Option<HeaderValue>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.0.base)
            .field("project", &self.0.project.id())
            .field("placement", &self.0.placement)
            .field("auth", &self.0.auth)
            .finish_non_exhaustive()
    }
}

/// A value and the number of its version.
pub(crate) struct Version {
    pub(crate) number: String,
    pub(crate) value: SecretValue,
}

/// One version, times and states understood.
pub(crate) struct VersionFacts {
    pub(crate) number: String,
    pub(crate) created_at: Option<SystemTime>,
    pub(crate) state: VersionState,
}

/// A secret without values.
pub(crate) struct SecretFacts {
    pub(crate) id: String,
    pub(crate) created_at: Option<SystemTime>,
    pub(crate) expires_at: Option<SystemTime>,
    pub(crate) maps: Maps,
    /// Changes with every change of the secret.
    pub(crate) etag: String,
}

/// One page of something; the token is empty on the last one.
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: String,
}

/// The two maps that tags are kept in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Maps {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What is asked of which page.
#[derive(Default)]
pub(crate) struct PageQuery<'a> {
    pub(crate) size: Option<usize>,
    pub(crate) token: Option<&'a str>,
    pub(crate) filter: Option<&'a str>,
}

impl PageQuery<'_> {
    fn pairs(&self) -> Vec<(&'static str, String)> {
        // The service answers with no more than 25,000 items (secretmanager/v1/service.proto).
        let size = self.size.map(|size| size.clamp(1, 25_000).to_string());
        [
            ("pageSize", size),
            ("pageToken", self.token.map(str::to_owned)),
            ("filter", self.filter.map(str::to_owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

/// What is done to one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Enable,
    Disable,
    Destroy,
}

struct Call<'a> {
    method: Method,
    /// Below the project and its region, encoded.
    path: String,
    query: &'a [(&'static str, String)],
    body: Option<SecretValue>,
    asked: Asked,
}

impl Call<'_> {
    fn get(path: String, asked: Asked) -> Self {
        Self {
            method: Method::GET,
            path,
            query: &[],
            body: None,
            asked,
        }
    }
}

impl Client {
    pub(crate) fn new(
        http: HttpClient,
        base: BaseUrl,
        project: Project,
        placement: Placement,
        auth: Option<Auth>,
        quota_project: Option<HeaderValue>,
        context: &OpenContext,
    ) -> Self {
        Self(Arc::new(Inner {
            http,
            base,
            project,
            placement,
            auth,
            quota_project,
            clock: Arc::clone(&context.clock),
        }))
    }

    /// The project, once it is known.
    pub(crate) fn project(&self) -> Option<&str> {
        self.0.project.id()
    }

    /// Ends the session.
    pub(crate) fn close(&self) {
        if let Some(auth) = &self.0.auth {
            auth.close();
        }
    }

    /// Sends a request whose answer has to be a success. A token that is refused costs one login and one repetition.
    async fn send(&self, call: Call<'_>) -> Result<HttpResponse> {
        let request = self.request(&call).await?;
        let response = match &self.0.auth {
            None => self.0.http.send(request).await?,
            Some(auth) => {
                let with = |token: &HeaderValue| {
                    let request = request.clone();
                    self.0
                        .http
                        .send(request.with_header(header::AUTHORIZATION, token.clone()))
                };
                let token = auth.token().await?;
                let response = with(&token.header).await?;
                if response.status.as_u16() == 401 {
                    let other = auth.instead_of(&token).await?;
                    with(&other.header).await?
                } else {
                    response
                }
            }
        };
        if response.status.is_success() {
            Ok(response)
        } else {
            let now = self.0.clock.wall();
            Err(error::from_response(&response, call.asked, now))
        }
    }

    async fn request(&self, call: &Call<'_>) -> Result<HttpRequest> {
        let project = encode_segment(self.0.project.ask().await?).to_string();
        let place = match &self.0.placement {
            Placement::Global(_) => String::new(),
            Placement::Regional { region, .. } => format!("/locations/{region}"),
        };
        let path = format!("v1/projects/{project}{place}/{}", call.path);
        let mut url = self.0.base.join(&path);
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        let mut request = HttpRequest::new(call.method.clone(), url);
        if let Some(project) = &self.0.quota_project {
            request = request.with_header(USER_PROJECT, project.clone());
        }
        Ok(match &call.body {
            Some(body) => request.with_json(body.clone()),
            None => request,
        })
    }

    /// `GET secrets/<id>/versions/<version>:access`; the version is a number, an alias or `latest`.
    ///
    /// A value that does not match its checksum is read once more: it was damaged on its way, not at rest.
    pub(crate) async fn access(&self, id: &str, version: &str) -> Result<Version> {
        match self.access_once(id, version).await {
            Err(error) if error.kind() == ErrorKind::IntegrityFailure => {
                self.access_once(id, version).await
            }
            answer => answer,
        }
    }

    async fn access_once(&self, id: &str, version: &str) -> Result<Version> {
        let path = format!("{}:access", version_path(id, version));
        let response = self.send(Call::get(path, Asked::Read)).await?;
        let accessed: Accessed<'_> = decode(&response.body)?;
        Ok(Version {
            number: last_segment(&accessed.name),
            // A service that checks no credential is none of Google's, and some of those know no checksums.
            value: value_of(&accessed.payload, self.0.auth.is_some())?,
        })
    }

    /// `POST secrets/<id>:addVersion`.
    pub(crate) async fn add_version(&self, id: &str, value: &SecretValue) -> Result<VersionFacts> {
        let call = Call {
            method: Method::POST,
            body: Some(payload_of(value)),
            ..Call::get(format!("{}:addVersion", secret_path(id)), Asked::Write)
        };
        let response = self.send(call).await?;
        Ok(version_facts(&decode::<VersionInfo<'_>>(&response.body)?))
    }

    /// `POST secrets?secretId=<id>`: a secret without a version.
    pub(crate) async fn create(&self, id: &str, maps: &Maps) -> Result<()> {
        let (replication, customer_managed_encryption) = match &self.0.placement {
            Placement::Global(replication) => (Some(replication), None),
            Placement::Regional { encryption, .. } => (None, encryption.as_ref()),
        };
        let body = NewSecret {
            replication,
            customer_managed_encryption,
            labels: &maps.labels,
            annotations: &maps.annotations,
        };
        let call = Call {
            method: Method::POST,
            query: &[("secretId", id.to_owned())],
            body: Some(encode(&body, 512)?),
            ..Call::get("secrets".to_owned(), Asked::Create)
        };
        self.send(call).await.map(drop)
    }

    /// `PATCH secrets/<id>`: replaces labels and annotations, if nobody has changed the secret since `etag`.
    pub(crate) async fn replace_maps(&self, id: &str, maps: &Maps, etag: &str) -> Result<()> {
        let body = TagsOfSecret {
            labels: &maps.labels,
            annotations: &maps.annotations,
            etag,
        };
        let call = Call {
            method: Method::PATCH,
            query: &[("updateMask", "labels,annotations".to_owned())],
            body: Some(encode(&body, 512)?),
            ..Call::get(secret_path(id), Asked::Other)
        };
        self.send(call).await.map(drop)
    }

    /// `GET secrets/<id>`.
    pub(crate) async fn secret(&self, id: &str) -> Result<SecretFacts> {
        let response = self.send(Call::get(secret_path(id), Asked::Read)).await?;
        Ok(secret_facts(decode::<SecretInfo<'_>>(&response.body)?))
    }

    /// `DELETE secrets/<id>`: the secret with all its versions, for good.
    pub(crate) async fn delete(&self, id: &str) -> Result<()> {
        let call = Call {
            method: Method::DELETE,
            ..Call::get(secret_path(id), Asked::Other)
        };
        self.send(call).await.map(drop)
    }

    /// `GET secrets`.
    pub(crate) async fn list(&self, query: &PageQuery<'_>) -> Result<Listed<SecretFacts>> {
        let call = Call {
            query: &query.pairs(),
            ..Call::get("secrets".to_owned(), Asked::Page)
        };
        let response = self.send(call).await?;
        let page: SecretsPage<'_> = decode(&response.body)?;
        Ok(Listed {
            items: page.secrets.into_iter().map(secret_facts).collect(),
            next: page.next_page_token,
        })
    }

    /// `GET secrets/<id>/versions/<version>`.
    pub(crate) async fn version(&self, id: &str, version: &str) -> Result<VersionFacts> {
        let call = Call::get(version_path(id, version), Asked::Read);
        let response = self.send(call).await?;
        Ok(version_facts(&decode::<VersionInfo<'_>>(&response.body)?))
    }

    /// `GET secrets/<id>/versions`, newest first.
    pub(crate) async fn versions(
        &self,
        id: &str,
        query: &PageQuery<'_>,
    ) -> Result<Listed<VersionFacts>> {
        let call = Call {
            query: &query.pairs(),
            ..Call::get(format!("{}/versions", secret_path(id)), Asked::Read)
        };
        let response = self.send(call).await?;
        let page: VersionsPage<'_> = decode(&response.body)?;
        Ok(Listed {
            items: page.versions.iter().map(version_facts).collect(),
            next: page.next_page_token,
        })
    }

    /// `POST secrets/<id>/versions/<version>:enable`, `:disable` or `:destroy`.
    pub(crate) async fn switch(&self, id: &str, version: &str, to: Switch) -> Result<VersionFacts> {
        let verb = match to {
            Switch::Enable => "enable",
            Switch::Disable => "disable",
            Switch::Destroy => "destroy",
        };
        let path = format!("{}:{verb}", version_path(id, version));
        let call = Call {
            method: Method::POST,
            body: Some("{}".into()),
            ..Call::get(path, Asked::Other)
        };
        let response = self.send(call).await?;
        Ok(version_facts(&decode::<VersionInfo<'_>>(&response.body)?))
    }
}

fn secret_path(id: &str) -> String {
    format!("secrets/{}", encode_segment(id))
}

fn version_path(id: &str, version: &str) -> String {
    format!("{}/versions/{}", secret_path(id), encode_segment(version))
}

/// What a resource is called within its parent. Names in answers have the project's number, whatever was asked with.
fn last_segment(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn version_facts(info: &VersionInfo<'_>) -> VersionFacts {
    VersionFacts {
        number: last_segment(&info.name),
        created_at: info.create_time.as_deref().and_then(time),
        state: info.state,
    }
}

fn secret_facts(info: SecretInfo<'_>) -> SecretFacts {
    SecretFacts {
        id: last_segment(&info.name),
        created_at: info.create_time.as_deref().and_then(time),
        expires_at: info.expire_time.as_deref().and_then(time),
        maps: Maps {
            labels: info.labels,
            annotations: info.annotations,
        },
        etag: info.etag,
    }
}

fn time(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

/// The body that adds a version: the value in base64, and its checksum.
fn payload_of(value: &SecretValue) -> SecretValue {
    const HEAD: &[u8] = b"{\"payload\":{\"data\":\"";
    let bytes = value.expose_bytes();
    let length = base64::encoded_len(bytes.len(), true).unwrap_or_default();
    let mut text = Zeroizing::new(vec![0; length]);
    let written = STANDARD.encode_slice(bytes, &mut text).unwrap_or_default();
    let mut body = WipedBuffer::with_capacity(HEAD.len() + written + 48);
    body.extend_from_slice(HEAD);
    body.extend_from_slice(&text[..written]);
    let tail = format!("\",\"dataCrc32c\":\"{}\"}}}}", crc32c::crc32c(bytes));
    body.extend_from_slice(tail.as_bytes());
    body.into_value()
}

/// The value in an answer, whose checksum is right.
fn value_of(payload: &Payload<'_>, needs_checksum: bool) -> Result<SecretValue> {
    let bytes = match payload.data {
        None => Zeroizing::new(Vec::new()),
        Some(data) => decoded(data)?,
    };
    let sent = match payload.data_crc32c {
        Some(sent) => sent.get().trim_matches('"').parse::<i64>().ok(),
        None if needs_checksum => {
            return Err(Error::new(
                ErrorKind::IntegrityFailure,
                "the value came without a checksum",
            )
            .with_hint(
                "Google sends one with each value: check `endpoint`, and proxies on the way",
            ));
        }
        None => return Ok(SecretValue::from_zeroizing(bytes)),
    };
    if sent != Some(i64::from(crc32c::crc32c(&bytes))) {
        return Err(Error::new(
            ErrorKind::IntegrityFailure,
            "the value does not match the checksum that came with it",
        )
        .with_hint(
            "it was damaged on its way, twice; look at what stands between here and Google",
        ));
    }
    Ok(SecretValue::from_zeroizing(bytes))
}

fn decoded(data: &RawValue) -> Result<Zeroizing<Vec<u8>>> {
    let bad = || error::invalid_response("the answer holds a value that is not base64");
    let quoted = data.get();
    let unescaped;
    let text = if quoted.contains('\\') {
        unescaped = serde_json::from_str::<SecretValue>(quoted).map_err(|_| bad())?;
        unescaped.expose_bytes()
    } else {
        let inside = quoted
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        inside.ok_or_else(bad)?.as_bytes()
    };
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| bad())?;
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: &str, needs_checksum: bool) -> Result<SecretValue> {
        value_of(&serde_json::from_str(payload).unwrap(), needs_checksum)
    }

    #[test]
    fn a_payload_is_read_as_it_is_written() {
        for value in [&b"hunter2"[..], b"\xff\x00\xfb\xef", &[b'x'; 65_536]] {
            let body = payload_of(&value.into());
            let text = body.expose_str().unwrap();
            let inside = &text["{\"payload\":".len()..text.len() - 1];
            assert_eq!(read(inside, true).unwrap().expose_bytes(), value);
        }
        let escaped = r#"{"data":"\/\/79AAE\u003d","dataCrc32c":1179029230}"#;
        let crc = crc32c::crc32c(b"\xff\xfe\xfd\x00\x01");
        let escaped = escaped.replace("1179029230", &crc.to_string());
        assert_eq!(
            read(&escaped, true).unwrap().expose_bytes(),
            b"\xff\xfe\xfd\x00\x01"
        );
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let body = payload_of(&"a value of some length".into());
        let text = body.expose_str().unwrap();
        let inside = &text["{\"payload\":".len()..text.len() - 1];
        let data = inside.find("\",\"dataCrc32c").unwrap();
        for at in 9..data {
            let mut damaged = inside.as_bytes().to_vec();
            damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
            let error = read(std::str::from_utf8(&damaged).unwrap(), true).unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::IntegrityFailure | ErrorKind::InvalidResponse
                ),
                "{at}: {error}"
            );
        }
    }

    #[test]
    fn a_checksum_may_be_absent_only_where_no_credential_is_sent() {
        let payload = r#"{"data":"aHVudGVyMg=="}"#;
        let error = read(payload, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IntegrityFailure);
        assert_eq!(error.message(), "the value came without a checksum");
        assert_eq!(read(payload, false).unwrap().expose_bytes(), b"hunter2");
        let wrong = r#"{"data":"aHVudGVyMg==","dataCrc32c":"1"}"#;
        assert_eq!(
            read(wrong, false).unwrap_err().kind(),
            ErrorKind::IntegrityFailure
        );
    }

    #[test]
    fn what_is_not_base64_is_not_shown() {
        let error = read(r#"{"data":"hunter2!","dataCrc32c":"1"}"#, true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
