//! The text of a store. `docs/encrypted-file.md` describes it for readers; both change together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use secrets_core::{Error, ErrorKind, Result, SecretName, SourcePosition};

use super::conflict;
use super::entry::{self, Entry, Facts, NONE, State};
use super::keys::{Keys, MAC_BYTES, NONCE_BYTES, Sealed, StoreId, TAG_BYTES};
use super::lineage::{self, Epoch, Lineage};

const MAGIC: &str = "polysecrets-store";
/// Has no history of the data keys. It is read, and written as the next one.
const FORMAT_WITHOUT_LINEAGE: u64 = 1;
const FORMAT: u64 = 2;

/// The data key, wrapped for those who may open the store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Envelope {
    /// The public keys that `public` is for, sorted.
    pub(super) recipients: Vec<String>,
    /// An age file for all recipients; there exactly if there are recipients.
    pub(super) public: Option<Vec<u8>>,
    /// An age file for the passphrase.
    pub(super) passphrase: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: StoreId,
    pub(super) revision: u64,
    pub(super) envelope: Envelope,
    /// The data keys until now; `None` in a store of format 1.
    pub(super) lineage: Option<Lineage>,
}

/// Every version of every secret: the names in order, the versions of a name ascending.
pub(super) type Entries = BTreeMap<SecretName, Vec<Arc<Entry>>>;

/// A text that is well formed; whether it is genuine only its MAC tells.
pub(super) struct Document {
    pub(super) header: Header,
    pub(super) entries: Entries,
    pub(super) mac: [u8; MAC_BYTES],
    /// How many bytes the MAC is over.
    pub(super) signed: usize,
    /// The line of the MAC.
    pub(super) last_line: usize,
}

const REPAIR: &str = "take the last good version from version control or a backup";

pub(super) fn damaged(file: &Path, line: usize, column: usize, what: String) -> Error {
    Error::new(
        ErrorKind::IntegrityFailure,
        format!("the store is damaged: {what}"),
    )
    .with_position(SourcePosition::new(line, column).in_file(file))
    .with_hint(REPAIR)
}

/// Bytes in lowercase hexadecimal.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// This many bytes in lowercase hexadecimal.
pub(super) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// The text of a store and the MAC that it ends with.
pub(super) fn write(
    header: &Header,
    lineage: &Lineage,
    entries: &Entries,
    keys: &Keys,
) -> (Vec<u8>, [u8; MAC_BYTES]) {
    let mut text = String::with_capacity(1024 + size_of_entries(entries));
    let envelope = &header.envelope;
    let count: usize = entries.values().map(Vec::len).sum();
    for (word, value) in [
        (MAGIC, FORMAT.to_string()),
        ("store", to_hex(&header.id)),
        ("revision", header.revision.to_string()),
        ("entries", count.to_string()),
        ("recipients", envelope.recipients.len().to_string()),
    ] {
        push_line(&mut text, word, &value);
    }
    for recipient in &envelope.recipients {
        push_line(&mut text, "recipient", &entry::encode(recipient));
    }
    for (word, section) in [
        ("key", &envelope.public),
        ("passphrase", &envelope.passphrase),
    ] {
        let section = section
            .as_ref()
            .map_or(NONE.into(), |bytes| BASE64.encode(bytes));
        push_line(&mut text, word, &section);
    }
    push_line(&mut text, "epochs", &lineage.epochs().len().to_string());
    for epoch in lineage.epochs() {
        text.push_str("epoch ");
        epoch.push_line(&mut text);
        text.push('\n');
    }
    for entry in entries.values().flatten() {
        text.push_str("entry ");
        text.push_str(&entry.head);
        match &entry.sealed {
            Some(sealed) => {
                text.push(' ');
                BASE64.encode_string(sealed.nonce, &mut text);
                text.push(' ');
                BASE64.encode_string(&sealed.bytes, &mut text);
                text.push('\n');
            }
            None => text.push_str(" - -\n"),
        }
    }
    let mac = keys.mac(text.as_bytes());
    push_line(&mut text, "mac", &BASE64.encode(mac));
    (text.into_bytes(), mac)
}

