//! The server's documents, derived from their names.

/// The fields of a document: `value`, and twenty more if the last segment starts with `doc`.
pub(crate) fn fields(name: &str) -> Vec<String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    let mut fields = vec!["value".to_owned()];
    if last.starts_with("doc") {
        fields.extend((0..20).map(|number| format!("k{number:02}")));
    }
    fields
}

/// The value of a field, which is unique.
pub(crate) fn value(name: &str, field: &str) -> String {
    format!("{field}-of-{}", name.replace('/', "."))
}

/// The response to `GET /v1/secret/data/NAME` of key/value version 2.
pub(crate) fn answer(name: &str) -> String {
    let data: Vec<String> = fields(name)
        .iter()
        .map(|field| format!("\"{field}\":\"{}\"", value(name, field)))
        .collect();
    format!(
        "{{\"request_id\":\"00000000-0000-0000-0000-000000000000\",\"lease_id\":\"\",\"renewable\":false,\
         \"lease_duration\":0,\"data\":{{\"data\":{{{}}},\"metadata\":{{\
         \"created_time\":\"2026-01-01T00:00:00.000000000Z\",\"custom_metadata\":null,\
         \"deletion_time\":\"\",\"destroyed\":false,\"version\":1}}}},\
         \"wrap_info\":null,\"warnings\":null,\"auth\":null}}",
        data.join(",")
    )
}

/// The response to the request that detects a mount's type and version.
pub(crate) const MOUNT: &str = "{\"request_id\":\"00000000-0000-0000-0000-000000000000\",\
    \"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":{\"accessor\":\"kv_0\",\
    \"config\":{\"default_lease_ttl\":0,\"max_lease_ttl\":0},\"description\":\"\",\"local\":false,\
    \"options\":{\"version\":\"2\"},\"path\":\"secret/\",\"type\":\"kv\",\"uuid\":\"0\"},\
    \"wrap_info\":null,\"warnings\":null,\"auth\":null}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_many_fields_and_a_secret_one() {
        assert_eq!(fields("app/s0001"), ["value"]);
        assert_eq!(fields("app/doc3").len(), 21);
        let text = answer("app/s0001");
        assert!(
            text.contains(r#""data":{"data":{"value":"value-of-app.s0001"},"metadata""#),
            "{text}"
        );
    }
}
