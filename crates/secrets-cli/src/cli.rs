//! The grammar of the command line. `settings.rs` gives it meaning.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrets::FileFormat;
use secrets::mask::Replacement;

use crate::ci::Ci;
use crate::exit;
use crate::generate::{self, Recipe};
use crate::path::PathArgument;

/// Use secrets from any store: fetch them, pass them to programs, fill them into files.
#[derive(Debug, Parser)]
#[command(
    name = "secrets",
    bin_name = "secrets",
    version,
    after_help = exit::help(),
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Read this configuration instead of searching for one.
    #[arg(value_parser = PathArgument, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Apply this profile of the configuration.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Use this provider by default: a configured name, a scheme, or a location such as vault://host:8200/secret.
    #[arg(
        long,
        global = true,
        value_name = "PROVIDER",
        alias = "secrets-backend"
    )]
    pub(crate) provider: Option<String>,
    /// Record this reason in the audit log.
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Print details to standard error; repeat for all of them.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colour messages: auto (on a terminal, unless NO_COLOR is set), always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) color: ColorChoice,
}

/// When messages are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(Init),
    Set(Set),
    Get(Get),
    List(List),
    Delete(Delete),
    Restore(Restore),
    Versions(Versions),
    Rollback(Rollback),
    Run(Run),
    Mask(Mask),
    CiMask(CiMask),
    Render(Render),
    Check(Check),
    Status(Status),
    Config(Config),
    #[cfg(feature = "policy")]
    Policy(Policy),
    Trust(Trust),
    Store(Store),
    Audit(Audit),
    Stats(Stats),
    Completions(Completions),
    Demo(Demo),
}

impl Verb {
    /// Whether the command prints JSON, its errors included.
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Set(command) => command.json,
            Self::Get(command) => command.form.json,
            Self::List(command) => command.json,
            Self::Delete(command) => command.json,
            Self::Restore(command) => command.json,
            Self::Versions(command) => command.json,
            Self::Rollback(command) => command.json,
            Self::Run(command) => command.json,
            Self::Render(command) => command.json,
            Self::Check(command) => command.json,
            Self::Status(command) => command.json,
            Self::Config(command) => {
                matches!(&command.verb, ConfigVerb::Show { json: true, .. })
            }
            #[cfg(feature = "policy")]
            Self::Policy(command) => match &command.verb {
                PolicyVerb::Check { json, .. }
                | PolicyVerb::Explain { json, .. }
                | PolicyVerb::Generate { json, .. } => *json,
            },
            Self::Trust(command) => command.json,
            Self::Store(command) => command.verb.wants_json(),
            Self::Audit(command) => match &command.verb {
                AuditVerb::Init => false,
                AuditVerb::Verify { json, .. } => *json,
                AuditVerb::Show(command) => command.json,
            },
            Self::Stats(command) => command.json,
            Self::Init(_) | Self::Mask(_) | Self::CiMask(_) => false,
            Self::Completions(_) | Self::Demo(_) => false,
        }
    }

    /// The name of the command as it is typed, without its arguments.
    pub(crate) fn name(&self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}")
            .chars()
            .take_while(|letter| letter.is_alphanumeric())
        {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }
}

/// Create a configuration and an encrypted store.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets init\n  secrets init --provider vault://vault.example.com:8200/secret --yes"
)]
pub(crate) struct Init {
    /// Accept the defaults without asking.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Do not let the new configuration use credentials that it does not name.
    #[arg(long)]
    pub(crate) no_trust: bool,
}

/// Write a secret. Reads the value from a hidden prompt, a pipe, a file or a generator, never from an argument.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets set db/password\n  secrets set db/password --generate alnum:40\n  pass show db | secrets set db/password --stdin"
)]
pub(crate) struct Set {
    /// The secret: [provider://]name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Fail if the secret already exists.
    #[arg(long)]
    pub(crate) create: bool,
    /// Fail unless this is the current version.
    #[arg(long, value_name = "VERSION", conflicts_with = "create")]
    pub(crate) if_version: Option<String>,
    /// Replace the tags; can be repeated.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,
    /// Print the metadata of the new version as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Parsed so that `set` can explain why it refuses a value.
    #[arg(hide = true, allow_hyphen_values = true, num_args = 0..)]
    pub(crate) refused: Vec<OsString>,
}

