//! One method an endpoint of the server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use secrets_core::{Error, ErrorKind, Lease, Result, SecretValue};
use secrets_provider::{HttpResponse, WipedBuffer, decode, encode, encode_segment};
use serde_json::value::RawValue;

use crate::auth::{Auth, Refused};
use crate::endpoint::{Call, Endpoint, encode_path};
use crate::error::{self, Asked, Condition};
use crate::wire::{
    CustomMetadata, Envelope, Errors, HealthInfo, Kv2Read, Kv2ReadExactly, Listing, MountInfo,
    RenewLease, RevokeLease, SecretInfo, VersionInfo, Versions,
};
use crate::{Engine, provider};

/// The endpoints of one mount. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    endpoint: Endpoint,
    auth: Arc<Auth>,
    mount: Arc<str>,
    /// The mount, encoded.
    root: Arc<str>,
}

/// A value with its version.
pub(crate) struct Kv2Secret {
    /// The map as JSON text.
    pub(crate) map: SecretValue,
    pub(crate) version: VersionFacts,
}

/// One version, times and states understood.
pub(crate) struct VersionFacts {
    pub(crate) number: u64,
    pub(crate) created_at: SystemTime,
    /// When it ends to be readable, if that lies ahead.
    pub(crate) ends_at: Option<SystemTime>,
    pub(crate) is_deleted: bool,
    pub(crate) is_destroyed: bool,
    pub(crate) tags: BTreeMap<String, String>,
}

/// A secret without values.
pub(crate) struct SecretFacts {
    pub(crate) current: u64,
    pub(crate) updated_at: SystemTime,
    pub(crate) created_at: SystemTime,
    pub(crate) tags: BTreeMap<String, String>,
    /// Ordered by number.
    pub(crate) versions: Vec<VersionFacts>,
}

impl SecretFacts {
    pub(crate) fn version(&self, number: u64) -> Option<&VersionFacts> {
        self.versions
            .iter()
            .find(|version| version.number == number)
    }
}

/// A read that guessed KV version 2.
pub(crate) enum Guess {
    /// The guess was right, whatever the outcome.
    Right(Result<Kv2Secret>),
    /// The answer fits another engine too. If it is version 2 after all, this was the outcome; `None`: read again.
    Open(Option<Error>),
}

/// A map and perhaps the lease that it was given with.
pub(crate) struct PlainSecret {
    pub(crate) map: SecretValue,
    pub(crate) lease: Option<Lease>,
}

/// Keys of one folder, in the order of their bytes.
pub(crate) struct Keys {
    pub(crate) keys: VecDeque<String>,
    /// What is known of each key that is a secret, if the listing tells.
    pub(crate) facts: BTreeMap<String, SecretFacts>,
    /// Whether more may follow.
    pub(crate) is_cut: bool,
}

/// A listing that one server has and another has not.
pub(crate) enum Detailed {
    Keys(Keys),
    Absent,
}

