//! Each name a key of one secret whose value is a JSON object.

use std::borrow::Cow;
use std::fmt;

use secrets_core::{
    Capabilities, Capability, DeleteMode, DescribeOptions, Error, ErrorKind, GetItem, GetOptions,
    ListOptions, Metadata, Operation, Page, PageToken, PlannedCall, PutMode, PutOptions, Result,
    Secret, SecretName, SecretValue, Version,
};
use secrets_provider::{WipedBuffer, encode, run_to_completion};
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::MAX_VALUE_BYTES;
use crate::client::{Client, Read, Selector};
use crate::name::Names;
use crate::secrets::Secrets;

/// How often a write is begun anew because another one came between. Of so many writers at once each one gets through.
const ROUNDS: usize = 32;

/// What can be done with the keys of one secret. A key is deleted for good as far as the current version goes; earlier
/// versions of the whole secret keep it.
pub(crate) const CAPABILITIES: Capabilities = Capabilities::new(&[
    Capability::Put,
    Capability::Create,
    Capability::IfVersion,
    Capability::Delete,
    Capability::List,
    Capability::Describe,
    Capability::Batch,
])
// All keys share the room of one value, and text may need escapes.
.with_max_value_bytes(MAX_VALUE_BYTES / 2);

/// One secret with many keys. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    client: Client,
    /// Writes the whole value.
    secrets: Secrets,
    id: String,
}

impl Document {
    pub(crate) fn new(client: Client, id: String, kms_key: Option<String>) -> Self {
        Self {
            secrets: Secrets::new(client.clone(), Names::default(), kms_key, None),
            client,
            id,
        }
    }

    /// What the service calls the secret.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The key that it is encrypted with, if it is not AWS's own.
    pub(crate) fn kms_key(&self) -> Option<&str> {
        self.secrets.kms_key()
    }

    /// The whole secret as it is now.
    async fn read(&self) -> Result<Read> {
        self.client.check_region(&self.id).await?;
        let read = self.client.get(&self.id, &Selector::Current).await;
        read.map_err(|failure| self.told(failure))
    }

    fn told(&self, failure: Error) -> Error {
        let message = format!("{}, the secret of `secret_name`", failure.message());
        let mut told = Error::new(failure.kind(), message);
        if let Some(hint) = failure.hint() {
            told = told.with_hint(hint.to_owned());
        }
        match failure.retry_after() {
            Some(wait) => told.with_retry_after(wait),
            None => told,
        }
    }

    pub(crate) async fn get(&self, name: &SecretName, options: &GetOptions) -> Result<Secret> {
        no_versions(options)?;
        let read = self.read().await.map_err(|error| error.with_name(name))?;
        key_of(&read, name)
    }

    pub(crate) async fn get_many(&self, items: &[GetItem]) -> Vec<Result<Secret>> {
        let read = match items.iter().any(|item| item.options.version.is_none()) {
            true => self.read().await,
            false => Err(Error::unsupported(Operation::Versions)),
        };
        items
            .iter()
            .map(|item| {
                no_versions(&item.options)?;
                match &read {
                    Ok(read) => key_of(read, &item.name),
                    Err(failure) => Err(failure.clone().with_name(&item.name)),
                }
            })
            .collect()
    }

    pub(crate) fn plan(&self, items: &[GetItem]) -> Vec<PlannedCall> {
        let (refused, asked): (Vec<_>, Vec<_>) =
            (0..items.len()).partition(|item| items[*item].options.version.is_some());
        [("GetSecretValue", asked, 1), ("refused", refused, 0)]
            .into_iter()
            .filter(|(_, items, _)| !items.is_empty())
            .map(|(call, items, requests)| PlannedCall::new(call, items, requests))
            .collect()
    }