fn push_line(text: &mut String, word: &str, value: &str) {
    text.push_str(word);
    text.push(' ');
    text.push_str(value);
    text.push('\n');
}

fn size_of_entries(entries: &Entries) -> usize {
    let size = |entry: &Arc<Entry>| {
        let sealed = entry.sealed.as_ref().map_or(0, |sealed| sealed.bytes.len());
        64 + entry.head.len() + sealed / 3 * 4
    };
    entries.values().flatten().map(size).sum()
}

pub(super) fn parse(bytes: &[u8], file: &Path) -> Result<Document> {
    parse_clean(bytes, file).map_err(|error| match conflict::first_marker(bytes) {
        // No line of a store is a marker, so this costs nothing where there is none.
        Some(offset) => Error::new(
            ErrorKind::IntegrityFailure,
            "the store holds a git conflict that is not resolved",
        )
        .with_position(position(bytes, offset, file))
        .with_hint("run `secrets store merge`; it loses nothing of either side"),
        None => error,
    })
}

fn position(bytes: &[u8], offset: usize, file: &Path) -> SourcePosition {
    let before = &bytes[..offset];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n');
    let column = offset - start.map_or(0, |newline| newline + 1) + 1;
    SourcePosition::new(line, column).in_file(file)
}

fn parse_clean(bytes: &[u8], file: &Path) -> Result<Document> {
    let text = check_text(bytes, file)?;
    let mut lines = Lines {
        file,
        rest: text,
        number: 0,
    };
    let header = parse_header(&mut lines)?;
    let (header, count, count_line) = header;
    let mut found = 0;
    let mut mac_line = lines.next()?;
    // The names come in order, so that the versions of one are together and the map needs no search.
    let mut last: Option<(SecretName, Vec<Arc<Entry>>)> = None;
    let mut finished = Vec::new();
    while mac_line.starts_with("entry ") {
        let entry = parse_entry(mac_line)?;
        found += 1;
        match &mut last {
            Some((name, versions)) if *name == entry.facts.name => {
                check_follows(versions, &entry).map_err(|what| lines.damaged(1, what))?;
                versions.push(Arc::new(entry));
            }
            Some((name, _)) if *name > entry.facts.name => {
                return Err(lines.damaged(7, "the names are not in order"));
            }
            _ => {
                let name = entry.facts.name.clone();
                finished.extend(last.replace((name, vec![Arc::new(entry)])));
            }
        }
        mac_line = lines.next()?;
    }
    finished.extend(last);
    let entries = finished.into_iter().collect();
    if found != count {
        let what = format!("it says {count} entries and has {found}");
        return Err(damaged(file, count_line, 9, what));
    }
    let last_line = lines.number;
    let mut fields = mac_line;
    fields.word("mac")?;
    let mac = fields.base64_of::<MAC_BYTES>("the MAC in base64")?;
    fields.end()?;
    if !lines.rest.is_empty() {
        return Err(damaged(
            file,
            last_line + 1,
            1,
            "something follows the MAC".into(),
        ));
    }
    let signed = text[..text.len() - 1].rfind('\n').map_or(0, |at| at + 1);
    Ok(Document {
        header,
        entries,
        mac,
        signed,
        last_line,
    })
}

/// Refuses what no store of ours can be, with words that fit the likely reason.
fn check_text<'a>(bytes: &'a [u8], file: &Path) -> Result<&'a str> {
    let at = |offset| position(bytes, offset, file);
    if !bytes.starts_with(MAGIC.as_bytes()) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("{} is not a store of polysecrets", file.display()),
        )
        .with_position(SourcePosition::new(1, 1).in_file(file))
        .with_hint("check the path; `secrets init` creates a store"));
    }
    let strange = |byte: &u8| !(0x20..0x7f).contains(byte) && *byte != b'\n';
    // Without a branch a byte, the search of a good file runs at the speed of memory.
    let is_strange = |chunk: &[u8]| chunk.iter().fold(false, |any, byte| any | strange(byte));
    if bytes.chunks(4096).any(is_strange)
        && let Some(offset) = bytes.iter().position(strange)
    {
        let is_crlf = bytes[offset..].starts_with(b"\r\n");
        let (what, hint) = match is_crlf {
            true => (
                "the line ends in CR LF: something converted the file",
                "put `store.txt -text` into .gitattributes beside the store, then check the file out again",
            ),
            false => ("a byte that does not belong into a store", REPAIR),
        };
        return Err(damaged(file, 1, 1, what.into())
            .with_position(at(offset))
            .with_hint(hint));
    }
    if bytes.last() != Some(&b'\n') {
        let what = "the file ends in the middle of a line".into();
        return Err(damaged(file, 1, 1, what).with_position(at(bytes.len())));
    }
    std::str::from_utf8(bytes).map_err(|_| damaged(file, 1, 1, "it is not text".into()))
}

