//! What each method does to the state.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::error::ApiError;
use super::format::parse_duration;
use super::messages;
use super::page::{Page, page};
use super::route::{Rpc, Target};
use super::rules;
use super::schema::camel;
use super::state::{Key, Secret, State, Version, VersionState, new_etag};

/// A request that was read and may be carried out; fields in canonical JSON.
pub(super) struct Call<'a> {
    pub(super) target: &'a Target,
    pub(super) query: Map<String, Value>,
    pub(super) body: Map<String, Value>,
    pub(super) now: Timestamp,
    /// What a page has at most.
    pub(super) page_limit: usize,
}

impl Call<'_> {
    fn text(&self, name: &str) -> &str {
        self.query
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl State {
    pub(super) fn carry_out(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        self.sweep(call.now);
        match call.target.rpc {
            Rpc::ListSecrets => self.list_secrets(call),
            Rpc::CreateSecret => self.create(call),
            Rpc::GetSecret => {
                let (key, secret) = self.secret(call.target)?;
                Ok(secret.to_json(&key))
            }
            Rpc::UpdateSecret => self.update(call),
            Rpc::DeleteSecret => self.delete(call),
            Rpc::AddSecretVersion => self.add_version(call),
            Rpc::ListSecretVersions => self.list_versions(call),
            Rpc::GetSecretVersion => {
                let (key, number, version) = self.version(call.target)?;
                Ok(version.to_json(&key, number))
            }
            Rpc::AccessSecretVersion => self.access(call.target),
            Rpc::EnableSecretVersion | Rpc::DisableSecretVersion | Rpc::DestroySecretVersion => {
                self.change_state(call)
            }
            Rpc::TestIamPermissions => {
                self.secret(call.target)?;
                match call.body.get("permissions") {
                    Some(permissions) => Ok(json!({ "permissions": permissions })),
                    None => Ok(json!({})),
                }
            }
        }
    }

    fn key(&self, target: &Target, id: &str) -> Result<Key, ApiError> {
        let denied = || {
            let permission = target
                .rpc
                .permission()
                .unwrap_or("secretmanager.secrets.get");
            ApiError::permission_denied(permission, &target.resource())
        };
        let project = self.project(&target.project).ok_or_else(denied)?;
        if let Some(location) = &target.location {
            rules::location(location)?;
        }
        Ok(Key {
            project,
            location: target.location.clone(),
            id: id.to_owned(),
        })
    }

    fn key_of(&self, target: &Target) -> Result<Key, ApiError> {
        let id = target.secret.as_deref().unwrap_or_default();
        rules::secret_id(id)?;
        self.key(target, id)
    }

    fn secret(&self, target: &Target) -> Result<(Key, &Secret), ApiError> {
        let key = self.key_of(target)?;
        match self.secrets.get(&key) {
            Some(secret) => Ok((key, secret)),
            None => Err(ApiError::not_found(format!(
                "Secret [{}] not found.",
                key.name()
            ))),
        }
    }

    fn secret_mut(&mut self, target: &Target) -> Result<(Key, &mut Secret), ApiError> {
        let key = self.key_of(target)?;
        match self.secrets.get_mut(&key) {
            Some(secret) => Ok((key, secret)),
            None => Err(ApiError::not_found(format!(
                "Secret [{}] not found.",
                key.name()
            ))),
        }
    }

    /// By number, by alias, or `latest`, which is the newest one whatever its state.
    fn version(&self, target: &Target) -> Result<(Key, u64, &Version), ApiError> {
        let key = self.key_of(target)?;
        let none = || {
            ApiError::not_found(format!(
                "Secret [{}] not found or has no versions.",
                key.name()
            ))
        };
        let secret = self.secrets.get(&key).ok_or_else(none)?;
        let asked = target.version.as_deref().unwrap_or_default();
        let number = match number_of(asked) {
            Some(number) => number,
            None if asked == "latest" => u64::try_from(secret.versions.len()).unwrap_or(u64::MAX),
            None => {
                let aliases = secret.fields.get("versionAliases");
                aliases
                    .and_then(|aliases| aliases.get(asked)?.as_str()?.parse().ok())
                    .ok_or_else(|| {
                        ApiError::not_found(format!(
                            "Secret Version [{}/versions/{asked}] not found.",
                            key.name()
                        ))
                    })?
            }
        };
        if secret.versions.is_empty() {
            return Err(none());
        }
        match index_of(number).and_then(|index| secret.versions.get(index)) {
            Some(version) => Ok((key, number, version)),
            None => Err(ApiError::not_found(format!(
                "Secret Version [{}/versions/{number}] not found.",
                key.name()
            ))),
        }
    }

    fn create(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let id = call.text("secretId");
        rules::secret_id(id)?;
        let key = self.key(call.target, id)?;
        let mut fields = call.body.clone();
        let expires = take_expiry(&mut fields, call.now)?;
        for output_only in ["name", "createTime", "etag", "policyMember"] {
            fields.remove(output_only);
        }
        check_fields(&fields, &[], call.now)?;
        check_replication(&fields, key.location.is_some())?;
        // Bound once to the resource, never returned again.
        fields.remove("tags");
        if self.secrets.contains_key(&key) {
            return Err(ApiError::already_exists(format!(
                "Secret [{}] already exists.",
                key.name()
            )));
        }
        let secret = Secret {
            made: self.next(),
            fields,
            created: call.now,
            expires,
            etag: new_etag(),
            versions: Vec::new(),
        };
        let answer = secret.to_json(&key);
        self.secrets.insert(key, secret);
        Ok(answer)
    }

    fn update(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let now = call.now;
        let (key, secret) = self.secret_mut(call.target)?;
        let mask = call.text("updateMask");
        if mask.is_empty() {
            return Err(ApiError::invalid_argument(
                "Field [update_mask] is required.",
            ));
        }
        if let Some(etag) = call.body.get("etag").and_then(Value::as_str) {
            check_etag(etag, &secret.etag, &key.name())?;
        }
        let mut fields = secret.fields.clone();
        let mut expires = secret.expires;
        for path in mask.split(',') {
            let name = camel(path.trim());
            match name.as_str() {
                "expireTime" | "ttl" => {
                    let mut given = call.body.clone();
                    expires = take_expiry(&mut given, now)?;
                }
                "labels"
                | "annotations"
                | "topics"
                | "rotation"
                | "versionAliases"
                | "versionDestroyTtl"
                | "customerManagedEncryption" => match call.body.get(&name) {
                    Some(value) => {
                        fields.insert(name, value.clone());
                    }
                    None => {
                        fields.remove(&name);
                    }
                },
                _ => {
                    return Err(ApiError::invalid_argument(format!(
                        "The update mask path [{path}] is immutable or not known."
                    )));
                }
            }
        }
        check_fields(&fields, &secret.numbers(), now)?;
        if key.location.is_none() && fields.contains_key("customerManagedEncryption") {
            return Err(only_regional());
        }
        secret.fields = fields;
        secret.expires = expires;
        secret.etag = new_etag();
        Ok(secret.to_json(&key))
    }

    fn delete(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let (key, secret) = self.secret(call.target)?;
        check_etag(call.text("etag"), &secret.etag, &key.name())?;
        self.secrets.remove(&key);
        Ok(json!({}))
    }

    fn add_version(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let payload = match call.body.get("payload") {
            Some(Value::Object(payload)) if !payload.is_empty() => payload,
            _ => return Err(ApiError::invalid_argument("Field [payload] is required.")),
        };
        let text = payload
            .get("data")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let data = Zeroizing::new(BASE64_STANDARD.decode(text).unwrap_or_default());
        if data.is_empty() {
            return Err(ApiError::invalid_argument(
                "Secret Payload cannot be empty.",
            ));
        }
        if data.len() > rules::MAX_PAYLOAD {
            return Err(ApiError::invalid_argument(format!(
                "The payload has {} bytes, more than the maximum of {} bytes.",
                data.len(),
                rules::MAX_PAYLOAD
            )));
        }
        let checksum = crc32c::crc32c(&data);
        let sent = payload.get("dataCrc32c").and_then(Value::as_str);
        if sent.is_some_and(|sent| sent.parse() != Ok(i64::from(checksum))) {
            return Err(ApiError::invalid_argument(
                "The checksum of the payload data does not match the provided data_crc32c.",
            ));
        }
        let (key, secret) = self.secret_mut(call.target)?;
        let version = Version {
            created: call.now,
            state: VersionState::Enabled,
            etag: new_etag(),
            checksum,
            checksum_was_sent: sent.is_some(),
            payload: data,
            destroyed: None,
            destroy_at: None,
            replication: secret
                .fields
                .get("replication")
                .cloned()
                .unwrap_or_default(),
        };
        secret.versions.push(version);
        let number = u64::try_from(secret.versions.len()).unwrap_or(u64::MAX);
        Ok(secret.versions[secret.versions.len() - 1].to_json(&key, number))
    }

    fn access(&self, target: &Target) -> Result<Value, ApiError> {
        let (key, number, version) = self.version(target)?;
        let name = format!("{}/versions/{number}", key.name());
        if version.state != VersionState::Enabled {
            return Err(wrong_state(&name, version.state));
        }
        Ok(json!({
            "name": name,
            "payload": {
                "data": BASE64_STANDARD.encode(version.payload.as_slice()),
                "dataCrc32c": version.checksum.to_string(),
            },
        }))
    }

    fn change_state(&mut self, call: &Call<'_>) -> Result<Value, ApiError> {
        let asked = call.target.version.as_deref().unwrap_or_default();
        let (key, secret) = self.secret_mut(call.target)?;
        let name = format!("{}/versions/{asked}", key.name());
        // Aliases, `latest` among them, are for reading.
        let number = number_of(asked).ok_or_else(|| {
            ApiError::invalid_argument(format!("The version [{name}] must be a number."))
        })?;
        let delay = secret
            .fields
            .get("versionDestroyTtl")
            .and_then(|ttl| parse_duration(ttl.as_str()?));
        let version = index_of(number)
            .and_then(|index| secret.versions.get_mut(index))
            .ok_or_else(|| ApiError::not_found(format!("Secret Version [{name}] not found.")))?;
        let etag = call
            .body
            .get("etag")
            .and_then(Value::as_str)
            .unwrap_or_default();
        check_etag(etag, &version.etag, &name)?;
        if version.state == VersionState::Destroyed {
            return Err(wrong_state(&name, version.state));
        }
        match call.target.rpc {
            Rpc::EnableSecretVersion => {
                version.state = VersionState::Enabled;
                version.destroy_at = None;
            }
            Rpc::DisableSecretVersion => version.state = VersionState::Disabled,
            _ => match delay.and_then(|delay| call.now.checked_add(delay).ok()) {
                Some(at) => {
                    version.state = VersionState::Disabled;
                    version.destroy_at = Some(at);
                }
                None => version.destroy(call.now),
            },
        }
        // Even what changes nothing is a new intent.
        version.etag = new_etag();
        Ok(version.to_json(&key, number))
    }

    fn list_secrets(&self, call: &Call<'_>) -> Result<Value, ApiError> {
        let parent = self.key(call.target, "")?;
        let mut all: Vec<(u64, Value)> = self
            .secrets
            .iter()
            .filter(|(key, _)| key.project == parent.project && key.location == parent.location)
            .map(|(key, secret)| (secret.made, secret.to_json(key)))
            .collect();
        all.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
        let Page { items, next, total } = page(call, &messages::SECRET, all)?;
        Ok(list("secrets", items, next, total))
    }

    fn list_versions(&self, call: &Call<'_>) -> Result<Value, ApiError> {
        let (key, secret) = self.secret(call.target)?;
        let mut all: Vec<(u64, Value)> = (1..)
            .zip(&secret.versions)
            .map(|(number, version)| (number, version.to_json(&key, number)))
            .collect();
        all.reverse();
        let Page { items, next, total } = page(call, &messages::VERSION, all)?;
        Ok(list("versions", items, next, total))
    }
}

fn list(name: &str, items: Vec<Value>, next: Option<String>, total: usize) -> Value {
    let mut out = Map::new();
    if !items.is_empty() {
        out.insert(name.to_owned(), Value::Array(items));
    }
    if let Some(next) = next {
        out.insert("nextPageToken".to_owned(), next.into());
    }
    if total > 0 {
        out.insert("totalSize".to_owned(), total.into());
    }
    Value::Object(out)
}

/// Digits only, where the language's own reader takes a sign too.
fn number_of(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn index_of(number: u64) -> Option<usize> {
    usize::try_from(number).ok()?.checked_sub(1)
}

fn wrong_state(name: &str, state: VersionState) -> ApiError {
    ApiError::failed_precondition(format!(
        "Secret Version [{name}] is in {} state.",
        state.name()
    ))
}

/// An empty one is none.
fn check_etag(sent: &str, current: &str, name: &str) -> Result<(), ApiError> {
    if sent.is_empty() || sent == current {
        return Ok(());
    }
    Err(ApiError::failed_precondition(format!(
        "The etag provided [{sent}] does not match the current etag of [{name}]."
    )))
}

fn only_regional() -> ApiError {
    ApiError::invalid_argument(
        "Field [secret.customer_managed_encryption] is for regional secrets only.",
    )
}

/// Takes `expireTime` or `ttl` out.
fn take_expiry(
    fields: &mut Map<String, Value>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let at = fields
        .remove("expireTime")
        .and_then(|time| time.as_str()?.parse::<Timestamp>().ok());
    let ttl = fields
        .remove("ttl")
        .and_then(|ttl| parse_duration(ttl.as_str()?));
    let expires = match (at, ttl) {
        (Some(at), _) => at,
        (None, Some(ttl)) => now
            .checked_add(ttl)
            .map_err(|_| ApiError::invalid_argument("Field [secret.ttl] is too large."))?,
        (None, None) => return Ok(None),
    };
    if expires <= now {
        return Err(ApiError::invalid_argument(
            "Field [secret.expire_time] must be in the future.",
        ));
    }
    Ok(Some(expires))
}

/// What holds at creation as after each update; `versions` are the numbers that exist.
fn check_fields(
    fields: &Map<String, Value>,
    versions: &[u64],
    now: Timestamp,
) -> Result<(), ApiError> {
    if let Some(Value::Object(labels)) = fields.get("labels") {
        rules::labels(labels)?;
    }
    if let Some(Value::Object(annotations)) = fields.get("annotations") {
        rules::annotations(annotations)?;
    }
    if let Some(Value::Object(aliases)) = fields.get("versionAliases") {
        rules::aliases(aliases, versions)?;
    }
    let topics = fields.get("topics").and_then(Value::as_array);
    if let Some(topics) = topics {
        rules::topics(topics)?;
    }
    if let Some(rotation) = fields.get("rotation") {
        rules::rotation(
            rotation,
            topics.is_some_and(|topics| !topics.is_empty()),
            now,
        )?;
    }
    if let Some(ttl) = fields
        .get("versionDestroyTtl")
        .and_then(|ttl| parse_duration(ttl.as_str()?))
    {
        // A day at least: cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions.
        if !ttl.is_zero()
            && !(SignedDuration::from_hours(24)..=SignedDuration::from_hours(24_000)).contains(&ttl)
        {
            return Err(ApiError::invalid_argument(
                "Field [secret.version_destroy_ttl] must be between 24 hours and 1000 days.",
            ));
        }
    }
    rules::encryption(&Value::Object(fields.clone()))
}

/// A global secret says where it is kept, a regional one is where it is.
fn check_replication(fields: &Map<String, Value>, regional: bool) -> Result<(), ApiError> {
    let replication = fields.get("replication");
    if regional {
        return match replication {
            Some(_) => Err(ApiError::invalid_argument(
                "Field [secret.replication] must not be set for a regional secret.",
            )),
            None => Ok(()),
        };
    }
    if fields.contains_key("customerManagedEncryption") {
        return Err(only_regional());
    }
    let required = || ApiError::invalid_argument("Field [secret.replication] is required.");
    let replication = replication.ok_or_else(required)?;
    if let Some(automatic) = replication.get("automatic") {
        return rules::encryption(automatic);
    }
    let managed = replication.get("userManaged").ok_or_else(required)?;
    let replicas = managed["replicas"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if replicas.is_empty() {
        return Err(ApiError::invalid_argument(
            "Field [secret.replication.user_managed.replicas] is required.",
        ));
    }
    let mut seen = Vec::new();
    for replica in replicas {
        let location = replica["location"].as_str().unwrap_or_default();
        rules::location(location)?;
        rules::encryption(replica)?;
        if seen.contains(&location) {
            return Err(ApiError::invalid_argument(format!(
                "Location [{location}] is named twice."
            )));
        }
        seen.push(location);
    }
    Ok(())
}
