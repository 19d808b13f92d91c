//! Base64 without a copy of the plaintext in memory that nobody wipes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrets_core::SecretValue;
use zeroize::Zeroizing;

/// The bytes in standard base64 with padding, after `prefix`.
pub fn encode_base64(prefix: &str, bytes: &[u8]) -> SecretValue {
    let length = prefix.len() + bytes.len().div_ceil(3) * 4;
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.push_str(prefix);
    STANDARD.encode_string(bytes, &mut text);
    text.into()
}

/// The bytes behind standard base64 with padding; `None` if the text is not base64.
pub fn decode_base64(text: &[u8]) -> Option<SecretValue> {
    // Room for all of it: a buffer that grows leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().div_ceil(4) * 3));
    STANDARD.decode_vec(text, &mut bytes).ok()?;
    Some(SecretValue::from_zeroizing(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_and_decoding_are_inverse() {
        for length in 0..40_u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(37)).collect();
            let text = encode_base64("b64:", &bytes);
            let encoded = text.expose_bytes().strip_prefix(b"b64:").unwrap();
            assert_eq!(decode_base64(encoded).unwrap().expose_bytes(), bytes);
        }
        assert_eq!(encode_base64("", b"hi"), "aGk=".into());
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["a", "aGk", "aG=k", "aGk=\n", "a-_=", "aGl="] {
            assert!(decode_base64(text.as_bytes()).is_none(), "{text}");
        }
    }
}
