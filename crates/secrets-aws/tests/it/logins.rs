//! The services that give credentials fail or refuse, and profiles ask for what they do not have. What comes out agrees
//! with boto3: a failure that passes is worth another attempt, and nobody becomes another identity.

use std::time::{Duration, SystemTime};

use polysecrets_aws::AwsConfig;
use secrets_core::{Error, ErrorKind};
use secrets_testkit::fault::{Fault, FaultServer, Reply};
use serde_json::json;

use super::auth::{KEYS, World, assumed, signed};

fn sts_refusal(status: u16, code: &str) -> Fault {
    Fault::reply(xml(status, code))
}

fn xml(status: u16, code: &str) -> Reply {
    Reply::new(status)
        .header("Content-Type", "text/xml")
        .body(format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>hunter2</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        ))
}

async fn with_web_identity(world: &World, sts: &FaultServer) -> Result<(), Error> {
    world.write("token", "the.web.token");
    let token = world.path("token");
    let url = sts.url();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    world.read(&variables, |_| {}).await.map(drop)
}

#[tokio::test]
async fn what_passes_at_sts_is_worth_another_attempt() {
    let world = World::new().await;
    for (status, code, kind) in [
        (400, "Throttling", ErrorKind::RateLimited),
        (400, "IDPCommunicationError", ErrorKind::Unavailable),
        (429, "TooManyRequestsException", ErrorKind::RateLimited),
        (500, "InternalFailure", ErrorKind::Unavailable),
        (503, "ServiceUnavailable", ErrorKind::Unavailable),
        (504, "", ErrorKind::Timeout),
    ] {
        let sts = FaultServer::start(sts_refusal(status, code)).await.unwrap();
        let error = with_web_identity(&world, &sts).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {code}: {error:?}");
        assert!(error.is_retryable());
        assert!(!format!("{error:?}").contains("hunter2"));
        // The next attempt is a new login.
        sts.set_script(assumed("AssumeRoleWithWebIdentity", "WEB"));
        with_web_identity(&world, &sts).await.unwrap();
        assert_eq!(world.signer().0, "WEB");
    }
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn what_stays_at_sts_says_why() {
    let world = World::new().await;
    for (reply, kind, says) in [
        (
            xml(403, "AccessDenied"),
            ErrorKind::Unauthenticated,
            "denies the role",
        ),
        (
            xml(400, "ExpiredTokenException"),
            ErrorKind::Unauthenticated,
            "expired or not accepted",
        ),
        (
            xml(400, "InvalidIdentityToken"),
            ErrorKind::Unauthenticated,
            "expired or not accepted",
        ),
        (
            xml(400, "MalformedPolicyDocument"),
            ErrorKind::Unauthenticated,
            "MalformedPolicyDocument",
        ),
        (
            Reply::new(400).body("<html>hunter2</html>"),
            ErrorKind::InvalidResponse,
            "not AWS's",
        ),
        (
            Reply::new(200).body("<html>hunter2</html>"),
            ErrorKind::InvalidResponse,
            "holds none",
        ),
    ] {
        let sts = FaultServer::start(Fault::reply(reply)).await.unwrap();
        let error = with_web_identity(&world, &sts).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.message().contains(says), "{error}");
        assert!(error.hint().is_some());
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(sts.request_count(), 1);
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    let world = World::new().await;
    let earlier = SystemTime::now() - Duration::from_secs(3600);
    let refusal =
        xml(403, "SignatureDoesNotMatch").header("Date", httpdate::fmt_http_date(earlier));
    let sts = FaultServer::start(Fault::reply(refusal)).await.unwrap();
    let url = sts.url();
    let variables: Vec<_> = KEYS
        .into_iter()
        .chain([
            ("AWS_ENDPOINT_URL_STS", url.as_str()),
            ("AWS_REGION", "eu-west-1"),
        ])
        .collect();
    let role = |config: &mut AwsConfig| {
        config.role_arn = Some("arn:aws:iam::123456789012:role/r".to_owned());
    };
    let error = world.read(&variables, role).await.unwrap_err();
    assert!(
        error
            .message()
            .contains("clock differs from that of AWS by"),
        "{error}"
    );
}

#[tokio::test]
async fn what_passes_at_sso_containers_and_machines_is_worth_another_attempt() {
    let world = World::new().await;
    let statuses = [
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ];
    for (status, kind) in statuses {
        let body = json!({"message": "hunter2"});
        let server = FaultServer::start(Reply::json(&body).status(status))
            .await
            .unwrap();
        let address = format!("{}/v2/credentials/x", server.url());
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str()),
            ("AWS_REGION", "eu-west-1"),
        ];
        let error = world.read(&variables, |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), kind, "container, {status}: {error:?}");
        assert!(!format!("{error:?}").contains("hunter2"));

        world.log_in_to_sso();
        let url = server.url();
        let error = world
            .read(&[("AWS_ENDPOINT_URL_SSO", url.as_str())], |_| {})
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.kind(), kind, "sso, {status}: {error:?}");
        world.write(".aws/config", "");
    }
    assert_eq!(world.metadata.connection_count(), 0);

    let world = World::new().await;
    world.metadata.set_script(Reply::new(503).body("busy"));
    let error = world
        .read(&[("AWS_REGION", "eu-west-1")], |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_profile_that_leads_nowhere_is_no_reason_to_be_somebody_else() {
    let world = World::new().await;
    let role = "role_arn = arn:aws:iam::123456789012:role/r\n";
    world.write(
        ".aws/config",
        &format!("[default]\n{role}source_profile = base\n[profile dev]\n{role}source_profile = default\n"),
    );
    for profile in [None, Some("dev")] {
        let change = |config: &mut AwsConfig| config.profile = profile.map(str::to_owned);
        let error = world
            .read(&[("AWS_REGION", "eu-west-1")], change)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
        let says = "the profile \"default\" names a `source_profile` \"base\" that does not exist";
        assert_eq!(error.message(), says);
    }
    assert_eq!(world.metadata.connection_count(), 0);
    assert_eq!(world.service.request_count(), 0);
}

#[tokio::test]
async fn settings_of_a_role_that_are_not_supported_are_refused_by_name() {
    let world = World::new().await;
    for (line, is_refused) in [
        ("mfa_serial = arn:aws:iam::123456789012:mfa/me", true),
        ("source_identity = me", true),
        ("duration_seconds = 900", true),
        ("duration_seconds = 3600", false),
    ] {
        world.write(
            ".aws/config",
            &format!("[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n{line}\n[profile base]\naws_access_key_id = BASE\naws_secret_access_key = k\n"),
        );
        let sts = FaultServer::start(assumed("AssumeRole", "ROLE"))
            .await
            .unwrap();
        let url = sts.url();
        let variables = [
            ("AWS_ENDPOINT_URL_STS", url.as_str()),
            ("AWS_REGION", "eu-west-1"),
        ];
        let read = world.read(&variables, |_| {}).await;
        let setting = line.split(' ').next().unwrap();
        match is_refused {
            false => drop(read.unwrap()),
            true => {
                let error = read.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidConfig);
                assert!(
                    error
                        .message()
                        .contains(&format!("`{setting}` of the profile")),
                    "{error}"
                );
                assert_eq!(sts.request_count(), 0);
            }
        }
    }
}

