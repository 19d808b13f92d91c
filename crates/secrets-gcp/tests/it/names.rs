//! Names do not escape their place in a path, whatever is in them.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use secrets_core::{
    DeleteOptions, DescribeOptions, ErrorKind, GetOptions, NameMapping, NameRules, PutOptions,
    SecretName, SecretProvider, Version, VersionsOptions,
};
use secrets_testkit::fakes::gcp::{Access, GcpFake, GcpOptions};

use crate::support;

fn names() -> impl Strategy<Value = SecretName> {
    prop_oneof![
        "[a-zA-Z0-9_./%?#:&=+ -]{1,24}",
        "(x__)?[a-z_/]{1,12}",
        "(a/|%2e%2e/|\\.\\.\\./|:access|/versions/1){1,4}[a-z]",
        "\\PC{1,12}",
    ]
    .prop_filter_map("a valid name", |text| SecretName::new(text).ok())
}

#[test]
fn the_service_sees_the_name_that_was_asked_for() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let fake = runtime
        .block_on(GcpFake::start(
            GcpOptions::default().with_access(Access::Anonymous),
        ))
        .unwrap();
    let mut config = support::config(&fake);
    config.anonymous = true;
    let provider = runtime.block_on(support::open(config));
    let mapping = NameMapping::new(NameRules::new("-_", '_', 255));
    let seen = std::cell::Cell::new(0);
    // Each call is asked of a service that has only this one secret of the name, and nothing of any other.
    let all = |name: &SecretName, version: &str| {
        runtime.block_on(async {
            let version = Version::new(version);
            let mut kinds = Vec::new();
            let at = GetOptions::default().with_version(version);
            kinds.extend(provider.get(name, &at).await.err());
            kinds.extend(provider.get(name, &GetOptions::default()).await.err());
            let described = provider.describe(name, &DescribeOptions::default()).await;
            kinds.extend(described.err());
            let versions = provider.versions(name, &VersionsOptions::default()).await;
            kinds.extend(versions.err());
            kinds.extend(provider.delete(name, &DeleteOptions::default()).await.err());
            kinds
        })
    };
    // A case is eight requests, so that a million of them would take hours.
    let config = ProptestConfig::default();
    let cases = config.cases.min(10_000);
    let mut runner = TestRunner::new(ProptestConfig { cases, ..config });
    let versions = "[0-9]{1,3}|[a-z/.:%-]{1,8}";
    let outcome = runner.run(&(names(), versions), |(name, version)| {
        let Ok(id) = mapping.encode(&name) else {
            let errors = all(&name, &version);
            prop_assert!(
                errors
                    .iter()
                    .all(|error| error.kind() == ErrorKind::InvalidName)
            );
            return Ok(());
        };
        for error in all(&name, &version) {
            prop_assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error);
        }
        let value = name.as_str().into();
        runtime
            .block_on(provider.put(&name, &value, &PutOptions::default()))
            .unwrap();
        let read = runtime
            .block_on(provider.get(&name, &GetOptions::default()))
            .unwrap();
        prop_assert_eq!(read.value, value);
        runtime
            .block_on(provider.delete(&name, &DeleteOptions::default()))
            .unwrap();

        let root = format!("/v1/projects/{}/secrets", fake.project_id());
        for request in fake.asked_since(seen.get()) {
            if request.path == root {
                prop_assert_eq!(&request.query, &format!("secretId={id}"));
                continue;
            }
            let rest = request.path.strip_prefix(&format!("{root}/")).unwrap();
            let end = rest.find(['/', ':']).unwrap_or(rest.len());
            prop_assert_eq!(&rest[..end], &id);
            let tail = &rest[end..];
            let version = tail
                .strip_prefix("/versions/")
                .map(|tail| tail.trim_end_matches(":access"));
            prop_assert!(
                ["", "/versions", ":addVersion"].contains(&tail)
                    || version.is_some_and(|version| version
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-')),
                "{}",
                request.path
            );
        }
        seen.set(fake.asked_count());
        Ok(())
    });
    outcome.unwrap();
}
