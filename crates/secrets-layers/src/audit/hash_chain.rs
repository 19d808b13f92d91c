//! The lines of a log, each of which holds the hash of the one before it, and the checkpoint beside the log.
//!
//! A hash is over the bytes of the line as they are, from its first to the one before `,"hash":"`, so that no byte of it
//! can differ unseen. With a key it is an HMAC.

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use sha2::{Digest, Sha256};

use super::record::Record;

/// The hash of a line.
pub(super) type Hash = [u8; 32];

/// What the first record of all has before it.
pub(super) const NOTHING: Hash = [0; 32];

const SEQ: &[u8] = b"{\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b"\",\"hash\":\"";
const END: &[u8] = b"\"}";
const HEX: usize = 64;

/// The least bytes that a key has.
const LEAST_KEY: usize = 16;

/// The key of a log's hash chain.
#[derive(Debug, Clone)]
pub struct AuditKey(SecretValue);

impl AuditKey {
    /// These bytes as a key: at least 16, and as random as those of any other key. White space at the end, as a file has
    /// it, is no part of it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`] for fewer.
    pub fn new(value: &SecretValue) -> Result<Self> {
        let bytes = value.expose_bytes().trim_ascii_end();
        if bytes.len() < LEAST_KEY {
            return Err(Error::new(
                ErrorKind::InvalidValue,
                format!("the key of the audit log has fewer than {LEAST_KEY} bytes"),
            )
            .with_hint("make one with `secrets audit init`"));
        }
        Ok(Self(SecretValue::from(bytes.to_vec())))
    }
}

/// How hashes are made.
#[derive(Debug, Clone)]
pub(super) struct Seal(Option<AuditKey>);

impl Seal {
    pub(super) fn new(key: Option<AuditKey>) -> Self {
        Self(key)
    }

