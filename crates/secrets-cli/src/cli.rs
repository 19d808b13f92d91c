//! What was typed. What it means is in `settings.rs`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrets::FileFormat;
use secrets::mask::Replacement;

use crate::ci::Ci;
use crate::exit;
use crate::generate::{self, Recipe};
use crate::path::PathArgument;

/// Use secrets from any store: fetch them, hand them to programs, fill them into files.
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

/// What every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Read this configuration instead of looking for one.
    #[arg(value_parser = PathArgument, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Lay this profile over the configuration.
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
    /// Say why, for the audit log.
    #[arg(long, global = true, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Say more on standard error; twice for everything.
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
    /// Whether the answer is JSON, and with it what went wrong.
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

    /// What was asked for, as it is typed, and nothing of what it was asked for.
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

/// Write a configuration and make the store that it names.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets init\n  secrets init --provider vault://vault.example.com:8200/secret --yes"
)]
pub(crate) struct Init {
    /// Ask nothing; take the defaults.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Do not approve the written configuration for credentials that it does not name.
    #[arg(long)]
    pub(crate) no_trust: bool,
}

/// Write a secret. The value comes from a hidden prompt, a pipe, a file or a generator, never from an argument.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets set db/password\n  secrets set db/password --generate alnum:40\n  pass show db | secrets set db/password --stdin"
)]
pub(crate) struct Set {
    /// Which secret: [provider://]name.
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) source: Source,
    /// Only if there is no such secret yet.
    #[arg(long)]
    pub(crate) create: bool,
    /// Only if the current version is this one.
    #[arg(long, value_name = "VERSION", conflicts_with = "create")]
    pub(crate) if_version: Option<String>,
    /// Replace the tags; may be repeated.
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub(crate) tags: Vec<String>,
    /// Write the metadata of the new version as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Taken only to say why it is not.
    #[arg(hide = true, allow_hyphen_values = true, num_args = 0..)]
    pub(crate) refused: Vec<OsString>,
}

/// Where a value comes from; from a prompt if nothing is said.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Source {
    /// Read standard input to its end, byte for byte.
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Read this file, byte for byte.
    #[arg(value_parser = PathArgument, long, value_name = "FILE")]
    pub(crate) from_file: Option<PathBuf>,
    /// Make a random value of a kind (alnum, hex, base64url, ascii, digits) and a number of characters.
    #[arg(long, value_name = "KIND:LENGTH", num_args = 0..=1, default_missing_value = generate::DEFAULT)]
    pub(crate) generate: Option<Recipe>,
}

/// Write a secret's value to standard output.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets get db/password\n  secrets get db --field user\n  secrets get tls/key --out key.pem"
)]
pub(crate) struct Get {
    /// Which secret: [provider://]name[?version=V&default=D][#field].
    pub(crate) reference: String,
    /// Only this field of a value that is a JSON object.
    #[arg(long, value_name = "KEY")]
    pub(crate) field: Option<String>,
    /// This version instead of the current one.
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Replace the file that --out names, if there is one.
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
}

/// In which form a value is shown.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Form {
    /// Write the value with its metadata as JSON; bytes that are not text as base64.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write only the first and last four characters, and nothing of a value under 20.
    #[arg(long)]
    pub(crate) hint: bool,
    /// Write to this new file, which only you can read.
    #[arg(value_parser = PathArgument, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// List secrets, never their values.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets list\n  secrets list --prefix db/ --json")]
pub(crate) struct List {
    /// Only names that start with this text.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) prefix: String,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Delete a secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets delete db/password\n  secrets delete db/password --purge --yes"
)]
pub(crate) struct Delete {
    /// Which secret: [provider://]name.
    pub(crate) name: String,
    /// All versions, for good.
    #[arg(long)]
    pub(crate) purge: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Write what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Undo a delete, where the provider can.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets restore db/password")]
pub(crate) struct Restore {
    /// Which secret: [provider://]name.
    pub(crate) name: String,
    /// Write what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// List the versions of a secret, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets versions db/password")]
pub(crate) struct Versions {
    /// Which secret: [provider://]name.
    pub(crate) name: String,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make the content of an earlier version current again.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets versions db/password\n  secrets rollback db/password 3"
)]
pub(crate) struct Rollback {
    /// Which secret: [provider://]name.
    pub(crate) name: String,
    /// Which version, as `secrets versions` shows it.
    pub(crate) version: String,
    /// Write the metadata of what is current now as JSON.
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
    /// Give the program only the secrets and PATH, HOME, USER, LOGNAME, SHELL, TERM, LANG, LC_*, TZ, TMPDIR and PWD.
    #[arg(long)]
    pub(crate) clean: bool,
    /// Refuse to replace a variable that is set already.
    #[arg(long)]
    pub(crate) no_override: bool,
    /// Keep a variable that would be removed; may be repeated.
    #[arg(long = "keep-env", value_name = "VARIABLE")]
    pub(crate) keep: Vec<String>,
    /// Mask the secrets in what the program writes: auto (in CI, but not what goes to a file), always or never.
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
    /// Write the plan as JSON.
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
    /// In CI, what goes to the log.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How values are masked.
#[derive(Debug, Args)]
pub(crate) struct Masking {
    /// Do not mask values that are shorter than this.
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) mask_min: u16,
    /// Put this in the place of a value: stars (***) or name (its name in square brackets).
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "stars",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) mask_with: MaskWith,
}

