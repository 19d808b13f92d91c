//! Where credentials come from, in which order, and who is asked for them: counted.

use std::path::Path;

use polysecrets_aws::AwsConfig;
use secrets_core::{
    Environment, ErrorKind, GetOptions, OpenContext, Result, Secret, SecretProvider,
};
use secrets_provider::Transport;
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};
use serde_json::json;

use crate::support::name;

/// A service that answers every read, and a metadata service that counts who asks it.
pub(crate) struct World {
    pub(crate) service: FaultServer,
    pub(crate) metadata: FaultServer,
    home: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let secret = json!({"Name": "a", "ARN": "arn", "VersionId": "v", "SecretString": "x"});
        let credentials = json!({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "METADATA", "SecretAccessKey": "key",
            "Token": "token", "Expiration": "2099-01-01T00:00:00Z", "LastUpdated": "2026-01-01T00:00:00Z",
        });
        let metadata = Script::respond(move |request| {
            Some(Fault::reply(
                match (request.method.as_str(), request.path()) {
                    ("PUT", "/latest/api/token") => Reply::new(200)
                        .header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
                        .body("metadata-token"),
                    ("GET", "/latest/meta-data/placement/region") => {
                        Reply::new(200).body("ap-southeast-2")
                    }
                    ("GET", "/latest/meta-data/iam/security-credentials/") => {
                        Reply::new(200).body("role")
                    }
                    ("GET", "/latest/meta-data/iam/security-credentials/role") => {
                        Reply::json(&credentials)
                    }
                    _ => return None,
                },
            ))
        });
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        Self {
            service: FaultServer::start(Reply::json(&secret)).await.unwrap(),
            metadata: FaultServer::start(metadata).await.unwrap(),
            home,
        }
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.home.path().join(file), text).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.home.path().join(file).to_str().unwrap().to_owned()
    }

    /// Leaves the profile and the file that `aws sso login` leaves, named by the SHA-1 of the start URL.
    pub(crate) fn log_in_to_sso(&self) {
        let start = "https://example.awsapps.com/start";
        self.write(
            ".aws/config",
            &format!("[default]\nsso_start_url = {start}\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = r\nregion = eu-west-1\n"),
        );
        std::fs::create_dir_all(self.home.path().join(".aws/sso/cache")).unwrap();
        let token = json!({"accessToken": "sso-token", "expiresAt": "2099-01-01T00:00:00Z", "region": "eu-west-1", "startUrl": start});
        self.write(
            &format!(".aws/sso/cache/{}.json", sha1(start)),
            &token.to_string(),
        );
    }

    pub(crate) fn environment(&self, variables: &[(&str, &str)]) -> Environment {
        let metadata = self.metadata.url();
        let always = [
            ("HOME", self.home.path().to_str().unwrap()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.as_str()),
        ];
        always
            .iter()
            .chain(variables)
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect()
    }

    /// Reads one secret, with these variables and settings.
    pub(crate) async fn read(
        &self,
        variables: &[(&str, &str)],
        change: impl FnOnce(&mut AwsConfig),
    ) -> Result<Secret> {
        let mut config = AwsConfig::default();
        config.endpoint = Some(self.service.url());
        change(&mut config);
        let context = OpenContext::new("main").with_environment(self.environment(variables));
        let provider = polysecrets_aws::open(config, context, Transport::default()).await?;
        provider.get(&name("a"), &GetOptions::default()).await
    }

    /// Whose key signed the last request, and for which region.
    pub(crate) fn signer(&self) -> (String, String) {
        let requests = self.service.requests();
        let signature = requests.last().unwrap().header("authorization").unwrap();
        let scope = signature.split_once("Credential=").unwrap().1;
        let mut parts = scope.split(['/', ',']).map(str::to_owned);
        let key = parts.next().unwrap();
        (key, parts.nth(1).unwrap())
    }
}

pub(crate) fn signed(key: &str, region: &str) -> (String, String) {
    (key.to_owned(), region.to_owned())
}

pub(crate) const KEYS: [(&str, &str); 2] = [
    ("AWS_ACCESS_KEY_ID", "ENV"),
    ("AWS_SECRET_ACCESS_KEY", "key"),
];