    pub(crate) async fn describe(
        &self,
        name: &SecretName,
        options: &DescribeOptions,
    ) -> Result<Metadata> {
        if options.version.is_some() {
            return Err(Error::unsupported(Operation::Versions));
        }
        let read = self.read().await.map_err(|error| error.with_name(name))?;
        key_of(&read, name).map(|secret| secret.metadata)
    }

    pub(crate) async fn list(&self, options: &ListOptions) -> Result<Page> {
        let read = match self.read().await {
            Ok(read) => read,
            // No secret yet is no key yet, as an empty folder is.
            Err(missing) if missing.kind() == ErrorKind::NotFound => return Ok(Page::default()),
            Err(failure) => return Err(failure),
        };
        let fields = Fields::parse(&read.value)?;
        let mut names: Vec<SecretName> = fields
            .0
            .iter()
            .filter_map(|(key, _)| SecretName::new(key).ok())
            .filter(|name| name.as_str().starts_with(&options.prefix))
            .collect();
        names.sort();
        names.dedup();
        let start = match &options.page_token {
            Some(token) => names.partition_point(|name| name.as_str() <= token.as_str()),
            None => 0,
        };
        let size = options.page_size.unwrap_or(names.len()).max(1);
        let page = &names[start..names.len().min(start.saturating_add(size))];
        let next = match page.last() {
            Some(last) if start + page.len() < names.len() => Some(PageToken::new(last.as_str())),
            _ => None,
        };
        let items = page.iter().map(|name| metadata(name, &read));
        Ok(Page::new(items.collect(), next))
    }

    pub(crate) async fn put(
        &self,
        name: &SecretName,
        value: &SecretValue,
        options: &PutOptions,
    ) -> Result<Metadata> {
        if options.tags.is_some() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a key of one secret has no tags of its own",
            )
            .with_operation(Operation::Put));
        }
        let limit = CAPABILITIES.max_value_bytes.unwrap_or(MAX_VALUE_BYTES);
        if value.len() > limit {
            return Err(too_large(limit).with_name(name));
        }
        value.expose_str().map_err(|_| {
            Error::new(
                ErrorKind::InvalidValue,
                "the value is not text, and a key of a JSON object holds nothing else",
            )
            .with_name(name)
            .with_hint(
                "encode it, for example as base64, or use `secret_prefix` instead of `secret_name`",
            )
        })?;
        let (this, task_name, value, mode) = (
            self.clone(),
            name.clone(),
            value.clone(),
            options.mode.clone(),
        );
        let written = run_to_completion("write", async move {
            this.write(&task_name, Some(&value), &mode).await
        });
        let version = written.await.map_err(|error| error.with_name(name))?;
        Ok(Metadata::new(name.clone()).with_version(version))
    }

    pub(crate) async fn delete(&self, name: &SecretName, mode: DeleteMode) -> Result<()> {
        if mode != DeleteMode::Soft {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a key of one secret stays in its earlier versions",
            )
            .with_operation(Operation::Delete)
            .with_hint("delete it without purge or window, or delete the whole secret in AWS"));
        }
        let (this, task_name) = (self.clone(), name.clone());
        let written = run_to_completion("write", async move {
            this.write(&task_name, None, &PutMode::Upsert).await
        });
        written
            .await
            .map(drop)
            .map_err(|error| error.with_name(name))
    }

    /// Writes the whole value with one key changed, if it is still the one that was read; else anew.
    async fn write(
        &self,
        name: &SecretName,
        value: Option<&SecretValue>,
        mode: &PutMode,
    ) -> Result<Option<Version>> {
        for round in 0..ROUNDS {
            let written = self.try_write(name, value, mode).await;
            match written {
                Err(lost) if lost.kind() == ErrorKind::Conflict => {
                    if matches!(mode, PutMode::IfVersion(_)) {
                        return Err(lost);
                    }
                    let wait = fastrand::u64(1..=4 << round.min(5));
                    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
                }
                written => return written,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("others changed the secret {ROUNDS} times in between"),
        )
        .with_hint("try again, or keep what changes often in secrets of its own"))
    }

    async fn try_write(
        &self,
        name: &SecretName,
        value: Option<&SecretValue>,
        mode: &PutMode,
    ) -> Result<Option<Version>> {
        let read = match self.read().await {
            Err(missing) if missing.kind() == ErrorKind::NotFound => None,
            read => Some(read?),
        };
        let fields = match &read {
            Some(read) => Fields::parse(&read.value)?,
            None => Fields::default(),
        };
        let version = read.as_ref().and_then(|read| read.version.as_deref());
        let is_there = fields.position(name).is_some();
        match mode {
            PutMode::Create if is_there => return Err(Error::from(ErrorKind::AlreadyExists)),
            PutMode::IfVersion(expected) if !is_there || version != Some(expected.as_str()) => {
                return Err(Error::from(ErrorKind::Conflict)
                    .with_hint("read the secret again, then repeat the change"));
            }
            _ if value.is_none() && !is_there => return Err(Error::from(ErrorKind::NotFound)),
            _ => {}
        }
        let whole = fields.with(name, value)?;
        if whole.len() > MAX_VALUE_BYTES {
            return Err(too_large(MAX_VALUE_BYTES));
        }
        let options = match version {
            Some(version) => PutOptions::default().with_mode(PutMode::IfVersion(version.into())),
            None => PutOptions::default().with_mode(PutMode::Create),
        };
        match self.secrets.write_whole(&self.id, &whole, options).await {
            // Somebody else made the secret just now.
            Err(exists) if exists.kind() == ErrorKind::AlreadyExists => {
                Err(Error::from(ErrorKind::Conflict))
            }
            written => written.map(|version| version.map(Version::new)),
        }
    }

    /// Asks whether the secret is there.
    pub(crate) async fn probe(&self) -> Result<String> {
        self.client.check_region(&self.id).await?;
        match self.client.describe(&self.id).await {
            Ok(found) if found.is_deleted => Err(self.told(Error::from(ErrorKind::Deleted))),
            Ok(_) => Ok("the secret of `secret_name` is there".to_owned()),
            Err(missing) if missing.kind() == ErrorKind::NotFound => {
                Ok("the secret of `secret_name` does not exist yet".to_owned())
            }
            Err(failure) => Err(self.told(failure)),
        }
    }
}

