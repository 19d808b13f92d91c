//! One method for each endpoint of the server.

mod consistency;
mod endpoint;
mod engine;
mod facts;
mod health;
mod listing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrets_core::{Error, ErrorKind, Lease, Result, SecretValue};
use secrets_provider::{HttpResponse, WipedBuffer, decode, encode};
use serde_json::value::RawValue;

use crate::Engine;
use crate::auth::{AfterRefusal, Auth};
use crate::error::{self, Condition, Purpose};
use crate::names::encode_path;
use crate::wire::{
    CustomMetadata, Envelope, Kv2Read, MetadataVersion, RenewLease, RevokeLease, VersionInfo,
    Versions,
};

pub(crate) use consistency::WriteIndex;
pub(crate) use endpoint::{Call, Endpoint};
pub(crate) use engine::Found;
pub(crate) use facts::{SecretFacts, VersionFacts};
pub(crate) use health::ServerState;
pub(crate) use listing::{Keys, Rest};

use engine::EngineDetection;

/// The endpoints of one mount. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    endpoint: Endpoint,
    auth: Arc<Auth>,
    mount: Arc<str>,
    /// The mount, percent-encoded.
    root: Arc<str>,
    detection: Arc<EngineDetection>,
}

/// A value with its version.
pub(crate) struct Kv2Secret {
    /// The map as JSON text.
    pub(crate) map: SecretValue,
    pub(crate) version: VersionFacts,
}