/// Where a value comes from; by default a prompt.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Source {
    /// Read the value from standard input, byte for byte.
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Read the value from this file, byte for byte.
    #[arg(value_parser = PathArgument, long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Generate a random value: a kind (alnum, hex, base64url, ascii, digits) and a number of characters.
    #[arg(long, value_name = "KIND:LENGTH", num_args = 0..=1, default_missing_value = generate::DEFAULT)]
    pub(crate) generate: Option<Recipe>,
}

/// Print the value of a secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets get db/password\n  secrets get db --field user\n  secrets get tls/key --out key.pem"
)]
pub(crate) struct Get {
    /// The secret: [provider://]name[?version=V&default=D][#field].
    pub(crate) reference: String,
    /// Print only this field of a JSON object.
    #[arg(long, value_name = "KEY")]
    pub(crate) field: Option<String>,
    /// Print this version instead of the current one.
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Replace the file that --out names if it exists.
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}

/// How a value is printed.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Form {
    /// Print the value and its metadata as JSON; binary values as base64.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print only the first and last four characters; *** for values under 20 characters.
    #[arg(long)]
    pub(crate) hint: bool,
    /// Write the value to this new file, readable only by you.
    #[arg(value_parser = PathArgument, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// List secrets, never their values.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets list\n  secrets list --prefix db/ --json")]
pub(crate) struct List {
    /// List only names that start with this text.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) prefix: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Delete a secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets delete db/password\n  secrets delete db/password --purge --yes"
)]
pub(crate) struct Delete {
    /// The secret: [provider://]name.
    pub(crate) name: String,
    /// Delete all versions permanently.
    #[arg(long)]
    pub(crate) purge: bool,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Restore a deleted secret, if the provider supports it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets restore db/password")]
pub(crate) struct Restore {
    /// The secret: [provider://]name.
    pub(crate) name: String,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List the versions of a secret, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets versions db/password")]
pub(crate) struct Versions {
    /// The secret: [provider://]name.
    pub(crate) name: String,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make an earlier version of a secret current again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets versions db/password\n  secrets rollback db/password 3"
)]
pub(crate) struct Rollback {
    /// The secret: [provider://]name.
    pub(crate) name: String,
    /// The version, as printed by `secrets versions`.
    pub(crate) version: String,
    /// Print the metadata of the new current version as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run a program with the declared secrets in its environment.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets run -- ./server --port 8080\n  secrets run --explain\n  secrets run --clean --keep-env VAULT_ADDR -- env",
    override_usage = "secrets run [OPTIONS] -- PROGRAM [ARGUMENT]..."
)]
pub(crate) struct Run {
    /// Pass only the secrets and PATH, HOME, USER, LOGNAME, SHELL, TERM, LANG, LC_*, TZ, TMPDIR and PWD.
    #[arg(long)]
    pub(crate) clean: bool,
    /// Fail instead of replacing a variable that is already set.
    #[arg(long)]
    pub(crate) no_override: bool,
    /// Keep a variable that would be removed; can be repeated.
    #[arg(long = "keep-env", value_name = "VARIABLE")]
    pub(crate) keep: Vec<String>,
    /// Mask the secrets in the program's output: auto (in CI, except for output to a file), always or never.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) mask: MaskWhen,
    #[command(flatten)]
    pub(crate) masking: Masking,
    #[command(flatten)]
    pub(crate) explain: Explain,
    /// Print the plan as JSON.
    #[arg(long, requires = "explain")]
    pub(crate) json: bool,
    /// The program and its arguments.
    #[arg(
        required_unless_present = "explain",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "PROGRAM"
    )]
    pub(crate) program: Vec<OsString>,
}

