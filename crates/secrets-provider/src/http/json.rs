use secrets_core::{Error, ErrorKind, Result, SecretValue};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::WipedBuffer;

/// Reads JSON. What the target type borrows (`&RawValue`, `&str`, `Cow<str>`) stays in the body, which is wiped.
///
/// # Errors
/// [`ErrorKind::InvalidResponse`] with the kind and place of the problem. The text of the JSON library is left out: it
/// quotes the scalar that it did not expect.
pub fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let problem = match error.classify() {
            Category::Eof => "ends too early",
            Category::Data => "has another form than expected",
            Category::Syntax | Category::Io => "is not JSON",
        };
        Error::new(
            ErrorKind::InvalidResponse,
            format!(
                "the answer {problem} at line {}, column {}",
                error.line(),
                error.column()
            ),
        )
        .with_hint(
            "check that the address is that of the service and not of a proxy or another server",
        )
    })
}

/// Writes JSON into memory that is wiped. `capacity` is a guess of its length in bytes; a good one saves copies.
///
/// # Errors
/// [`ErrorKind::Unexpected`] if the type refuses to be written.
pub fn encode<T: Serialize + ?Sized>(value: &T, capacity: usize) -> Result<SecretValue> {
    let mut buffer = WipedBuffer::with_capacity(capacity);
    serde_json::to_writer(&mut buffer, value)
        .map_err(|_| Error::new(ErrorKind::Unexpected, "cannot write the request as JSON"))?;
    Ok(buffer.into_value())
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }

    #[test]
    fn borrows_from_the_body() {
        let body = br#"{"data":{"n":0.10}}"#;
        let answer: Answer<'_> = decode(body).unwrap();
        assert_eq!(answer.data.get(), r#"{"n":0.10}"#);
        assert!(body.as_ptr_range().contains(&answer.data.get().as_ptr()));
    }

    #[test]
    fn errors_hold_no_content() {
        #[derive(Debug, Deserialize)]
        struct Wanted {
            #[expect(dead_code, reason = "only its type matters")]
            data: u8,
        }
        for body in [
            r#"{"data":"hunter2"}"#,
            r#"{"data":hunter2}"#,
            r#"{"hunter2":1}"#,
            r#"{"data":"hunter2"#,
            "hunter2",
            "",
        ] {
            let error = decode::<Wanted>(body.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidResponse);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(error.to_string().contains("line "), "{error}");
        }
    }

    #[test]
    fn encodes() {
        let value = encode(&serde_json::json!({"a": "\"ü\n"}), 4).unwrap();
        assert_eq!(value.expose_str().unwrap(), "{\"a\":\"\\\"ü\\n\"}");
    }
}
