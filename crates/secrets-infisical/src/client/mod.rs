//! One method an endpoint of the server, in the version of the API that it speaks.

pub(crate) mod endpoint;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use secrets_core::{Error, ErrorKind, Result, SecretValue};
use secrets_provider::{HttpResponse, Method, decode, encode, encode_segment};

use self::endpoint::{Call, Endpoint};
use crate::auth::Auth;
use crate::config::Api;
use crate::error::{self, Asked};
use crate::names::Place;
use crate::value::text_of;
use crate::wire::{
    BatchItem, BatchWrite, Folders, Listing, NewFolder, Read, Scope, SecretInfo, Tag, Write,
    Written,
};

/// The only kind of secret that a machine identity has; the other one is a person's own override.
const SHARED: &str = "shared";
/// What stands where a value would, if it may not be seen.
const HIDDEN: &str = "\"<hidden-by-infisical>\"";

/// Keys that are paths of their own in version 4 of the API, which is asked about them by its batch endpoint.
const POST_PATHS: [&str; 2] = ["batch", "move"];
const BATCH_PATH: &str = "batch";

/// A version of the API that the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V3,
}

#[derive(Debug)]
struct KnownVersion(AtomicU8);

impl KnownVersion {
    fn new(api: Api) -> Self {
        Self(AtomicU8::new(match api {
            Api::Auto => 0,
            Api::V4 => 4,
            Api::V3 => 3,
        }))
    }

    fn load(&self) -> Option<Version> {
        match self.0.load(Ordering::Acquire) {
            4 => Some(Version::V4),
            3 => Some(Version::V3),
            _ => None,
        }
    }

    fn set(&self, version: Version) {
        let number = match version {
            Version::V4 => 4,
            Version::V3 => 3,
        };
        self.0.store(number, Ordering::Release);
    }
}

/// What is asked of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) has_value: bool,
    pub(crate) expands: bool,
    pub(crate) imports: bool,
}

impl View {
    /// What is known about a secret of the folder itself, without its value.
    pub(crate) const FACTS: Self = Self {
        has_value: false,
        expands: false,
        imports: false,
    };

    /// A secret of the folder itself, with the value as it is stored.
    pub(crate) const STORED: Self = Self {
        has_value: true,
        ..Self::FACTS
    };
}

/// A secret, understood.
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) key: String,
    /// Where it lies, if the answer tells.
    pub(crate) folder: Option<String>,
    pub(crate) version: Option<u64>,
    pub(crate) created_at: Option<SystemTime>,
    pub(crate) updated_at: Option<SystemTime>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The stored text; `None` if it was not asked for or may not be seen.
    pub(crate) stored: Option<SecretValue>,
}

/// What becomes of a create.
pub(crate) enum Created {
    Done(Found),
    /// 400: it exists, or the server does not want it. It does not say which by a code.
    Refused(Error),
    /// 404: the folder is missing, or all above it.
    NoFolder(Error),
}

/// A folder's secrets: its own, and those that it imports, the last import first.
pub(crate) struct Contents {
    pub(crate) own: Vec<Found>,
    pub(crate) imported: Vec<Found>,
}

/// One environment of one project.
pub(crate) struct Client {
    endpoint: Endpoint,
    auth: Auth,
    version: KnownVersion,
    project: String,
    environment: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new(
        endpoint: Endpoint,
        auth: Auth,
        api: Api,
        project: String,
        environment: String,
    ) -> Self {
        Self {
            endpoint,
            auth,
            version: KnownVersion::new(api),
            project,
            environment,
        }
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The project's id.
    pub(crate) fn project(&self) -> &str {
        &self.project
    }

    /// The slug of the environment.
    pub(crate) fn environment(&self) -> &str {
        &self.environment
    }

    /// Whether the server is so old that it may not know metadata, the place of tags.
    pub(crate) fn may_lose_tags(&self) -> bool {
        self.version.load() == Some(Version::V3)
    }

    fn scope(&self, version: Version) -> Scope<'_> {
        let project = Some(self.project.as_str());
        let (project_id, workspace_id) = match version {
            Version::V4 => (project, None),
            Version::V3 => (None, project),
        };
        Scope {
            project_id,
            workspace_id,
            environment: &self.environment,
        }
    }

