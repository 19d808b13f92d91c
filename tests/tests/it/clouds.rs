//! All providers at once, what none of them is asked, and what wrong input gets on its way to a cloud.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, SystemTime};

use polysecrets_tests::{Home, Ran, server};
use secrets_testkit::fakes::Fault as Switch;
use secrets_testkit::fakes::azure::{AzureFake, AzureOptions};
use secrets_testkit::fakes::gcp::{GcpFake, GcpOptions};
use secrets_testkit::fakes::infisical::{InfisicalFake, InfisicalOptions};
use secrets_testkit::fault::{Fault, FaultServer, RecordedRequest, Reply, Script};
use serde_json::json;
use tokio::runtime::Runtime;

const PROVIDERS: [&str; 5] = ["aws", "azure", "gcp", "infisical", "vault"];
const CANARY: &str = "canary-7f3a";

/// A listener that nobody may call.
struct Silence {
    listener: TcpListener,
    called: Cell<usize>,
}

impl Silence {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            called: Cell::new(0),
        }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// How often it was called so far.
    fn calls(&self) -> usize {
        while self.listener.accept().is_ok() {
            self.called.set(self.called.get() + 1);
        }
        self.called.get()
    }

    /// The variables that say where metadata services are.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        let url = format!("http://{}", self.address());
        vec![
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.clone()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.clone()),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.clone()),
            ("IDENTITY_ENDPOINT", format!("{url}/msi/token")),
            ("IDENTITY_HEADER", "header".to_owned()),
            ("GCE_METADATA_HOST", self.address()),
            ("GCE_METADATA_IP", self.address()),
        ]
    }

    /// Each variable by which a provider, or anything that speaks HTTP, finds whom to call.
    fn everything(&self) -> Vec<(&'static str, String)> {
        let url = format!("http://{}", self.address());
        let mut all = self.metadata();
        for name in [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            "AZURE_AUTHORITY_HOST",
            "AZURE_KEYVAULT_URL",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
            "INFISICAL_API_URL",
            "VAULT_ADDR",
            "BAO_ADDR",
            "HTTP_PROXY",
            "http_proxy",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
        ] {
            all.push((name, url.clone()));
        }
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", CANARY),
            ("AZURE_TENANT_ID", "00000000-0000-4000-8000-000000000000"),
            ("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000000"),
            ("AZURE_CLIENT_SECRET", CANARY),
            ("GOOGLE_CLOUD_PROJECT", "project"),
            ("CLOUDSDK_AUTH_ACCESS_TOKEN", CANARY),
            ("INFISICAL_TOKEN", CANARY),
            (
                "INFISICAL_PROJECT_ID",
                "00000000-0000-4000-8000-000000000000",
            ),
            ("INFISICAL_ENVIRONMENT", "dev"),
            ("VAULT_TOKEN", CANARY),
            ("BAO_TOKEN", CANARY),
        ] {
            all.push((name, value.to_owned()));
        }
        all
    }
}

/// A trusted configuration with a provider of each cloud, and the servers and fakes behind them.
struct Clouds {
    home: Home,
    azure: AzureFake,
    gcp: GcpFake,
    infisical: InfisicalFake,
    metadata: Silence,
    /// The fakes live in it.
    _runtime: Runtime,
}

impl Clouds {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let azure = runtime.block_on(AzureFake::start(AzureOptions::default()));
        let gcp = runtime.block_on(GcpFake::start(GcpOptions::default()));
        let infisical = runtime.block_on(InfisicalFake::start(InfisicalOptions::default()));
        let clouds = Self {
            home: Home::new(),
            azure: azure.unwrap(),
            gcp: gcp.unwrap(),
            infisical: infisical.unwrap(),
            metadata: Silence::new(),
            _runtime: runtime,
        };
        let home = &clouds.home;
        let ca = home.write("azure-ca.pem", clouds.azure.ca_pem());
        home.write(
            "secrets.toml",
            format!(
                "default = \"aws\"\n\n\
                 [providers.aws]\ntype = \"aws-sm\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\n\
                 secret_prefix = \"clouds-{}/\"\n\n\
                 [providers.azure]\ntype = \"azure-kv\"\nresource = \"https://vault.azure.net\"\nca_cert = \"{}\"\n\n\
                 [providers.gcp]\ntype = \"gcp-sm\"\n\n\
                 [providers.infisical]\ntype = \"infisical\"\n\n\
                 [providers.vault]\ntype = \"vault\"\naddress = \"{}\"\nmount = \"secret\"\n",
                server("POLYSECRETS_TEST_MINISTACK_URL"),
                unique(),
                ca.display(),
                server("POLYSECRETS_TEST_BAO_ADDR"),
            ),
        );
        home.run(&["trust"]).ok();
        clouds
    }

    /// All logins are in the environment, and a metadata service that would give others.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.command(words);
        command
            .envs(self.metadata.metadata())
            .env_remove("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            .envs(self.azure.environment())
            .env_remove("IDENTITY_ENDPOINT")
            .envs(
                self.gcp
                    .environment()
                    .into_iter()
                    .filter(|(name, _)| !name.starts_with("GCE_METADATA")),
            )
            .envs(self.infisical.environment())
            .env(
                "AWS_ACCESS_KEY_ID",
                server("POLYSECRETS_TEST_MINISTACK_ACCESS_KEY_ID"),
            )
            .env(
                "AWS_SECRET_ACCESS_KEY",
                server("POLYSECRETS_TEST_MINISTACK_SECRET_ACCESS_KEY"),
            )
            .env("VAULT_TOKEN", server("POLYSECRETS_TEST_BAO_TOKEN"));
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.command(words))
    }

    fn set(&self, reference: &str, value: &str) {
        let words = ["set", reference, "--stdin"];
        Ran::with_input(&mut self.command(&words), value.as_bytes()).ok();
    }

    /// Requests to the fakes so far.
    fn asked(&self) -> usize {
        self.azure.asked_count() + self.gcp.asked_count() + self.infisical.asked_count()
    }
}

