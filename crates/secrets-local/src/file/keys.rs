//! The keys of a store: all of them follow from the one data key that its recipients can unwrap.

use std::sync::Arc;

use chacha20poly1305::aead::{AeadInPlace, KeyInit, OsRng, rand_core::RngCore};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrets_core::{Error, ErrorKind, Result, SecretValue};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The data key before it is used: what the age sections of the header hold.
pub(super) type DataKey = Zeroizing<[u8; 32]>;
/// Tells one store from another.
pub(super) type StoreId = [u8; 16];
/// Tells one data key from another, without giving it away.
pub(super) type KeyId = [u8; 16];

/// Checks signatures that were made with a data key. It tells data keys apart, too.
pub(super) type PublicKey = [u8; 32];
/// What only a holder of a data key can make.
pub(super) type Signature = [u8; SIGNATURE_BYTES];

pub(super) const SIGNATURE_BYTES: usize = 64;
pub(super) const NONCE_BYTES: usize = 24;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const MAC_BYTES: usize = 32;

const VALUE_LABEL: &[u8] = b"polysecrets-store/1 value";
const MAC_LABEL: &[u8] = b"polysecrets-store/1 mac";
const ID_LABEL: &[u8] = b"polysecrets-store/1 key-id";
const SIGN_LABEL: &[u8] = b"polysecrets-store/2 sign";

/// An encrypted value.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) nonce: [u8; NONCE_BYTES],
    /// The ciphertext and its tag.
    pub(super) bytes: Box<[u8]>,
}

/// The keys that follow from a data key. They are wiped on drop.
pub(super) struct Keys {
    cipher: XChaCha20Poly1305,
    mac: Zeroizing<[u8; 32]>,
    /// Makes signatures. Their public key takes longer to derive than all the rest, so it waits until it is needed.
    seed: Zeroizing<[u8; 32]>,
    id: KeyId,
    /// The start of the associated data, which is the same for every value of a store.
    bound: Vec<u8>,
}

impl Keys {
    pub(super) fn derive(data_key: &DataKey, store: &StoreId) -> Arc<Self> {
        let source = Hkdf::<Sha256>::new(Some(store), data_key.as_slice());
        let expand = |label: &[u8], out: &mut [u8]| {
            source
                .expand(label, out)
                .expect("32 bytes are a length that HKDF can give");
        };
        let mut value = Zeroizing::new([0; 32]);
        let mut mac = Zeroizing::new([0; 32]);
        let mut seed = Zeroizing::new([0; 32]);
        let mut id = KeyId::default();
        expand(VALUE_LABEL, value.as_mut_slice());
        expand(MAC_LABEL, mac.as_mut_slice());
        expand(SIGN_LABEL, seed.as_mut_slice());
        expand(ID_LABEL, &mut id);
        let mut bound = Vec::with_capacity(64);
        push_field(&mut bound, VALUE_LABEL);
        push_field(&mut bound, store);
        Arc::new(Self {
            cipher: XChaCha20Poly1305::new(value.as_slice().into()),
            mac,
            seed,
            id,
            bound,
        })
    }

    pub(super) fn id(&self) -> &KeyId {
        &self.id
    }

