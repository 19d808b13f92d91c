//! `secrets policy`: denials, explanations and the permissions that vendors must grant.

use polysecrets_tests::{Home, Ran};
use serde_json::{Value, json};

const POLICY: &str = "default = \"near\"\n\n[providers.near]\ntype = \"dotenv\"\npath = \"values.env\"\n\n\
    [providers.far]\ntype = \"dotenv\"\npath = \"far.env\"\n\n\
    [policy.roles.reader]\noperations = [\"get\"]\nnames = [\"DB_*\"]\nscopes = [\"near\"]\n\n\
    [policy.roles.lister]\noperations = [\"list\"]\nnames = [\"DB_*\"]\n\n\
    [policy.principals]\nalice = [\"reader\", \"lister\"]\n\n\
    [secrets.DB_USER]\n\n[secrets.DB_PASSWORD]\n";

fn home(config: &str) -> Home {
    let home = Home::new();
    home.write(
        "values.env",
        "DB_USER=app\nDB_PASSWORD=hunter2\nTOKEN=t0ken\n",
    );
    home.write("far.env", "DB_USER=far\n");
    home.write("secrets.toml", config);
    home
}

fn run_as(home: &Home, principal: &str, words: &[&str]) -> Ran {
    Ran::of(home.command(words).env("SECRETS_PRINCIPAL", principal))
}

#[test]
fn commands_do_only_what_a_role_allows() {
    let home = home(POLICY);
    assert_eq!(
        run_as(&home, "alice", &["get", "DB_PASSWORD"]).ok().text(),
        "hunter2"
    );
    run_as(&home, "alice", &["get", "TOKEN"])
        .refused(4)
        .says("the policy does not let \"alice\" read this secret")
        .says("role \"reader\"")
        .keeps("t0ken");
    run_as(&home, "alice", &["get", "far://DB_USER"])
        .refused(4)
        .says("not for the provider or chain far");
    run_as(&home, "bob", &["get", "DB_PASSWORD"])
        .refused(4)
        .says("no role");
    let listed = run_as(&home, "alice", &["list"]).ok();
    assert!(listed.text().contains("DB_USER") && !listed.text().contains("TOKEN"));
    run_as(&home, "bob", &["list"]).refused(4);
    run_as(&home, "alice", &["set", "DB_USER", "--generate"]).refused(4);
    assert!(
        String::from_utf8(home.read("values.env"))
            .unwrap()
            .contains("DB_USER=app\n")
    );
    // A program starts only with all of its secrets.
    run_as(&home, "bob", &["run", "--", "env"])
        .ended(125)
        .keeps("hunter2");
    run_as(&home, "alice", &["run", "--", "env"]).ok().says("");
}

#[test]
fn a_user_without_a_name_is_refused() {
    let home = home(POLICY);
    let mut command = home.command(&["get", "DB_USER"]);
    for variable in ["SECRETS_PRINCIPAL", "USER", "LOGNAME"] {
        command.env_remove(variable);
    }
    Ran::of(&mut command).refused(6).says("SECRETS_PRINCIPAL");
    // `policy check` needs no principal.
    home.run(&["policy", "check"]).ok();
}

#[test]
fn an_explanation_names_the_rule() {
    let home = home(POLICY);
    let ran = home
        .run(&["policy", "explain", "alice", "get", "DB_USER"])
        .ok();
    assert!(
        ran.text().starts_with("allowed\n  role \"reader\" ("),
        "{}",
        ran.text()
    );
    assert!(
        ran.text().contains("secrets.toml:11:15) allows it"),
        "{}",
        ran.text()
    );
    let ran = home
        .run(&["policy", "explain", "alice", "put", "DB_USER", "--json"])
        .ended(4);
    let answer: Value = ran.json();
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["rules"], json!([]));
    assert_eq!(answer["misses"][0]["why"], "does not allow put");
    home.run(&["policy", "explain", "bob", "get", "DB_USER"])
        .ended(4);
    home.run(&["policy", "explain", "bob", "gets", "DB_USER"])
        .refused(6)
        .says("did you mean `get`");
    home.run(&["policy", "explain", "bob", "get", "a//b"])
        .refused(6);
}

