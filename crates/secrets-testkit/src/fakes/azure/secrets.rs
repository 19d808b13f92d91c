use std::collections::BTreeMap;
use std::fmt;

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::attributes::{Attributes, SentAttributes};
use super::backup;
use super::items::{self, Change, Kind};
use super::refusal::{Outcome, Refusal};
use super::request::Ask;
use super::shelf::{Item, Shelf};
use super::state::{Service, Vault};
use super::vault::Answer;

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
    const DISABLED: &'static str = "SecretDisabled";
}

impl Kind for Secret {
    const ID: &'static str = "id";

    fn shelf(vault: &Vault) -> &Shelf<Self> {
        &vault.secrets
    }

    fn shelf_mut(vault: &mut Vault) -> &mut Shelf<Self> {
        &mut vault.secrets
    }

    fn change(ask: &Ask) -> Outcome<Change<Self>> {
        let sent: Update = ask.json()?;
        no_exportable(sent.attributes.as_ref())?;
        check_content_type(sent.content_type.as_deref())?;
        Ok(Change {
            attributes: sent.attributes,
            tags: sent.tags,
            apply: Box::new(|secret| {
                secret.content_type = sent.content_type.or(secret.content_type.take());
            }),
        })
    }

    fn write_facts(&self, into: &mut Map<String, Value>) {
        if let Some(content_type) = &self.content_type {
            into.insert("contentType".to_owned(), content_type.as_str().into());
        }
    }

    fn write_value(&self, into: &mut Map<String, Value>) {
        into.insert("value".to_owned(), self.value.as_str().into());
    }
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

pub(super) fn serve(service: &Service, ask: &Ask, area: &str, rest: &[&str]) -> Outcome<Answer> {
    let faults = &service.console.faults;
    let empty_page =
        ask.method == Method::GET && faults.take_switch("empty_page", &ask.method, ask.uri_path());
    let mut vault = service.vault_for(ask);
    if empty_page {
        return Ok(ask.empty_page(&ask.paging()?).into());
    }
    let value = match (area, ask.method.as_str(), rest) {
        ("secrets", "POST", ["restore"]) => restore(&mut vault, ask)?,
        ("secrets", "PUT", [name]) => set(&mut vault, ask, name)?,
        ("secrets", "POST", [name, "backup"]) => {
            ask.bare()?;
            let entry = vault.secrets.live(name, vault.now)?;
            json!({ "value": backup::seal(entry) })
        }
        _ => return items::serve::<Secret>(&mut vault, ask, area, rest),
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
    let (policy, now) = (vault.policy, vault.now);
    let (name, revision) = vault.secrets.add(name, attributes, secret, now)?;
    let mut body = Secret::bundle(ask, policy, name, revision);
    revision.item.write_value(&mut body);
    Ok(body.into())
}

fn restore(vault: &mut Vault, ask: &Ask) -> Outcome<Value> {
    let sent: Restore = ask.json()?;
    let (name, revisions) = backup::open(&sent.value)?;
    let policy = vault.policy;
    let entry = vault.secrets.restore(&name, revisions, vault.now)?;
    Ok(Secret::bundle(ask, policy, &entry.name, entry.latest()).into())
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
