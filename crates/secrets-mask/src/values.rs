//! What must not be read of a secret: its value, and the values that stand in it.

use percent_encoding::percent_decode;
use secrets_core::SecretValue;
use zeroize::Zeroizing;

/// The value first, then those inside of it: the fields of an object, if that is wanted, and the password of an address.
pub(crate) fn inside(value: &SecretValue, fields: bool) -> Vec<Zeroizing<Vec<u8>>> {
    let mut values = Vec::new();
    let mut waiting = vec![value.clone()];
    while let Some(value) = waiting.pop() {
        if fields && value.is_json_object() {
            let fields = value.fields().unwrap_or_default();
            let fields = fields.into_iter().map(|(_, field)| field);
            waiting.extend(fields.filter(is_worth_hiding));
        }
        let bytes = value.expose_bytes();
        values.push(Zeroizing::new(bytes.to_vec()));
        values.extend(credential(bytes));
    }
    values
}

/// The password of an address `scheme://user:password@host`, or the user where there is none, which is a token then: as it
/// stands there, and decoded.
fn credential(value: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let value = value.trim_ascii();
    let Some(start) = value.windows(3).position(|three| three == b"://") else {
        return Vec::new();
    };
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    if start == 0 || !value[..start].iter().all(is_scheme) {
        return Vec::new();
    }
    let rest = &value[start + 3..];
    let end = rest.iter().position(|byte| b"/?#".contains(byte));
    let authority = &rest[..end.unwrap_or(rest.len())];
    let at = authority
        .iter()
        .rposition(|byte| *byte == b'@')
        .or_else(|| {
            // A password with a slash in it, which some clients take, and not a port.
            let colon = authority.iter().position(|byte| *byte == b':')?;
            let is_port = authority[colon + 1..].iter().all(u8::is_ascii_digit);
            (!is_port).then(|| rest.iter().rposition(|byte| *byte == b'@'))?
        });
    let Some(at) = at else {
        return Vec::new();
    };
    let userinfo = &rest[..at];
    let secret = match userinfo.iter().position(|byte| *byte == b':') {
        Some(colon) => &userinfo[colon + 1..],
        None => userinfo,
    };
    let mut texts = vec![Zeroizing::new(secret.to_vec())];
    let decoded: Vec<u8> = percent_decode(secret).collect();
    if decoded != secret {
        texts.push(Zeroizing::new(decoded));
    }
    texts
}

/// Whether a field is not a word of JSON or a small number.
fn is_worth_hiding(field: &SecretValue) -> bool {
    const SMALL: usize = 8;
    let bytes = field.expose_bytes();
    let is_small_number = bytes.len() < SMALL
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    !is_small_number && !matches!(bytes, b"true" | b"false" | b"null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(value: &str) -> Vec<String> {
        inside(&value.into(), true)
            .iter()
            .map(|text| String::from_utf8(text.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn the_password_of_an_address_is_a_value() {
        for (address, wanted) in [
            ("postgres://app:hunter2@db:5432/main", &["hunter2"][..]),
            (
                "postgres://app:p%40ss%2Fword@db/main\n",
                &["p%40ss%2Fword", "p@ss/word"],
            ),
            ("https://token-1234@github.com/x/y.git", &["token-1234"]),
            ("redis://:hunter2@cache", &["hunter2"]),
            ("mongodb+srv://u:p@ss@host/db?w=1", &["p@ss"]),
            ("amqp://u:p/w@host", &["p/w"]),
            ("https://example.com/a@b", &[]),
            ("https://example.com:8080/a@b", &[]),
            ("see https://user:pass@host", &[]),
            ("://user:pass@host", &[]),
            ("no address", &[]),
        ] {
            let all = texts(address);
            assert_eq!((all[0].as_str(), all.len()), (address, 1 + wanted.len()));
            assert!(all[1..].iter().eq(wanted), "{address}: {all:?}");
        }
    }

    #[test]
    fn the_fields_of_an_object_and_what_is_in_them() {
        let value =
            r#"{"url":"https://u:pass-word@h","port":5432,"on":true,"more":{"token":"t-1234"}}"#;
        let all = texts(value);
        for wanted in [value, "https://u:pass-word@h", "pass-word", "t-1234"] {
            assert!(all.iter().any(|text| text == wanted), "{wanted}: {all:?}");
        }
        assert!(!all.iter().any(|text| text == "5432" || text == "true"));
        assert_eq!(inside(&value.into(), false).len(), 1);
    }
}
