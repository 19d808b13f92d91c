//! Responses of Vault, Google and Infisical: any response is handled, and no error quotes a successful one.

use std::cell::OnceCell;
use std::error::Error as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use secrets_core::{
    DescribeOptions, Error, ErrorKind, GetItem, GetOptions, ListOptions, OpenContext, PutOptions,
    SecretName, SecretProvider, VersionsOptions,
};
use secrets_gcp::GcpConfig;
use secrets_infisical::{Api, InfisicalConfig};
use secrets_provider::Transport;
use secrets_vault::{Engine, VaultConfig};

use super::input::parts;
use super::scratch::wait;

/// A value that no error may quote from a successful response.
const CANARY: &str = "hunter2hunter2";

/// The statuses that a byte selects from.
const STATUSES: [u16; 12] = [200, 200, 201, 204, 400, 401, 403, 404, 409, 429, 500, 503];

struct World {
    server: Arc<Server>,
    providers: Vec<Box<dyn SecretProvider>>,
}

thread_local! {
    static WORLD: OnceCell<World> = const { OnceCell::new() };
}

/// One byte each for the provider, the operation and the status, then the header `Retry-After` and the body.
pub fn answers(data: &[u8]) {
    let [provider, operation, status, rest @ ..] = data else {
        return;
    };
    let [wait_for, body] = parts(rest);
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    WORLD.with(|world| {
        let world = world.get_or_init(open);
        world.server.answer_with(status, wait_for, body);
        let provider = &world.providers[usize::from(*provider) % world.providers.len()];
        for error in wait(errors(&**provider, *operation)) {
            is_well_formed(&error, status, body);
        }
    });
}

/// The errors of one operation.
async fn errors(provider: &dyn SecretProvider, operation: u8) -> Vec<Error> {
    let name = SecretName::new("db/password").expect("a name");
    let error = match operation % 6 {
        0 => provider.get(&name, &GetOptions::default()).await.err(),
        1 => {
            let other = SecretName::new("db/user").expect("a name");
            let items = [
                GetItem::new(name.clone(), GetOptions::default()),
                GetItem::new(other, GetOptions::default()),
            ];
            let answers = provider.get_many(&items).await;
            assert_eq!(answers.len(), items.len());
            return answers.into_iter().filter_map(Result::err).collect();
        }
        2 => provider
            .describe(&name, &DescribeOptions::default())
            .await
            .err(),
        3 => provider.list(&ListOptions::default()).await.err(),
        4 => provider
            .versions(&name, &VersionsOptions::default())
            .await
            .err(),
        _ => provider
            .put(&name, &"new".into(), &PutOptions::default())
            .await
            .err(),
    };
    error.into_iter().collect()
}

fn is_well_formed(error: &Error, status: u16, body: &[u8]) {
    let mut text = format!("{error} {:?} {error:?}", error.hint());
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text} {error} {error:?}");
        source = error.source();
    }
    assert!(!error.to_string().contains(char::is_control), "{text}");
    assert_ne!(error.kind(), ErrorKind::Timeout, "{text}");
    let is_success = (200..300).contains(&status);
    assert!(
        !is_success || !text.contains(CANARY),
        "{text} of {:?}",
        String::from_utf8_lossy(body)
    );
}

fn open() -> World {
    let server = Server::start();
    let context = || OpenContext::new("fuzz");
    let transport = Transport::default();
    let mut providers: Vec<Box<dyn SecretProvider>> = Vec::new();
    for engine in [Engine::KvV2, Engine::KvV1, Engine::Generic] {
        let mut config = VaultConfig::default();
        config.address = Some(server.url.clone());
        config.token = Some("token".into());
        config.engine = engine;
        let opened = wait(secrets_vault::open(config, context(), transport.clone()));
        providers.push(Box::new(opened.expect("Vault")));
    }
    let mut config = GcpConfig::default();
    config.endpoint = Some(server.url.clone());
    config.project_id = Some("project".to_owned());
    config.token = Some("token".into());
    let opened = wait(secrets_gcp::open(config, context(), transport.clone()));
    providers.push(Box::new(opened.expect("Google")));
    for api in [Api::V4, Api::V3] {
        let mut config = InfisicalConfig::default();
        config.base_url = Some(server.url.clone());
        config.project_id = Some("project".to_owned());
        config.environment = Some("dev".to_owned());
        config.token = Some("token".into());
        config.api = api;
        let opened = wait(secrets_infisical::open(
            config,
            context(),
            transport.clone(),
        ));
        providers.push(Box::new(opened.expect("Infisical")));
    }
    World { server, providers }
}

/// Gives the same response to the first [`ANSWERS`] requests and then fails, since a tree of identical folders has no end.
struct Server {
    url: String,
    answer: Mutex<(Vec<u8>, usize)>,
}

const ANSWERS: usize = 100;
const ENOUGH: &[u8] = b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n";

impl Server {
    fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a port");
        let server = Arc::new(Self {
            url: format!("http://{address}"),
            answer: Mutex::default(),
        });
        let answering = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answering = answering.clone();
                thread::spawn(move || answering.serve(stream));
            }
        });
        server
    }

    fn answer_with(&self, status: u16, wait_for: &[u8], body: &[u8]) {
        let mut answer =
            format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n").into_bytes();
        if !wait_for.is_empty() && wait_for.iter().all(u8::is_ascii_graphic) {
            answer.extend(b"retry-after: ");
            answer.extend(wait_for);
            answer.extend(b"\r\n");
        }
        if status == 204 {
            answer.extend(b"\r\n");
        } else {
            answer.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
            answer.extend(body);
        }
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = (answer, 0);
    }

    /// Serves until the client disconnects.
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut requests = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if requests.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if line.trim_end().is_empty() {
                    break;
                }
            }
            requests.read_exact(&mut vec![0; length]).ok()?;
            let answer = {
                let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
                answer.1 += 1;
                match answer.1 {
                    ..=ANSWERS => answer.0.clone(),
                    _ => ENOUGH.to_vec(),
                }
            };
            requests.get_mut().write_all(&answer).ok()?;
        }
    }
}
