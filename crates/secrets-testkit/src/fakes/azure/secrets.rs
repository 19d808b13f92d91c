use std::collections::BTreeMap;
use std::fmt;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::attributes::{Attributes, SentAttributes};
use super::backup;
use super::lists;
use super::refusal::{Outcome, Refusal};
use super::request::{Ask, check_name};
use super::shelf::{Deletion, Entry, Item, Policy, Revision};
use super::state::{Service, Vault};
use super::vault::{Answer, no_operation};

/// The largest value, in bytes: "25 KB" in the service's documentation.
const MAX_VALUE: usize = 25 * 1024;

/// The most characters of a content type, by the service's documentation.
const MAX_CONTENT_TYPE: usize = 255;

#[derive(Clone)]
pub(super) struct Secret {
    pub(super) value: Zeroizing<String>,
    pub(super) content_type: Option<String>,
}

impl Item for Secret {
    const NOUN: &'static str = "Secret";
    const PATH: &'static str = "secrets";
    const NOT_FOUND: &'static str = "SecretNotFound";
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Set {
    value: Option<String>,
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    attributes: Option<SentAttributes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Update {
    content_type: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    attributes: Option<SentAttributes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Restore {
    value: String,
}

pub(super) fn serve(service: &Service, ask: &Ask) -> Outcome<Answer> {
    let segments: Vec<&str> = ask.segments.iter().map(String::as_str).collect();
    let Some((area, rest)) = segments.split_first() else {
        return Err(no_operation(ask));
    };
    if let Some(name) = rest.first() {
        check_name(name)?;
    }
    let (method, empty_page) = (
        ask.method.as_str(),
        ask.method == Method::GET
            && service
                .console
                .faults
                .take_switch("empty_page", &ask.method, ask.uri_path()),
    );
    let mut vault = service.vault_for(ask);
    let vault = &mut *vault;
    if empty_page {
        return Ok(ask.empty_page(&ask.paging()?).into());
    }
    let value = match (*area, method, rest) {
        ("secrets", "GET", []) => {
            lists::live(ask, &vault.secrets, vault.now, item(ask, vault.policy))?
        }
        ("secrets", "POST", ["restore"]) => restore(vault, ask)?,
        ("secrets", "PUT", [name]) => set(vault, ask, name)?,
        ("secrets", "DELETE", [name]) => {
            ask.bare()?;
            let policy = vault.policy;
            let (entry, deletion) = vault.secrets.delete(name, vault.now)?;
            deleted_bundle(ask, policy, entry, deletion)
        }
        ("secrets", "GET", [name, "versions"]) => {
            let item = item(ask, vault.policy);
            lists::versions(ask, &vault.secrets, name, vault.now, item)?
        }
        ("secrets", "POST", [name, "backup"]) => {
            ask.bare()?;
            let entry = vault.secrets.live(name, vault.now)?;
            json!({ "value": backup::seal(entry) })
        }
        ("secrets", "GET", [name]) => get(vault, ask, name, "")?,
        ("secrets", "GET", [name, version]) => get(vault, ask, name, version)?,
        ("secrets", "PATCH", [name]) => update(vault, ask, name, "")?,
        ("secrets", "PATCH", [name, version]) => update(vault, ask, name, version)?,
        ("deletedsecrets", "GET", []) => {
            lists::deleted(ask, &vault.secrets, vault.now, item(ask, vault.policy))?
        }
        ("deletedsecrets", "GET", [name]) => {
            ask.bare()?;
            let (entry, deletion) = vault.secrets.deleted(name, vault.now)?;
            deleted_bundle(ask, vault.policy, entry, deletion)
        }
        ("deletedsecrets", "DELETE", [name]) => {
            ask.bare()?;
            vault.secrets.purge(name, vault.now)?;
            return Ok(Answer::Nothing);
        }
        ("deletedsecrets", "POST", [name, "recover"]) => {
            ask.bare()?;
            let policy = vault.policy;
            let entry = vault.secrets.recover(name, vault.now)?;
            bundle(ask, policy, &entry.name, entry.latest()).into()
        }
        _ => return Err(no_operation(ask)),
    };
    Ok(value.into())
}

fn set(vault: &mut Vault, ask: &Ask, name: &str) -> Outcome<Value> {
    let sent: Set = ask.json()?;
    let value = sent
        .value
        .map(Zeroizing::new)
        .ok_or_else(|| Refusal::bad("Property value has invalid value\r\n"))?;
    no_exportable(sent.attributes.as_ref())?;
    let secret = Secret::checked(value, sent.content_type)?;
    let attributes = Attributes::new(sent.attributes, sent.tags, vault.now.unix)?;
    let policy = vault.policy;
    let (name, revision) = vault.secrets.add(name, attributes, secret, vault.now)?;
    Ok(with_value(bundle(ask, policy, name, revision), revision))
}

fn get(vault: &Vault, ask: &Ask, name: &str, version: &str) -> Outcome<Value> {
    ask.bare()?;
    let (name, revision) = vault.secrets.revision(name, version, vault.now)?;
    if !revision.attributes.enabled {
        return Err(Refusal::forbidden(
            "SecretDisabled",
            "Operation get is not allowed on a disabled secret.",
        ));
    }
    // The service gives out secrets before their time and after it: clients are to look at `nbf` and `exp`.
    Ok(with_value(
        bundle(ask, vault.policy, name, revision),
        revision,
    ))
}

fn update(vault: &mut Vault, ask: &Ask, name: &str, version: &str) -> Outcome<Value> {
    let sent: Update = ask.json()?;
    no_exportable(sent.attributes.as_ref())?;
    check_content_type(sent.content_type.as_deref())?;
    let (now, policy) = (vault.now, vault.policy);
    let (name, revision) = vault.secrets.revision_mut(name, version, now)?;
    revision
        .attributes
        .update(sent.attributes, sent.tags, now.unix)?;
    if sent.content_type.is_some() {
        revision.item.content_type = sent.content_type;
    }
    Ok(bundle(ask, policy, name, revision).into())
}

fn restore(vault: &mut Vault, ask: &Ask) -> Outcome<Value> {
    let sent: Restore = ask.json()?;
    let (name, revisions) = backup::open(&sent.value)?;
    let policy = vault.policy;
    let entry = vault.secrets.restore(&name, revisions, vault.now)?;
    Ok(bundle(ask, policy, &entry.name, entry.latest()).into())
}

impl Secret {
    pub(super) fn checked(value: Zeroizing<String>, content_type: Option<String>) -> Outcome<Self> {
        if value.len() > MAX_VALUE {
            return Err(Refusal::bad(format!(
                "The size of the secret's value exceeds the maximum of {MAX_VALUE} bytes."
            )));
        }
        check_content_type(content_type.as_deref())?;
        Ok(Self {
            value,
            content_type,
        })
    }
}

fn check_content_type(content_type: Option<&str>) -> Outcome<()> {
    match content_type {
        Some(text) if text.chars().count() > MAX_CONTENT_TYPE => Err(Refusal::bad(format!(
            "Property contentType exceeds the maximum of {MAX_CONTENT_TYPE} characters."
        ))),
        _ => Ok(()),
    }
}

fn no_exportable(attributes: Option<&SentAttributes>) -> Outcome<()> {
    match attributes.and_then(|attributes| attributes.exportable) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad(
            "Property exportable is not one of a secret's.",
        )),
    }
}

/// A version without its value.
fn bundle(
    ask: &Ask,
    policy: Policy,
    name: &str,
    revision: &Revision<Secret>,
) -> Map<String, Value> {
    item(ask, policy)(name, Some(&revision.version), revision)
}

fn with_value(mut body: Map<String, Value>, revision: &Revision<Secret>) -> Value {
    body.insert("value".to_owned(), revision.item.value.as_str().into());
    body.into()
}

fn deleted_bundle(ask: &Ask, policy: Policy, entry: &Entry<Secret>, deletion: Deletion) -> Value {
    let mut body = bundle(ask, policy, &entry.name, entry.latest());
    deletion.write::<Secret>(&ask.base, &entry.name, &mut body);
    body.into()
}

/// Writes what a list tells: without a version it is the secret itself.
fn item(
    ask: &Ask,
    policy: Policy,
) -> impl Fn(&str, Option<&str>, &Revision<Secret>) -> Map<String, Value> {
    move |name, version, revision| {
        let mut body = Map::new();
        body.insert("id".to_owned(), ask.id::<Secret>(name, version).into());
        if let Some(content_type) = &revision.item.content_type {
            body.insert("contentType".to_owned(), content_type.as_str().into());
        }
        revision.attributes.write(policy, &mut body);
        body
    }
}