#[tokio::test]
async fn a_role_may_take_its_credential_from_the_machine_or_the_environment() {
    let world = World::new().await;
    let sts = FaultServer::start(assumed("AssumeRole", "ROLE"))
        .await
        .unwrap();
    let url = sts.url();
    let profile = |source: &str| {
        format!(
            "[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/r\nexternal_id = ext\ncredential_source = {source}\n"
        )
    };
    let dev = |config: &mut AwsConfig| config.profile = Some("dev".to_owned());
    let signer_at_sts = || {
        let requests = sts.requests();
        let last = requests.last().unwrap();
        let signature = last.header("authorization").unwrap().to_owned();
        let body = String::from_utf8(last.body.clone()).unwrap();
        assert!(body.contains("ExternalId=ext"), "{body}");
        signature
            .split_once("Credential=")
            .unwrap()
            .1
            .split('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let variables = [
        ("AWS_ENDPOINT_URL_STS", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    world.write(".aws/config", &profile("Ec2InstanceMetadata"));
    world.read(&variables, dev).await.unwrap();
    assert_eq!(
        (world.signer().0.as_str(), signer_at_sts().as_str()),
        ("ROLE", "METADATA")
    );

    world.metadata.clear();
    world.write(".aws/config", &profile("Environment"));
    let error = world.read(&variables, dev).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
    assert!(
        error
            .message()
            .contains("from the environment, which has none"),
        "{error}"
    );
    let variables: Vec<_> = KEYS.into_iter().chain(variables).collect();
    world.read(&variables, dev).await.unwrap();
    assert_eq!(
        (world.signer().0.as_str(), signer_at_sts().as_str()),
        ("ROLE", "ENV")
    );
    assert_eq!(world.metadata.request_count(), 0);
}

#[tokio::test]
async fn the_profile_of_the_environment_is_that_of_boto3() {
    let world = World::new().await;
    world.write(
        ".aws/credentials",
        "[default]\naws_access_key_id=FILE\naws_secret_access_key=k\n[dev]\naws_access_key_id=DEV\naws_secret_access_key=k\n[other]\naws_access_key_id=OTHER\naws_secret_access_key=k\n",
    );
    for (variables, signer) in [
        (&[("AWS_DEFAULT_PROFILE", "dev")][..], "DEV"),
        (
            &[("AWS_DEFAULT_PROFILE", "dev"), ("AWS_PROFILE", "other")],
            "DEV",
        ),
        (&[("AWS_PROFILE", "other")], "OTHER"),
    ] {
        world.read(variables, |_| {}).await.unwrap();
        assert_eq!(world.signer().0, signer, "{variables:?}");
    }
    let keys: Vec<_> = KEYS.into_iter().chain([("AWS_PROFILE", "dev")]).collect();
    world.read(&keys, |_| {}).await.unwrap();
    assert_eq!(world.signer().0, "ENV");
    for more in [&[][..], &KEYS] {
        let variables: Vec<_> = more.iter().copied().chain([("AWS_PROFILE", "")]).collect();
        let error = world.read(&variables, |_| {}).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(error.message(), "AWS_PROFILE is set and names no profile");
    }
}

#[tokio::test]
async fn a_credential_that_has_expired_already_is_refused() {
    let world = World::new().await;
    world.write(
        "helper.sh",
        "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"PROCESS\",\"SecretAccessKey\":\"key\",\"SessionToken\":\"t\",\"Expiration\":\"2020-01-01T00:00:00Z\"}'\n",
    );
    let helper = world.path("helper.sh");
    world.write(
        ".aws/config",
        &format!("[default]\ncredential_process = /bin/sh {helper}\n"),
    );
    let error = world.read(&[], |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains("has expired"), "{error}");
    assert_eq!(world.service.request_count(), 0);
}

/// The profile and the file that `aws login` leaves, named by the SHA-256 of the session.
#[tokio::test]
async fn a_profile_of_aws_login_works_where_the_feature_is_on() {
    let world = World::new().await;
    world.write(
        ".aws/config",
        "[default]\nlogin_session = arn:aws:iam::0123456789012:user/Admin\nregion = eu-west-1\n",
    );
    std::fs::create_dir_all(world.path(".aws/login/cache")).unwrap();
    let token = json!({
        "accessToken": {
            "accessKeyId": "LOGIN", "secretAccessKey": "key", "sessionToken": "token",
            "accountId": "012345678901", "expiresAt": "2099-01-01T00:00:00Z",
        },
        "tokenType": "aws_sigv4", "refreshToken": "r", "idToken": "i",
        "clientId": "arn:aws:signin:::devtools/same-device", "dpopKey": "hunter2",
    });
    world.write(
        ".aws/login/cache/36db1d138ff460920374e4c3d8e01f53f9f73537e89c88d639f68393df0e2726.json",
        &token.to_string(),
    );
    let read = world.read(&[], |_| {}).await;
    if cfg!(feature = "login") {
        read.unwrap();
        assert_eq!(world.signer(), signed("LOGIN", "eu-west-1"));
    } else {
        let error = read.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(
            error
                .message()
                .starts_with("`login_session` of the profile"),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("feature `login`"));
    }
    assert_eq!(world.metadata.connection_count(), 0);
}

#[tokio::test]
async fn an_address_of_a_container_that_is_not_allowed_is_named() {
    let world = World::new().await;
    let variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    for address in ["http://192.0.2.1/credentials", "nonsense"] {
        let error = world
            .read(&[(variable, address)], |_| {})
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error:?}");
        assert!(error.message().starts_with(variable), "{error}");
    }
}