    pub(super) fn is_keyed(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn hash(&self, bytes: &[u8]) -> Hash {
        match self.mac() {
            Some(mac) => mac.chain_update(bytes).finalize().into_bytes().into(),
            None => Sha256::digest(bytes).into(),
        }
    }

    /// Whether this is the hash of these bytes.
    fn fits(&self, bytes: &[u8], hash: &Hash) -> bool {
        match self.mac() {
            Some(mac) => mac.chain_update(bytes).verify_slice(hash).is_ok(),
            None => self.hash(bytes) == *hash,
        }
    }

    fn mac(&self) -> Option<Hmac<Sha256>> {
        let key = self.0.as_ref()?.0.expose_bytes();
        // A key of any length will do, so there is none that is refused.
        Hmac::new_from_slice(key).ok()
    }

    /// Names the key without telling anything of it.
    pub(super) fn key_id(&self) -> String {
        match self.is_keyed() {
            true => hex(&self.hash(b"polysecrets audit key"))[..8].to_owned(),
            false => "none".to_owned(),
        }
    }
}

pub(super) fn hex(hash: &[u8]) -> String {
    let mut text = String::with_capacity(2 * hash.len());
    for byte in hash {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Reads lowercase hexadecimal digits, and no others.
pub(super) fn unhex(text: &[u8]) -> Option<Hash> {
    let digit = |letter: u8| match letter {
        b'0'..=b'9' => Some(letter - b'0'),
        b'a'..=b'f' => Some(letter - b'a' + 10),
        _ => None,
    };
    if text.len() != HEX {
        return None;
    }
    let mut hash = NOTHING;
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// The end of a chain: the number of the last record, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

impl Link {
    pub(super) const START: Self = Self {
        seq: 0,
        hash: NOTHING,
    };

    /// Puts the line of a record, with its newline, at the end of the text, and goes on to it.
    pub(super) fn append(
        &mut self,
        record: &Record,
        seal: &Seal,
        text: &mut Vec<u8>,
    ) -> Result<()> {
        let start = text.len();
        let next = self.seq + 1;
        text.extend_from_slice(SEQ);
        text.extend_from_slice(next.to_string().as_bytes());
        let object = text.len();
        serde_json::to_writer(&mut *text, record)
            .map_err(|_| Error::new(ErrorKind::Unexpected, "a record cannot be written as JSON"))?;
        // Of the object, the braces are those of the line.
        text[object] = b',';
        text.pop();
        text.extend_from_slice(PREV);
        text.extend_from_slice(hex(&self.hash).as_bytes());
        let hash = seal.hash(&text[start..]);
        text.extend_from_slice(HASH);
        text.extend_from_slice(hex(&hash).as_bytes());
        text.extend_from_slice(END);
        text.push(b'\n');
        *self = Self { seq: next, hash };
        Ok(())
    }
}

/// What the frame of a line says; whether it is true is another question.
#[derive(Debug)]
pub(super) struct Line<'l> {
    hashed: &'l [u8],
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) hash: Hash,
}

impl<'l> Line<'l> {
    /// Takes a line without its newline apart.
    pub(super) fn parse(line: &'l [u8]) -> Option<Self> {
        let rest = line.strip_suffix(END)?;
        let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
        let hashed = rest.strip_suffix(HASH)?;
        let (rest, prev) = hashed.split_at_checked(hashed.len().checked_sub(HEX)?)?;
        let rest = rest.strip_suffix(PREV)?.strip_prefix(SEQ)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seq = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        Some(Self {
            hashed,
            seq,
            prev: unhex(prev)?,
            hash: unhex(hash)?,
        })
    }

    pub(super) fn is_whole(&self, seal: &Seal) -> bool {
        seal.fits(self.hashed, &self.hash)
    }

    pub(super) fn link(&self) -> Link {
        Link {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

/// What the checkpoint beside a log says: where the chain ends, and how long the file was then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) link: Link,
    /// The length of the current file.
    pub(super) end: u64,
    /// When the current file was begun, in milliseconds since 1970.
    pub(super) began: u64,
}

/// Every head is this long, so that the next one covers it whole.
pub(super) const HEAD_BYTES: usize = HEAD_NAME.len() + 3 * (5 + 20) + 6 + HEX + 5 + HEX + 1;
const HEAD_NAME: &str = "polysecrets-audit-1";

impl Head {
    pub(super) const START: Self = Self {
        link: Link::START,
        end: 0,
        began: 0,
    };

    pub(super) fn encode(&self, seal: &Seal) -> Vec<u8> {
        let mut text = format!(
            "{HEAD_NAME} seq={:020} end={:020} was={:020} hash={}",
            self.link.seq,
            self.end,
            self.began,
            hex(&self.link.hash)
        );
        let mac = hex(&seal.hash(text.as_bytes()));
        let _ = writeln!(text, " mac={mac}");
        text.into_bytes()
    }

    /// `None` for bytes that are not a head made with this key.
    pub(super) fn decode(bytes: &[u8], seal: &Seal) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (said, mac) = text.strip_suffix('\n')?.split_once(" mac=")?;
        if !seal.fits(said.as_bytes(), &unhex(mac.as_bytes())?) {
            return None;
        }
        let mut words = said.split(' ');
        if words.next() != Some(HEAD_NAME) {
            return None;
        }
        let mut number = |name: &str| words.next()?.strip_prefix(name)?.parse().ok();
        let (seq, end, began) = (number("seq=")?, number("end=")?, number("was=")?);
        let hash = unhex(words.next()?.strip_prefix("hash=")?.as_bytes())?;
        Some(Self {
            link: Link { seq, hash },
            end,
            began,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::super::actor::Actor;
    use super::super::record::Event;
    use super::*;

    fn keyed() -> Seal {
        Seal::new(Some(AuditKey::new(&"0123456789abcdef".into()).unwrap()))
    }

    #[test]
    fn a_short_key_is_refused_and_white_space_is_none_of_it() {
        assert!(AuditKey::new(&"0123456789abcde\n".into()).is_err());
        let with = Seal::new(Some(AuditKey::new(&"0123456789abcdef\n".into()).unwrap()));
        assert_eq!(with.key_id(), keyed().key_id());
        assert_ne!(with.key_id(), Seal::new(None).key_id());
        assert!(!format!("{with:?}").contains("0123456789"));
    }

    #[test]
    fn a_line_is_json_and_holds_the_one_before() {
        let (seal, mut text, mut link) = (keyed(), Vec::new(), Link::START);
        let record = Record::new(Event::Read, Arc::new(Actor::default()), SystemTime::now());
        link.append(&record, &seal, &mut text).unwrap();
        let middle = text.len();
        link.append(&record, &seal, &mut text).unwrap();
        let first = Line::parse(&text[..middle - 1]).unwrap();
        let second = Line::parse(&text[middle..text.len() - 1]).unwrap();
        assert!(first.is_whole(&seal) && second.is_whole(&seal));
        assert!(!second.is_whole(&Seal::new(None)));
        assert_eq!((first.seq, first.prev), (1, NOTHING));
        assert_eq!((second.seq, second.prev), (2, first.hash));
        assert_eq!(second.link(), link);
        let object: serde_json::Value = serde_json::from_slice(&text[..middle]).unwrap();
        assert_eq!(object["seq"], 1);
        assert_eq!(object["event"], "read");
        let again: Record = serde_json::from_slice(&text[middle..]).unwrap();
        assert_eq!(again.id, record.id);
    }

    #[test]
    fn a_head_is_of_one_length_and_of_one_key() {
        let seal = keyed();
        for head in [
            Head::START,
            Head {
                link: Link {
                    seq: u64::MAX,
                    hash: [255; 32],
                },
                end: u64::MAX,
                began: 7,
            },
        ] {
            let bytes = head.encode(&seal);
            assert_eq!(bytes.len(), HEAD_BYTES);
            assert_eq!(Head::decode(&bytes, &seal), Some(head));
            assert_eq!(Head::decode(&bytes, &Seal::new(None)), None);
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert_eq!(Head::decode(&other, &seal), None, "{at}");
            }
        }
    }
}