    /// Sends the call in the version of the API that the server has. While that is not known, version 4 is tried, and
    /// version 3 where the server has no such route.
    async fn send(&self, call: impl Fn(Version) -> Result<Call>) -> Result<HttpResponse> {
        let known = self.version.load();
        let first = self
            .send_with_token(&call(known.unwrap_or(Version::V4))?)
            .await?;
        if !error::is_without_route(&first) {
            if known.is_none() && error::is_of_endpoint(&first) {
                self.version.set(Version::V4);
            }
            return Ok(first);
        }
        if known.is_none() {
            let second = self.send_with_token(&call(Version::V3)?).await?;
            if !error::is_without_route(&second) {
                if error::is_of_endpoint(&second) {
                    self.version.set(Version::V3);
                    tracing::debug!("the server has no version 4 of the API; version 3 is used");
                }
                return Ok(second);
            }
        }
        Err(error::no_api(&self.endpoint.base))
    }

    /// Sends a request with the token; if that is refused, once more with a fresh one.
    async fn send_with_token(&self, call: &Call) -> Result<HttpResponse> {
        let token = self.auth.token().await?;
        let response = self.endpoint.send(call, Some(&token.header)).await?;
        if !error::is_bad_token(&response) {
            return Ok(response);
        }
        let token = self.auth.refused(&token).await?;
        let response = self.endpoint.send(call, Some(&token.header)).await?;
        if error::is_bad_token(&response) {
            self.auth.refused_again();
        }
        Ok(response)
    }

    fn secrets_path(version: Version, key: Option<&str>) -> String {
        let root = match version {
            Version::V4 => "v4/secrets",
            Version::V3 => "v3/secrets/raw",
        };
        match key {
            Some(key) => format!("{root}/{}", encode_segment(key)),
            None => root.to_owned(),
        }
    }

    fn with_scope(&self, call: Call, version: Version) -> Call {
        let scope = self.scope(version);
        let call = match (scope.project_id, scope.workspace_id) {
            (Some(project), _) => call.with_query("projectId", project),
            (None, workspace) => call.with_query("workspaceId", workspace.unwrap_or_default()),
        };
        call.with_query("environment", &self.environment)
    }

    fn with_view(call: Call, view: View) -> Call {
        let text = |yes: bool| if yes { "true" } else { "false" };
        call.with_query("viewSecretValue", text(view.has_value))
            .with_query("expandSecretReferences", text(view.expands))
            .with_query("include_imports", text(view.imports))
    }

    /// `GET …/secrets/<key>`: one secret, its current version or this one.
    pub(crate) async fn secret(
        &self,
        place: &Place,
        number: Option<u64>,
        view: View,
    ) -> Result<Found> {
        let response = self
            .send(|version| {
                let path = Self::secrets_path(version, Some(&place.key));
                let call = self
                    .with_scope(Call::get(path, Asked::Read), version)
                    .with_query("secretPath", &place.folder);
                let call = Self::with_view(call, view);
                Ok(match number {
                    Some(number) => call.with_query("version", &number.to_string()),
                    None => call,
                })
            })
            .await?;
        let response = self.endpoint.check(response, Asked::Read)?;
        let read: Read<'_> = decode(&response.body)?;
        if self.auth.is_service_token() && !self.is_asked_for(&read.secret, &place.folder, view) {
            return Err(error::of_another_scope());
        }
        found(&read.secret, view)
    }

