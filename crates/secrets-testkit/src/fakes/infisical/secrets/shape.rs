use serde_json::{Map, Value, json};

use super::super::routes::Context;
use super::super::state::{Place, Secret, at};

/// What stands for a value that is not shown.
const MASK: &str = "<hidden-by-infisical>";

/// What a call's answer has of a secret beside what all have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    dates: bool,
    hidden: bool,
    path: bool,
    tags: bool,
    metadata: bool,
    actor: bool,
}

impl Shape {
    /// Of a secret that was made: no more than the common part.
    pub(super) const MADE: Self = Self {
        dates: true,
        hidden: false,
        path: false,
        tags: false,
        metadata: false,
        actor: false,
    };
    /// Of one that was changed or deleted.
    pub(super) const CHANGED: Self = Self {
        hidden: true,
        ..Self::MADE
    };
    /// Of one that is read.
    pub(super) const READ: Self = Self {
        path: true,
        tags: true,
        metadata: true,
        ..Self::CHANGED
    };
    /// Of one in a list.
    pub(super) const LISTED: Self = Self {
        actor: true,
        ..Self::READ
    };
    /// Of a version: tags and metadata are the secret's, not the version's. The first are returned as none, the second not
    /// at all.
    pub(super) const VERSION: Self = Self {
        metadata: false,
        ..Self::READ
    };
    /// Of one in a folder that another one imports.
    pub(super) const IMPORTED: Self = Self {
        dates: false,
        path: false,
        tags: false,
        ..Self::READ
    };
}

pub(super) fn secret(
    context: &Context<'_>,
    place: &Place,
    secret: &Secret,
    value: &str,
    shown: bool,
    shape: Shape,
) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("id", json!(secret.id));
    put("_id", json!(secret.id));
    put("workspace", json!(place.project));
    put("environment", json!(place.environment));
    put("version", json!(secret.version));
    put("type", json!("shared"));
    put("secretKey", json!(secret.key));
    put("secretValue", json!(if shown { value } else { MASK }));
    put("secretComment", json!(secret.comment));
    put("secretReminderNote", Value::Null);
    put("secretReminderRepeatDays", Value::Null);
    put(
        "skipMultilineEncoding",
        json!(secret.skip_multiline.unwrap_or(false)),
    );
    put("isRotatedSecret", json!(false));
    put("rotationId", Value::Null);
    if shape.dates {
        put("createdAt", json!(at(secret.created)));
        put("updatedAt", json!(at(secret.updated)));
    }
    if shape.hidden {
        put("secretValueHidden", json!(!shown));
    }
    if shape.path {
        put("secretPath", json!(place.path));
    }
    if shape.tags {
        let known = context.state.project(&place.project).ok();
        let tags: Vec<Value> = known
            .iter()
            .flat_map(|project| &project.tags)
            .filter(|tag| secret.tags.contains(&tag.id))
            .map(super::super::state::Tag::short)
            .collect();
        put("tags", json!(tags));
    }
    if shape.metadata {
        let metadata: Vec<Value> = secret
            .metadata
            .iter()
            .map(|entry| {
                json!({"key": entry.key, "value": entry.value, "isEncrypted": entry.encrypted})
            })
            .collect();
        put("secretMetadata", json!(metadata));
    }
    if shape.actor
        && let Some(id) = context.actor.id()
    {
        put(
            "actor",
            json!({
                "actorType": "identity",
                "actorId": id,
                "name": "fake-identity",
                "membershipId": null,
                "groupId": null,
            }),
        );
    }
    Value::Object(fields)
}
