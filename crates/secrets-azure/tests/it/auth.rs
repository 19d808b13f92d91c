//! Logins: how many, where to, and that none goes where it must not.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use polysecrets_azure::{
    AzureConfig, AzureProvider, DeveloperToolsConfig, ManagedIdentityConfig, OutsideValidity,
    WorkloadIdentityConfig,
};
use secrets_core::{
    AmbientCredentials, ErrorKind, GetOptions, OpenContext, Result, Secret, SecretProvider,
};
use secrets_provider::Transport;
use secrets_testkit::fakes::Fault as FakeFault;
use secrets_testkit::fakes::azure::AzureOptions;
use secrets_testkit::fault::{Fault, FaultServer, Reply, Script};

use crate::support::{Scripted, TOKEN, Vault, name};

async fn get(provider: &AzureProvider) -> Result<Secret> {
    provider.get(&name("a"), &GetOptions::default()).await
}

fn logins(vault: &Vault) -> usize {
    let log = vault.log();
    let is_login = |line: &&String| {
        line.contains("/oauth2/") || line.contains("/msi/") || line.contains("/metadata/")
    };
    log.iter().filter(is_login).count()
}

fn without_vault(variables: Vec<(String, String)>) -> Vec<(String, String)> {
    variables
        .into_iter()
        .filter(|(name, _)| name != "AZURE_KEYVAULT_URL")
        .collect()
}

/// A program of this name in a folder, which says this.
fn program(folder: &Path, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_first_requests_are_one_login_and_no_question_what_for() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let provider = vault.provider().await;
    assert!(vault.log().is_empty());
    let gets = (0..100).map(|_| get(&provider));
    for secret in join_all(gets).await {
        assert_eq!(secret.unwrap().value, "value".into());
    }
    assert_eq!(logins(&vault), 1);
    assert_eq!(vault.log().len(), 101);
    assert_eq!(vault.transport.requests_sent(), 101);
}

#[tokio::test]
async fn a_vault_of_an_unknown_cloud_is_asked_what_its_tokens_are_for() {
    // Its host must be below the resource, or a token for something else could be asked for.
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let mut config = vault.application();
    config.resource = None;
    let provider = vault.try_open(config, &[]).await.unwrap();
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.hint().unwrap().contains("`resource`"));
    assert_eq!(vault.log(), ["GET /secrets/a/"]);
}

#[tokio::test]
async fn a_token_is_got_anew_before_it_ends_and_once_after_a_refusal() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let provider = vault.provider().await;
    get(&provider).await.unwrap();
    vault.advance(Duration::from_secs(3000));
    get(&provider).await.unwrap();
    assert_eq!(logins(&vault), 1);
    vault.advance(Duration::from_secs(400));
    get(&provider).await.unwrap();
    assert_eq!(logins(&vault), 2);

    vault.fake.faults().push(FakeFault::switch("expire_tokens"));
    get(&provider).await.unwrap();
    assert_eq!(logins(&vault), 3);

    // Not for ever: a new token that is refused too is an error.
    let before = vault.log().len();
    vault
        .fake
        .faults()
        .push(FakeFault::status(401).always().on_path("/secrets/"));
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert_eq!(logins(&vault), 4);
    assert_eq!(vault.log().len() - before, 3);
}

#[tokio::test]
async fn a_write_that_meets_an_expired_token_is_written_once_and_whole() {
    let vault = Vault::start().await;
    let provider = vault.provider().await;
    let value = "hunter2".into();
    provider
        .put(&name("a"), &value, &Default::default())
        .await
        .unwrap();
    vault
        .fake
        .faults()
        .push(FakeFault::switch("expire_tokens").on_method("PUT"));
    let changed = "hunter3".into();
    provider
        .put(&name("a"), &changed, &Default::default())
        .await
        .unwrap();
    assert_eq!(get(&provider).await.unwrap().value, changed);
    let versions = provider
        .versions(&name("a"), &Default::default())
        .await
        .unwrap();
    assert_eq!(versions.items.len(), 2);
}

