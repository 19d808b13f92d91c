use serde_json::{Value, json};

use super::error::ApiError;
use super::id;
use super::routes::Context;
use super::state::{Tag, at};

/// The two ages of the routes for tags: what the answer calls one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Workspace,
    Project,
}

impl Field {
    pub(super) fn of(kind: &str) -> Self {
        match kind {
            "workspace" => Self::Workspace,
            _ => Self::Project,
        }
    }

    fn one(self, tag: Value) -> Value {
        match self {
            Self::Workspace => json!({ "workspaceTag": tag }),
            Self::Project => json!({ "tag": tag }),
        }
    }
}

fn shape(tag: &Tag, project: &str) -> Value {
    json!({
        "id": tag.id,
        "slug": tag.slug,
        "color": tag.color,
        "projectId": project,
        "createdAt": at(tag.created),
        "updatedAt": at(tag.created),
        "createdBy": null,
        "createdByActorType": "identity",
    })
}

pub(super) fn list(
    context: &mut Context<'_>,
    field: Field,
    project: &str,
) -> Result<Value, ApiError> {
    context.identity_only()?;
    let tags: Vec<Value> = context
        .state
        .project(project)?
        .tags
        .iter()
        .map(|tag| shape(tag, project))
        .collect();
    Ok(match field {
        Field::Workspace => json!({ "workspaceTags": tags }),
        Field::Project => json!({ "tags": tags }),
    })
}

pub(super) fn create(
    context: &mut Context<'_>,
    field: Field,
    project: &str,
) -> Result<Value, ApiError> {
    context.identity_only()?;
    let (slug, color) = context.body(|body| {
        let slug = body.trimmed("slug").to_lowercase();
        let is_slug = !slug.is_empty()
            && slug.len() <= 64
            && slug.split('-').all(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if !is_slug {
            body.custom(
                "slug",
                "Slug field can only contain letters, numbers, and hyphens",
            );
        }
        (slug, body.trimmed("color"))
    })?;
    let created = context.call.now;
    let tags = &mut context.state.project_mut(project)?.tags;
    if tags.iter().any(|tag| tag.slug == slug) {
        return Err(ApiError::bad_request("Tag already exist"));
    }
    let tag = Tag {
        id: id::uuid(),
        slug,
        color,
        created,
    };
    let answer = field.one(shape(&tag, project));
    tags.push(tag);
    Ok(answer)
}

pub(super) fn delete(
    context: &mut Context<'_>,
    field: Field,
    project: &str,
    tag_id: &str,
) -> Result<Value, ApiError> {
    context.identity_only()?;
    let tags = &mut context.state.project_mut(project)?.tags;
    let index = tags
        .iter()
        .position(|tag| tag.id == tag_id)
        .ok_or_else(|| ApiError::not_found(format!("Tag with ID '{tag_id}' not found")))?;
    Ok(field.one(shape(&tags.remove(index), project)))
}
