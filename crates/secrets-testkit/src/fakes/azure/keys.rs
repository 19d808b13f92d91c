use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::attributes::{Attributes, SentAttributes};
use super::items::{self, Change, Kind};
use super::material::Material;
use super::refusal::{Outcome, Refusal};
use super::request::Ask;
use super::shelf::{Item, Policy, Revision, Shelf};
use super::state::{Service, Vault};
use super::vault::Answer;

const OPERATIONS: [&str; 7] = [
    "encrypt",
    "decrypt",
    "sign",
    "verify",
    "wrapKey",
    "unwrapKey",
    "import",
];

#[derive(Debug, Clone)]
pub(super) struct Key {
    material: Material,
    /// What it may be used for.
    operations: Vec<String>,
    /// `EC`, `RSA`, or the same with `-HSM`: there is no hardware here, but the name is kept.
    kty: String,
}

impl Item for Key {
    const NOUN: &'static str = "Key";
    const PATH: &'static str = "keys";
    const NOT_FOUND: &'static str = "KeyNotFound";
    const DISABLED: &'static str = "KeyDisabled";
}

impl Kind for Key {
    const ID: &'static str = "kid";

    fn shelf(vault: &Vault) -> &Shelf<Self> {
        &vault.keys
    }

    fn shelf_mut(vault: &mut Vault) -> &mut Shelf<Self> {
        &mut vault.keys
    }

    fn change(ask: &Ask) -> Outcome<Change<Self>> {
        let sent: Update = ask.json()?;
        not_exportable(sent.attributes.as_ref())?;
        if let Some(operations) = &sent.key_ops {
            check_operations(operations)?;
        }
        Ok(Change {
            attributes: sent.attributes,
            tags: sent.tags,
            apply: Box::new(|key| {
                key.operations = sent.key_ops.unwrap_or(std::mem::take(&mut key.operations));
            }),
        })
    }