    /// Whether the answer to a service token is from where it was asked for. What is imported comes from elsewhere.
    fn is_asked_for(&self, secret: &SecretInfo<'_>, folder: &str, view: View) -> bool {
        let same = |answered: &Option<std::borrow::Cow<'_, str>>, asked: &str| {
            answered
                .as_deref()
                .is_none_or(|answered| answered.trim_matches('/') == asked.trim_matches('/'))
        };
        view.imports
            || same(&secret.environment, &self.environment) && same(&secret.secret_path, folder)
    }

    /// `GET …/secrets`: what a folder holds, or what it and the folders below hold. A missing folder holds nothing; that the
    /// environment's own root is missing is an error.
    pub(crate) async fn contents(
        &self,
        folder: &str,
        is_recursive: bool,
        view: View,
    ) -> Result<Contents> {
        let response = self
            .send(|version| {
                let path = Self::secrets_path(version, None);
                let call = self
                    .with_scope(Call::get(path, Asked::Read), version)
                    .with_query("secretPath", folder);
                let call = Self::with_view(call, view);
                Ok(call.with_query("recursive", if is_recursive { "true" } else { "false" }))
            })
            .await?;
        let response = match self.endpoint.check(response, Asked::Read) {
            Ok(response) => response,
            Err(failure) if failure.kind() == ErrorKind::NotFound && folder != "/" => {
                return Ok(Contents {
                    own: Vec::new(),
                    imported: Vec::new(),
                });
            }
            Err(failure) => return Err(failure),
        };
        let listing: Listing<'_> = decode(&response.body)?;
        let is_ours = |secret: &&SecretInfo<'_>| {
            let is_shared = secret.kind.as_deref().is_none_or(|kind| kind == SHARED);
            let environment = secret.environment.as_deref();
            is_shared && environment.is_none_or(|answered| answered == self.environment)
        };
        let own = listing
            .secrets
            .iter()
            .filter(is_ours)
            .map(|secret| found(secret, view))
            .collect::<Result<_>>()?;
        let imports = listing.imports.iter().flatten().rev();
        let imported = imports
            .flat_map(|import| &import.secrets)
            .map(|secret| found(secret, view))
            .collect::<Result<_>>()?;
        Ok(Contents { own, imported })
    }

    /// `GET …/folders`: the paths of all folders below one, at any depth.
    pub(crate) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let response = self
            .send(|version| {
                let call = Call::get(Self::folders_path(version), Asked::Read);
                Ok(self
                    .with_scope(call, version)
                    .with_query("path", folder)
                    .with_query("recursive", "true"))
            })
            .await?;
        let response = self.endpoint.check(response, Asked::Read)?;
        let folders: Folders<'_> = decode(&response.body)?;
        let root = folder.trim_end_matches('/');
        let paths = folders.folders.iter().map(|below| {
            let path = below.relative_path.as_deref().unwrap_or(&below.name);
            format!("{root}/{}", path.trim_matches('/'))
        });
        Ok(paths.collect())
    }

    fn folders_path(version: Version) -> &'static str {
        match version {
            Version::V4 => "v2/folders",
            Version::V3 => "v1/folders",
        }
    }

    /// Makes a folder, and those above it that are missing. One that exists is no failure.
    pub(crate) async fn create_folders(&self, folder: &str) -> Result<()> {
        // The server makes what is missing above. An older one that does not is asked from the top, folder by folder.
        match self.create_folder(folder).await {
            Err(failure) if failure.kind() == ErrorKind::InvalidConfig => {
                let ends = folder.match_indices('/').map(|(at, _)| at).skip(1);
                for end in ends.chain([folder.len()]) {
                    self.create_folder(&folder[..end]).await?;
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// `POST …/folders`.
    async fn create_folder(&self, folder: &str) -> Result<()> {
        let (above, name) = folder.rsplit_once('/').unwrap_or_default();
        let response = self
            .send(|version| {
                let body = NewFolder {
                    scope: self.scope(version),
                    name,
                    path: if above.is_empty() { "/" } else { above },
                };
                Ok(Call::with_body(
                    Method::POST,
                    Self::folders_path(version),
                    encode(&body, 256)?,
                    Asked::Folder,
                ))
            })
            .await?;
        // 400 is also the answer to a folder that exists; if it does not, the next write says so.
        if response.status.as_u16() == 400 {
            return Ok(());
        }
        self.endpoint.check(response, Asked::Folder).map(drop)
    }

    /// `POST …/secrets/<key>`.
    pub(crate) async fn create(
        &self,
        place: &Place,
        stored: &SecretValue,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Created> {
        let response = self
            .send(|version| {
                self.write_call(
                    version,
                    Method::POST,
                    place,
                    Some(stored),
                    tags,
                    Asked::Create,
                )
            })
            .await?;
        let status = response.status.as_u16();
        match self.endpoint.check(response, Asked::Create) {
            Ok(response) => written(&response, Some(stored)).map(Created::Done),
            Err(failure) if status == 400 => Ok(Created::Refused(failure)),
            Err(failure) if failure.kind() == ErrorKind::NotFound => Ok(Created::NoFolder(failure)),
            Err(failure) => Err(failure),
        }
    }

    /// `PATCH …/secrets/<key>`.
    pub(crate) async fn update(
        &self,
        place: &Place,
        stored: &SecretValue,
        tags: Option<&BTreeMap<String, String>>,
    ) -> Result<Found> {
        let response = self
            .send(|version| {
                self.write_call(
                    version,
                    Method::PATCH,
                    place,
                    Some(stored),
                    tags,
                    Asked::Update,
                )
            })
            .await?;
        let response = self.endpoint.check(response, Asked::Update)?;
        written(&response, Some(stored))
    }

    /// `DELETE …/secrets/<key>`.
    pub(crate) async fn delete(&self, place: &Place) -> Result<()> {
        let response = self
            .send(|version| {
                self.write_call(version, Method::DELETE, place, None, None, Asked::Delete)
            })
            .await?;
        let response = self.endpoint.check(response, Asked::Delete)?;
        written(&response, None).map(drop)
    }

    fn write_call(
        &self,
        version: Version,
        method: Method,
        place: &Place,
        stored: Option<&SecretValue>,
        tags: Option<&BTreeMap<String, String>>,
        asked: Asked,
    ) -> Result<Call> {
        let secret_value = stored.map(SecretValue::expose_str).transpose()?;
        let secret_metadata = tags.map(|tags| {
            tags.iter()
                .map(|(key, value)| Tag { key, value })
                .collect::<Vec<_>>()
        });
        let scope = self.scope(version);
        // A guess that holds for most values; the buffer grows, and is wiped, where it does not.
        let capacity = stored.map_or(0, |stored| stored.len() + stored.len() / 8) + 512;
        let is_reserved = version == Version::V4
            && (place.key == BATCH_PATH
                || method == Method::POST && POST_PATHS.contains(&place.key.as_str()));
        if is_reserved {
            let body = BatchWrite {
                scope,
                secret_path: &place.folder,
                secrets: [BatchItem {
                    secret_key: &place.key,
                    secret_value,
                    secret_metadata,
                    kind: (method == Method::DELETE).then_some(SHARED),
                }],
            };
            let path = Self::secrets_path(version, Some(BATCH_PATH));
            return Ok(Call::with_body(
                method,
                path,
                encode(&body, capacity)?,
                asked,
            ));
        }
        let body = Write {
            scope,
            secret_path: &place.folder,
            kind: SHARED,
            secret_value,
            secret_metadata,
        };
        let path = Self::secrets_path(version, Some(&place.key));
        Ok(Call::with_body(
            method,
            path,
            encode(&body, capacity)?,
            asked,
        ))
    }

    /// `GET /api/status`, which needs no token and is not limited.
    pub(crate) async fn status(&self) -> Result<()> {
        let call = Call::get("status", Asked::Read);
        let response = self.endpoint.send(&call, None).await?;
        self.endpoint.check(response, Asked::Read).map(drop)
    }
}

/// The answer to a write of one secret.
fn written(response: &HttpResponse, sent: Option<&SecretValue>) -> Result<Found> {
    let answer: Written<'_> = decode(&response.body)?;
    let secret = match (&answer.secret, &answer.secrets) {
        (Some(secret), _) => secret,
        (None, Some(secrets)) if secrets.len() == 1 => &secrets[0],
        _ if answer.approval.is_some() => return Err(error::needs_approval()),
        _ => return Err(error::not_understood("a form")),
    };
    let found = found(secret, View::STORED)?;
    if let (Some(sent), Some(kept)) = (sent, &found.stored)
        && sent != kept
    {
        return Err(error::not_kept());
    }
    Ok(found)
}

fn found(secret: &SecretInfo<'_>, view: View) -> Result<Found> {
    let is_seen = |raw: &&serde_json::value::RawValue| {
        view.has_value && !secret.secret_value_hidden && raw.get() != HIDDEN
    };
    let tags = secret.secret_metadata.iter().flatten();
    let tags = tags
        // What is encrypted there is a secret too, and none of ours.
        .filter(|pair| !pair.is_encrypted)
        .map(|pair| {
            let value: Option<Option<String>> = pair.value.map(tag_value).transpose()?;
            Ok((pair.key.to_string(), value.flatten().unwrap_or_default()))
        });
    Ok(Found {
        id: secret.id.to_string(),
        key: secret.secret_key.to_string(),
        folder: secret.secret_path.as_deref().map(str::to_owned),
        version: secret.version,
        created_at: secret.created_at.as_deref().map(time).transpose()?,
        updated_at: secret.updated_at.as_deref().map(time).transpose()?,
        tags: tags.collect::<Result<_>>()?,
        stored: secret
            .secret_value
            .filter(is_seen)
            .map(|raw| text_of(raw.get()))
            .transpose()?,
    })
}

fn tag_value(raw: &serde_json::value::RawValue) -> Result<Option<String>> {
    serde_json::from_str(raw.get()).map_err(|_| error::not_understood("a tag"))
}

fn time(text: &str) -> Result<SystemTime> {
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| error::not_understood("a time"))?;
    Ok(timestamp.into())
}