fn unique() -> String {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    format!("{}-{}", std::process::id(), now.subsec_nanos())
}

/// A trusted configuration of one provider.
fn configured(settings: &str) -> Home {
    let home = Home::new();
    home.write(
        "secrets.toml",
        format!("default = \"main\"\n\n[providers.main]\n{settings}\n"),
    );
    home.run(&["trust"]).ok();
    home
}

/// A refusal as it must be: code, message, hint, and nothing of what is secret.
#[track_caller]
fn refused(ran: Ran, code: i32, text: &str) {
    ran.refused(code).says(text).says("hint: ").keeps(CANARY);
}

#[test]
fn environment_and_files_ask_nobody() {
    let nobody = Silence::new();
    let home = Home::new();
    home.write("values.env", "DB=from-a-file\n");
    home.write(
        "secrets.toml",
        "default = \"near\"\n\n[providers.near]\ntype = \"dotenv\"\npath = \"values.env\"\n\n\
         [providers.store]\ntype = \"file\"\n\n\
         [providers.aws]\ntype = \"aws-sm\"\n\n[providers.azure]\ntype = \"azure-kv\"\n\n\
         [providers.gcp]\ntype = \"gcp-sm\"\n\n[providers.infisical]\ntype = \"infisical\"\n\n\
         [providers.vault]\ntype = \"vault\"\n\n[secrets.DB]\n\n\
         [timeouts]\ndeadline = \"2s\"\n",
    );
    home.run(&["trust"]).ok();
    let run = |words: &[&str]| {
        let mut command = home.command(words);
        command
            .envs(nobody.everything())
            .env("HERE", "of-the-environment");
        Ran::of(&mut command)
    };
    assert_eq!(
        run(&["get", "env://HERE"]).ok().text(),
        "of-the-environment"
    );
    assert_eq!(run(&["get", "near://DB"]).ok().text(), "from-a-file");
    assert_eq!(run(&["get", "DB"]).ok().text(), "from-a-file");
    run(&["run", "--", "/bin/sh", "-c", "test \"$DB\" = from-a-file"]).ok();
    assert_eq!(nobody.calls(), 0);
    // The listener would have noticed.
    let ran = run(&["get", "vault://name"]);
    assert_eq!(ran.code(), Some(5), "{}", ran.stderr);
    assert!(nobody.calls() > 0);
}