fn parse_header(lines: &mut Lines<'_>) -> Result<(Header, usize, usize)> {
    let format = lines.single(MAGIC, "the number of the format", entry::number)?;
    if !(FORMAT_WITHOUT_LINEAGE..=FORMAT).contains(&format) {
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!(
                "the store has format {format}, and this version reads {FORMAT_WITHOUT_LINEAGE} to {FORMAT}"
            ),
        )
        .with_position(SourcePosition::new(1, MAGIC.len() + 2).in_file(lines.file))
        .with_hint("update polysecrets"));
    }
    let id = lines.single("store", "an id of 32 hexadecimal digits", from_hex)?;
    let revision = lines.single("revision", "a number", entry::number)?;
    let size = |field: &str| usize::try_from(entry::number(field)?).ok();
    let count = lines.single("entries", "a number", size)?;
    let count_line = lines.number;
    let recipient_count = lines.single("recipients", "a number", size)?;
    let mut envelope = Envelope::default();
    for _ in 0..recipient_count {
        let recipient = lines.single("recipient", "a recipient", |field| {
            entry::decode(field).map(String::from)
        })?;
        if envelope
            .recipients
            .last()
            .is_some_and(|last| *last >= recipient)
        {
            return Err(lines.damaged(11, "the recipients are not in order"));
        }
        envelope.recipients.push(recipient);
    }
    let section = |field: &str| match field {
        NONE => Some(None),
        field => BASE64.decode(field).ok().map(Some),
    };
    envelope.public = lines.single("key", "an age file in base64", section)?;
    if envelope.public.is_some() == envelope.recipients.is_empty() {
        return Err(lines.damaged(5, "the key does not fit the recipients"));
    }
    envelope.passphrase = lines.single("passphrase", "an age file in base64", section)?;
    if envelope.public.is_none() && envelope.passphrase.is_none() {
        return Err(lines.damaged(12, "nobody can open it"));
    }
    let lineage = match format {
        FORMAT_WITHOUT_LINEAGE => None,
        _ => Some(parse_lineage(lines, &id, &envelope)?),
    };
    let header = Header {
        id,
        revision,
        envelope,
        lineage,
    };
    Ok((header, count, count_line))
}

fn parse_lineage(lines: &mut Lines<'_>, id: &StoreId, envelope: &Envelope) -> Result<Lineage> {
    let count = lines.single("epochs", "a number above 0", |field| {
        usize::try_from(entry::number(field)?)
            .ok()
            .filter(|count| *count > 0)
    })?;
    let first = lines.number + 1;
    let mut epochs = Vec::new();
    for _ in 0..count {
        let line = lines.next()?;
        let record = line.text.strip_prefix("epoch ");
        match record.and_then(|record| Epoch::parse(id, record)) {
            Some(epoch) => epochs.push(Arc::new(epoch)),
            None => return Err(line.damaged("expected the record of a key".into())),
        }
    }
    Lineage::new(epochs, &lineage::members(envelope))
        .map_err(|(at, what)| damaged(lines.file, first + at, 7, what.to_owned()))
}

fn check_follows(versions: &[Arc<Entry>], entry: &Entry) -> Result<(), &'static str> {
    let rises = versions
        .last()
        .is_none_or(|last| last.facts.version < entry.facts.version);
    match entry.is_purged() {
        _ if !rises => Err("the versions are not in order"),
        true => Err("a purged secret has an earlier version"),
        false => Ok(()),
    }
}