#[tokio::test]
async fn the_environment_holds_each_kind_of_credential() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let file = vault.path("federated");
    std::fs::write(&file, vault.fake.federated_token(Duration::from_secs(600))).unwrap();
    for variables in [
        vault.fake.environment(),
        vault.fake.workload_environment(&file),
        vault.fake.app_service_environment(),
        vault.fake.metadata_environment(),
    ] {
        // The address too comes from there.
        let mut config = vault.config();
        (config.vault_url, config.authority_host) = (None, None);
        if variables
            .iter()
            .all(|(name, _)| name != "AZURE_AUTHORITY_HOST")
        {
            config.authority_host = Some(vault.fake.url());
        }
        let provider = vault.try_open(config, &variables).await.unwrap();
        let names: Vec<_> = variables.iter().map(|(name, _)| name).collect();
        assert_eq!(
            get(&provider).await.unwrap().value,
            "value".into(),
            "{names:?}"
        );
        let hidden = &provider.info().credential_variables;
        for secret in ["AZURE_CLIENT_SECRET", "IDENTITY_HEADER"] {
            let is_there = variables.iter().any(|(name, _)| name == secret);
            assert_eq!(hidden.iter().any(|name| name == secret), is_there);
        }
    }
}

#[tokio::test]
async fn metadata_is_asked_nothing_when_there_is_another_credential() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let metadata = FaultServer::start(Fault::silence()).await.unwrap();
    let file = vault.path("federated");
    std::fs::write(&file, vault.fake.federated_token(Duration::from_secs(600))).unwrap();
    let mut tools = vault.config();
    tools.developer_tools = Some(DeveloperToolsConfig::default());
    let mut workload = vault.config();
    workload.workload_identity = Some(WorkloadIdentityConfig::default());
    let bin = vault.path("bin");
    std::fs::create_dir(&bin).unwrap();
    program(&bin, "az", "exit 1");
    program(&bin, "azd", "exit 1");
    for (config, mut variables, works) in [
        (vault.application(), Vec::new(), true),
        (vault.config(), vault.fake.environment(), true),
        (vault.config(), vault.fake.workload_environment(&file), true),
        (workload, vault.fake.workload_environment(&file), true),
        (tools, Vec::new(), false),
    ] {
        variables.push((
            "PATH".to_owned(),
            format!("{}:/bin:/usr/bin", bin.display()),
        ));
        variables.push((
            "AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(),
            metadata.url(),
        ));
        let provider = vault
            .try_open(config, &without_vault(variables))
            .await
            .unwrap();
        assert_eq!(get(&provider).await.is_ok(), works);
    }
    assert_eq!(metadata.connection_count(), 0);
}

#[tokio::test]
async fn a_laptop_waits_at_most_a_second_for_metadata_and_then_asks_az() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let bin = vault.path("bin");
    std::fs::create_dir(&bin).unwrap();
    // The token is one that the vault knows: what its Entra gave to the application.
    let token = token_of(&vault).await;
    let until = std::time::SystemTime::now() + Duration::from_secs(3600);
    let until = until
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    program(
        &bin,
        "az",
        &format!(
            "echo \"$@\" >> {}/az.log\necho '{{\"accessToken\":\"{token}\",\"expires_on\":{until},\"tokenType\":\"Bearer\"}}'",
            bin.display()
        ),
    );
    let silent = FaultServer::start(Fault::silence()).await.unwrap();
    let variables = [
        (
            "PATH".to_owned(),
            format!("{}:/bin:/usr/bin", bin.display()),
        ),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), silent.url()),
    ];
    let provider = vault.try_open(vault.config(), &variables).await.unwrap();
    let start = Instant::now();
    assert_eq!(get(&provider).await.unwrap().value, "value".into());
    let took = start.elapsed();
    assert!(took < Duration::from_millis(2500), "{took:?}");
    assert_eq!(silent.request_count(), 1);
    assert_eq!(silent.requests()[0].header("metadata"), None);
    // The tool is asked once, and the metadata service not again.
    get(&provider).await.unwrap();
    provider.close().await.unwrap();
    get(&provider).await.unwrap();
    let log = std::fs::read_to_string(bin.join("az.log")).unwrap();
    let line = "account get-access-token -o json --scope https://vault.azure.net/.default";
    assert_eq!(log.lines().collect::<Vec<_>>(), [line, line]);
    assert_eq!(silent.request_count(), 1);
}