/// When the output of a program is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MaskWhen {
    /// In CI, except for output to a file.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How values are masked.
#[derive(Debug, Args)]
pub(crate) struct Masking {
    /// Do not mask values shorter than this.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) mask_min: u16,
    /// Replace a value with: stars (***) or name (the name of the secret in square brackets).
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "stars",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) mask_with: MaskWith,
}

/// What replaces a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MaskWith {
    /// `***`.
    Stars,
    /// `[NAME]`.
    Name,
}

impl From<MaskWith> for Replacement {
    fn from(with: MaskWith) -> Self {
        match with {
            MaskWith::Stars => Self::Stars,
            MaskWith::Name => Self::Name,
        }
    }
}

/// Copy standard input to standard output and mask the declared secrets.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ./deploy.sh 2>&1 | secrets mask\n  secrets mask --value-from db/password < server.log"
)]
pub(crate) struct Mask {
    /// Mask this secret too; can be repeated.
    #[arg(long, value_name = "REFERENCE", num_args = 1..)]
    pub(crate) value_from: Vec<String>,
    #[command(flatten)]
    pub(crate) masking: Masking,
}

/// Tell the CI server to mask the declared secrets in the rest of its log.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets ci-mask\n  secrets ci-mask --for azure --value-from db/password"
)]
pub(crate) struct CiMask {
    /// Mask this secret too; can be repeated.
    #[arg(long, value_name = "REFERENCE", num_args = 1..)]
    pub(crate) value_from: Vec<String>,
    /// The CI server, if it cannot be detected: github, azure or buildkite; gitlab and teamcity cannot mask values.
    #[arg(long, value_name = "SERVER", hide_possible_values = true)]
    pub(crate) r#for: Option<Ci>,
    /// Leave out values that are shorter than this.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) mask_min: u16,
}

/// Shows a plan instead of running it.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Show which calls to which providers would be made, and read nothing.
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Replace ${secret:…} references in files with their values.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets render app.yaml --out /run/app/app.yaml\n  secrets render --template nginx.conf.j2 > nginx.conf"
)]
pub(crate) struct Render {
    /// The files; `-` is standard input.
    #[arg(value_parser = PathArgument, required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write to this file, readable only by you, instead of standard output.
    #[arg(value_parser = PathArgument, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) out: Option<PathBuf>,
    /// Write each file to this folder under its own name.
    #[arg(value_parser = PathArgument, long, value_name = "FOLDER")]
    pub(crate) out_dir: Option<PathBuf>,
    /// The format of the files, regardless of their names.
    #[arg(
        long,
        value_name = "yaml|toml|json|dotenv|text",
        conflicts_with = "template"
    )]
    pub(crate) format: Option<FileFormat>,
    /// Render the files as templates with {{ secrets.NAME }}.
    #[arg(long)]
    pub(crate) template: bool,
    #[command(flatten)]
    pub(crate) explain: Explain,
    /// Print the plan as JSON.
    #[arg(long, requires = "explain")]
    pub(crate) json: bool,
    /// Parsed so that `render` can explain why it refuses.
    #[arg(long, hide = true)]
    pub(crate) in_place: bool,
}

/// Check that every declared secret and every reference in the files resolves. Prints no values.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets check\n  secrets check app.yaml deploy/*.toml\n  secrets check --explain app.yaml"
)]
pub(crate) struct Check {
    /// The files to check.
    #[arg(value_parser = PathArgument, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) explain: Explain,
    /// The format of the files, regardless of their names.
    #[arg(long, value_name = "yaml|toml|json|dotenv|text")]
    pub(crate) format: Option<FileFormat>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show where each declared secret comes from and the health of the providers.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets status\n  secrets status --json")]
pub(crate) struct Status {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show or check the configuration.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets config show --origin\n  secrets config check")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

/// The commands of `secrets config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show the effective configuration, without credentials.
    #[command(after_help = "Example:\n  secrets config show --origin")]
    Show {
        /// Show the file and line of each setting.
        #[arg(long)]
        origin: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration and the settings of every provider, without contacting one.
    #[command(after_help = "Example:\n  secrets config check --config deploy/secrets.toml")]
    Check,
    /// Print the JSON schema of the configuration.
    #[command(after_help = "Example:\n  secrets config schema > secrets.schema.json")]
    Schema,
}

/// Check and explain the policy, and generate permissions for vendors.
#[cfg(feature = "policy")]
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets policy check\n  secrets policy explain alice get db/password"
)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) verb: PolicyVerb,
}

