//! Dynamic secrets, and leases of them. No database stands behind: the credentials are made up.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::error::ApiError;
use super::id;
use super::routes::Context;
use super::schema::Reader;
use super::state::{Place, at};

#[derive(Default)]
pub(super) struct Leases {
    secrets: Vec<Dynamic>,
    leases: HashMap<String, Lease>,
}

struct Dynamic {
    id: String,
    name: String,
    kind: String,
    place: Place,
    folder: String,
    life: String,
    most: Option<String>,
    created: SystemTime,
}

struct Lease {
    id: String,
    secret: String,
    entity: String,
    created: SystemTime,
    updated: SystemTime,
    expires: SystemTime,
}

impl Dynamic {
    fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "version": 1,
            "type": self.kind,
            "defaultTTL": self.life,
            "maxTTL": self.most,
            "folderId": self.folder,
            "status": null,
            "statusDetails": null,
            "createdAt": at(self.created),
            "updatedAt": at(self.created),
            "metadata": [],
        })
    }
}

impl Lease {
    fn as_json(&self) -> Value {
        json!({
            "id": self.id,
            "version": 1,
            "externalEntityId": self.entity,
            "expireAt": at(self.expires),
            "status": null,
            "statusDetails": null,
            "dynamicSecretId": self.secret,
            "createdAt": at(self.created),
            "updatedAt": at(self.updated),
            "config": null,
        })
    }
}

/// The slugs and the path that every request here has.
struct Address {
    project: String,
    environment: String,
    path: String,
}

impl Address {
    fn read(fields: &mut Reader<'_>) -> Self {
        Self {
            project: fields.filled("projectSlug"),
            environment: fields.filled("environmentSlug"),
            path: fields.folder("path"),
        }
    }

    fn place(self, context: &Context<'_>) -> Result<Place, ApiError> {
        let place = Place {
            project: context.state.project_of_slug(&self.project)?.id.clone(),
            environment: self.environment,
            path: self.path,
        };
        if context.state.find_folder(&place)?.is_none() {
            return Err(ApiError::not_found(format!(
                "Folder with path '{}' in environment '{}' not found",
                place.path, place.environment
            )));
        }
        Ok(place)
    }
}

/// Seconds of `90s`, `30m`, `12h`, `7d`, `1y`, or of a bare number of milliseconds.
fn seconds(text: &str) -> Option<u64> {
    let digits = text.find(|char: char| !char.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: u64 = number.parse().ok()?;
    let factor = match unit.trim() {
        "" | "ms" => return Some(number / 1000),
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 604_800,
        "y" | "yr" | "yrs" | "year" | "years" => 31_557_600,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A time to live: at least a minute, at most ten years.
fn read_life(fields: &mut Reader<'_>, name: &'static str) -> Option<String> {
    let text = fields.nullable_text(name)?;
    match seconds(&text) {
        Some(0..60) | None => fields.custom(name, "TTL must be a greater than 1min"),
        Some(seconds) if seconds > 315_576_000 => {
            fields.custom(name, "TTL must be less than 10 years");
        }
        Some(_) => {}
    }
    Some(text)
}

pub(super) fn create_secret(context: &mut Context<'_>) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (address, name, kind, life, most) = context.body(|body| {
        let address = Address::read(body);
        let kind = body.object("provider", |provider| {
            provider.any("inputs");
            provider.filled("type")
        });
        body.optional_each("metadata", |entry| {
            entry.filled("key");
            entry.optional_text("value");
        });
        body.any("usernameTemplate");
        let name = body.filled("name").to_lowercase();
        let life = read_life(body, "defaultTTL");
        if life.is_none() {
            body.text("defaultTTL");
        }
        (address, name, kind, life, read_life(body, "maxTTL"))
    })?;
    let place = address.place(context)?;
    let exists = |secret: &Dynamic| secret.name == name && secret.place == place;
    if context.state.leases.secrets.iter().any(exists) {
        return Err(ApiError::bad_request(
            "Provided dynamic secret already exist under the folder",
        ));
    }
    let folder = context
        .state
        .folder_at(&place)
        .map(|folder| folder.id.clone());
    let secret = Dynamic {
        id: id::uuid(),
        name,
        kind,
        place,
        folder: folder.unwrap_or_default(),
        life: life.unwrap_or_default(),
        most,
        created: context.call.now,
    };
    let shape = secret.as_json();
    context.state.leases.secrets.push(secret);
    Ok(json!({ "dynamicSecret": shape }))
}

pub(super) fn delete_secret(context: &mut Context<'_>, name: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let address = context.body(|body| {
        body.flag("isForced");
        Address::read(body)
    })?;
    let place = address.place(context)?;
    let index = found(context, &place, name)?;
    let secret = context.state.leases.secrets.remove(index);
    context
        .state
        .leases
        .leases
        .retain(|_, lease| lease.secret != secret.id);
    Ok(json!({"dynamicSecret": secret.as_json()}))
}