/// What the fake's Entra gives to the application, asked without the provider.
async fn token_of(vault: &Vault) -> String {
    use secrets_provider::{BaseUrl, ClientOptions, HttpRequest, Method, decode};
    #[derive(serde::Deserialize)]
    struct Answer {
        access_token: String,
    }
    let options = AzureOptions::default();
    let body = format!(
        "client_id={}&client_secret={}&grant_type=client_credentials&scope=https%3A%2F%2Fvault.azure.net%2F.default",
        options.client_id, options.client_secret
    );
    let pem = vault.fake.ca_pem().as_bytes().to_vec();
    let client = Transport::default()
        .client(ClientOptions::default().with_ca_pem(pem))
        .unwrap();
    let url = BaseUrl::parse(&vault.fake.url()).unwrap();
    let url = url.join(&format!("{}/oauth2/v2.0/token", options.tenant_id));
    let request = HttpRequest::new(Method::POST, url)
        .with_body("application/x-www-form-urlencoded", body.into());
    let response = client.send(request).await.unwrap();
    decode::<Answer>(&response.body).unwrap().access_token
}

#[tokio::test]
async fn no_credential_at_all_says_what_was_looked_at() {
    let vault = Vault::start().await;
    // Something else answers at the address, as in another cloud.
    let other = FaultServer::start(Script::always(Reply::new(404).header("server", "EC2ws")))
        .await
        .unwrap();
    let variables = [
        ("PATH".to_owned(), "/nowhere:/bin".to_owned()),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), other.url()),
    ];
    let provider = vault.try_open(vault.config(), &variables).await.unwrap();
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    for part in [
        "service principal",
        "managed identity",
        "az is not installed",
        "azd is not installed",
    ] {
        assert!(error.message().contains(part), "{error}");
    }
    assert!(error.hint().unwrap().contains("az login"));
    assert!(vault.log().is_empty());
}

#[tokio::test]
async fn a_machine_without_an_identity_goes_on_to_the_tools_and_a_throttled_one_does_not() {
    let vault = Vault::start().await;
    let provoke = async |script: Script| {
        let machine = FaultServer::start(script).await.unwrap();
        let variables = [
            ("PATH".to_owned(), "/nowhere:/bin".to_owned()),
            (
                "AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(),
                machine.url(),
            ),
        ];
        let provider = vault.try_open(vault.config(), &variables).await.unwrap();
        let error = get(&provider).await.unwrap_err();
        (error, machine.request_count())
    };
    let none = r#"{"error":"invalid_request","error_description":"Identity not found"}"#;
    let (error, asked) = provoke(Script::always(Reply::new(400).body(none))).await;
    assert!(error.message().contains("az is not installed"));
    assert_eq!(asked, 2);
    let busy = Script::sequence([Fault::reply(Reply::new(400))])
        .then(Fault::reply(Reply::new(429).header("retry-after", "3")));
    let (error, _) = provoke(busy).await;
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

/// The developer who is logged in with `az` on it is somebody else.
#[tokio::test]
async fn a_machine_whose_metadata_service_is_busy_keeps_its_identity() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let bin = vault.path("bin");
    std::fs::create_dir(&bin).unwrap();
    program(
        &bin,
        "az",
        &format!("touch {}/az.log; exit 1", bin.display()),
    );
    let token = token_of(&vault).await;
    let answer = TOKEN.replace("t0ken", &token);
    for (status, kind) in [
        (429, ErrorKind::RateLimited),
        (410, ErrorKind::Unavailable),
        (404, ErrorKind::Unavailable),
        (500, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable),
    ] {
        let busy = || Fault::reply(Reply::new(status));
        let machine = FaultServer::start(
            Script::sequence([busy(), busy()])
                .then(Fault::reply(Reply::new(200).body(answer.clone()))),
        )
        .await
        .unwrap();
        let variables = [
            (
                "PATH".to_owned(),
                format!("{}:/bin:/usr/bin", bin.display()),
            ),
            (
                "AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(),
                machine.url(),
            ),
        ];
        let provider = vault.try_open(vault.config(), &variables).await.unwrap();
        let error = get(&provider).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error:?}");
        assert!(error.is_retryable());
        // What retries finds it.
        assert_eq!(get(&provider).await.unwrap().value, "value".into());
        assert!(!bin.join("az.log").exists());
    }
}