fn no_versions(options: &GetOptions) -> Result<()> {
    match options.version {
        None => Ok(()),
        Some(_) => Err(Error::new(
            ErrorKind::Unsupported,
            "a key of one secret has no versions of its own",
        )
        .with_hint("leave the version out, or use `secret_prefix` instead of `secret_name`")),
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        format!("the value is too large: {limit} bytes are the limit, and all keys share {MAX_VALUE_BYTES}"),
    )
    .with_hint("keep large values in secrets of their own, with `secret_prefix` instead of `secret_name`")
}

fn metadata(name: &SecretName, read: &Read) -> Metadata {
    Metadata::new(name.clone())
        .with_version(read.version.as_deref().map(Version::new))
        .with_created_at(read.created)
}

fn key_of(read: &Read, name: &SecretName) -> Result<Secret> {
    let value = read.value.field(name.as_str()).map_err(|error| {
        match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                "the secret of `secret_name` has no such key",
            ),
            _ => not_an_object(),
        }
        .with_name(name)
    })?;
    Ok(Secret::new(value, metadata(name, read)))
}

fn not_an_object() -> Error {
    Error::new(
        ErrorKind::InvalidValue,
        "the secret of `secret_name` is not a JSON object",
    )
    .with_hint("store an object of strings in it, or use `secret_prefix`")
}