fn found(context: &Context<'_>, place: &Place, name: &str) -> Result<usize, ApiError> {
    context
        .state
        .leases
        .secrets
        .iter()
        .position(|secret| secret.name == name && secret.place == *place)
        .ok_or_else(|| {
            ApiError::not_found(format!(
                "Dynamic secret with name '{name}' in folder with path '{}' not found",
                place.path
            ))
        })
}

pub(super) fn create(context: &mut Context<'_>) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (address, name, life) = context.body(|body| {
        body.any("config");
        let address = Address::read(body);
        let name = body.filled("dynamicSecretName").to_lowercase();
        (address, name, read_life(body, "ttl"))
    })?;
    let place = address.place(context)?;
    let index = found(context, &place, &name)?;
    let now = context.call.now;
    let secret = &context.state.leases.secrets[index];
    let life = seconds(life.as_deref().unwrap_or(&secret.life)).unwrap_or(60);
    if let Some(most) = secret.most.as_deref().and_then(seconds)
        && life > most
    {
        return Err(ApiError::bad_request("TTL cannot be larger than max TTL"));
    }
    let lease = Lease {
        id: id::uuid(),
        secret: secret.id.clone(),
        entity: id::text(32),
        created: now,
        updated: now,
        expires: now + Duration::from_secs(life),
    };
    let answer = json!({
        "lease": lease.as_json(),
        "dynamicSecret": secret.as_json(),
        "data": {"DB_USERNAME": lease.entity, "DB_PASSWORD": id::text(48)},
    });
    context.state.leases.leases.insert(lease.id.clone(), lease);
    Ok(answer)
}

pub(super) fn get(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let address = context.query(Address::read)?;
    address.place(context)?;
    let lease = alive(context, id)?;
    let mut shape = lease.as_json();
    let secret = context
        .state
        .leases
        .secrets
        .iter()
        .find(|secret| secret.id == lease.secret);
    shape["dynamicSecret"] = secret.map_or(Value::Null, Dynamic::as_json);
    Ok(json!({ "lease": shape }))
}

pub(super) fn renew(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (address, life) = context.body(|body| (Address::read(body), read_life(body, "ttl")))?;
    address.place(context)?;
    let now = context.call.now;
    let lease = alive(context, id)?;
    let secret = context
        .state
        .leases
        .secrets
        .iter()
        .find(|secret| secret.id == lease.secret)
        .ok_or_else(ApiError::internal)?;
    let life = seconds(life.as_deref().unwrap_or(&secret.life)).unwrap_or(60);
    let expires = lease.expires.max(now) + Duration::from_secs(life);
    if let Some(most) = secret.most.as_deref().and_then(seconds)
        && expires > lease.created + Duration::from_secs(most)
    {
        return Err(ApiError::bad_request(
            "The requested renewal would exceed the maximum TTL",
        ));
    }
    let lease = context
        .state
        .leases
        .leases
        .get_mut(id)
        .ok_or_else(ApiError::internal)?;
    lease.expires = expires;
    lease.updated = now;
    Ok(json!({"lease": lease.as_json()}))
}

pub(super) fn revoke(context: &mut Context<'_>, id: &str) -> Result<Value, ApiError> {
    context.identity_only()?;
    let address = context.body(|body| {
        body.flag("isForced");
        Address::read(body)
    })?;
    address.place(context)?;
    alive(context, id)?;
    let lease = context
        .state
        .leases
        .leases
        .remove(id)
        .ok_or_else(ApiError::internal)?;
    Ok(json!({"lease": lease.as_json()}))
}

/// A lease whose time is not over; one whose time is, is gone.
fn alive<'a>(context: &'a Context<'_>, id: &str) -> Result<&'a Lease, ApiError> {
    context
        .state
        .leases
        .leases
        .get(id)
        .filter(|lease| lease.expires > context.call.now)
        .ok_or_else(|| {
            ApiError::not_found(format!("Dynamic secret lease with ID '{id}' not found"))
        })
}
