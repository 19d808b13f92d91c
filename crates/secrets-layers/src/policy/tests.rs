use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::future::{Ready, ready};
use proptest::prelude::*;
use secrets_core::{
    Answer, Call, DeleteOptions, Error, ErrorKind, GetItem, GetOptions, ListOptions, Metadata,
    Operation, Origin, Page, PutOptions, Reply, Request, Response, Result, Secret, SecretName,
    SecretRef,
};
use tower::{Layer, Service, ServiceExt};

use super::memo::DECISIONS;
use super::{
    Policy, PolicyConfig, PolicyLayer, PolicyService, PolicySource, RoleConfig, compile, operations,
};

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn reference(text: &str) -> SecretRef {
    text.parse().unwrap()
}

fn reader(names: &[&str]) -> RoleConfig {
    RoleConfig::new([Operation::Get], names).unwrap()
}

fn source(policy: PolicyConfig) -> PolicySource {
    let mut source = PolicySource::new(policy);
    source.default = Some("main".into());
    source
}

/// Alice reads what is directly below `db`.
fn alice() -> PolicyConfig {
    PolicyConfig::default()
        .with_role("reader", reader(&["db/*"]))
        .with_principal("alice", ["reader"])
}

/// A backend that has every secret, and tells what it was asked for.
#[derive(Clone, Default)]
struct Backend(Arc<Mutex<Vec<String>>>);

impl Service<Request> for Backend {
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let mut asked = self.0.lock().unwrap();
        let secret =
            |name: &SecretName| Secret::new(name.as_str().into(), Metadata::new(name.clone()));
        let origin = Origin::fresh("backend".into());
        let reply = match &request.call {
            Call::Get { name, .. } => Reply::Secret(secret(name)),
            Call::GetMany { items } => {
                let answers = items.iter().map(|item| {
                    asked.push(format!("get {}", item.name));
                    match item.name.as_str() {
                        "db/fails" => Err(Error::from(ErrorKind::NotFound)),
                        _ => Ok(Answer::new(secret(&item.name), origin.clone())),
                    }
                });
                let answers: Vec<_> = answers.collect();
                if items.iter().any(|item| item.name.as_str() == "db/down") {
                    return ready(Err(Error::from(ErrorKind::Unavailable)));
                }
                return ready(Ok(Response::new(Reply::Secrets(answers), origin)));
            }
            Call::List { .. } => {
                let items = ["db/a", "db/b/c", "api/x"];
                let items = items.iter().map(|one| Metadata::new(name(one)));
                Reply::Page(Page::new(items.collect(), None))
            }
            _ => Reply::Done,
        };
        let operation = request.call.operation();
        asked.push(match request.call.name() {
            Some(name) => format!("{operation} {name}"),
            None => operation.to_string(),
        });
        ready(Ok(Response::new(reply, origin)))
    }
}

struct Setup {
    backend: Backend,
    policy: Policy,
}

impl Setup {
    fn new(policy: PolicyConfig) -> Self {
        Self {
            backend: Backend::default(),
            policy: Policy::new(source(policy)).unwrap(),
        }
    }

    fn service(&self, principal: &str) -> PolicyService<Backend> {
        let layer = PolicyLayer::new(self.policy.clone(), principal, "main").unwrap();
        layer.layer(self.backend.clone())
    }

    async fn call(&self, principal: &str, call: Call) -> Result<Response> {
        self.service(principal).oneshot(Request::new(call)).await
    }

    async fn get(&self, principal: &str, secret: &str) -> Result<Response> {
        let options = GetOptions::default();
        let name = name(secret);
        self.call(principal, Call::Get { name, options }).await
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.backend.0.lock().unwrap())
    }
}

#[tokio::test]
async fn what_no_rule_allows_is_denied_and_says_why() {
    let setup = Setup::new(alice());
    setup.get("alice", "db/password").await.unwrap();
    assert_eq!(setup.asked(), ["get db/password"]);
    let error = setup.get("alice", "api/key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(
        error.to_string(),
        "the policy does not let \"alice\" read this secret: api/key (provider main)"
    );
    assert_eq!(
        error.hint(),
        Some("no rule allows it: role \"reader\" has no pattern that matches the name")
    );
    let error = setup.get("bob", "db/password").await.unwrap_err();
    assert!(error.hint().unwrap().contains("no role"));
    let call = Call::Put {
        name: name("db/password"),
        value: "x".into(),
        options: PutOptions::default(),
    };
    let error = setup.call("alice", call).await.unwrap_err();
    assert!(error.hint().unwrap().contains("does not allow put"));
    let call = Call::Delete {
        name: name("db/password"),
        options: DeleteOptions::default(),
    };
    setup.call("alice", call).await.unwrap_err();
    // Health checks and closing concern no secret.
    setup.call("bob", Call::Health).await.unwrap();
    setup.call("bob", Call::Close).await.unwrap();
    assert_eq!(setup.asked(), ["health", "close"]);
}