    fn bundle(
        ask: &Ask,
        policy: Policy,
        name: &str,
        revision: &Revision<Self>,
    ) -> Map<String, Value> {
        let key = &revision.item;
        let mut jwk = Map::new();
        jwk.insert(
            "kid".to_owned(),
            ask.id::<Self>(name, Some(&revision.version)).into(),
        );
        jwk.insert("kty".to_owned(), key.kty.as_str().into());
        jwk.insert("key_ops".to_owned(), json!(key.operations));
        key.material.write(&mut jwk);
        let mut body = Map::new();
        body.insert("key".to_owned(), jwk.into());
        revision.attributes.write(policy, &mut body);
        if let Some(attributes) = body.get_mut("attributes") {
            attributes["exportable"] = false.into();
        }
        body
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    kty: String,
    crv: Option<String>,
    key_size: Option<u32>,
    key_ops: Option<Vec<String>>,
    public_exponent: Option<u32>,
    attributes: Option<SentAttributes>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    key_ops: Option<Vec<String>>,
    attributes: Option<SentAttributes>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sign {
    alg: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    alg: String,
    digest: String,
    value: String,
}

pub(super) fn serve(service: &Service, ask: &Ask, area: &str, rest: &[&str]) -> Outcome<Answer> {
    if let ("keys", "POST", [name, "create"]) = (area, ask.method.as_str(), rest) {
        return create(service, ask, name).map(Answer::from);
    }
    let mut vault = service.vault_for(ask);
    match (area, ask.method.as_str(), rest) {
        ("keys", "POST", [name, version, "sign"]) => {
            sign(&vault, ask, name, version).map(Answer::from)
        }
        ("keys", "POST", [name, version, "verify"]) => {
            verify(&vault, ask, name, version).map(Answer::from)
        }
        _ => items::serve::<Key>(&mut vault, ask, area, rest),
    }
}

fn create(service: &Service, ask: &Ask, name: &str) -> Outcome<Value> {
    let sent: Create = ask.json()?;
    not_exportable(sent.attributes.as_ref())?;
    // Before the vault is locked: a large RSA key takes its time.
    let material = match sent.kty.as_str() {
        "EC" | "EC-HSM" => Material::ec(sent.crv.as_deref().unwrap_or("P-256"))?,
        "RSA" | "RSA-HSM" => {
            if sent
                .public_exponent
                .is_some_and(|exponent| exponent != 65_537)
            {
                return Err(Refusal::bad("Property public_exponent has invalid value"));
            }
            Material::rsa(sent.key_size.unwrap_or(2048))?
        }
        _ => return Err(Refusal::bad("Property kty has invalid value")),
    };
    let operations = match sent.key_ops {
        Some(operations) => {
            check_operations(&operations)?;
            operations
        }
        None if material.kty() == "EC" => ["sign", "verify"].map(str::to_owned).to_vec(),
        None => OPERATIONS[..6]
            .iter()
            .map(|own| (*own).to_owned())
            .collect(),
    };
    let key = Key {
        material,
        operations,
        kty: sent.kty,
    };
    let mut vault = service.vault_for(ask);
    let vault = &mut *vault;
    let attributes = Attributes::new(sent.attributes, sent.tags, vault.now.unix)?;
    let policy = vault.policy;
    let (name, revision) = vault.keys.add(name, attributes, key, vault.now)?;
    Ok(Key::bundle(ask, policy, name, revision).into())
}

fn sign(vault: &Vault, ask: &Ask, name: &str, version: &str) -> Outcome<Value> {
    let sent: Sign = ask.json()?;
    let (name, revision) = usable(vault, name, version, "sign")?;
    let signature = revision
        .item
        .material
        .sign(&sent.alg, &bytes(&sent.value)?)?;
    Ok(json!({
        "kid": ask.id::<Key>(name, Some(&revision.version)),
        "value": URL_SAFE_NO_PAD.encode(signature),
    }))
}

fn verify(vault: &Vault, ask: &Ask, name: &str, version: &str) -> Outcome<Value> {
    let sent: Verify = ask.json()?;
    let (_, revision) = usable(vault, name, version, "verify")?;
    let good =
        revision
            .item
            .material
            .verify(&sent.alg, &bytes(&sent.digest)?, &bytes(&sent.value)?)?;
    Ok(json!({ "value": good }))
}

/// A version that may be used for `operation` now.
fn usable<'a>(
    vault: &'a Vault,
    name: &str,
    version: &str,
    operation: &str,
) -> Outcome<(&'a str, &'a Revision<Key>)> {
    let (name, revision) = vault.keys.revision(name, version, vault.now)?;
    let attributes = &revision.attributes;
    let now = i64::try_from(vault.now.unix).unwrap_or(i64::MAX);
    if !attributes.enabled {
        return Err(items::disabled::<Key>(operation));
    }
    let refusal = if attributes.expires.is_some_and(|expires| expires <= now) {
        Some((
            "KeyExpired",
            format!("Operation {operation} is not allowed on an expired key."),
        ))
    } else if attributes.not_before.is_some_and(|begin| begin > now) {
        Some((
            "KeyNotYetValid",
            format!("Operation {operation} is not allowed on a key that is not yet valid."),
        ))
    } else if !revision.item.operations.iter().any(|own| own == operation) {
        Some((
            "KeyOperationForbidden",
            format!("Operation {operation} is not permitted on this key."),
        ))
    } else {
        None
    };
    match refusal {
        None => Ok((name, revision)),
        Some((inner, message)) => Err(Refusal::forbidden(inner, message)),
    }
}

fn check_operations(operations: &[String]) -> Outcome<()> {
    if operations
        .iter()
        .all(|own| OPERATIONS.contains(&own.as_str()))
    {
        return Ok(());
    }
    Err(Refusal::bad("Property key_ops has invalid value"))
}

/// Keys that can be exported want a release policy and hardware, which are not here.
fn not_exportable(attributes: Option<&SentAttributes>) -> Outcome<()> {
    if attributes.and_then(|attributes| attributes.exportable) == Some(true) {
        return Err(Refusal::bad(
            "Exportable keys must have release policy and be hardware-protected.",
        ));
    }
    Ok(())
}

fn bytes(text: &str) -> Outcome<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(text.trim_end_matches('='))
        .map_err(|_| Refusal::bad("Property value has invalid value"))
}