/// The commands of `secrets policy`.
#[cfg(feature = "policy")]
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Check the policy and its files, and warn of rules that never apply.
    #[command(after_help = "Example:\n  secrets policy check app.yaml")]
    Check {
        /// Files whose references count as used, besides the declared secrets.
        #[arg(value_parser = PathArgument, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The format of the files, regardless of their names.
        #[arg(long, value_name = "yaml|toml|json|dotenv|text")]
        format: Option<FileFormat>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show whether a principal may do something and which rule decides. Exits with 4 if it is denied.
    #[command(after_help = "Example:\n  secrets policy explain alice get db/password")]
    Explain {
        /// The principal.
        principal: String,
        /// The operation: get, describe, list, versions, put, delete, restore or rollback.
        operation: String,
        /// The secret: [provider://]name.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the least permissions that each vendor must grant to read the used secrets.
    #[command(
        after_help = "Example:\n  secrets policy generate --for aws > policy.json\n  secrets policy generate app.yaml"
    )]
    Generate {
        /// Files whose references count as used, besides the declared secrets.
        #[arg(value_parser = PathArgument, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Only for this vendor: aws, azure, gcp, vault or infisical.
        #[arg(long, value_name = "VENDOR", hide_possible_values = true)]
        r#for: Option<Vendor>,
        /// The format of the files, regardless of their names.
        #[arg(long, value_name = "yaml|toml|json|dotenv|text")]
        format: Option<FileFormat>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A vendor with its own permissions.
#[cfg(feature = "policy")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vendor {
    /// An IAM policy.
    Aws,
    /// Role assignments.
    Azure,
    /// IAM bindings.
    Gcp,
    /// A policy in HCL.
    Vault,
    /// A privilege of an identity.
    Infisical,
}

#[cfg(feature = "policy")]
impl Vendor {
    /// The scheme of the vendor's provider.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Aws => "aws-sm",
            Self::Azure => "azure-kv",
            Self::Gcp => "gcp-sm",
            Self::Vault => "vault",
            Self::Infisical => "infisical",
        }
    }
}

/// Let a configuration use credentials that it does not name, such as VAULT_TOKEN.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets trust\n  secrets trust --list\n  secrets trust ./secrets.toml --revoke"
)]
pub(crate) struct Trust {
    /// The configuration; by default the one found from the working directory.
    #[arg(value_parser = PathArgument)]
    pub(crate) file: Option<PathBuf>,
    /// Revoke the approval.
    #[arg(long, conflicts_with = "list")]
    pub(crate) revoke: bool,
    /// List the approved configurations.
    #[arg(long, conflicts_with = "file")]
    pub(crate) list: bool,
    /// Print the result or the list as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Manage an encrypted file; choose among several with --provider.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets store recipients list\n  secrets store merge")]
pub(crate) struct Store {
    #[command(subcommand)]
    pub(crate) verb: StoreVerb,
}

/// The commands of `secrets store`.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreVerb {
    /// Accept a store that is older than the last one seen, such as after a git checkout.
    #[command(after_help = "Example:\n  secrets store accept")]
    Accept {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Resolve a git conflict in the store, entry by entry.
    #[command(
        after_help = "Example:\n  git merge main || secrets store merge && git add .secrets/store.txt"
    )]
    Merge {
        #[command(flatten)]
        consent: Consent,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Merge three files as git's merge driver does, and write the result to OURS. Fails where the merge needs a yes.
    #[command(
        after_help = "Example:\n  git config merge.polysecrets.driver 'secrets store merge-files %O %A %B'"
    )]
    MergeFiles {
        #[command(flatten)]
        consent: Consent,
        /// The common ancestor; empty if there is none.
        #[arg(value_parser = PathArgument)]
        base: PathBuf,
        /// The version of the current branch.
        #[arg(value_parser = PathArgument)]
        ours: PathBuf,
        /// The version of the other branch.
        #[arg(value_parser = PathArgument)]
        theirs: PathBuf,
    },
    /// Show the ID and revision of the store and its number of secrets.
    #[command(after_help = "Example:\n  secrets store info")]
    Info {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    Passphrase(Passphrase),
    /// Manage who can open the store.
    #[command(
        after_help = "Example:\n  secrets store recipients add age1…\n  secrets store recipients rekey"
    )]
    Recipients {
        #[command(subcommand)]
        verb: RecipientsVerb,
    },
}