#[tokio::test]
async fn of_many_the_denied_are_errors_and_the_rest_is_served() {
    let setup = Setup::new(alice());
    let many = |names: &[&str]| {
        let items = names
            .iter()
            .map(|one| GetItem::new(name(one), GetOptions::default()));
        Call::GetMany {
            items: items.collect(),
        }
    };
    let reported = |response: Response| match response.reply {
        Reply::Secrets(answers) => answers
            .into_iter()
            .map(|answer| match answer {
                Ok(answer) => answer.secret.metadata.name.to_string(),
                Err(error) => format!("{:?}", error.kind()),
            })
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let call = many(&["api/a", "db/a", "db/fails", "api/b", "db/b", "api/c"]);
    let answers = reported(setup.call("alice", call).await.unwrap());
    let denied = "PermissionDenied";
    assert_eq!(
        answers,
        [denied, "db/a", "NotFound", denied, "db/b", denied]
    );
    assert_eq!(setup.asked(), ["get db/a", "get db/fails", "get db/b"]);
    // Nobody is asked for nothing.
    let answers = reported(setup.call("bob", many(&["db/a", "db/b"])).await.unwrap());
    assert_eq!(answers, [denied, denied]);
    assert!(setup.asked().is_empty());
    let answers = reported(
        setup
            .call("alice", many(&["api/a", "db/down"]))
            .await
            .unwrap(),
    );
    assert_eq!(answers, [denied, "Unavailable"]);
    setup.asked();
    assert!(reported(setup.call("alice", many(&[])).await.unwrap()).is_empty());
}

#[tokio::test]
async fn a_listing_shows_what_may_be_listed() {
    let lister = RoleConfig::new([Operation::List], ["db/**"]).unwrap();
    let policy = alice()
        .with_role("lister", lister.with_scopes(["main"]))
        .with_principal("carol", ["lister"]);
    let setup = Setup::new(policy);
    let list = || Call::List {
        options: ListOptions::default(),
    };
    let response = setup.call("carol", list()).await.unwrap();
    let Reply::Page(page) = response.reply else {
        panic!("no page")
    };
    let names: Vec<_> = page.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["db/a", "db/b/c"]);
    setup.asked();
    let error = setup.call("alice", list()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let elsewhere = Request::new(list()).with_target(Some("other".into()));
    let outcome = setup.service("carol").oneshot(elsewhere).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert!(setup.asked().is_empty());
}

#[tokio::test]
async fn decisions_are_remembered_for_one_question_alone() {
    let policy = alice().with_principal("bob", Vec::<String>::new());
    let setup = Setup::new(policy);
    for _ in 0..3 {
        setup.get("alice", "db/a").await.unwrap();
    }
    assert_eq!(setup.policy.remembered(), 1);
    // Another principal, name, provider or operation is another question.
    setup.get("bob", "db/a").await.unwrap_err();
    setup.get("alice", "a").await.unwrap_err();
    let call = Call::Delete {
        name: name("db/a"),
        options: DeleteOptions::default(),
    };
    setup.call("alice", call.clone()).await.unwrap_err();
    let get = Call::Get {
        name: name("db/a"),
        options: GetOptions::default(),
    };
    let request = Request::new(get).with_target(Some("other".into()));
    setup.service("alice").oneshot(request).await.unwrap();
    assert_eq!(setup.policy.remembered(), 5);
    // One that stands for itself and for the default is one.
    let request = Request::new(call).with_target(Some("main".into()));
    setup.service("alice").oneshot(request).await.unwrap_err();
    assert_eq!(setup.policy.remembered(), 5);
}

#[tokio::test]
async fn a_reload_forgets_every_decision_and_a_failed_one_changes_nothing() {
    let setup = Setup::new(alice());
    setup.get("alice", "db/a").await.unwrap();
    setup.get("alice", "api/a").await.unwrap_err();
    let turned = PolicyConfig::default()
        .with_role("reader", reader(&["api/*"]))
        .with_principal("alice", ["reader"]);
    setup.policy.reload(source(turned)).unwrap();
    assert_eq!(setup.policy.remembered(), 0);
    setup.get("alice", "db/a").await.unwrap_err();
    setup.get("alice", "api/a").await.unwrap();
    for broken in [
        source(PolicyConfig::default()),
        source(alice().with_principal("bob", ["no such role"])),
    ] {
        setup.policy.reload(broken).unwrap_err();
        setup.get("alice", "api/a").await.unwrap();
    }
}

#[test]
fn the_memory_of_decisions_is_bounded() {
    let policy = Policy::new(source(alice())).unwrap();
    let layer = PolicyLayer::new(policy.clone(), "alice", "main").unwrap();
    let mut service = layer.layer(Backend::default());
    for number in 0..DECISIONS * 2 {
        let name = name(&format!("db/{number}"));
        let options = GetOptions::default();
        drop(service.call(Request::new(Call::Get { name, options })));
    }
    assert!(policy.remembered() <= DECISIONS);
}

#[test]
fn a_request_cannot_be_for_nobody() {
    let policy = Policy::new(source(alice())).unwrap();
    for principal in ["", "  ", "a\nb", &"x".repeat(257)] {
        PolicyLayer::new(policy.clone(), principal, "main").unwrap_err();
    }
}

#[test]
fn scopes_and_profiles_narrow_a_role() {
    let role = reader(&["**"])
        .with_scopes(["main", "both"])
        .with_environments(["prod"]);
    let policy = PolicyConfig::default()
        .with_role("reader", role)
        .with_principal("*", ["reader"]);
    let mut source = source(policy);
    source = source.with_chain("both", ["env", "main"]);
    let allows = |source: &PolicySource, at: &str| {
        let policy = Policy::new(source.clone()).unwrap();
        policy.decide("anyone", Operation::Get, &reference(at))
    };
    let decision = allows(&source, "main://x");
    assert_eq!(
        decision.misses[0].why,
        "is for profiles, and none is chosen"
    );
    source.environment = Some("dev".to_owned());
    let decision = allows(&source, "main://x");
    assert_eq!(decision.misses[0].why, "is not for the profile dev");
    source.environment = Some("prod".to_owned());
    assert!(allows(&source, "main://x").is_allowed);
    assert!(allows(&source, "x").is_allowed);
    assert!(allows(&source, "both://x").is_allowed);
    let decision = allows(&source, "env://x");
    assert_eq!(
        decision.misses[0].why,
        "is not for the provider or chain env"
    );
}

fn with_file(text: &str) -> (tempfile::TempDir, PolicySource) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("own.cedar"), text).unwrap();
    let source = source(alice().with_file("own.cedar")).with_base_dir(folder.path());
    (folder, source)
}