/// A map, and the lease that it came with.
pub(crate) struct PlainSecret {
    pub(crate) map: SecretValue,
    pub(crate) lease: Option<Lease>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, auth: Auth, mount: &str, engine: Engine) -> Self {
        Self {
            endpoint,
            auth: Arc::new(auth),
            mount: mount.into(),
            root: encode_path(mount).into(),
            detection: Arc::new(EngineDetection::new(engine)),
        }
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    pub(crate) fn mount(&self) -> &str {
        &self.mount
    }

    /// Sends a request with the token. A refusal costs one lookup of the token, or one login and one repetition.
    async fn send(&self, call: &Call) -> Result<HttpResponse> {
        let token = self.auth.token().await?;
        let response = self.endpoint.send(call, Some(&token.header)).await?;
        if !error::is_forbidden(&response) {
            return Ok(response);
        }
        let looks_bad = error::suggests_bad_token(&response);
        match self.auth.refused(&token, looks_bad).await? {
            AfterRefusal::Repeat(token) => self.endpoint.send(call, Some(&token.header)).await,
            AfterRefusal::Denied => Ok(response),
        }
    }

    async fn send_checked(&self, call: &Call) -> Result<HttpResponse> {
        let response = self.send(call).await?;
        self.check(response, call)
    }

    fn check(&self, response: HttpResponse, call: &Call) -> Result<HttpResponse> {
        if error::is_without_mount(&response) {
            return Err(error::no_mount(&self.mount));
        }
        self.endpoint.check(response, call)
    }

    fn refuse<T>(&self, response: &HttpResponse, call: &Call) -> Result<T> {
        if error::is_without_mount(response) {
            return Err(error::no_mount(&self.mount));
        }
        Err(error::from_response(
            response,
            call.purpose,
            &call.path,
            self.endpoint.now(),
        ))
    }

    fn kv2_read_call(&self, path: &str, version: Option<u64>) -> Call {
        Call::read(format!("{}/data/{path}", self.root))
            .with_query(version.map(|number| format!("version={number}")))
    }

    /// `GET <mount>/data/<path>`, where the mount is known to be KV version 2.
    pub(crate) async fn read_kv2(&self, path: &str, version: Option<u64>) -> Result<Kv2Secret> {
        let call = self.kv2_read_call(path, version);
        let response = self.send(&call).await?;
        match response.status.as_u16() {
            200 => kv2_secret(&response)?,
            404 => match kv2_secret(&response) {
                // The server reports deleted and destroyed versions as "not found", with their metadata.
                Ok(found) => found,
                Err(_) => self.refuse(&response, &call),
            },
            _ => self.refuse(&response, &call),
        }
    }

    /// `GET <mount>/<path>`: KV version 1, and every engine that answers a read.
    pub(crate) async fn read_plain(&self, path: &str) -> Result<PlainSecret> {
        let response = self
            .send_checked(&Call::read(format!("{}/{path}", self.root)))
            .await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(map) = envelope.data else {
            return Err(match envelope.wrap_info {
                Some(_) => error::no_data(true),
                None => Error::of(ErrorKind::NotFound),
            });
        };
        let lease = (!envelope.lease_id.is_empty()).then(|| {
            let duration = Duration::from_secs(envelope.lease_duration);
            Lease::new(envelope.lease_id, duration, envelope.renewable)
        });
        if let Some(lease) = &lease {
            self.auth.leases().note(lease);
        }
        Ok(PlainSecret {
            map: map.get().into(),
            lease,
        })
    }

    /// `POST sys/leases/renew`.
    pub(crate) async fn renew_lease(&self, id: &str, increment: Duration) -> Result<Lease> {
        let body = RenewLease {
            lease_id: id,
            increment: increment.as_secs(),
        };
        let call = Call::post("sys/leases/renew", encode(&body, 256)?, Purpose::Lease);
        let response = self.send_checked(&call).await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let duration = Duration::from_secs(envelope.lease_duration);
        let lease = Lease::new(id, duration, envelope.renewable);
        self.auth.leases().note(&lease);
        Ok(lease)
    }

    /// `POST sys/leases/revoke`; the lease has ended when the answer arrives.
    pub(crate) async fn revoke_lease(&self, id: &str) -> Result<()> {
        let body = RevokeLease {
            lease_id: id,
            sync: true,
        };
        let call = Call::post("sys/leases/revoke", encode(&body, 256)?, Purpose::Lease);
        self.send_checked(&call).await?;
        self.auth.leases().forget(id);
        Ok(())
    }

    /// `POST <mount>/data/<path>`; `cas` is the version that must be the current one, 0 for none.
    pub(crate) async fn write_kv2(
        &self,
        path: &str,
        map: &SecretValue,
        cas: Option<u64>,
    ) -> Result<VersionFacts> {
        let mut body = WipedBuffer::with_capacity(map.len() + 64);
        body.extend_from_slice(b"{\"data\":");
        body.extend_from_slice(map.expose_bytes());
        if let Some(cas) = cas {
            body.extend_from_slice(format!(",\"options\":{{\"cas\":{cas}}}").as_bytes());
        }
        body.extend_from_slice(b"}");
        let condition = cas.map(|cas| match cas {
            0 => Condition::Absent,
            _ => Condition::Version,
        });
        let call = Call::post(
            format!("{}/data/{path}", self.root),
            body.into_value(),
            Purpose::Write { condition },
        );
        let response = self.send_checked(&call).await?;
        let data = data(&response)?;
        let info: VersionInfo<'_> = decode(data.get().as_bytes())?;
        VersionFacts::readable(&info)
    }

    /// `POST <mount>/<path>` of KV version 1.
    pub(crate) async fn write_plain(&self, path: &str, map: &SecretValue) -> Result<()> {
        let call = Call::post(
            format!("{}/{path}", self.root),
            map.clone(),
            Purpose::Write { condition: None },
        );
        self.send_checked(&call).await.map(drop)
    }

    /// `GET <mount>/metadata/<path>`.
    pub(crate) async fn metadata(&self, path: &str) -> Result<SecretFacts> {
        let call = Call::read(format!("{}/metadata/{path}", self.root));
        let response = self.send_checked(&call).await?;
        SecretFacts::new(data(&response)?, &response)
    }

    /// `POST <mount>/metadata/<path>`, with a condition where the mount or the secret wants one.
    pub(crate) async fn write_tags(
        &self,
        path: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let call = |metadata_cas| {
            let body = CustomMetadata {
                custom_metadata: tags,
                metadata_cas,
            };
            let path = format!("{}/metadata/{path}", self.root);
            Ok::<_, Error>(Call::post(path, encode(&body, 256)?, Purpose::Metadata))
        };
        let response = self.send(&call(None)?).await?;
        if !error::wants_metadata_condition(&response) {
            return self.check(response, &call(None)?).map(drop);
        }
        let read = Call::read(format!("{}/metadata/{path}", self.root));
        let response = self.send_checked(&read).await?;
        let current: MetadataVersion = decode(data(&response)?.get().as_bytes())?;
        let call = call(Some(current.current_metadata_version))?;
        self.send_checked(&call).await.map(drop)
    }

    /// `DELETE <mount>/data/<path>`: the current version, restorably.
    pub(crate) async fn delete_current(&self, path: &str) -> Result<()> {
        let call = Call::delete(format!("{}/data/{path}", self.root));
        self.send_checked(&call).await.map(drop)
    }

    /// `POST <mount>/undelete/<path>`.
    pub(crate) async fn undelete(&self, path: &str, version: u64) -> Result<()> {
        let body = encode(
            &Versions {
                versions: [version],
            },
            64,
        )?;
        let path = format!("{}/undelete/{path}", self.root);
        self.send_checked(&Call::post(path, body, Purpose::Other))
            .await
            .map(drop)
    }

    /// `DELETE <mount>/metadata/<path>`: all versions, for good.
    pub(crate) async fn delete_metadata(&self, path: &str) -> Result<()> {
        let call = Call::delete(format!("{}/metadata/{path}", self.root));
        self.send_checked(&call).await.map(drop)
    }

    /// `DELETE <mount>/<path>` of KV version 1.
    pub(crate) async fn delete_plain(&self, path: &str) -> Result<()> {
        let call = Call::delete(format!("{}/{path}", self.root));
        self.send_checked(&call).await.map(drop)
    }
}

/// The data of an answer.
fn data(response: &HttpResponse) -> Result<&RawValue> {
    let envelope: Envelope<'_> = decode(&response.body)?;
    envelope
        .data
        .ok_or_else(|| error::no_data(envelope.wrap_info.is_some()))
}

/// The outer result: whether the answer is KV version 2's. The inner one: whether there is a value.
fn kv2_secret(response: &HttpResponse) -> Result<Result<Kv2Secret>> {
    let read: Kv2Read<'_> = decode(data(response)?.get().as_bytes())?;
    let version = VersionFacts::readable(&read.metadata)?;
    if !response.status.is_success() {
        return Ok(Err(error::deleted(version.is_destroyed)));
    }
    // Others can store `null`.
    let map = read.data.map_or("{}", RawValue::get);
    Ok(Ok(Kv2Secret {
        map: map.into(),
        version,
    }))
}