/// What stands for a value.
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

/// Copy standard input to standard output, with the declared secrets masked.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ./deploy.sh 2>&1 | secrets mask\n  secrets mask --value-from db/password < server.log"
)]
pub(crate) struct Mask {
    /// Mask this secret too; may be repeated.
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
    /// Mask this secret too; may be repeated.
    #[arg(long, value_name = "REFERENCE", num_args = 1..)]
    pub(crate) value_from: Vec<String>,
    /// The server, if the environment does not tell: github, azure or buildkite; gitlab and teamcity cannot do it.
    #[arg(long, value_name = "SERVER", hide_possible_values = true)]
    pub(crate) r#for: Option<Ci>,
    #[command(flatten)]
    pub(crate) masking: Masking,
}

/// Asking what would be done.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Show which providers would be asked, in which calls, and read nothing.
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Write files with their ${secret:…} references filled in.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets render app.yaml --out /run/app/app.yaml\n  secrets render --template nginx.conf.j2 > nginx.conf"
)]
pub(crate) struct Render {
    /// The files; `-` is standard input.
    #[arg(value_parser = PathArgument, required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Write to this file, which only you can read, instead of standard output.
    #[arg(value_parser = PathArgument, long, value_name = "FILE", conflicts_with = "out_dir")]
    pub(crate) out: Option<PathBuf>,
    /// Write each file under its own name into this folder.
    #[arg(value_parser = PathArgument, long, value_name = "FOLDER")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Read the files as this, whatever they are called.
    #[arg(
        long,
        value_name = "yaml|toml|json|dotenv|text",
        conflicts_with = "template"
    )]
    pub(crate) format: Option<FileFormat>,
    /// The files are templates with {{ secrets.NAME }}.
    #[arg(long)]
    pub(crate) template: bool,
    #[command(flatten)]
    pub(crate) explain: Explain,
    /// Write the plan as JSON.
    #[arg(long, requires = "explain")]
    pub(crate) json: bool,
    /// Taken only to say why it is not.
    #[arg(long, hide = true)]
    pub(crate) in_place: bool,
}

/// Check that every declared secret, and every reference in the files, resolves. No value is shown.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets check\n  secrets check app.yaml deploy/*.toml\n  secrets check --explain app.yaml"
)]
pub(crate) struct Check {
    /// Files with references.
    #[arg(value_parser = PathArgument, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) explain: Explain,
    /// Read the files as this, whatever they are called.
    #[arg(long, value_name = "yaml|toml|json|dotenv|text")]
    pub(crate) format: Option<FileFormat>,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show which provider each declared secret comes from, and how the providers do.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets status\n  secrets status --json")]
pub(crate) struct Status {
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Look at the configuration.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets config show --origin\n  secrets config check")]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show what is in effect, without credentials.
    #[command(after_help = "Example:\n  secrets config show --origin")]
    Show {
        /// Show the file and line that each setting comes from.
        #[arg(long)]
        origin: bool,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read the configuration strictly, with the settings of every provider.
    #[command(after_help = "Example:\n  secrets config check --config deploy/secrets.toml")]
    Check,
    /// Write the JSON schema of the configuration.
    #[command(after_help = "Example:\n  secrets config schema > secrets.schema.json")]
    Schema,
}

/// Look at who may do what with which secret, and at what vendors have to allow.
#[cfg(feature = "policy")]
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets policy check\n  secrets policy explain alice get db/password"
)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) verb: PolicyVerb,
}