#[tokio::test]
async fn a_login_that_we_cannot_make_is_no_reason_to_be_the_machine() {
    let vault = Vault::start().await;
    let machine = FaultServer::start(Script::always(Reply::new(200).body(TOKEN)))
        .await
        .unwrap();
    for (name, value, says) in [
        (
            "AZURE_CLIENT_CERTIFICATE_PATH",
            "/etc/app.pem",
            "AZURE_CLIENT_CERTIFICATE_PATH: a client certificate is not supported",
        ),
        (
            "AZURE_CLIENT_SECRET",
            "",
            "AZURE_CLIENT_SECRET is set and empty",
        ),
    ] {
        let variables = [
            ("AZURE_TENANT_ID", "contoso.example"),
            ("AZURE_CLIENT_ID", "app"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url().leak()),
            (name, value),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let error = vault
            .try_open(vault.config(), &variables)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert_eq!(error.message(), says);
    }
    assert_eq!(machine.connection_count(), 0);
}

/// `az` of Debian 12 has no `expires_on`, and gives the end as local time.
#[tokio::test]
async fn an_az_before_2_54_is_understood() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let bin = vault.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let token = token_of(&vault).await;
    for (ends, is_over) in [
        ("2099-01-02 03:04:05.000000", false),
        ("2020-01-02 03:04:05.000000", true),
    ] {
        program(
            &bin,
            "az",
            &format!(
                "echo x >> {}/az.log\necho '{{\"accessToken\":\"{token}\",\"expiresOn\":\"{ends}\",\"tokenType\":\"Bearer\"}}'",
                bin.display()
            ),
        );
        let mut config = vault.config();
        config.developer_tools = Some(DeveloperToolsConfig::default());
        let variables = [
            (
                "PATH".to_owned(),
                format!("{}:/bin:/usr/bin", bin.display()),
            ),
            ("TZ".to_owned(), "Asia/Tokyo".to_owned()),
        ];
        std::fs::write(bin.join("az.log"), "").unwrap();
        let provider = vault.try_open(config, &variables).await.unwrap();
        for _ in 0..2 {
            assert_eq!(get(&provider).await.unwrap().value, "value".into());
        }
        // A token that has ended is got again for each request.
        let asked = std::fs::read_to_string(bin.join("az.log"))
            .unwrap()
            .lines()
            .count();
        assert_eq!(asked > 1, is_over, "{ends}: {asked}");
    }
}

/// As behind an attempt that has a limit: who waits gives up, and asks again.
#[tokio::test]
async fn a_tool_that_asks_a_person_is_started_once() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let bin = vault.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let token = token_of(&vault).await;
    program(
        &bin,
        "az",
        &format!(
            "echo x >> {}/az.log\nsleep 1\necho '{{\"accessToken\":\"{token}\",\"expires_on\":4102444800,\"tokenType\":\"Bearer\"}}'",
            bin.display()
        ),
    );
    let mut config = vault.config();
    config.developer_tools = Some(DeveloperToolsConfig::default());
    let variables = [(
        "PATH".to_owned(),
        format!("{}:/bin:/usr/bin", bin.display()),
    )];
    let provider = vault.try_open(config, &variables).await.unwrap();
    let impatient = tokio::time::timeout(Duration::from_millis(300), get(&provider)).await;
    assert!(impatient.is_err());
    assert_eq!(get(&provider).await.unwrap().value, "value".into());
    let log = std::fs::read_to_string(bin.join("az.log")).unwrap();
    assert_eq!(log.lines().count(), 1);
}

#[tokio::test]
async fn metadata_is_asked_without_the_proxy_and_with_the_identity() {
    let machine = FaultServer::start(Script::always(Reply::new(200).body(TOKEN)))
        .await
        .unwrap();
    let vault = FaultServer::start(Script::always(Reply::new(404)))
        .await
        .unwrap();
    let scripted = Scripted::before(&vault).await;
    let mut config = scripted.config();
    let mut identity = ManagedIdentityConfig::default();
    identity.client_id = Some("user assigned".to_owned());
    config.managed_identity = Some(identity);
    let variables = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url())];
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, url)| (*name, url.as_str()))
        .collect();
    // Nobody is at the proxy.
    let proxied = [
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("NO_PROXY", "localhost"),
    ];
    let transport = Transport::new(proxied.into_iter().collect());
    let context = OpenContext::new("main").with_environment(variables.iter().copied().collect());
    config.ca_cert = None;
    let provider = polysecrets_azure::open(config, context, transport)
        .await
        .unwrap();
    // The vault's certificate is not trusted without the CA; the login comes before.
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    let requests = machine.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].header("metadata"), Some("true"));
    assert_eq!(
        requests[0].target,
        "/metadata/identity/oauth2/token?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net&client_id=user+assigned"
    );
}

