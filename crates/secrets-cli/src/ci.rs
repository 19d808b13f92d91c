//! The CI servers, as they show in the environment.

use std::env;

use clap::ValueEnum;

/// A CI server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ci {
    /// GitHub Actions, and Gitea's and Forgejo's.
    Github,
    /// GitLab CI/CD.
    Gitlab,
    /// Azure Pipelines.
    Azure,
    /// Buildkite.
    Buildkite,
    /// TeamCity.
    Teamcity,
}

/// Each with a variable that it sets in every job.
const MARKS: &[(&str, Ci)] = &[
    ("GITHUB_ACTIONS", Ci::Github),
    ("GITLAB_CI", Ci::Gitlab),
    ("TF_BUILD", Ci::Azure),
    ("BUILDKITE", Ci::Buildkite),
    ("TEAMCITY_VERSION", Ci::Teamcity),
];

/// What others set, whether or not they set `CI` too.
const OTHERS: &[&str] = &[
    "CI",
    "APPVEYOR",
    "BITBUCKET_BUILD_NUMBER",
    "BUDDY",
    "CF_BUILD_ID",
    "CIRCLECI",
    "CIRRUS_CI",
    "CODEBUILD_BUILD_ID",
    "DRONE",
    "GO_PIPELINE_NAME",
    "HUDSON_URL",
    "JENKINS_URL",
    "SEMAPHORE",
    "TRAVIS",
    "WERCKER",
    "WOODPECKER",
    "bamboo_buildKey",
];

impl Ci {
    /// The one that this process runs in.
    pub(crate) fn detect() -> Option<Self> {
        let found = MARKS.iter().find(|(name, _)| is_set(name));
        found.map(|(_, ci)| *ci)
    }
}

/// Whether this process runs in any.
pub(crate) fn is_here() -> bool {
    Ci::detect().is_some() || OTHERS.iter().any(|name| is_set(name))
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}