fn parse_entry(mut fields: Line<'_>) -> Result<Entry> {
    fields.word("entry")?;
    let start = fields.at;
    let name = fields.field("a name", |field| {
        SecretName::new(entry::decode(field)?).ok()
    })?;
    let version = fields.field("a version", |field| {
        entry::number(field).filter(|version| *version > 0)
    })?;
    let state = fields.field("enabled, deleted or purged", State::parse)?;
    let born = fields.field("a time", entry::number)?;
    let created = fields.field("a time", entry::number)?;
    let updated = fields.field("a time", entry::number)?;
    let expires = fields.field("a time or `-`", |field| match field {
        NONE => Some(None),
        field => entry::number(field).map(Some),
    })?;
    let tags = fields.field("tags in order", parse_tags)?;
    let head = fields.text[start..fields.at - 1].into();
    let sealed = match state {
        State::Purged => {
            fields.word(NONE)?;
            fields.word(NONE)?;
            None
        }
        State::Enabled | State::Deleted => Some(Sealed {
            nonce: fields.base64_of::<NONCE_BYTES>("a nonce in base64")?,
            bytes: fields.field("a ciphertext in base64", |field| {
                let bytes = BASE64.decode(field).ok()?;
                (bytes.len() >= TAG_BYTES).then(|| bytes.into_boxed_slice())
            })?,
        }),
    };
    fields.end()?;
    Ok(Entry {
        facts: Facts {
            name,
            version,
            state,
            born,
            created,
            updated,
            expires,
            tags,
        },
        head,
        sealed,
    })
}

fn parse_tags(field: &str) -> Option<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    if field == NONE {
        return Some(tags);
    }
    for pair in field.split(',') {
        let (key, value) = pair.split_once('=')?;
        let key = entry::decode(key)?.into_owned();
        if tags.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return None;
        }
        tags.insert(key, entry::decode(value)?.into_owned());
    }
    Some(tags)
}

struct Lines<'a> {
    file: &'a Path,
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Line<'a>> {
        self.number += 1;
        match self.rest.split_once('\n') {
            Some((text, rest)) => {
                self.rest = rest;
                Ok(Line {
                    file: self.file,
                    number: self.number,
                    text,
                    at: 0,
                })
            }
            None => Err(self.damaged(1, "it ends before its MAC")),
        }
    }

    /// A line of a word and one field.
    fn single<T>(
        &mut self,
        word: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        let mut line = self.next()?;
        line.word(word)?;
        let value = line.field(expected, read)?;
        line.end()?;
        Ok(value)
    }

    fn damaged(&self, column: usize, what: &str) -> Error {
        damaged(self.file, self.number, column, what.to_owned())
    }
}

struct Line<'a> {
    file: &'a Path,
    number: usize,
    text: &'a str,
    /// Where the next field starts; one past the end after the last one.
    at: usize,
}

impl<'a> Line<'a> {
    fn starts_with(&self, start: &str) -> bool {
        self.text.starts_with(start)
    }

    /// Takes one field and reads it. What is wrong in it is not repeated.
    fn field<T>(&mut self, expected: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T> {
        let rest = self.text.get(self.at..);
        let field = rest.map(|rest| {
            let end = rest.bytes().position(|byte| byte == b' ');
            &rest[..end.unwrap_or(rest.len())]
        });
        match field.and_then(|field| Some((field, read(field)?))) {
            Some((field, value)) => {
                self.at += field.len() + 1;
                Ok(value)
            }
            None => Err(self.damaged(format!("expected {expected}"))),
        }
    }

    fn word(&mut self, word: &str) -> Result<()> {
        let start = self.at;
        self.field("", |field| (field == word).then_some(()))
            .map_err(|_| {
                damaged(
                    self.file,
                    self.number,
                    start + 1,
                    format!("expected `{word}`"),
                )
            })
    }

    fn base64_of<const N: usize>(&mut self, expected: &str) -> Result<[u8; N]> {
        self.field(expected, |field| BASE64.decode(field).ok()?.try_into().ok())
    }

    fn end(&self) -> Result<()> {
        match self.at > self.text.len() {
            true => Ok(()),
            false => Err(self.damaged("expected the end of the line".into())),
        }
    }

    fn damaged(&self, what: String) -> Error {
        damaged(self.file, self.number, self.at + 1, what)
    }
}