#[test]
fn check_warns_of_rules_that_never_apply() {
    let idle = POLICY.replace(
        "[policy.principals]\n",
        "[policy.roles.idle]\noperations = [\"get\"]\nnames = [\"api/*\"]\n\n[policy.principals]\n",
    );
    let home = home(&idle);
    home.run(&["policy", "check"])
        .ok()
        .says("nobody has the role \"idle\"")
        .says("the pattern \"api/*\" of role \"idle\" matches none")
        .says("3 roles, 1 principal, 0 files, 2 warnings");
    home.write("app.yaml", "a: ${secret:api/key}\nb: ${secret:TOKEN}\n");
    let answer = home
        .run(&["policy", "check", "--json", "app.yaml"])
        .ok()
        .json();
    let messages: Vec<&str> = answer["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 3, "{messages:#?}");
    assert!(
        messages
            .iter()
            .any(|one| one.contains("may read TOKEN of near"))
    );
    let without = Home::new();
    without.write("secrets.toml", "default = \"env\"\n");
    without
        .run(&["policy", "check"])
        .refused(6)
        .says("no policy");
}

#[test]
fn a_wrong_policy_stops_every_command() {
    let home = home(&POLICY.replace("[\"reader\", \"lister\"]", "[\"raeder\"]"));
    for words in [
        &["get", "DB_USER"][..],
        &["policy", "check"],
        &["config", "check"],
    ] {
        run_as(&home, "alice", words)
            .refused(6)
            .says("secrets.toml:21:10")
            .says("did you mean `reader`?");
    }
    home.write(
        "secrets.toml",
        POLICY.replace(
            "[policy.principals]",
            "[policy]\nfiles = [\"own.cedar\"]\n\n[policy.principals]",
        ),
    );
    home.write(
        "own.cedar",
        "forbid (principal, action, resource)\n  when { resource.nmae == \"x\" };\n",
    );
    for words in [&["get", "DB_USER"][..], &["policy", "check"]] {
        run_as(&home, "alice", words)
            .refused(6)
            .says("own.cedar:2:10")
            .says("nmae");
    }
    home.write(
        "own.cedar",
        "@id(\"quiet\") forbid (principal, action, resource) when { resource.name == \"DB_USER\" };\n",
    );
    run_as(&home, "alice", &["get", "DB_USER"])
        .refused(4)
        .says("policy \"quiet\"")
        .says("own.cedar:1:1");
    assert_eq!(
        run_as(&home, "alice", &["get", "DB_PASSWORD"]).ok().text(),
        "hunter2"
    );
}

const VENDORS: &str = "default = \"env\"\n\n\
    [providers.aws]\ntype = \"aws-sm\"\nregion = \"eu-central-1\"\nsecret_prefix = \"app/\"\naccess_key_id = \"AKIA\"\nsecret_access_key = \"hunter2\"\n\n\
    [providers.azure]\nlocation = \"azure-kv://contoso.vault.azure.net\"\n\n\
    [providers.gcp]\nlocation = \"gcp-sm://my-project\"\n\n\
    [providers.hashi]\nlocation = \"vault://127.0.0.1:1/secret\"\ntoken = \"hunter2\"\n\n\
    [secrets.A]\nreference = \"aws://db/password\"\n\n[secrets.B]\nreference = \"aws://token\"\n\n\
    [secrets.C]\nreference = \"azure://db/password#user\"\n\n[secrets.D]\nreference = \"gcp://db-password\"\n\n\
    [secrets.E]\nreference = \"hashi://db/password\"\n\n[secrets.HOME]\n";

#[test]
fn generate_prints_the_least_permissions() {
    let home = Home::new();
    home.write("secrets.toml", VENDORS);
    let ran = home
        .run(&[
            "policy",
            "generate",
            "--for",
            "aws",
            "--config",
            "secrets.toml",
        ])
        .ok()
        .says("account")
        .keeps("hunter2");
    let policy: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Resource"],
        json!([
            "arn:aws:secretsmanager:eu-central-1:*:secret:app/db/password-??????",
            "arn:aws:secretsmanager:eu-central-1:*:secret:app/token-??????",
        ])
    );
    assert_eq!(
        policy["Statement"][1]["Action"],
        "secretsmanager:BatchGetSecretValue"
    );
    let ran = home
        .run(&["policy", "generate", "--config", "secrets.toml"])
        .ok()
        .keeps("hunter2");
    let text = ran.text();
    for line in [
        "# azure (azure-kv): Azure role assignments",
        "--scope \"$vault/secrets/x--db-spassword\"",
        "gcloud secrets add-iam-policy-binding db-password --project=my-project",
        "path \"secret/data/db/password\" {",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let answer = home
        .run(&[
            "policy",
            "generate",
            "--for",
            "vault",
            "--json",
            "--config",
            "secrets.toml",
        ])
        .ok()
        .json();
    assert_eq!(answer["grants"][0]["language"], "hcl");
    assert_eq!(answer["grants"][0]["secrets"], json!(["db/password"]));
    home.run(&[
        "policy",
        "generate",
        "--for",
        "infisical",
        "--config",
        "secrets.toml",
    ])
    .refused(6)
    .says("of type infisical");
}
