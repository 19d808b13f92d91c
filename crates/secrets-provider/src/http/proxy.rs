use reqwest::{NoProxy, Proxy, Url};
use secrets_core::{Environment, Error, ErrorKind, Result};

/// What never goes through a proxy, whatever `NO_PROXY` says: this machine, and the metadata services that give it its
/// credentials.
const LOCAL: &str =
    "localhost,127.0.0.0/8,::1,169.254.0.0/16,fd00:ec2::/32,metadata.google.internal";

/// The proxies that the environment asks for. reqwest would read the process's own environment.
pub(crate) fn proxies(environment: &Environment) -> Result<Vec<Proxy>> {
    // A CGI server puts a client's header `Proxy:` into HTTP_PROXY.
    let is_cgi = environment.text("REQUEST_METHOD").is_some();
    let http: &[&str] = if is_cgi {
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let https = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let mut proxies = Vec::new();
    if let Some((name, url)) = first(environment, http) {
        proxies.push(Proxy::http(address(name, url)?).map_err(|_| invalid(name))?);
    }
    if let Some((name, url)) = first(environment, &https) {
        proxies.push(Proxy::https(address(name, url)?).map_err(|_| invalid(name))?);
    }
    let direct = match first(environment, &["no_proxy", "NO_PROXY"]) {
        Some((_, hosts)) => format!("{LOCAL},{hosts}"),
        None => LOCAL.to_owned(),
    };
    Ok(proxies
        .into_iter()
        .map(|proxy| proxy.no_proxy(NoProxy::from_string(&direct)))
        .collect())
}

fn first<'a>(environment: &'a Environment, names: &[&'a str]) -> Option<(&'a str, &'a str)> {
    names
        .iter()
        .find_map(|name| Some((*name, environment.text(name)?)))
}

/// A proxy's address; `host:port` alone means http. reqwest would take one of SOCKS, and fail when it connects.
fn address(name: &str, text: &str) -> Result<Url> {
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    url.ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| invalid(name))
}

fn invalid(name: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("the variable {name} does not hold the address of an HTTP proxy"),
    )
    .with_hint("a proxy looks like `http://proxy.example:3128`; SOCKS proxies are not supported")
}