#[test]
fn files_of_ones_own_allow_and_forbid() {
    let (_folder, source) = with_file(
        "// Nobody reads the root's.\n@id(\"no-root\")\nforbid (principal, action, resource)\n  when { resource.name like \"*root*\" };\n\n\
         permit (\n  principal == User::\"bob\",\n  action in Action::\"read\",\n  resource in Scope::\"other\"\n);\n\
         forbid (principal, action, resource) when { resource.providers.contains(\"prod\") };\n",
    );
    let source = source.with_chain("both", ["env", "prod"]);
    let policy = Policy::new(source.clone()).unwrap();
    let decide = |who: &str, at: &str| policy.decide(who, Operation::Get, &reference(at));
    assert_eq!(decide("alice", "db/a").rules[0].name, "role \"reader\"");
    let decision = decide("alice", "db/root");
    assert!(!decision.is_allowed);
    assert_eq!(decision.rules[0].name, "policy \"no-root\"");
    let position = decision.rules[0].position.clone().unwrap();
    assert_eq!((position.line, position.column), (2, 1));
    let decision = decide("bob", "other://x");
    assert_eq!(decision.rules[0].name, "policy 2 of own.cedar");
    assert_eq!(decision.rules[0].position.as_ref().unwrap().line, 6);
    assert!(!decide("bob", "x").is_allowed);
    // A chain leads to its members.
    assert!(!decide("alice", "both://db/a").is_allowed);
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies() {
    let (_folder, source) = with_file(
        "forbid (principal, action, resource) when { resource.segments * 9223372036854775807 > 3 };\n",
    );
    let policy = Policy::new(source.clone()).unwrap();
    let decision = policy.decide("alice", Operation::Get, &reference("db/a"));
    assert!(!decision.is_allowed);
    assert!(decision.rules[0].name.contains("cannot be evaluated"));
}

#[test]
fn wrong_files_are_refused_with_their_place() {
    for (text, line, column, word) in [
        (
            "permit (principal, action, resource)\n",
            1,
            37,
            "end of input",
        ),
        (
            "permit (\n  principal,\n  acton,\n  resource\n);",
            3,
            3,
            "acton",
        ),
        (
            "permit (principal, action == Action::\"read it\", resource);",
            1,
            30,
            "read it",
        ),
        (
            "\npermit (principal, action, resource) when { resource.nmae == \"x\" };",
            2,
            45,
            "nmae",
        ),
        (
            "permit (principal, action, resource == Sekret::\"x\");",
            1,
            40,
            "Sekret",
        ),
        (
            "permit (principal == ?principal, action, resource);",
            1,
            1,
            "slots",
        ),
    ] {
        let (_folder, source) = with_file(text);
        let error = Policy::new(source.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
        assert!(error.message().contains(word), "{word}: {error}");
        assert!(!error.to_string().contains('\n') && error.hint().is_some());
        let place = error.position().unwrap();
        assert!(place.file.as_ref().unwrap().ends_with("own.cedar"));
        assert_eq!((place.line, place.column), (line, column), "{error}");
    }
    let (folder, source) = with_file("");
    fs::remove_file(folder.path().join("own.cedar")).unwrap();
    let error = Policy::new(source.clone()).unwrap_err();
    assert!(error.message().contains("cannot be read"), "{error}");
}

#[test]
fn a_review_tells_what_never_decides() {
    let writer = RoleConfig::new([Operation::Put], ["nothing/*"]).unwrap();
    let policy = alice()
        .with_role("idle", reader(&["db/*"]))
        .with_role("wide", reader(&["**"]))
        .with_role("other", writer.with_scopes(["other"]))
        .with_principal("alice", ["wide", "other"]);
    let source = source(policy);
    let policy = Policy::new(source.clone()).unwrap();
    let reported = |used: &[&str]| {
        let used: Vec<SecretRef> = used.iter().map(|one| reference(one)).collect();
        let warnings = policy.review(&used).into_iter();
        warnings.map(|one| one.message).collect::<Vec<_>>()
    };
    let without = reported(&[]);
    assert_eq!(without.len(), 2, "{without:#?}");
    assert!(without[0].contains("nobody has the role \"idle\""));
    assert!(without[1].contains("the role \"reader\" never decides"));
    let with = reported(&["db/a", "nothing/x"]);
    assert_eq!(with.len(), 3, "{with:#?}");
    assert!(with[2].contains("\"nothing/*\"") && with[2].contains("not among the scopes"));
}

#[test]
fn a_review_tells_who_cannot_be_read_and_what_cedar_says() {
    let (_folder, source) = with_file(
        "permit (principal in Role::\"ghost\", action, resource);\n\
         forbid (principal, action, resource) when { resource.segments > 1 && resource.segments < 1 && false };\n",
    );
    let policy = Policy::new(source.clone()).unwrap();
    let warnings = policy.review(&[reference("db/a"), reference("api/a")]);
    let reported: Vec<&str> = warnings.iter().map(|one| one.message.as_str()).collect();
    assert!(
        reported
            .iter()
            .any(|one| one.contains("nobody has the role \"ghost\"")),
        "{reported:#?}"
    );
    assert!(
        reported
            .iter()
            .any(|one| one.contains("may read api/a of main")),
        "{reported:#?}"
    );
    let impossible = warnings
        .iter()
        .find(|one| one.message.contains("impossible"));
    assert_eq!(
        impossible.unwrap().position.as_ref().unwrap().line,
        2,
        "{reported:#?}"
    );
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ab*]{1,3}",
        1 => "[\"\\\\ é*.$]{1,3}",
    ]
}

