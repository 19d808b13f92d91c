//! The supported APIs: requests, responses, and where a response has its value.

use crate::{base64, document};

/// The most names that AWS accepts in one request.
const BATCH: usize = 20;
const ACCESS: &str = "/versions/latest:access";
const PROJECT: &str = "/v1/projects/bench/secrets/";

/// The API of a client. The server speaks all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// Key/value, version 2: one document per request.
    Vault,
    /// AWS Secrets Manager: up to 20 secrets per request, unsigned.
    Aws,
    /// Google Secret Manager: one secret per request, its value in base64.
    Google,
}

impl Api {
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        match word {
            "vault" => Ok(Self::Vault),
            "aws" => Ok(Self::Aws),
            "google" => Ok(Self::Google),
            _ => Err(format!("unknown API: {word}")),
        }
    }

    /// The most names in a request.
    pub(crate) fn batch_size(self) -> usize {
        match self {
            Self::Aws => BATCH,
            Self::Vault | Self::Google => 1,
        }
    }

    /// A request for up to [`batch_size`](Self::batch_size) names.
    pub(crate) fn request(self, address: &str, token: &str, names: &[&str]) -> String {
        let first = names.first().copied().unwrap_or_default();
        match self {
            Self::Vault => format!(
                "GET /v1/secret/data/{first} HTTP/1.1\r\nHost: {address}\r\nX-Vault-Token: {token}\r\n\r\n"
            ),
            Self::Google => format!(
                "GET {PROJECT}{first}{ACCESS} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n"
            ),
            Self::Aws => {
                let (action, body) = match names {
                    [name] => ("GetSecretValue", format!("{{\"SecretId\":\"{name}\"}}")),
                    _ => (
                        "BatchGetSecretValue",
                        format!("{{\"SecretIdList\":[\"{}\"]}}", names.join("\",\"")),
                    ),
                };
                format!(
                    "POST / HTTP/1.1\r\nHost: {address}\r\nX-Amz-Target: secretsmanager.{action}\r\n\
                     Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
        }
    }

    /// The value of a field in a response. Does not unescape, since the server's values need no escapes.
    pub(crate) fn value(self, body: &str, name: &str, field: &str) -> Result<String, String> {
        let missing = || format!("no field {field} of {name}");
        match self {
            Self::Vault => between(body, &format!("\"{field}\":\""), "\"")
                .map(str::to_owned)
                .ok_or_else(missing),
            Self::Google => between(body, "\"data\":\"", "\"")
                .and_then(base64::decoded)
                .ok_or_else(missing),
            Self::Aws => {
                let entry = body
                    .split_once(&format!("\"Name\":\"{name}\""))
                    .and_then(|(_, rest)| rest.split_once("\"SecretString\":\""))
                    .map(|(_, text)| text)
                    .ok_or_else(missing)?;
                let found = if entry.starts_with('{') {
                    between(entry, &format!("\\\"{field}\\\":\\\""), "\\\"")
                } else {
                    entry.split('"').next()
                };
                found.map(str::to_owned).ok_or_else(missing)
            }
        }
    }
}

/// The server's status and response.
pub(crate) fn answer(target: &str, action: &str, body: &str) -> (&'static str, String) {
    const OK: &str = "200 OK";
    let path = target.split('?').next().unwrap_or(target);
    if let Some(name) = path.strip_prefix("/v1/secret/data/") {
        return (OK, document::answer(name));
    }
    if path.starts_with("/v1/sys/internal/ui/mounts/secret") {
        return (OK, document::MOUNT.to_owned());
    }
    if let Some(name) = path
        .strip_prefix(PROJECT)
        .and_then(|rest| rest.strip_suffix(ACCESS))
    {
        return (OK, accessed(name));
    }
    match action {
        "secretsmanager.GetSecretValue" => {
            if let Some(name) = between(body, "\"SecretId\":\"", "\"") {
                return (OK, entry(name));
            }
        }
        "secretsmanager.BatchGetSecretValue" => {
            if let Some(list) = between(body, "\"SecretIdList\":[", "]") {
                let entries: Vec<String> = list
                    .split(',')
                    .map(|name| entry(name.trim_matches('"')))
                    .collect();
                let entries = entries.join(",");
                return (
                    OK,
                    format!("{{\"Errors\":[],\"SecretValues\":[{entries}]}}"),
                );
            }
        }
        _ => {}
    }
    ("404 Not Found", "{\"errors\":[]}".to_owned())
}

/// A secret in AWS's format: a JSON document, or plain text if it has one field.
fn entry(name: &str) -> String {
    let fields = document::fields(name);
    let text = match fields.as_slice() {
        [only] => document::value(name, only),
        many => {
            let pairs: Vec<String> = many
                .iter()
                .map(|field| format!("\\\"{field}\\\":\\\"{}\\\"", document::value(name, field)))
                .collect();
            format!("{{{}}}", pairs.join(","))
        }
    };
    format!(
        "{{\"ARN\":\"arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}-AbCdEf\",\
         \"CreatedDate\":1767225600.0,\"Name\":\"{name}\",\"SecretString\":\"{text}\",\
         \"VersionId\":\"00000000-0000-4000-8000-000000000000\",\"VersionStages\":[\"AWSCURRENT\"]}}"
    )
}

fn accessed(name: &str) -> String {
    let value = document::value(name, "value");
    format!(
        "{{\"name\":\"projects/1/secrets/{name}/versions/1\",\
         \"payload\":{{\"data\":\"{}\",\"dataCrc32c\":\"{}\"}}}}",
        base64::encoded(value.as_bytes()),
        crc32c(value.as_bytes())
    )
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg())
        })
    })
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that a client of this API reads.
    fn round_trip(api: Api, names: &[&str], field: &str) -> Vec<Result<String, String>> {
        let request = api.request("host", "token", names);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let target = head.split(' ').nth(1).unwrap();
        let action = between(head, "X-Amz-Target: ", "\r\n").unwrap_or_default();
        let (status, body) = answer(target, action, body);
        assert_eq!(status, "200 OK");
        names
            .iter()
            .map(|name| api.value(&body, name, field))
            .collect()
    }

    #[test]
    fn each_api_returns_its_values() {
        for api in [Api::Vault, Api::Aws] {
            assert_eq!(
                round_trip(api, &["app/s1"], "value"),
                [Ok("value-of-app.s1".to_owned())]
            );
            assert_eq!(
                round_trip(api, &["app/doc1"], "k07"),
                [Ok("k07-of-app.doc1".to_owned())]
            );
            assert!(round_trip(api, &["app/doc1"], "k77")[0].is_err());
        }
        assert_eq!(
            round_trip(Api::Google, &["app-s1"], "value"),
            [Ok("value-of-app-s1".to_owned())]
        );
        assert_eq!(
            round_trip(Api::Aws, &["app/doc0", "app/doc1"], "k01"),
            [
                Ok("k01-of-app.doc0".to_owned()),
                Ok("k01-of-app.doc1".to_owned())
            ]
        );
    }

    #[test]
    fn unknown_requests_get_404() {
        assert!(
            answer("/v1/auth/token/lookup-self", "", "")
                .0
                .starts_with("404")
        );
        assert!(
            answer("/", "secretsmanager.PutSecretValue", "{}")
                .0
                .starts_with("404")
        );
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