fn with_keys<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    KEYS.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn keys_of_the_configuration_go_before_all_and_ask_nobody() {
    let world = World::new().await;
    world.write(
        ".aws/credentials",
        "[default]\naws_access_key_id=FILE\naws_secret_access_key=k\n",
    );
    let inline = |config: &mut AwsConfig| {
        config.access_key_id = Some("INLINE".into());
        config.secret_access_key = Some("key".into());
    };
    world.read(&KEYS, inline).await.unwrap();
    assert_eq!(world.signer(), signed("INLINE", "us-east-1"));
    assert_eq!(world.metadata.request_count(), 0);
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn keys_of_the_environment_ask_nobody_and_default_to_one_region() {
    let world = World::new().await;
    world.read(&KEYS, |_| {}).await.unwrap();
    assert_eq!(world.signer(), signed("ENV", "us-east-1"));
    for (variable, region) in [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-2"),
    ] {
        world
            .read(&with_keys(&[(variable, region)]), |_| {})
            .await
            .unwrap();
        assert_eq!(world.signer(), signed("ENV", region));
    }
    // The configuration's region goes before both.
    let config = |config: &mut AwsConfig| config.region = Some("eu-north-1".to_owned());
    world
        .read(&with_keys(&[("AWS_REGION", "eu-west-1")]), config)
        .await
        .unwrap();
    assert_eq!(world.signer(), signed("ENV", "eu-north-1"));
    // White space at the ends, such as a line feed from a file, is AWS's own tools' to forgive too.
    let spaces = [
        ("AWS_ACCESS_KEY_ID", " ENV2\n"),
        ("AWS_SECRET_ACCESS_KEY", "key\n"),
    ];
    world.read(&spaces, |_| {}).await.unwrap();
    assert_eq!(world.signer().0, "ENV2");
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn the_region_of_the_profile_is_taken_where_nothing_else_names_one() {
    let world = World::new().await;
    world.write(
        ".aws/config",
        "[default]\nregion = sa-east-1\n[profile dev]\nregion = ca-central-1\n",
    );
    world.read(&KEYS, |_| {}).await.unwrap();
    assert_eq!(world.signer(), signed("ENV", "sa-east-1"));
    world
        .read(&with_keys(&[("AWS_PROFILE", "dev")]), |_| {})
        .await
        .unwrap();
    assert_eq!(world.signer(), signed("ENV", "ca-central-1"));
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn a_profile_that_is_named_goes_before_keys_of_the_environment() {
    let world = World::new().await;
    world.write(
        ".aws/credentials",
        "[default]\naws_access_key_id=FILE\naws_secret_access_key=k\n[dev]\naws_access_key_id=DEV\naws_secret_access_key=k\n",
    );
    world.read(&[], |_| {}).await.unwrap();
    assert_eq!(world.signer(), signed("FILE", "us-east-1"));
    world.read(&[("AWS_PROFILE", "dev")], |_| {}).await.unwrap();
    assert_eq!(world.signer().0, "DEV");
    world
        .read(&KEYS, |config| config.profile = Some("dev".to_owned()))
        .await
        .unwrap();
    assert_eq!(world.signer().0, "DEV");
    let missing = world
        .read(&KEYS, |config| config.profile = Some("nobody".to_owned()))
        .await;
    let error = missing.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(error.to_string().contains("nobody"), "{error}");
    assert_eq!(world.service.request_count(), 3);
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn a_process_gives_credentials() {
    let world = World::new().await;
    world.write(
        "helper.sh",
        "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"key\"}'\n",
    );
    let helper = world.home.path().join("helper.sh");
    world.write(
        ".aws/config",
        &format!(
            "[default]\ncredential_process = /bin/sh {}\n",
            helper.display()
        ),
    );
    world.read(&[], |_| {}).await.unwrap();
    assert_eq!(world.signer().0, "PROCESS");
    assert_eq!(world.metadata.connection_count(), 0);
}

pub(crate) fn assumed(action: &str, key: &str) -> Fault {
    Fault::reply(Reply::new(200).header("Content-Type", "text/xml").body(format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><AssumedRoleId>R:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>key</SecretAccessKey>\
         <SessionToken>session</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>\
         </{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    )))
}

#[tokio::test]
async fn a_web_identity_is_exchanged_once() {
    let world = World::new().await;
    let sts = FaultServer::start(assumed("AssumeRoleWithWebIdentity", "WEB"))
        .await
        .unwrap();
    world.write("token", "the.web.token");
    let token = world.home.path().join("token");
    let url = sts.url();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    world.read(&variables, |_| {}).await.unwrap();
    assert_eq!(world.signer(), signed("WEB", "eu-west-1"));
    assert_eq!(sts.request_count(), 1);
    let sent = String::from_utf8(sts.requests()[0].body.clone()).unwrap();
    assert!(sent.contains("WebIdentityToken=the.web.token"), "{sent}");
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn a_role_is_assumed_once() {
    let world = World::new().await;
    let sts = FaultServer::start(assumed("AssumeRole", "ROLE"))
        .await
        .unwrap();
    let url = sts.url();
    let variables = with_keys(&[
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let role = |config: &mut AwsConfig| {
        config.role_arn = Some("arn:aws:iam::123456789012:role/r".to_owned());
        config.external_id = Some("ext".to_owned());
    };
    world.read(&variables, role).await.unwrap();
    assert_eq!(world.signer(), signed("ROLE", "eu-west-1"));
    assert_eq!(sts.request_count(), 1);
    let sent = String::from_utf8(sts.requests()[0].body.clone()).unwrap();
    assert!(
        sent.contains("ExternalId=ext") && sent.contains("RoleSessionName=polysecrets"),
        "{sent}"
    );

    // A role that may not be assumed is an error of its own, not of the service.
    sts.set_script(Reply::new(403).header("Content-Type", "text/xml").body(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>hunter2</Message></Error></ErrorResponse>",
    ));
    let error = world.read(&variables, role).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert_eq!(world.service.request_count(), 1);
}

#[tokio::test]
async fn a_container_gives_credentials() {
    let world = World::new().await;
    let credentials = json!({
        "AccessKeyId": "CONTAINER", "SecretAccessKey": "key", "Token": "token", "Expiration": "2099-01-01T00:00:00Z",
    });
    let container = FaultServer::start(Reply::json(&credentials)).await.unwrap();
    let url = format!("{}/v2/credentials/x", container.url());
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-token"),
        ("AWS_REGION", "eu-west-1"),
    ];
    world.read(&variables, |_| {}).await.unwrap();
    assert_eq!(world.signer(), signed("CONTAINER", "eu-west-1"));
    assert_eq!(container.request_count(), 1);
    assert_eq!(
        container.requests()[0].header("authorization"),
        Some("container-token")
    );
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn sso_gives_credentials() {
    let world = World::new().await;
    let credentials = json!({"roleCredentials": {
        "accessKeyId": "SSO", "secretAccessKey": "key", "sessionToken": "token", "expiration": 4_070_908_800_000_u64,
    }});
    let portal = FaultServer::start(Reply::json(&credentials)).await.unwrap();
    world.log_in_to_sso();
    let url = portal.url();
    world
        .read(&[("AWS_ENDPOINT_URL_SSO", url.as_str())], |_| {})
        .await
        .unwrap();
    assert_eq!(world.signer(), signed("SSO", "eu-west-1"));
    assert_eq!(
        portal.requests()[0].header("x-amz-sso_bearer_token"),
        Some("sso-token")
    );
    assert_eq!(world.metadata.connection_count(), 0);
}

/// Of the one text that the tests need.
fn sha1(text: &str) -> &'static str {
    assert_eq!(text, "https://example.awsapps.com/start");
    "e8be5486177c5b5392bd9aa76563515b29358e6e"
}

#[tokio::test]
async fn the_metadata_service_is_asked_last_and_gives_the_region_too() {
    let world = World::new().await;
    world.read(&[], |_| {}).await.unwrap();
    assert_eq!(world.signer(), signed("METADATA", "ap-southeast-2"));
    let sent = world.metadata.requests();
    assert!(
        sent.iter()
            .filter(|request| request.method == "GET")
            .all(|request| {
                request.header("x-aws-ec2-metadata-token") == Some("metadata-token")
            })
    );

    world.metadata.clear();
    world
        .read(&[("AWS_REGION", "eu-west-1")], |_| {})
        .await
        .unwrap();
    assert_eq!(world.signer(), signed("METADATA", "eu-west-1"));
    let asked_for_region =
        |request: &secrets_testkit::fault::RecordedRequest| request.path().ends_with("/region");
    assert!(!world.metadata.requests().iter().any(asked_for_region));

    world.metadata.clear();
    let off = [("AWS_EC2_METADATA_DISABLED", "true")];
    let error = world.read(&off, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.hint().unwrap().contains("AWS_ACCESS_KEY_ID"));
    assert_eq!(world.metadata.request_count(), 0);
}

#[tokio::test]
async fn without_any_source_the_error_says_what_to_do() {
    let world = World::new().await;
    world.metadata.set_script(Fault::close());
    let error = world.read(&[], |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    assert!(error.hint().unwrap().contains("AWS_PROFILE"));
    assert_eq!(world.service.request_count(), 0);
}

/// A service that takes only one key, and says so in the words of AWS.
fn taking(key: &'static str) -> Script {
    Script::respond(move |request| {
        let is_taken = request
            .header("authorization")?
            .contains(&format!("Credential={key}/"));
        let secret = json!({"Name": "a", "ARN": "arn", "VersionId": "v", "SecretString": "x"});
        let expired = json!({"__type": "ExpiredTokenException", "message": "The security token included in the request is expired"});
        Some(Fault::reply(match is_taken {
            true => Reply::json(&secret),
            false => Reply::json(&expired).status(400),
        }))
    })
}

#[tokio::test]
async fn an_expired_credential_is_replaced_once_by_what_its_source_has_now() {
    let world = World::new().await;
    let file = |key: &str| {
        let text = format!(
            "[default]\naws_access_key_id={key}\naws_secret_access_key=k\naws_session_token=t\n"
        );
        world.write(".aws/credentials", &text);
    };
    world.service.set_script(taking("NEW"));
    file("OLD");
    let mut config = AwsConfig::default();
    config.endpoint = Some(world.service.url());
    let context = OpenContext::new("main").with_environment(world.environment(&[]));
    let provider = polysecrets_aws::open(config, context, Transport::default())
        .await
        .unwrap();
    let read = || {
        provider.get(
            Box::leak(Box::new(name("a"))),
            Box::leak(Box::new(GetOptions::default())),
        )
    };
    let error = read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(world.service.request_count(), 2);
    file("NEW");
    read().await.unwrap();
    read().await.unwrap();
    assert_eq!(world.service.request_count(), 5);
    assert_eq!(world.signer().0, "NEW");

    // A key that was given cannot change, so that nothing is asked twice.
    world.service.clear();
    world.service.set_script(taking("OTHER"));
    world.read(&KEYS, |_| {}).await.unwrap_err();
    assert_eq!(world.service.request_count(), 1);
}

#[tokio::test]
async fn variables_with_credentials_are_kept_from_children() {
    let world = World::new().await;
    let open = async |variables: &[(&str, &str)]| {
        let mut config = AwsConfig::default();
        config.endpoint = Some(world.service.url());
        let context = OpenContext::new("main").with_environment(world.environment(variables));
        let provider = polysecrets_aws::open(config, context, Transport::default())
            .await
            .unwrap();
        provider.info().clone()
    };
    let info = open(&with_keys(&[("AWS_REGION", "eu-west-1")])).await;
    assert_eq!(
        info.credential_variables,
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    );
    assert!(
        info.location
            .to_string()
            .starts_with("aws-sm://eu-west-1?endpoint="),
        "{}",
        info.location
    );
    assert_eq!(open(&[]).await.credential_variables, Vec::<String>::new());
    let container = open(&[("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")]).await;
    assert_eq!(
        container.credential_variables,
        ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    );
}

#[tokio::test]
async fn endpoints_of_the_environment_are_used() {
    let world = World::new().await;
    let url = world.service.url();
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER"] {
        let context = OpenContext::new("main")
            .with_environment(world.environment(&with_keys(&[(variable, url.as_str())])));
        let provider = polysecrets_aws::open(AwsConfig::default(), context, Transport::default())
            .await
            .unwrap();
        provider
            .get(&name("a"), &GetOptions::default())
            .await
            .unwrap();
    }
    assert_eq!(world.service.request_count(), 2);
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_used_is_told_with_what_named_it() {
    let open = async |variable: &str, endpoint: &str, allow_http: bool| {
        let environment: Environment = [(variable, endpoint)].into_iter().collect();
        let context = OpenContext::new("main").with_environment(environment);
        let mut config = AwsConfig::default();
        config.allow_http = allow_http;
        let opened = polysecrets_aws::open(config, context, Transport::default()).await;
        opened.map(drop).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            (error.message().to_owned(), error.hint().unwrap().to_owned())
        })
    };
    let (message, hint) = open("AWS_ENDPOINT_URL", "aws.example", false)
        .await
        .unwrap_err();
    assert!(message.starts_with("AWS_ENDPOINT_URL: "), "{message}");
    assert!(hint.contains("`https://host:port`"), "{hint}");
    let far = "http://aws.example:4566";
    let (message, hint) = open("AWS_ENDPOINT_URL", far, false).await.unwrap_err();
    let clear = "http://aws.example:4566 is another machine, and values would go there in clear";
    assert_eq!(message, clear);
    assert!(hint.contains("allow_http"), "{hint}");
    open("AWS_ENDPOINT_URL", far, true).await.unwrap();
    open("AWS_ENDPOINT_URL", "http://127.0.0.1:4566", false)
        .await
        .unwrap();
}

#[tokio::test]
async fn no_file_is_opened_where_key_and_region_are_known() {
    let world = World::new().await;
    // A file that cannot be parsed would fail the read.
    world.write(".aws/config", "[default\nregion = broken");
    world.write(".aws/credentials", "nonsense");
    assert!(Path::new(world.home.path()).join(".aws/config").exists());
    world
        .read(&with_keys(&[("AWS_REGION", "eu-west-1")]), |_| {})
        .await
        .unwrap();
    let error = world.read(&[], |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert_eq!(world.metadata.connection_count(), 0);
}