/// Names and patterns of few letters, so that they meet.
fn path(of: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 1..4).prop_map(|segments| segments.join("/"))
}

fn names() -> impl Strategy<Value = SecretName> {
    path(segment()).prop_filter_map("a name", |text| SecretName::new(text).ok())
}

fn globs() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        6 => segment().prop_map(|text| {
            // Half of the stars are meant as such.
            text.replace('\\', "\\\\").replace("**", "*").replacen('*', "\\*", usize::from(text.len() % 2 == 0))
        }),
        2 => Just("*".to_owned()),
        3 => Just("**".to_owned()),
    ];
    path(segment).prop_filter("a pattern", |text| {
        super::NameGlob::new(text.clone()).is_ok()
    })
}

fn subset(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = prop::sample::subsequence(of, 0..=of.len());
    some.prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

fn roles() -> impl Strategy<Value = RoleConfig> {
    let words = prop::sample::subsequence(operations::WORDS, 1..4);
    let globs = prop::collection::vec(globs(), 1..3);
    (
        words,
        globs,
        subset(&["main", "other"]),
        subset(&["dev", "prod"]),
    )
        .prop_map(|(words, globs, scopes, environments)| {
            let meant = words
                .into_iter()
                .filter_map(operations::from_word)
                .flatten();
            let role = RoleConfig::new(meant, globs).unwrap();
            role.with_scopes(scopes).with_environments(environments)
        })
}

/// What roles and patterns say, without Cedar.
fn directly(
    source: &PolicySource,
    principal: &str,
    operation: Operation,
    scope: &str,
    name: &SecretName,
) -> BTreeSet<String> {
    let policy = &source.config;
    let environment = source.environment.as_deref();
    let allows = |role: &RoleConfig| {
        role.operations.contains(&operation)
            && role.names.iter().any(|glob| glob.matches(name))
            && (role.scopes.is_empty() || role.scopes.iter().any(|one| one == scope))
            && (role.environments.is_empty()
                || role
                    .environments
                    .iter()
                    .any(|one| Some(one.as_str()) == environment))
    };
    let has = |role: &str| {
        [principal, "*"].iter().any(|who| {
            let grants = policy.principals.get(*who).into_iter().flatten();
            grants.into_iter().any(|grant| grant.role == role)
        })
    };
    policy
        .roles
        .iter()
        .filter(|(name, role)| has(name) && allows(role))
        .map(|(name, _)| format!("role {name:?}"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn cedar_decides_what_the_roles_say(
        given in prop::collection::vec(roles(), 1..4),
        grants in prop::collection::vec((prop::sample::select(vec!["ann", "bob", "*"]), 0..4_usize), 0..5),
        environment in prop::option::of(prop::sample::select(vec!["dev", "prod", "test"])),
        asked in prop::collection::vec(
            (
                prop::sample::select(vec!["ann", "bob", "eve\"\\"]),
                0..8_usize,
                prop::sample::select(vec!["main", "other", "third"]),
                names(),
            ),
            1..20,
        ),
    ) {
        let mut policy = PolicyConfig::default();
        let count = given.len();
        for (number, role) in given.into_iter().enumerate() {
            policy = policy.with_role(format!("r{number}"), role);
        }
        for (principal, role) in grants {
            policy = policy.with_principal(principal, [format!("r{}", role % count)]);
        }
        let mut source = source(policy);
        source.environment = environment.map(str::to_owned);
        let engine = Policy::new(source.clone()).unwrap();
        let all = operations::from_word("*").unwrap();
        for (principal, operation, scope, name) in asked {
            let operation = all[operation];
            let reference = SecretRef::from(name.clone()).with_provider(scope).unwrap();
            let decision = engine.decide(principal, operation, &reference);
            let expected = directly(&source, principal, operation, scope, &name);
            let reported: BTreeSet<String> = decision.rules.iter().map(|rule| rule.name.clone()).collect();
            prop_assert_eq!(decision.is_allowed, !expected.is_empty(), "{} {}", name, scope);
            prop_assert_eq!(reported, expected);
        }
    }

    #[test]
    fn patterns_mean_the_same_to_cedar(glob in globs(), name in names()) {
        let source = source(
            PolicyConfig::default()
                .with_role("r", reader(&[&glob]))
                .with_principal("*", ["r"]),
        );
        let decision = Policy::new(source.clone()).unwrap().decide("x", Operation::Get, &SecretRef::from(name.clone()));
        let matches = super::NameGlob::new(&*glob).unwrap().matches(&name);
        prop_assert_eq!(decision.is_allowed, matches, "{} {} {}", glob, name, compile::role("r", &reader(&[&glob])));
    }

    #[test]
    fn what_is_covered_is_matched(wide in globs(), narrow in globs(), name in names()) {
        let (wide, narrow) = (super::NameGlob::new(wide).unwrap(), super::NameGlob::new(narrow).unwrap());
        if wide.covers(&narrow) && narrow.matches(&name) {
            prop_assert!(wide.matches(&name), "{} {} {}", wide, narrow, name);
        }
    }
}