#[test]
fn one_configuration_reads_from_all_clouds_at_once() {
    let clouds = Clouds::start();
    let mut declared = String::from_utf8(clouds.home.read("secrets.toml")).unwrap();
    let mut wanted = String::new();
    let mut page = String::new();
    let mut script = String::new();
    for provider in PROVIDERS {
        for name in ["one", "two"] {
            let value = format!("value-{provider}-{name}");
            clouds.set(&format!("{provider}://{name}"), &value);
            let variable = format!("{provider}_{name}").to_uppercase();
            declared.push_str(&format!(
                "\n[secrets.{variable}]\nreference = \"{provider}://{name}\"\n"
            ));
            page.push_str(&format!("{variable}: ${{secret:{provider}://{name}}}\n"));
            wanted.push_str(&format!("{variable}: {value}\n"));
            script.push_str(&format!("echo \"{variable}: ${variable}\"\n"));
        }
    }
    clouds.home.write("secrets.toml", declared);
    clouds.home.run(&["trust"]).ok();
    clouds.home.write("app.yaml", page);

    assert_eq!(clouds.run(&["render", "app.yaml"]).ok().text(), wanted);
    let ran = clouds.run(&["run", "--", "/bin/sh", "-c", &script]).ok();
    assert_eq!(ran.text(), wanted);
    assert_eq!(clouds.metadata.calls(), 0);

    let before = clouds.asked();
    let plan = clouds
        .run(&["render", "--explain", "--json", "app.yaml"])
        .ok()
        .keeps("value-")
        .json();
    let calls = plan["calls"].as_array().unwrap();
    let of = |provider: &str| -> Vec<(&str, usize)> {
        calls
            .iter()
            .filter(|call| call["provider"] == provider)
            .map(|call| {
                let secrets = call["secrets"].as_array().unwrap();
                (call["call"].as_str().unwrap(), secrets.len())
            })
            .collect()
    };
    assert_eq!(of("aws"), [("BatchGetSecretValue", 2)], "{plan}");
    assert_eq!(of("azure"), [("GetSecret", 1), ("GetSecret", 1)]);
    assert_eq!(of("gcp"), [("AccessSecretVersion", 1); 2]);
    assert_eq!(of("vault"), [("get", 1); 2]);
    let infisical: usize = of("infisical").iter().map(|(_, secrets)| secrets).sum();
    assert_eq!(infisical, 2);
    clouds
        .run(&["run", "--explain"])
        .ok()
        .says("10 secrets in ")
        .says("nothing was read");
    clouds
        .run(&["check", "--explain", "app.yaml"])
        .ok()
        .keeps("value-");
    assert_eq!(clouds.asked(), before, "to explain is to ask nobody");
}

#[test]
fn wrong_places_of_aws_are_told_before_or_by_the_service() {
    let clouds = Clouds::start();
    let elsewhere = "aws://arn:aws:secretsmanager:us-west-2:000000000000:secret:x-AbCdEf";
    refused(
        clouds.run(&["get", elsewhere]),
        6,
        "the ARN is of the region us-west-2",
    );
    let of_others = "aws://arn:aws:secretsmanager:us-east-1:999999999999:secret:x-AbCdEf";
    refused(clouds.run(&["get", of_others]), 3, "secret not found");
    clouds
        .run(&["get", of_others])
        .says("the secret is of account 999999999999");
    let home = configured("type = \"aws-sm\"\nregion = \"Frankfurt\"");
    refused(home.run(&["get", "x"]), 6, "`region` is not a region");
}

#[test]
fn addresses_and_projects_that_cannot_be_are_refused() {
    let home = configured("type = \"azure-kv\"\nvault_url = \"http://contoso.vault.azure.net\"");
    refused(home.run(&["get", "x"]), 6, "https");
    let home = configured("type = \"gcp-sm\"\nproject_id = \"My Project\"");
    refused(home.run(&["get", "x"]), 6, "not its id");
}

/// A number works as an id does; one of nobody's project is refused by the service as any other one.
#[test]
fn a_project_may_be_named_by_its_number() {
    let clouds = Clouds::start();
    clouds.set("gcp://one", CANARY);
    let with = |project: String| {
        let mut command = clouds.command(&["get", "gcp://one"]);
        Ran::of(command.env("GOOGLE_CLOUD_PROJECT", project))
    };
    assert_eq!(
        with(clouds.gcp.project_number().to_string()).ok().text(),
        CANARY
    );
    refused(with("999".to_owned()), 4, "permission denied");
}

#[test]
fn credentials_that_have_ended_are_told() {
    let clouds = Clouds::start();
    clouds.set("gcp://one", CANARY);
    clouds.set("azure://one", CANARY);
    clouds.gcp.faults().push(Switch::switch("invalid_grant"));
    refused(
        clouds.run(&["get", "gcp://one"]),
        4,
        "does not accept the credential",
    );
    clouds
        .azure
        .faults()
        .push(Switch::switch("expired_client_secret"));
    refused(clouds.run(&["get", "azure://one"]), 4, "expired");
    assert_eq!(clouds.metadata.calls(), 0, "no other login is tried");
}