    /// Encrypts a value, bound to the store and to `head`, its line up to the tags.
    pub(super) fn seal(&self, head: &str, value: &[u8]) -> Result<Sealed> {
        let mut nonce = [0; NONCE_BYTES];
        fill_random(&mut nonce)?;
        let mut bytes = Vec::with_capacity(value.len() + TAG_BYTES);
        bytes.extend_from_slice(value);
        let tag = self
            .cipher
            .encrypt_in_place_detached(XNonce::from_slice(&nonce), &self.bind(head), &mut bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidValue, "the value cannot be encrypted"))?;
        bytes.extend_from_slice(&tag);
        Ok(Sealed {
            nonce,
            bytes: bytes.into_boxed_slice(),
        })
    }

    /// Decrypts a value; `None` if it is not what was encrypted for this head.
    pub(super) fn unseal(&self, head: &str, sealed: &Sealed) -> Option<SecretValue> {
        let length = sealed.bytes.len().checked_sub(TAG_BYTES)?;
        let (ciphertext, tag) = sealed.bytes.split_at(length);
        let mut value = Zeroizing::new(ciphertext.to_vec());
        self.cipher
            .decrypt_in_place_detached(
                XNonce::from_slice(&sealed.nonce),
                &self.bind(head),
                &mut value,
                Tag::from_slice(tag),
            )
            .ok()?;
        Some(SecretValue::from_zeroizing(value))
    }

    pub(super) fn mac(&self, text: &[u8]) -> [u8; MAC_BYTES] {
        self.start_mac(text).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(super) fn has_mac(&self, text: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
        self.start_mac(text).verify_slice(mac).is_ok()
    }

    /// The key that checks what these keys sign.
    pub(super) fn public(&self) -> PublicKey {
        SigningKey::from_bytes(&self.seed)
            .verifying_key()
            .to_bytes()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        SigningKey::from_bytes(&self.seed).sign(message).to_bytes()
    }

    fn start_mac(&self, text: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(self.mac.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(text);
        mac
    }

    fn bind(&self, head: &str) -> Vec<u8> {
        let mut bound = Vec::with_capacity(self.bound.len() + 8 + head.len());
        bound.extend_from_slice(&self.bound);
        push_field(&mut bound, head.as_bytes());
        bound
    }
}

/// Whether a holder of the data key with this public key signed the message.
pub(super) fn is_signed(public: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature);
    VerifyingKey::from_bytes(public).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// Adds a field and its length, so that fields cannot run into each other.
pub(super) fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u64).to_be_bytes());
    out.extend_from_slice(field);
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    OsRng.try_fill_bytes(bytes).map_err(|_| {
        Error::new(
            ErrorKind::Unavailable,
            "the operating system gave no random bytes",
        )
    })
}

pub(super) fn new_data_key() -> Result<DataKey> {
    let mut key = DataKey::default();
    fill_random(key.as_mut_slice())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_only_as_what_it_was_sealed_for() {
        let data_key = new_data_key().unwrap();
        let keys = Keys::derive(&data_key, &[1; 16]);
        let sealed = keys.seal("a 1", b"value").unwrap();
        let value = keys.unseal("a 1", &sealed).unwrap();
        assert_eq!(value.expose_bytes(), b"value");
        assert!(keys.unseal("a 2", &sealed).is_none());
        assert!(
            Keys::derive(&data_key, &[2; 16])
                .unseal("a 1", &sealed)
                .is_none()
        );
        let other = new_data_key().unwrap();
        assert!(
            Keys::derive(&other, &[1; 16])
                .unseal("a 1", &sealed)
                .is_none()
        );
    }

    #[test]
    fn equal_values_look_different() {
        let keys = Keys::derive(&new_data_key().unwrap(), &[1; 16]);
        let (first, second) = (keys.seal("a", b"v").unwrap(), keys.seal("a", b"v").unwrap());
        assert!(first.nonce != second.nonce && first.bytes != second.bytes);
    }

    #[test]
    fn every_use_has_a_key_of_its_own() {
        let data_key = new_data_key().unwrap();
        let keys = Keys::derive(&data_key, &[1; 16]);
        assert_ne!(keys.mac(b""), Keys::derive(&data_key, &[2; 16]).mac(b""));
        assert!(keys.has_mac(b"text", &keys.mac(b"text")));
        assert!(!keys.has_mac(b"texT", &keys.mac(b"text")));
        assert_ne!(&keys.mac[..16], keys.id());
        assert_ne!(*keys.mac, *keys.seed);
    }

    #[test]
    fn only_a_holder_of_the_key_signs() {
        let data_key = new_data_key().unwrap();
        let keys = Keys::derive(&data_key, &[1; 16]);
        let signature = keys.sign(b"text");
        assert!(is_signed(&keys.public(), b"text", &signature));
        assert!(!is_signed(&keys.public(), b"texT", &signature));
        let other = Keys::derive(&data_key, &[2; 16]);
        assert!(!is_signed(&other.public(), b"text", &signature));
        assert!(!is_signed(&[0; 32], b"text", &[0; 64]));
    }
}
