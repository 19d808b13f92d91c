//! What a configuration that the user has not approved must not do to the programs that are run with it.

use secrets_core::{Error, ErrorKind, Result};

use super::DeclaredSecret;

/// Variables that make programs load or run something, by their whole name.
const LOADING: &[&str] = &[
    "PATH",
    "HOME",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "ZDOTDIR",
    "FPATH",
    "CDPATH",
    "SHELL",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "MANPAGER",
    "TERMINFO",
    "TERMCAP",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONINSPECT",
    "PYTHONBREAKPOINT",
    "PYTHONWARNINGS",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_GEMFILE",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "JAVA_HOME",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "DOTNET_STARTUP_HOOKS",
    "CORECLR_PROFILER",
    "CORECLR_ENABLE_PROFILING",
    "R_PROFILE_USER",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CARGO_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOFLAGS",
    "GOPROXY",
    "GOTOOLCHAIN",
    "CC",
    "CXX",
    "LD",
    "AR",
    "CFLAGS",
    "CXXFLAGS",
    "LDFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RES_OPTIONS",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "OPENSSL_ENGINES",
    "SSH_ASKPASS",
    "SUDO_ASKPASS",
    "SSH_AUTH_SOCK",
    "DOCKER_HOST",
    "KUBECONFIG",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_DATA_HOME",
    "XDG_DATA_DIRS",
];

/// Variables that tell programs where to send what they hold, credentials among it.
const SENDING: &[&str] = &[
    "VAULT_ADDR",
    "VAULT_AGENT_ADDR",
    "VAULT_PROXY_ADDR",
    "VAULT_HTTP_PROXY",
    "VAULT_CACERT",
    "VAULT_CAPATH",
    "VAULT_SKIP_VERIFY",
    "BAO_ADDR",
    "BAO_AGENT_ADDR",
    "BAO_CACERT",
    "BAO_SKIP_VERIFY",
    "INFISICAL_API_URL",
    "AWS_ENDPOINT_URL",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AZURE_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "GCE_METADATA_HOST",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "CURL_HOME",
    "NETRC",
];

/// The same, by how their names start. `SECRETS_` are our own: they would make the next configuration a trusted one.
const PREFIXES: &[&str] = &[
    "LD_",
    "DYLD_",
    "GIT_",
    "BASH_FUNC_",
    "NPM_CONFIG_",
    "YARN_",
    "PIP_",
    "UV_",
    "CARGO_BUILD_",
    "CARGO_TARGET_",
    "AWS_ENDPOINT_URL_",
    "SECRETS_",
    "MALLOC_",
    "GLIBC_",
];

/// Refuses secrets that would end in a variable with a meaning of its own.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] with the place of the declaration.
pub(super) fn variables(secrets: &[DeclaredSecret]) -> Result<()> {
    match secrets.iter().find(|secret| is_loaded(secret.env_name())) {
        None => Ok(()),
        Some(secret) => {
            let error = Error::new(
                ErrorKind::InvalidConfig,
                format!(
                    "the variable {} changes what programs run or whom they talk to, and this file is not trusted",
                    secret.env_name()
                ),
            )
            .with_hint("read the file, then approve it with `secrets trust`");
            Err(match &secret.position {
                Some(position) => error.with_position(position.clone()),
                None => error,
            })
        }
    }
}

fn is_loaded(variable: &str) -> bool {
    // Programs read the variables of proxies and of npm in lowercase too.
    let name = variable.to_ascii_uppercase();
    LOADING.contains(&name.as_str())
        || SENDING.contains(&name.as_str())
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_programs_load() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "NODE_OPTIONS",
            "PYTHONSTARTUP",
            "PYTHONPATH",
            "PERL5OPT",
            "RUBYOPT",
            "GIT_SSH_COMMAND",
            "SHELLOPTS",
            "IFS",
            "https_proxy",
            "VAULT_ADDR",
            "SECRETS_CONFIG",
        ] {
            assert!(is_loaded(name), "{name}");
        }
        for name in [
            "DB_PASSWORD",
            "API_KEY",
            "PATHS",
            "VAULT_TOKEN",
            "GITHUB_TOKEN",
            "ENVIRONMENT",
        ] {
            assert!(!is_loaded(name), "{name}");
        }
    }
}
