//! The fields of a JSON object, compared with serde_json.

use std::borrow::Cow;
use std::collections::HashMap;

use secrets_core::{ErrorKind, SecretValue};
use serde_json::Value;
use serde_json::value::RawValue;

/// A value.
pub fn fields(data: &[u8]) {
    let value = SecretValue::from(data);
    let theirs = serde_json::from_slice::<HashMap<Cow<'_, str>, &RawValue>>(data).ok();
    assert_eq!(value.is_json_object(), theirs.is_some());
    let Some(theirs) = theirs else {
        for result in [value.field("a").map(drop), value.fields().map(drop)] {
            assert_eq!(
                result.map_err(|error| error.kind()),
                Err(ErrorKind::InvalidValue)
            );
        }
        return;
    };
    let mut all_are_text = true;
    for (key, raw) in &theirs {
        let ours = value.field(key);
        if !raw.get().starts_with('"') {
            let ours = ours.expect("source text");
            assert_eq!(ours.expose_bytes(), raw.get().as_bytes(), "{key:?}");
            continue;
        }
        match (ours, serde_json::from_str::<Value>(raw.get())) {
            (Ok(ours), Ok(Value::String(text))) => assert_eq!(ours.expose_str().ok(), Some(&*text)),
            // A lone surrogate is not a character.
            (Err(error), Err(_)) => {
                assert_eq!(error.kind(), ErrorKind::InvalidValue);
                all_are_text = false;
            }
            (ours, theirs) => panic!("{raw:?} is {ours:?}, {theirs:?} to serde_json"),
        }
    }
    if all_are_text && let Ok(all) = value.fields() {
        // The last duplicate of a key counts.
        let all: HashMap<String, SecretValue> = all.into_iter().collect();
        assert_eq!(all.len(), theirs.len());
        for (key, each) in all {
            assert_eq!(value.field(&key).ok(), Some(each), "{key:?}");
        }
    }
    let absent = (0..)
        .map(|number| format!("no-{number}"))
        .find(|key| !theirs.contains_key(&**key));
    let error = value
        .field(&absent.unwrap_or_default())
        .expect_err("an absent field");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