impl StoreVerb {
    fn wants_json(&self) -> bool {
        match self {
            Self::Accept { json } | Self::Merge { json, .. } | Self::Info { json } => *json,
            Self::MergeFiles { .. } => false,
            Self::Passphrase(command) => command.json,
            Self::Recipients { verb } => match verb {
                RecipientsVerb::List { json }
                | RecipientsVerb::Add { json, .. }
                | RecipientsVerb::Remove { json, .. }
                | RecipientsVerb::Rekey { json } => *json,
            },
        }
    }
}

/// The changes that a merge may make without asking.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Consent {
    /// Let current versions of our side change.
    #[arg(long)]
    pub(crate) accept_versions: bool,
    /// Let recipients, the passphrase or the data key change.
    #[arg(long)]
    pub(crate) accept_recipients: bool,
    /// Take over what was written under a replaced data key.
    #[arg(long)]
    pub(crate) accept_old_key: bool,
    /// Accept that our side is older than its base, as in a cherry-pick.
    #[arg(long)]
    pub(crate) accept_older: bool,
}

/// Set, change or remove the passphrase of the store, which gets a new data key. Asks with a hidden prompt by default.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets store passphrase\n  secrets store passphrase --from-file new-passphrase.txt\n  secrets store passphrase --remove"
)]
pub(crate) struct Passphrase {
    /// Read the passphrase from standard input, without the final newline.
    #[arg(long, conflicts_with_all = ["from_file", "remove"])]
    pub(crate) stdin: bool,
    /// Read the passphrase from this file, without the final newline.
    #[arg(value_parser = PathArgument, long, value_name = "FILE", conflicts_with = "remove")]
    pub(crate) from_file: Option<PathBuf>,
    /// Remove the passphrase; only the keys of the recipients can open the store then.
    #[arg(long)]
    pub(crate) remove: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The commands of `secrets store recipients`.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipientsVerb {
    /// List the recipients.
    #[command(after_help = "Example:\n  secrets store recipients list")]
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let more public keys open the store.
    #[command(after_help = "Example:\n  secrets store recipients add age1… 'ssh-ed25519 AAAA…'")]
    Add {
        /// Public keys: age1… or ssh-ed25519 ….
        #[arg(required = true, value_name = "RECIPIENT")]
        recipients: Vec<String>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove public keys and make a new data key.
    #[command(after_help = "Example:\n  secrets store recipients remove age1…")]
    Remove {
        /// Public keys, as printed by `list`.
        #[arg(required = true, value_name = "RECIPIENT")]
        recipients: Vec<String>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new data key for the same recipients.
    #[command(after_help = "Example:\n  secrets store recipients rekey")]
    Rekey {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Show and verify the log of who used which secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets audit verify\n  secrets audit show --name 'db/*' --since 24h"
)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) verb: AuditVerb,
}

/// The commands of `secrets audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Create the key of the log, unless it already exists.
    #[command(after_help = "Example:\n  secrets audit init")]
    Init,
    /// Find the first record that was changed, moved or removed.
    #[command(
        after_help = "Example:\n  secrets audit verify\n  secrets audit verify --through 1000:5d41…\n  secrets audit verify old/audit.jsonl.000000001000"
    )]
    Verify {
        /// Verify these consecutive files instead of the whole log.
        #[arg(value_parser = PathArgument, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Require this record: its number and hash, as printed by an earlier run.
        #[arg(long, value_name = "NUMBER:HASH", conflicts_with = "files")]
        through: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    Show(AuditShow),
}