#[tokio::test]
async fn a_token_file_is_read_again_at_each_login() {
    let vault = Vault::start().await;
    vault.fake.seed("a", "value");
    let file = vault.path("federated");
    std::fs::write(&file, "stale").unwrap();
    let variables = without_vault(vault.fake.workload_environment(&file));
    let provider = vault.try_open(vault.config(), &variables).await.unwrap();
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    std::fs::write(&file, vault.fake.federated_token(Duration::from_secs(600))).unwrap();
    get(&provider).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    get(&provider).await.unwrap();
    provider.close().await.unwrap();
    let error = get(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(
        error
            .message()
            .starts_with("AZURE_FEDERATED_TOKEN_FILE: there is no file")
    );
}

#[tokio::test]
async fn a_config_of_somebody_else_gets_no_credential_of_ours() {
    let vault = Vault::start().await;
    let file = vault.path("federated");
    let mut variables = vault.fake.environment();
    variables.extend(vault.fake.app_service_environment());
    variables.extend(vault.fake.workload_environment(&file));
    let with = |change: fn(&mut AzureConfig)| {
        let mut config = vault.config();
        change(&mut config);
        config
    };
    for config in [
        with(|_| {}),
        with(|config| config.managed_identity = Some(Default::default())),
        with(|config| config.workload_identity = Some(Default::default())),
        with(|config| config.developer_tools = Some(Default::default())),
    ] {
        let context = vault
            .context(&variables)
            .with_ambient(AmbientCredentials::Refused {
                config: "/repo/secrets.toml".into(),
            });
        let opened = polysecrets_azure::open(config, context, vault.transport.clone()).await;
        let error = opened.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.hint().unwrap().contains("secrets trust"));
    }
    // What stands in it may be used.
    let context = vault
        .context(&variables)
        .with_ambient(AmbientCredentials::Refused {
            config: "/repo/secrets.toml".into(),
        });
    let own = polysecrets_azure::open(vault.application(), context, vault.transport.clone()).await;
    vault.fake.seed("a", "value");
    get(&own.unwrap()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_when_it_is_opened() {
    let vault = Vault::start().await;
    let refused = async |change: fn(&mut AzureConfig), says: &str| {
        let mut config = vault.application();
        change(&mut config);
        let error = vault.try_open(config, &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.message().contains(says), "{error}");
        assert!(error.hint().is_some(), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    };
    refused(|c| c.vault_url = None, "address of the vault is missing").await;
    refused(
        |c| c.vault_url = Some("http://v.vault.azure.net".into()),
        "over https only",
    )
    .await;
    refused(
        |c| c.vault_url = Some("https://u:hunter2@v".into()),
        "user information",
    )
    .await;
    refused(
        |c| c.vault_url = Some("https://v/secrets/a".into()),
        "has a path",
    )
    .await;
    refused(
        |c| c.vault_url = Some("v.vault.azure.net".into()),
        "`vault_url`",
    )
    .await;
    refused(
        |c| c.authority_host = Some("http://login".into()),
        "over https only",
    )
    .await;
    refused(|c| c.resource = Some("vault".into()), "`resource`").await;
    refused(
        |c| c.ca_cert = Some("absent.pem".into()),
        "there is no file",
    )
    .await;
    refused(
        |c| c.managed_identity = Some(Default::default()),
        "more than one credential",
    )
    .await;
    refused(
        |c| c.service_principal.as_mut().unwrap().client_secret = None,
        "`service_principal.client_secret` is missing",
    )
    .await;
    refused(
        |c| c.service_principal.as_mut().unwrap().tenant_id = Some("../x".into()),
        "`tenant_id`",
    )
    .await;
    refused(
        |c| c.service_principal.as_mut().unwrap().client_secret = Some("".into()),
        "client secret is empty",
    )
    .await;
    assert_eq!(vault.log(), Vec::<String>::new());
    let config = AzureConfig::default();
    assert_eq!(config.outside_validity, OutsideValidity::Refuse);
}