/// What the server says about itself.
pub(crate) struct ServerState {
    pub(crate) status: u16,
    pub(crate) is_initialized: Option<bool>,
    pub(crate) is_sealed: Option<bool>,
    pub(crate) is_standby: Option<bool>,
    pub(crate) version: Option<String>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, auth: Auth, mount: &str) -> Self {
        Self {
            endpoint,
            auth: Arc::new(auth),
            mount: mount.into(),
            root: encode_path(mount).into(),
        }
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Sends a request with the token. A refusal costs one lookup of the token, or one login and one repetition.
    async fn send(&self, call: &Call) -> Result<HttpResponse> {
        let token = self.auth.token().await?;
        let response = self.endpoint.send(call, Some(&token.header)).await?;
        if response.status.as_u16() != 403 {
            return Ok(response);
        }
        let looks_bad = error::suggests_bad_token(&response);
        match self.auth.refused(&token, looks_bad).await? {
            Refused::Repeat(token) => self.endpoint.send(call, Some(&token.header)).await,
            Refused::Denied => Ok(response),
        }
    }

    async fn send_checked(&self, call: &Call) -> Result<HttpResponse> {
        let response = self.send(call).await?;
        self.check(response, call.asked)
    }

    fn check(&self, response: HttpResponse, asked: Asked) -> Result<HttpResponse> {
        if error::is_without_mount(&response) {
            return Err(error::no_mount(&self.mount));
        }
        self.endpoint.check(response, asked)
    }

    pub(crate) fn mount(&self) -> &str {
        &self.mount
    }

    /// Fails if the server says that nothing is mounted. It says so only to a token that could list this folder, and a
    /// listing shows no value, whatever is mounted.
    pub(crate) async fn expect_mount(&self, folder: &str) -> Result<()> {
        let token = self.auth.token().await?;
        let call = self.list_call("metadata/", folder, None, Some(1));
        let response = self.endpoint.send(&call, Some(&token.header)).await?;
        if error::is_without_mount(&response) {
            return Err(error::no_mount(&self.mount));
        }
        Ok(())
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
                // Deleted and destroyed versions are "not found" with their metadata.
                Ok(found) => found,
                Err(_) => self.refuse(&response, Asked::Read),
            },
            _ => self.refuse(&response, Asked::Read),
        }
    }

    /// The same, where it is not known. An answer counts as version 2 only if no other engine can give it.
    pub(crate) async fn guess_kv2(&self, path: &str, version: Option<u64>) -> Result<Guess> {
        let call = self.kv2_read_call(path, version);
        let response = self.send(&call).await?;
        match response.status.as_u16() {
            200 | 404 if is_surely_kv2(&response) => Ok(Guess::Right(kv2_secret(&response)?)),
            200 => Ok(Guess::Open(None)),
            403..=405 => {
                let refused: Result<()> = self.refuse(&response, Asked::Read);
                Ok(Guess::Open(refused.err()))
            }
            _ => self.refuse(&response, Asked::Read),
        }
    }

    fn refuse<T>(&self, response: &HttpResponse, asked: Asked) -> Result<T> {
        if error::is_without_mount(response) {
            return Err(error::no_mount(&self.mount));
        }
        Err(error::from_response(response, asked, self.endpoint.now()))
    }

    /// `GET <mount>/<path>`: KV version 1, and every engine that answers to a read.
    pub(crate) async fn read_plain(&self, path: &str) -> Result<PlainSecret> {
        let response = self
            .send_checked(&Call::read(format!("{}/{path}", self.root)))
            .await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let Some(map) = envelope.data else {
            return Err(Error::of(ErrorKind::NotFound));
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
        let call = Call::post("sys/leases/renew", encode(&body, 256)?, Asked::Lease);
        let response = self.send_checked(&call).await?;
        let envelope: Envelope<'_> = decode(&response.body)?;
        let duration = Duration::from_secs(envelope.lease_duration);
        let lease = Lease::new(id, duration, envelope.renewable);
        self.auth.leases().note(&lease);
        Ok(lease)
    }

    /// `POST sys/leases/revoke`, which is done when the answer is there.
    pub(crate) async fn revoke_lease(&self, id: &str) -> Result<()> {
        let body = RevokeLease {
            lease_id: id,
            sync: true,
        };
        let call = Call::post("sys/leases/revoke", encode(&body, 256)?, Asked::Lease);
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
            Asked::Write { condition },
        );
        let response = self.send_checked(&call).await?;
        let data = data(&response)?;
        let info: VersionInfo<'_> = decode(data.get().as_bytes())?;
        version_facts(&info, &response)
    }

    /// `POST <mount>/<path>` of KV version 1.
    pub(crate) async fn write_plain(&self, path: &str, map: &SecretValue) -> Result<()> {
        let call = Call::post(
            format!("{}/{path}", self.root),
            map.clone(),
            Asked::Write { condition: None },
        );
        self.send_checked(&call).await.map(drop)
    }

    /// `GET <mount>/metadata/<path>`.
    pub(crate) async fn metadata(&self, path: &str) -> Result<SecretFacts> {
        let call = Call::read(format!("{}/metadata/{path}", self.root));
        let response = self.send_checked(&call).await?;
        secret_facts(data(&response)?, &response)
    }

    /// `POST <mount>/metadata/<path>`.
    pub(crate) async fn write_tags(
        &self,
        path: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<()> {
        let body = encode(
            &CustomMetadata {
                custom_metadata: tags,
            },
            256,
        )?;
        let path = format!("{}/metadata/{path}", self.root);
        self.send_checked(&Call::post(path, body, Asked::Other))
            .await
            .map(drop)
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
        self.send_checked(&Call::post(path, body, Asked::Other))
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

    /// `LIST <mount>/<folder>` of KV version 1.
    pub(crate) async fn list_plain(&self, folder: &str) -> Result<Keys> {
        self.list("", folder, None, None).await
    }

    /// `LIST <mount>/metadata/<folder>`; OpenBao pages, Vault gives all.
    pub(crate) async fn list_kv2(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Keys> {
        self.list("metadata/", folder, after, Some(limit)).await
    }

    /// `LIST <mount>/detailed-metadata/<folder>`, which only OpenBao has, and which a policy may leave out.
    pub(crate) async fn list_detailed(
        &self,
        folder: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Detailed> {
        let call = self.list_call("detailed-metadata/", folder, after, Some(limit));
        let response = self.send(&call).await?;
        let is_absent = match response.status.as_u16() {
            403 | 405 => true,
            404 => Errors::read(&response.body).is_none_or(|errors| !errors.is_empty()),
            _ => false,
        };
        if is_absent {
            return Ok(Detailed::Absent);
        }
        self.keys(response, after, Some(limit)).map(Detailed::Keys)
    }

    async fn list(
        &self,
        kind: &str,
        folder: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Keys> {
        let response = self
            .send(&self.list_call(kind, folder, after, limit))
            .await?;
        self.keys(response, after, limit)
    }

    fn list_call(
        &self,
        kind: &str,
        folder: &str,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Call {
        let mut query = "list=true".to_owned();
        if let Some(limit) = limit {
            query.push_str(&format!("&limit={limit}"));
        }
        if let Some(after) = after {
            query.push_str(&format!("&after={}", encode_segment(after)));
        }
        Call::read(format!("{}/{kind}{}", self.root, encode_path(folder))).with_query(query)
    }

    fn keys(
        &self,
        response: HttpResponse,
        after: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Keys> {
        let response = match self.check(response, Asked::Read) {
            Ok(response) => response,
            // An empty folder does not exist.
            Err(failure) if failure.kind() == ErrorKind::NotFound => {
                return Ok(Keys {
                    keys: VecDeque::new(),
                    facts: BTreeMap::new(),
                    is_cut: false,
                });
            }
            Err(failure) => return Err(failure),
        };
        let listing: Listing<'_> = decode(data(&response)?.get().as_bytes())?;
        let mut facts = BTreeMap::new();
        for (key, info) in listing.key_info {
            // Folders have no metadata.
            if !key.ends_with('/') {
                facts.insert(key, secret_facts(info, &response)?);
            }
        }
        let is_cut = limit == Some(listing.keys.len());
        let mut keys = listing.keys;
        keys.sort_unstable();
        // A server that does not page gives all keys each time.
        if let Some(after) = after {
            keys.retain(|key| key.as_str() > after);
        }
        Ok(Keys {
            is_cut: is_cut && !keys.is_empty(),
            keys: keys.into(),
            facts,
        })
    }

    /// `GET sys/internal/ui/mounts/<mount>`: which engine is mounted.
    pub(crate) async fn engine(&self) -> Result<Engine> {
        let call = Call::read(format!("sys/internal/ui/mounts/{}", self.root));
        let response = self.send_checked(&call).await?;
        let info: MountInfo<'_> = decode(data(&response)?.get().as_bytes())?;
        let path = info.path.trim_matches('/');
        if path != &*self.mount {
            return Err(error::invalid_config(format!(
                "`{}` is a folder of the mount `{path}`",
                self.mount
            ))
            .with_hint("set `mount` to the mount alone, and let the names start with the folder"));
        }
        let version = info
            .options
            .and_then(|mut options| options.remove("version"));
        Ok(match (&*info.kind, version.as_deref()) {
            ("kv", Some("2")) => Engine::KvV2,
            // Before version 2 existed, the engine was called `generic`.
            ("kv" | "generic", _) => Engine::KvV1,
            _ => Engine::Generic,
        })
    }

    /// `GET sys/health`, which needs no token and is the same for all namespaces.
    pub(crate) async fn health(&self) -> Result<ServerState> {
        let endpoint = Endpoint {
            namespace: None,
            ..self.endpoint.clone()
        };
        let response = endpoint.send(&Call::read("sys/health"), None).await?;
        let status = response.status.as_u16();
        let info: Option<HealthInfo<'_>> = decode(&response.body).ok();
        let version = info.as_ref().and_then(|info| info.version.as_deref());
        Ok(ServerState {
            status,
            is_initialized: info.as_ref().and_then(|info| info.initialized),
            is_sealed: info.as_ref().and_then(|info| info.sealed),
            is_standby: info.as_ref().and_then(|info| info.standby),
            version: version.map(|version| provider::one_line(version, 40)),
        })
    }
}

/// The data of an answer.
fn data(response: &HttpResponse) -> Result<&RawValue> {
    let envelope: Envelope<'_> = decode(&response.body)?;
    envelope.data.ok_or_else(|| {
        Error::new(ErrorKind::InvalidResponse, "the answer holds no data")
            .with_hint("check that the address is that of Vault or OpenBao")
    })
}

fn is_surely_kv2(response: &HttpResponse) -> bool {
    let Ok(envelope) = decode::<Envelope<'_>>(&response.body) else {
        return false;
    };
    let fits = |data: &RawValue| decode::<Kv2ReadExactly<'_>>(data.get().as_bytes()).is_ok();
    envelope.lease_duration == 0 && envelope.data.is_some_and(fits)
}

/// The outer result: whether the answer is of KV version 2; the inner one: whether there is a value.
fn kv2_secret(response: &HttpResponse) -> Result<Result<Kv2Secret>> {
    let read: Kv2Read<'_> = decode(data(response)?.get().as_bytes())?;
    let version = version_facts(&read.metadata, response)?;
    Ok(match read.data {
        Some(map) => Ok(Kv2Secret {
            map: map.get().into(),
            version,
        }),
        None => Err(error::deleted(version.is_destroyed)),
    })
}

fn secret_facts(raw: &RawValue, response: &HttpResponse) -> Result<SecretFacts> {
    let info: SecretInfo<'_> = decode(raw.get().as_bytes())?;
    let versions = info
        .versions
        .iter()
        .map(|(number, state)| {
            let info = VersionInfo {
                version: *number,
                created_time: state.created_time.as_ref().into(),
                deletion_time: state.deletion_time.as_ref().into(),
                destroyed: state.destroyed,
                custom_metadata: None,
            };
            version_facts(&info, response)
        })
        .collect::<Result<_>>()?;
    Ok(SecretFacts {
        current: info.current_version,
        updated_at: time(&info.updated_time)?,
        created_at: time(&info.created_time)?,
        tags: info.custom_metadata.unwrap_or_default(),
        versions,
    })
}

fn version_facts(info: &VersionInfo<'_>, response: &HttpResponse) -> Result<VersionFacts> {
    let ends_at = match &*info.deletion_time {
        "" => None,
        text => Some(time(text)?),
    };
    // A time of deletion may lie ahead, by the server's clock, which its answers carry in whole seconds.
    let is_deleted =
        ends_at.is_some_and(|end| end <= server_time(response) + Duration::from_secs(1));
    Ok(VersionFacts {
        number: info.version,
        created_at: time(&info.created_time)?,
        ends_at: ends_at.filter(|_| !is_deleted),
        is_deleted,
        is_destroyed: info.destroyed,
        tags: info.custom_metadata.clone().unwrap_or_default(),
    })
}

fn server_time(response: &HttpResponse) -> SystemTime {
    let date = response.headers.get(secrets_provider::header::DATE);
    date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok())
        .unwrap_or_else(SystemTime::now)
}

fn time(text: &str) -> Result<SystemTime> {
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| error::bad_time())?;
    Ok(timestamp.into())
}
