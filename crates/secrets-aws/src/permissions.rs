//! The least that IAM has to allow.

use secrets_core::{LeastPrivilege, Result, SecretName};
use serde_json::{Value, json};

use crate::limits::MAX_POLICY_CHARS;
use crate::names::Arn;
use crate::provider::{AwsProvider, Store};

/// How many random characters AWS appends to a name in an ARN, after a hyphen (IAM policy examples of AWS Secrets Manager).
const SUFFIX: &str = "??????";

/// The IAM policy for reading these secrets.
pub(crate) fn for_names(
    provider: &AwsProvider,
    region: &str,
    names: &[SecretName],
) -> Result<LeastPrivilege> {
    let (ids, key) = match provider.store() {
        Store::JsonKeys(keys) => (vec![keys.id().to_owned()], keys.kms_key()),
        Store::PerSecret(secrets) => {
            let ids = names.iter().map(|name| secrets.id(name));
            (ids.collect::<Result<Vec<_>>>()?, secrets.kms_key())
        }
    };
    let mut resources: Vec<String> = ids.iter().map(|id| resource(id, region)).collect();
    resources.sort();
    resources.dedup();
    let is_batch = matches!(provider.store(), Store::PerSecret(_)) && resources.len() > 1;
    let mut statements = vec![json!({
        "Sid": "Read",
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": resources,
    })];
    if is_batch {
        // It knows no resource; each secret of a batch needs the right to be read all the same.
        statements.push(json!({
            "Sid": "ReadManyAtOnce",
            "Effect": "Allow",
            "Action": "secretsmanager:BatchGetSecretValue",
            "Resource": "*",
        }));
    }
    let key_arn = key.filter(|key| key.starts_with("arn:") && key.contains(":key/"));
    if let Some(key) = key_arn {
        statements.push(decryption(key, region));
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let is_long = policy.to_string().len() > MAX_POLICY_CHARS;
    let mut grants = LeastPrivilege::new("IAM policy", "json", format!("{policy:#}\n"));
    let is_open = |resource: &String| resource.contains(":*:secret:");
    if resources.iter().any(is_open) {
        grants = grants.with_note("put the account's id in place of `*` before `:secret:`");
    }
    if region.is_empty() {
        grants =
            grants.with_note("set `region`, or put it in place of `*` after `secretsmanager:`");
    }
    if key_arn.is_none() {
        grants = grants.with_note(
            "where a KMS key of your own encrypts a secret, add kms:Decrypt on that key",
        );
    }
    if is_long {
        grants = grants.with_note(
            "longer than the 6144 characters of one policy: split it, or use a prefix with `*`",
        );
    }
    Ok(grants)
}

fn decryption(key: &str, region: &str) -> Value {
    let via = match region {
        "" => "secretsmanager.*.amazonaws.com".to_owned(),
        region => format!("secretsmanager.{region}.amazonaws.com"),
    };
    json!({
        "Sid": "Decrypt",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": key,
        "Condition": { "StringLike": { "kms:ViaService": via } },
    })
}

/// The ARN with the place of its random suffix. One that is given with its suffix stays as it is.
fn resource(id: &str, region: &str) -> String {
    if Arn::parse(id).is_some() {
        return match has_suffix(id) {
            true => id.to_owned(),
            false => format!("{id}-{SUFFIX}"),
        };
    }
    let partition = partition(region);
    let region = match region {
        "" => "*",
        region => region,
    };
    format!("arn:{partition}:secretsmanager:{region}:*:secret:{id}-{SUFFIX}")
}

fn has_suffix(arn: &str) -> bool {
    let suffix = arn.rsplit_once('-').map(|(_, suffix)| suffix.as_bytes());
    suffix.is_some_and(|suffix| {
        suffix.len() == SUFFIX.len() && suffix.iter().all(u8::is_ascii_alphanumeric)
    })
}

/// The partition that a region belongs to (AWS General Reference, "Amazon Resource Names").
fn partition(region: &str) -> &'static str {
    match region {
        "" => "*",
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("us-isob-") => "aws-iso-b",
        region if region.starts_with("us-iso-") => "aws-iso",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use secrets_core::{OpenContext, Permissions};
    use secrets_provider::Transport;

    use super::*;
    use crate::{AwsConfig, open};

    async fn granted(config: AwsConfig, names: &[&str]) -> (Value, LeastPrivilege) {
        let context = OpenContext::new("main");
        let transport = Transport::new(secrets_core::Environment::default());
        let provider = open(config, context, transport).await.unwrap();
        let names: Vec<_> = names
            .iter()
            .map(|name| SecretName::new(name).unwrap())
            .collect();
        let grants = provider.least_privilege(&names).unwrap();
        (serde_json::from_str(&grants.text).unwrap(), grants)
    }

    fn config() -> AwsConfig {
        AwsConfig {
            region: Some("eu-central-1".to_owned()),
            access_key_id: Some("AKIA".into()),
            secret_access_key: Some("hunter2".into()),
            ..AwsConfig::default()
        }
    }

    #[tokio::test]
    async fn each_secret_is_named_with_the_place_of_its_suffix() {
        let config = AwsConfig {
            secret_prefix: Some("app/".to_owned()),
            ..config()
        };
        let arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x/y-AbCdEf";
        let (policy, grants) = granted(config, &["db/password", "a b", arn]).await;
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements[0]["Action"], "secretsmanager:GetSecretValue");
        assert_eq!(
            statements[0]["Resource"],
            json!([
                "arn:aws:secretsmanager:eu-central-1:*:secret:app/db/password-??????",
                "arn:aws:secretsmanager:eu-central-1:*:secret:app/x__a_h20b-??????",
                arn,
            ])
        );
        assert_eq!(
            statements[1]["Action"],
            "secretsmanager:BatchGetSecretValue"
        );
        assert_eq!(statements[1]["Resource"], "*");
        assert_eq!(statements.len(), 2);
        assert!(grants.notes.iter().any(|note| note.contains("account")));
        assert!(!grants.text.contains("hunter2"));
    }

    #[tokio::test]
    async fn one_secret_needs_no_batches_and_a_known_key_is_decrypted_with() {
        let key = "arn:aws:kms:eu-central-1:123456789012:key/1";
        let config = AwsConfig {
            secret_name: Some("app".to_owned()),
            kms_key_id: Some(key.to_owned()),
            ..config()
        };
        let (policy, _) = granted(config, &["a", "b"]).await;
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(
            statements[0]["Resource"],
            json!(["arn:aws:secretsmanager:eu-central-1:*:secret:app-??????"])
        );
        assert_eq!(statements[1]["Resource"], key);
        assert_eq!(statements.len(), 2);
    }

    #[test]
    fn regions_have_partitions() {
        assert!(resource("a", "cn-north-1").starts_with("arn:aws-cn:secretsmanager:cn-north-1:"));
        assert!(resource("a", "").starts_with("arn:*:secretsmanager:*:*:"));
        let partial = "arn:aws:secretsmanager:r:1:secret:a";
        assert_eq!(resource(partial, "r"), format!("{partial}-??????"));
    }
}