#[test]
fn a_token_file_is_read_again_when_the_token_is_refused() {
    let runtime = Runtime::new().unwrap();
    let rotated = std::sync::Arc::new(std::sync::OnceLock::<std::path::PathBuf>::new());
    let file = rotated.clone();
    let service = runtime.block_on(FaultServer::start(Script::respond(move |request| {
        // The token in the file is replaced between the first reading and its refusal.
        std::fs::write(file.get().unwrap(), "new-token").unwrap();
        let reply = match request.header("authorization") {
            Some("Bearer new-token") => json!({
                "name": "projects/1/secrets/one/versions/1",
                "payload": { "data": "b3BlbnNlc2FtZS1yb3RhdGVk", "dataCrc32c": "606010428" },
            }),
            _ => {
                let error =
                    json!({ "code": 401, "status": "UNAUTHENTICATED", "message": "expired" });
                return Some(Fault::reply(
                    Reply::json(&json!({ "error": error })).status(401),
                ));
            }
        };
        Some(Fault::reply(Reply::json(&reply)))
    })));
    let service = service.unwrap();
    let home = configured(&format!(
        "type = \"gcp-sm\"\nproject_id = \"project\"\nendpoint = \"{}\"\ntoken_file = \"token\"",
        service.url()
    ));
    rotated.set(home.write("token", "old-token")).unwrap();
    assert_eq!(home.run(&["get", "one"]).ok().text(), "opensesame-rotated");
    let tokens: Vec<RecordedRequest> = service.requests();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0].header("authorization"), Some("Bearer old-token"));
}

/// Seconds of the day at which a request to AWS was signed.
fn signed_at(request: &RecordedRequest) -> i64 {
    let (_, time) = request
        .header("x-amz-date")
        .unwrap()
        .split_once('T')
        .unwrap();
    let number = |at: usize| time[at..at + 2].parse::<i64>().unwrap();
    (number(0) * 60 + number(2)) * 60 + number(4)
}

#[test]
fn a_clock_that_is_six_minutes_off_is_corrected_once() {
    const OFF: u64 = 360;
    let runtime = Runtime::new().unwrap();
    let refusal = || {
        let now = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(OFF));
        let error = json!({
            "__type": "InvalidSignatureException",
            "message": "Signature expired: 20261122T101219Z is now earlier than 20261122T101419Z",
        });
        Fault::reply(
            Reply::json(&error)
                .status(400)
                .header("x-amzn-errortype", "InvalidSignatureException")
                .header("date", now),
        )
    };
    let secret = Reply::json(&json!({
        "ARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:one-AbCdEf",
        "Name": "one",
        "SecretString": CANARY,
        "VersionId": "00000000-0000-4000-8000-000000000000",
    }));
    let script = Script::sequence([refusal(), Fault::reply(secret)]);
    let service = runtime.block_on(FaultServer::start(script)).unwrap();
    let home = configured(&format!(
        "type = \"aws-sm\"\nregion = \"us-east-1\"\nendpoint = \"{}\"\n\
         access_key_id = \"AKIAIOSFODNN7EXAMPLE\"\nsecret_access_key = \"key\"",
        service.url()
    ));
    assert_eq!(home.run(&["get", "one"]).ok().text(), CANARY);
    let requests = service.requests();
    assert_eq!(requests.len(), 2);
    let later = (signed_at(&requests[1]) - signed_at(&requests[0])).rem_euclid(86_400);
    assert!((350..=370).contains(&later), "signed {later} s later");

    // A correction that does not help is the last one.
    service.clear();
    service.set_script(Script::respond(move |_| Some(refusal())));
    refused(home.run(&["get", "one"]), 4, "clock");
    assert_eq!(service.requests().len(), 2);
}

#[test]
fn what_the_services_cannot_hold_or_give_is_refused() {
    let clouds = Clouds::start();
    let big = format!("{CANARY}{}", "x".repeat(25_601 - CANARY.len()));
    clouds.home.write("big", big);
    let before = clouds.azure.asked_count();
    let ran = clouds.run(&["set", "azure://big", "--from-file", "big"]);
    refused(ran, 6, "25601 bytes");
    assert_eq!(clouds.azure.asked_count(), before, "nothing was sent");

    for provider in ["aws", "azure"] {
        let reference = format!("{provider}://gone");
        clouds.set(&reference, CANARY);
        clouds.run(&["delete", &reference, "--yes"]).ok();
        refused(clouds.run(&["get", &reference]), 3, "secret is deleted");
    }

    clouds.gcp.seed("damaged", CANARY.as_bytes());
    clouds
        .gcp
        .faults()
        .push(Switch::switch("corrupt_crc").times(8));
    refused(clouds.run(&["get", "gcp://damaged"]), 7, "checksum");

    clouds.gcp.seed("off", CANARY.as_bytes());
    disable(&clouds.gcp, "off");
    refused(clouds.run(&["get", "gcp://off"]), 3, "disabled");
}

/// As somebody with the console would.
fn disable(fake: &GcpFake, id: &str) {
    let url = fake.url();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    let request = format!(
        "POST /v1/projects/{}/secrets/{id}/versions/1:disable HTTP/1.1\r\nHost: {host}\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
         Connection: close\r\n\r\n{{}}",
        fake.project_id(),
        fake.token()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
