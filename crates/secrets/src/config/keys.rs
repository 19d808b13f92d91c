//! The format's keys, once: the reader refuses by this table and the JSON schema is written from it.

use super::entries::OnError;

/// A key that is known in a table.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about }
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Flag,
    Count {
        min: u32,
        max: u32,
    },
    /// `200ms`, `30s`, `1h30m`.
    Duration,
    /// A duration, or a whole number of seconds.
    Seconds,
    Reference,
    /// The name of a provider or chain, or a scheme.
    Provider,
    /// The name of a declared secret.
    Secret,
    Word(&'static [&'static str]),
    List(&'static Kind),
    Table(&'static [Key]),
    /// A table with these keys and those of a provider.
    Open(&'static [Key]),
    Map(Names, &'static Kind),
    /// A string of the first kind, or a table of the second.
    Either(&'static Kind, &'static Kind),
    /// The keys of the root without the profiles.
    Overlay,
}

/// What the keys of a map may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Provider,
    Secret,
    Profile,
    Role,
    Principal,
}

impl Names {
    /// The rule as a regular expression, for the schema.
    pub(super) fn pattern(self) -> &'static str {
        match self {
            Self::Provider => "^[a-z][a-z0-9_-]*$",
            Self::Secret => "^[A-Za-z_][A-Za-z0-9_.-]*$",
            Self::Profile | Self::Role => "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            Self::Principal => r"^(?=.*\S)[^\u0000-\u001f\u007f]{1,256}$",
        }
    }

    /// What an error calls such a name, and the rule in words.
    pub(super) fn rule(self) -> (&'static str, &'static str) {
        match self {
            Self::Provider => (
                "name of a provider",
                "a lowercase letter, then lowercase letters, digits, `-` and `_`",
            ),
            Self::Secret => (
                "name of a secret",
                "a letter or `_`, then letters, digits, `_`, `.` and `-`",
            ),
            Self::Profile => (
                "name of a profile",
                "a letter or digit, then letters, digits, `_`, `.` and `-`",
            ),
            Self::Role => (
                "name of a role",
                "a letter or digit, then letters, digits, `_`, `.` and `-`",
            ),
            Self::Principal => (
                "name of a principal",
                "1 to 256 bytes without control characters, or `*` for everybody",
            ),
        }
    }

    pub(super) fn fits(self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let Some((first, rest)) = bytes.split_first() else {
            return false;
        };
        match self {
            Self::Provider => {
                first.is_ascii_lowercase()
                    && rest.iter().all(|byte| {
                        byte.is_ascii_lowercase()
                            || byte.is_ascii_digit()
                            || matches!(byte, b'-' | b'_')
                    })
            }
            Self::Secret => (first.is_ascii_alphabetic() || *first == b'_') && word(rest),
            Self::Profile | Self::Role => first.is_ascii_alphanumeric() && word(rest),
            Self::Principal => {
                bytes.len() <= 256 && !name.trim().is_empty() && !name.chars().any(char::is_control)
            }
        }
    }
}

fn word(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The keys of `secrets.toml` and its like.
pub(super) const ROOT: &[Key] = &[
    key(
        "default",
        Kind::Provider,
        "the provider or chain that answers references without one",
    ),
    key(
        "providers",
        Kind::Map(Names::Provider, &Kind::Open(PROVIDER)),
        "the configured providers by name",
    ),
    key(
        "chains",
        Kind::Map(Names::Provider, &Kind::Table(CHAIN)),
        "lists of providers that are asked one after the other, by name",
    ),
    key(
        "secrets",
        Kind::Map(
            Names::Secret,
            &Kind::Either(&Kind::Reference, &Kind::Table(SECRET)),
        ),
        "the secrets that the program needs, by name; a string is a reference",
    ),
    key(
        "profiles",
        Kind::Map(Names::Profile, &Kind::Overlay),
        "overlays by name; the chosen one is merged into the rest",
    ),
    key(
        "preload",
        Kind::List(&Kind::Secret),
        "declared secrets that are read at the start",
    ),
    key(
        "concurrency",
        Kind::Count {
            min: 1,
            max: 10_000,
        },
        "how many calls each provider takes at once; default: what its vendor takes well, else 16",
    ),
    key("retry", Kind::Table(RETRY), "how failed calls are repeated"),
    key("timeouts", Kind::Table(TIMEOUTS), "how long calls may take"),
    key(
        "breaker",
        Kind::Table(BREAKER),
        "when a provider that fails is left alone for a while",
    ),
    key(
        "cache",
        Kind::Table(CACHE),
        "how long answers are kept in memory; not at all without this table",
    ),
    key(
        "audit",
        Kind::Table(AUDIT),
        "where uses of secrets are recorded; nowhere without this table",
    ),
    key(
        "policy",
        Kind::Table(POLICY),
        "who may do what with which secret; without this table everything, with it nothing but what its roles allow",
    ),
];

/// The keys of a provider that are not its own.
pub(super) const PROVIDER: &[Key] = &[
    key(
        "type",
        Kind::Text,
        "the kind of provider, such as `vault` or `file`; may be left out where there is a location",
    ),
    key(
        "location",
        Kind::Text,
        "where it is: a URI without credentials, such as `vault://host:8200/secret`",
    ),
    key(
        "retry",
        Kind::Table(RETRY),
        "how its failed calls are repeated",
    ),
    key(
        "attempt_timeout",
        Kind::Duration,
        "how long one call of it may take",
    ),
    key(
        "concurrency",
        Kind::Count {
            min: 1,
            max: 10_000,
        },
        "how many calls it takes at once",
    ),
    key(
        "rate",
        Kind::Count {
            min: 1,
            max: 1_000_000,
        },
        "how many calls it takes a second; default: what its provider names, else no limit",
    ),
    key(
        "breaker",
        Kind::Table(BREAKER),
        "when it is left alone for a while after failures",
    ),
];

pub(super) const CHAIN: &[Key] = &[
    key(
        "providers",
        Kind::List(&Kind::Either(&Kind::Provider, &Kind::Table(MEMBER))),
        "the members, in the order in which they are asked",
    ),
    key("write", Kind::Provider, "the member that takes writes"),
];

pub(super) const MEMBER: &[Key] = &[
    key("provider", Kind::Provider, "the member's name"),
    key(
        "on_error",
        Kind::Word(OnError::NAMES),
        "what an error of it means; a missing secret is none; default `fail`",
    ),
];

pub(super) const SECRET: &[Key] = &[
    key(
        "reference",
        Kind::Reference,
        "where it is: `[provider://]name[?version=V&default=D][#field]`; default its name",
    ),
    key(
        "env",
        Kind::Text,
        "the environment variable that a child process gets it in; default its name",
    ),
    key(
        "required",
        Kind::Flag,
        "whether it is an error that it is missing; default true",
    ),
    key(
        "default",
        Kind::Text,
        "what stands in for it where it is missing",
    ),
    key(
        "format",
        Kind::Word(super::format::NAMES),
        "what its value has to look like",
    ),
    key("description", Kind::Text, "what it is for"),
    key(
        "cache_ttl",
        Kind::Duration,
        "how long it is kept in memory, where there is a cache; default as other secrets",
    ),
    key(
        "rotate_after",
        Kind::Duration,
        "the age at which it should be replaced",
    ),
];

pub(super) const BREAKER: &[Key] = &[
    key(
        "enabled",
        Kind::Flag,
        "whether it is ever left alone; default true",
    ),
    key(
        "window",
        Kind::Count { min: 1, max: 64 },
        "how many of the last calls count; default 20",
    ),
    key(
        "min_failures",
        Kind::Count { min: 1, max: 64 },
        "how many of them must have failed before anything follows; default 2",
    ),
    key(
        "failure_percent",
        Kind::Count { min: 1, max: 100 },
        "the share of failed or slow calls from which on it is left alone; default 50",
    ),
    key(
        "slow_call",
        Kind::Duration,
        "how long a call may take before it counts as slow; default 10s",
    ),
    key(
        "open_for",
        Kind::Duration,
        "how long it is left alone; longer each time that it fails again; default 30s",
    ),
];

pub(super) const CACHE: &[Key] = &[
    key(
        "enabled",
        Kind::Flag,
        "whether anything is kept; default true",
    ),
    key(
        "ttl",
        Kind::Duration,
        "how long an answer is given without asking again; default 5m",
    ),
    key(
        "max_stale",
        Kind::Duration,
        "how old an answer may be when the provider cannot be reached; default 1h, or `ttl` if that is more",
    ),
    key(
        "version_ttl",
        Kind::Duration,
        "how long one version, read by its id, is kept; default 1h",
    ),
    key(
        "negative_ttl",
        Kind::Duration,
        "how long it is remembered that a secret does not exist, at most 5s; default 0s",
    ),
    key(
        "refresh_ahead",
        Kind::Flag,
        "whether what is read near the end of its time is fetched again meanwhile; default true",
    ),
    key(
        "patience",
        Kind::Duration,
        "how long a read waits for a provider before it takes a stale answer; default 500ms",
    ),
    key(
        "max_entries",
        Kind::Count {
            min: 1,
            max: 100_000_000,
        },
        "how many answers are kept; default 10000",
    ),
    key(
        "max_bytes",
        Kind::Count {
            min: 1,
            max: u32::MAX,
        },
        "how many bytes they take; default 67108864",
    ),
];

pub(super) const AUDIT: &[Key] = &[
    key(
        "enabled",
        Kind::Flag,
        "whether anything is recorded; default true",
    ),
    key(
        "path",
        Kind::Text,
        "the file for the records; default `audit.jsonl` in the state folder, or none with `trace`",
    ),
    key(
        "trace",
        Kind::Flag,
        "whether each record is a `tracing` event too; default false",
    ),
    key(
        "key",
        Kind::Reference,
        "the secret with the key of the hash chain; without one anybody who writes the file can make up records",
    ),
    key(
        "key_file",
        Kind::Text,
        "a file with the key instead, which nobody else may read",
    ),
    key(
        "on_failure",
        Kind::Word(crate::layers::OnFailure::NAMES),
        "what becomes of a use that cannot be recorded; default `deny`",
    ),
    key(
        "sync",
        Kind::Word(crate::layers::FsyncMode::NAMES),
        "whether each record is forced to the disk, those of a moment together, or none; default `batch`",
    ),
    key(
        "hits",
        Kind::Word(crate::layers::Hits::NAMES),
        "whether answers from the cache are recorded singly or counted each second; default `each`",
    ),
    key(
        "queue",
        Kind::Count {
            min: 1,
            max: 1_000_000,
        },
        "how many operations may wait for their records; default 1024",
    ),
    key(
        "deadline",
        Kind::Duration,
        "how long an operation waits for a record; default 500ms",
    ),
    key(
        "max_bytes",
        Kind::Count {
            min: 4096,
            max: u32::MAX,
        },
        "the size from which on a new file is begun; default 67108864",
    ),
    key(
        "max_age",
        Kind::Duration,
        "the age from which on a new file is begun; default none",
    ),
    key(
        "reopen_on_hangup",
        Kind::Flag,
        "whether SIGHUP opens the file again instead of ending the process; default false",
    ),
];

pub(super) const RETRY: &[Key] = &[
    key(
        "max_attempts",
        Kind::Count { min: 1, max: 100 },
        "how often a call is made at most, the first time included; default 3",
    ),
    key(
        "base",
        Kind::Duration,
        "the bound of the random wait before the second attempt; default 100ms",
    ),
    key("max", Kind::Duration, "the largest bound; default 5s"),
    key(
        "budget",
        Kind::Count {
            min: 0,
            max: 1_000_000,
        },
        "how many repetitions all callers share before successes earn new ones; default 100",
    ),
];

pub(super) const POLICY: &[Key] = &[
    key(
        "enabled",
        Kind::Flag,
        "whether the policy is asked; default true",
    ),
    key(
        "roles",
        Kind::Map(Names::Role, &Kind::Table(ROLE)),
        "what may be done, by the name of the role",
    ),
    key(
        "principals",
        Kind::Map(Names::Principal, &Kind::List(&Kind::Text)),
        "the roles of each principal; those of `*` are everybody's",
    ),
    key(
        "files",
        Kind::List(&Kind::Text),
        "files with policies in Cedar's language, from the folder of the configuration",
    ),
];

pub(super) const ROLE: &[Key] = &[
    key(
        "operations",
        Kind::List(&Kind::Word(crate::layers::RoleConfig::OPERATIONS)),
        "what it allows: single operations, `read`, `write` or `*`",
    ),
    key(
        "names",
        Kind::List(&Kind::Text),
        "patterns for the names: `*` within a segment, `**` for segments",
    ),
    key(
        "scopes",
        Kind::List(&Kind::Provider),
        "through which providers and chains; default any",
    ),
    key(
        "environments",
        Kind::List(&Kind::Text),
        "in which profiles; default any, and none",
    ),
];

pub(super) const TIMEOUTS: &[Key] = &[
    key(
        "deadline",
        Kind::Duration,
        "one call, repetitions and waits included; default 30s",
    ),
    key(
        "attempt",
        Kind::Duration,
        "one call of a provider; default 10s",
    ),
];

/// What `settings.secrets` of another YAML file may hold besides the keys of the root.
pub(super) const WORKFLOW: &[Key] = &[
    key("backend", Kind::Provider, "another word for `default`"),
    key(
        "prefix",
        Kind::Text,
        "the prefix of environment variables, for the backend `env`",
    ),
    key(
        "cache_ttl",
        Kind::Seconds,
        "how long values are kept in memory",
    ),
    key(
        "aws",
        Kind::Open(BLOCK),
        "AWS Secrets Manager: `region`, `secret_name`, `secret_prefix`",
    ),
    key("azure", Kind::Open(BLOCK), "Azure Key Vault: `vault_url`"),
    key(
        "gcp",
        Kind::Open(BLOCK),
        "Google Secret Manager: `project_id`, `secret_prefix`",
    ),
    key(
        "vault",
        Kind::Open(BLOCK),
        "HashiCorp Vault or OpenBao: `url`, `token`, `mount`",
    ),
];

/// A block of [`WORKFLOW`] has the type that its name says.
const BLOCK: &[Key] = &[];
