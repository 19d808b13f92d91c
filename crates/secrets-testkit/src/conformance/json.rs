use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Whether two JSON texts say the same: objects by key, strings by content, numbers by their very text.
pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    match (serde_json::from_slice(left), serde_json::from_slice(right)) {
        (Ok(left), Ok(right)) => raw_equal(left, right),
        _ => false,
    }
}

fn raw_equal(left: &RawValue, right: &RawValue) -> bool {
    let (left, right) = (left.get(), right.get());
    match left.as_bytes().first() {
        Some(b'{') => {
            let parse = |text| serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
            let (Ok(left), Ok(right)) = (parse(left), parse(right)) else {
                return false;
            };
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|((key, value), (other, twin))| key == other && raw_equal(value, twin))
        }
        Some(b'[') => {
            let parse = |text| serde_json::from_str::<Vec<&RawValue>>(text);
            let (Ok(left), Ok(right)) = (parse(left), parse(right)) else {
                return false;
            };
            left.len() == right.len()
                && left
                    .iter()
                    .zip(&right)
                    .all(|(value, twin)| raw_equal(value, twin))
        }
        Some(b'"') => {
            let parse = |text| serde_json::from_str::<String>(text);
            matches!((parse(left), parse(right)), (Ok(left), Ok(right)) if left == right)
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn numbers_are_compared_by_text_and_the_rest_by_meaning() {
        assert!(equal(
            br#"{"a":1,"b":[true,"\u0041"]}"#,
            br#" { "b" : [ true , "A" ], "a": 1 } "#
        ));
        assert!(!equal(br#"{"a":1}"#, br#"{"a":1.0}"#));
        assert!(!equal(br#"{"a":1754110382}"#, br#"{"a":1.754110382e9}"#));
        assert!(!equal(br#"{"a":"1"}"#, br#"{"a":1}"#));
        assert!(!equal(br#"{"a":1}"#, br#"{"a":1,"b":2}"#));
        assert!(!equal(b"[1,2]", b"[2,1]"));
        assert!(!equal(b"{", b"{"));
    }
}