/// The keys and the source texts of their values, in the order of the text, which they are borrowed from.
#[derive(Default)]
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    fn parse(value: &'a SecretValue) -> Result<Self> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    fields.push((key.into_owned(), map.next_value()?));
                }
                Ok(fields)
            }
        }

        let mut deserializer = serde_json::Deserializer::from_slice(value.expose_bytes());
        let fields = deserializer.deserialize_map(FieldsVisitor);
        // serde_json's own text may quote the value.
        let fields = fields.map_err(|_| not_an_object())?;
        deserializer.end().map_err(|_| not_an_object())?;
        Ok(Self(fields))
    }

    /// Where the key is; of several the last one counts.
    fn position(&self, name: &SecretName) -> Option<usize> {
        self.0.iter().rposition(|(key, _)| key == name.as_str())
    }

    /// The whole text with one key set, or taken away. All else keeps its order and its source text.
    fn with(&self, name: &SecretName, value: Option<&SecretValue>) -> Result<SecretValue> {
        let length: usize = self
            .0
            .iter()
            .map(|(key, raw)| key.len() + raw.get().len() + 8)
            .sum();
        let room = length + name.as_str().len() + 2 * value.map_or(0, SecretValue::len) + 16;
        let mut text = WipedBuffer::with_capacity(room);
        let at = self.position(name);
        let mut separator: &[u8] = b"{";
        let mut write = |key: &str, value: &[u8]| {
            text.extend_from_slice(separator);
            text.extend_from_slice(encode(key, key.len() + 2)?.expose_bytes());
            text.extend_from_slice(b":");
            text.extend_from_slice(value);
            separator = b",";
            Ok::<(), Error>(())
        };
        let new = match value {
            Some(value) => Some(encode(value.expose_str()?, 2 * value.len() + 2)?),
            None => None,
        };
        for (number, (key, raw)) in self.0.iter().enumerate() {
            if key != name.as_str() {
                write(key, raw.get().as_bytes())?;
            } else if let (Some(new), true) = (&new, Some(number) == at) {
                write(key, new.expose_bytes())?;
            }
        }
        if let (Some(new), None) = (&new, at) {
            write(name.as_str(), new.expose_bytes())?;
        }
        if separator == b"{" {
            text.extend_from_slice(b"{");
        }
        text.extend_from_slice(b"}");
        Ok(text.into_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, key: &str, value: Option<&str>) -> String {
        let whole = SecretValue::from(text);
        let fields = Fields::parse(&whole).unwrap();
        let name = SecretName::new(key).unwrap();
        let value = value.map(SecretValue::from);
        let new = fields.with(&name, value.as_ref()).unwrap();
        new.expose_str().unwrap().to_owned()
    }

    #[test]
    fn one_key_changes_and_all_else_stays_as_it_is_written() {
        let text = r#"{"a": 0.10,"b" : {"x": [1, 1e400]},"c":"\u00e9"}"#;
        assert_eq!(
            with(text, "b", Some("line\n\"")),
            r#"{"a":0.10,"b":"line\n\"","c":"\u00e9"}"#
        );
        assert_eq!(
            with(text, "d/e", Some("")),
            r#"{"a":0.10,"b":{"x": [1, 1e400]},"c":"\u00e9","d/e":""}"#
        );
        assert_eq!(
            with(text, "a", None),
            r#"{"b":{"x": [1, 1e400]},"c":"\u00e9"}"#
        );
        assert_eq!(with("{}", "a", Some("1")), r#"{"a":"1"}"#);
        assert_eq!(with(r#"{"a":1}"#, "a", None), "{}");
        assert_eq!(
            with(r#"{"a":1,"a":2,"b":3}"#, "a", Some("4")),
            r#"{"a":"4","b":3}"#
        );
        assert_eq!(with(r#"{"a":1,"a":2,"b":3}"#, "a", None), r#"{"b":3}"#);
    }

    #[test]
    fn what_is_not_an_object_is_refused_without_being_shown() {
        for text in [
            "hunter2",
            "[\"hunter2\"]",
            "{\"a\":\"hunter2\"",
            "{}hunter2",
            "",
        ] {
            let value = SecretValue::from(text);
            let error = Fields::parse(&value).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::InvalidValue);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