/// What to do with the policy.
#[cfg(feature = "policy")]
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Read the policy strictly, with its files, and warn of rules that never decide.
    #[command(after_help = "Example:\n  secrets policy check app.yaml")]
    Check {
        /// Files with references, whose secrets are used besides the declared ones.
        #[arg(value_parser = PathArgument, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Read the files as this, whatever they are called.
        #[arg(long, value_name = "yaml|toml|json|dotenv|text")]
        format: Option<FileFormat>,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say whether somebody may do something, and which rule decides. Ends with 4 for a denial.
    #[command(after_help = "Example:\n  secrets policy explain alice get db/password")]
    Explain {
        /// Who.
        principal: String,
        /// What: get, describe, list, versions, put, delete, restore or rollback.
        operation: String,
        /// With which secret: [provider://]name.
        name: String,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write what the vendors have to allow so that the used secrets can be read, and nothing else.
    #[command(
        after_help = "Example:\n  secrets policy generate --for aws > policy.json\n  secrets policy generate app.yaml"
    )]
    Generate {
        /// Files with references, whose secrets are used besides the declared ones.
        #[arg(value_parser = PathArgument, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// For this vendor alone: aws, azure, gcp, vault or infisical.
        #[arg(long, value_name = "VENDOR", hide_possible_values = true)]
        r#for: Option<Vendor>,
        /// Read the files as this, whatever they are called.
        #[arg(long, value_name = "yaml|toml|json|dotenv|text")]
        format: Option<FileFormat>,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A vendor with rights of its own.
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
    /// The scheme of its provider.
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

/// Approve a configuration to use credentials that it does not name, such as VAULT_TOKEN.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets trust\n  secrets trust --list\n  secrets trust ./secrets.toml --revoke"
)]
pub(crate) struct Trust {
    /// The configuration; the one that is found from here if none is named.
    #[arg(value_parser = PathArgument)]
    pub(crate) file: Option<PathBuf>,
    /// Take the approval back.
    #[arg(long, conflicts_with = "list")]
    pub(crate) revoke: bool,
    /// List what is approved.
    #[arg(long, conflicts_with = "file")]
    pub(crate) list: bool,
    /// Write what was done, or the list, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Look after the encrypted file; of several, the one that --provider names.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets store recipients list\n  secrets store merge")]
pub(crate) struct Store {
    #[command(subcommand)]
    pub(crate) verb: StoreVerb,
}

/// What to do with the encrypted file.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreVerb {
    /// Accept a store that is older than the one that was seen last, as after a git checkout.
    #[command(after_help = "Example:\n  secrets store accept")]
    Accept {
        /// Write what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Resolve a git conflict in the store, entry by entry.
    #[command(
        after_help = "Example:\n  git merge main || secrets store merge && git add .secrets/store.txt"
    )]
    Merge {
        /// Write what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Merge three files as git's merge driver does, and write the result to OURS.
    #[command(
        after_help = "Example:\n  git config merge.polysecrets.driver 'secrets store merge-files %O %A %B'"
    )]
    MergeFiles {
        /// What both sides come from; empty if they have nothing in common.
        #[arg(value_parser = PathArgument)]
        base: PathBuf,
        /// The branch that is merged into.
        #[arg(value_parser = PathArgument)]
        ours: PathBuf,
        /// The branch that is merged.
        #[arg(value_parser = PathArgument)]
        theirs: PathBuf,
    },
    /// Show the store's id, its revision and how many secrets it has.
    #[command(after_help = "Example:\n  secrets store info")]
    Info {
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    Passphrase(Passphrase),
    /// Who can open the store.
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
            Self::Accept { json } | Self::Merge { json } | Self::Info { json } => *json,
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

/// Give the store a passphrase, or another one, and a new data key. It comes from a hidden prompt if nothing else is said.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets store passphrase\n  secrets store passphrase --from-file new-passphrase.txt\n  secrets store passphrase --remove"
)]
pub(crate) struct Passphrase {
    /// Read standard input; a newline at its end is no part of it.
    #[arg(long, conflicts_with_all = ["from_file", "remove"])]
    pub(crate) stdin: bool,
    /// Read this file; a newline at its end is no part of it.
    #[arg(value_parser = PathArgument, long, value_name = "FILE", conflicts_with = "remove")]
    pub(crate) from_file: Option<PathBuf>,
    /// Take the passphrase away, so that only the recipients' keys open the store.
    #[arg(long)]
    pub(crate) remove: bool,
    /// Write what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with the recipients.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipientsVerb {
    /// List them.
    #[command(after_help = "Example:\n  secrets store recipients list")]
    List {
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let these open the store too.
    #[command(after_help = "Example:\n  secrets store recipients add age1… 'ssh-ed25519 AAAA…'")]
    Add {
        /// Public keys: age1… or ssh-ed25519 ….
        #[arg(required = true, value_name = "RECIPIENT")]
        recipients: Vec<String>,
        /// Write what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Do not let these open the store any more; makes a new data key.
    #[command(after_help = "Example:\n  secrets store recipients remove age1…")]
    Remove {
        /// Public keys, as `list` shows them.
        #[arg(required = true, value_name = "RECIPIENT")]
        recipients: Vec<String>,
        /// Write what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new data key for the same recipients.
    #[command(after_help = "Example:\n  secrets store recipients rekey")]
    Rekey {
        /// Write what was done as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Look at the records of who used which secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets audit verify\n  secrets audit show --name 'db/*' --since 24h"
)]
pub(crate) struct Audit {
    #[command(subcommand)]
    pub(crate) verb: AuditVerb,
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Make the key that the configuration names for the log, unless it is there.
    #[command(after_help = "Example:\n  secrets audit init")]
    Init,
    /// Find the first record that was changed, moved or taken away.
    #[command(
        after_help = "Example:\n  secrets audit verify\n  secrets audit verify --through 1000:5d41…\n  secrets audit verify old/audit.jsonl.000000001000"
    )]
    Verify {
        /// These files, which follow one another, instead of the whole log.
        #[arg(value_parser = PathArgument, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The number and hash of a record, as an earlier run told them.
        #[arg(long, value_name = "NUMBER:HASH", conflicts_with = "files")]
        through: Option<String>,
        /// Write JSON.
        #[arg(long)]
        json: bool,
    },
    Show(AuditShow),
}

/// Which records of the audit log.
#[derive(Debug, Args)]
pub(crate) struct Records {
    /// These files instead of the whole log.
    #[arg(value_parser = PathArgument, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Not before: 2026-01-31T12:00:00Z, 2026-01-31, or 2h for two hours ago.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only before this moment, written in the same way.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only this operation: get, get-many, list, put, delete, ….
    #[arg(long, value_name = "OPERATION")]
    pub(crate) operation: Option<String>,
    /// Only secrets with such a name; * is anything without a slash, ** anything.
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Option<String>,
    /// Only what this provider answered, or this chain led to.
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
    /// Only this user, by name or number.
    #[arg(long, value_name = "USER")]
    pub(crate) actor: Option<String>,
    /// Only this outcome: ok, not_found, permission_denied, …; failed for all but ok.
    #[arg(long, value_name = "OUTCOME")]
    pub(crate) outcome: Option<String>,
    /// Only the last so many.
    #[arg(long, value_name = "COUNT")]
    pub(crate) last: Option<usize>,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write one event of OCSF's class API Activity a line.
    #[arg(long, conflicts_with = "json")]
    pub(crate) ocsf: bool,
}

/// Sum up what the audit log recorded: how often secrets were used, how it ended, how long it took.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets stats --since 24h\n  secrets stats --prometheus > /var/lib/node_exporter/secrets.prom"
)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) records: Records,
    /// Write JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the text format of Prometheus, for node_exporter's textfile collector. Counters have no period.
    #[arg(long, conflicts_with_all = ["json", "since", "until"])]
    pub(crate) prometheus: bool,
}

/// Write a completion script for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  secrets completions bash > ~/.local/share/bash-completion/completions/secrets"
)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// Show the main job on an encrypted store in a temporary folder.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  secrets demo")]
pub(crate) struct Demo {
    /// Keep the folder, to look at it.
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
                    "the example of {path} is another one's"
                );
                assert!(
                    verb.get_about().is_some(),
                    "{path} says nothing about itself"
                );
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
    fn a_command_is_told_by_its_name() {
        let named = |words: &[&str]| Cli::try_parse_from(words).unwrap().verb.name();
        assert_eq!(named(&["secrets", "get", "db/password"]), "get");
        assert_eq!(named(&["secrets", "audit", "init"]), "audit");
    }

    #[test]
    fn the_backend_is_the_provider() {
        let cli = Cli::try_parse_from(["secrets", "list", "--secrets-backend", "env"]).unwrap();
        assert_eq!(cli.global.provider.as_deref(), Some("env"));
    }
}