/// Selects records of the audit log.
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// Read these files instead of the whole log.
    #[arg(value_parser = PathArgument, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Only at or after this time: 2026-01-31T12:00:00Z, 2026-01-31, or 2h for two hours ago.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only before this time, in the same format.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only this operation: get, get-many, list, put, delete, and so on.
    #[arg(long, value_name = "OPERATION")]
    pub(crate) operation: Option<String>,
    /// Only secrets with a matching name; * matches anything but a slash, ** anything.
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Option<String>,
    /// Only records of this provider or chain.
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) of_provider: Option<String>,
}

/// Show records, oldest first.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets audit show --name 'db/**' --outcome failed --since 24h\n  secrets audit show --ocsf --since 2026-01-31"
)]
pub(crate) struct AuditShow {
    #[command(flatten)]
    pub(crate) records: Records,
    /// Only this user, by name or user ID.
    #[arg(long, value_name = "USER")]
    pub(crate) actor: Option<String>,
    /// Only this outcome: ok, not_found, permission_denied, and so on; failed for all but ok.
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// Only the last COUNT records.
    #[arg(long, value_name = "COUNT")]
    pub(crate) last: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print one OCSF API Activity event per line.
    #[arg(long, conflicts_with = "json")]
    pub(crate) ocsf: bool,
}

/// Summarise the audit log: how often secrets were used, with which outcomes, and how long it took.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets stats --since 24h\n  secrets stats --prometheus > /var/lib/node_exporter/secrets.prom"
)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) records: Records,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print metrics for the textfile collector of Prometheus' node_exporter. Counters cover the whole log.
    #[arg(long, conflicts_with_all = ["json", "since", "until"])]
    pub(crate) prometheus: bool,
}

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets completions bash > ~/.local/share/bash-completion/completions/secrets"
)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// Demonstrate the main commands on an encrypted store in a temporary folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets demo")]
pub(crate) struct Demo {
    /// Keep the folder.
    #[arg(long)]
    pub(crate) keep: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            for verb in command.get_subcommands() {
                let path = format!("{path} {}", verb.get_name());
                let inner = verb.get_subcommands().next().is_some();
                let help = verb
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(help.starts_with("Example:\n"), "{path} has no example");
                assert!(
                    help.contains(&path) || inner,
                    "the example of {path} shows another command"
                );
                assert!(verb.get_about().is_some(), "{path} has no description");
                visit(verb, &path);
            }
        }
        visit(&Cli::command(), "secrets");
    }

    #[test]
    fn the_program_keeps_its_own_flags() {
        let cli = Cli::try_parse_from(["secrets", "run", "--clean", "--", "env", "-i", "--clean"])
            .unwrap();
        let Verb::Run(run) = cli.verb else {
            panic!("not run");
        };
        assert_eq!(run.program, ["env", "-i", "--clean"]);
    }

    #[test]
    fn a_command_knows_its_name() {
        let named = |words: &[&str]| Cli::try_parse_from(words).unwrap().verb.name();
        assert_eq!(named(&["secrets", "get", "db/password"]), "get");
        assert_eq!(named(&["secrets", "audit", "init"]), "audit");
    }

    #[test]
    fn secrets_backend_means_provider() {
        let cli = Cli::try_parse_from(["secrets", "list", "--secrets-backend", "env"]).unwrap();
        assert_eq!(cli.global.provider.as_deref(), Some("env"));
    }
}
