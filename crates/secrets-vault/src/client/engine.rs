//! Which engine is mounted. A read on KV version 2 finds out from its own answer; anything else asks the server once.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use secrets_core::{Error, ErrorKind, Operation, Result};
use secrets_provider::{HttpResponse, decode};

use super::listing::ListingModes;
use super::{Call, Client, Kv2Secret, PlainSecret, data, kv2_secret};
use crate::Engine;
use crate::error;
use crate::wire::{Envelope, Kv2ReadExactly, MountInfo};

const ENGINES: [Engine; 4] = [Engine::Auto, Engine::KvV2, Engine::KvV1, Engine::Generic];

/// What has been found out about a mount.
#[derive(Debug)]
pub(super) struct EngineDetection {
    /// An index into [`ENGINES`].
    engine: AtomicU8,
    gate: tokio::sync::Mutex<()>,
    /// The server refused to report the engine, so a refused read does not ask for it again.
    is_refused: AtomicBool,
    pub(super) listing: ListingModes,
}

/// A read secret.
pub(crate) enum Found {
    Kv2(Kv2Secret),
    /// With the engine that it comes from.
    Plain(Engine, PlainSecret),
}

/// The outcome of a read that guesses KV version 2.
enum Guess {
    /// The guess was right.
    Right(Result<Kv2Secret>),
    /// Another engine can give this answer too. Holds the error of a read on KV version 2; `None`: read again.
    Open(Option<Error>),
}

impl EngineDetection {
    pub(super) fn new(engine: Engine) -> Self {
        let detection = Self {
            engine: AtomicU8::new(0),
            gate: tokio::sync::Mutex::new(()),
            is_refused: AtomicBool::new(false),
            listing: ListingModes::default(),
        };
        detection.set(engine);
        detection
    }

    fn load(&self) -> Engine {
        ENGINES[usize::from(self.engine.load(Ordering::Acquire))]
    }

    fn set(&self, engine: Engine) {
        for (number, candidate) in (0u8..).zip(ENGINES) {
            if candidate == engine {
                self.engine.store(number, Ordering::Release);
            }
        }
    }
}

impl Client {
    /// The engine; `Auto` while it is unknown.
    pub(crate) fn known_engine(&self) -> Engine {
        self.detection.load()
    }

    /// The engine for an operation in this folder (empty, or with a trailing `/`) that cannot start with a guess.
    pub(crate) async fn engine_for(&self, operation: Operation, folder: &str) -> Result<Engine> {
        match self.detect_engine().await {
            Ok(engine) => Ok(engine),
            // If nothing is mounted, every token gets this answer, even an administrator's.
            Err(failure) if failure.kind() == ErrorKind::PermissionDenied => {
                self.expect_mount(folder).await?;
                Err(error::unknown_engine(&self.mount, &failure))
            }
            Err(failure) => Err(failure.with_operation(operation)),
        }
    }

    /// Reads a secret from whichever engine is mounted.
    pub(crate) async fn read(&self, path: &str, version: Option<u64>) -> Result<Found> {
        match self.known_engine() {
            Engine::KvV2 => self.read_kv2(path, version).await.map(Found::Kv2),
            Engine::Auto => self.read_unknown(path, version).await,
            engine => self.read_other(engine, path, version).await,
        }
    }

    async fn read_other(&self, engine: Engine, path: &str, version: Option<u64>) -> Result<Found> {
        if version.is_some() {
            return Err(error::no_versions());
        }
        let secret = self.read_plain(path).await?;
        Ok(Found::Plain(engine, secret))
    }

    async fn read_unknown(&self, path: &str, version: Option<u64>) -> Result<Found> {
        let open = match self.guess_kv2(path, version).await? {
            Guess::Right(outcome) => {
                self.detection.set(Engine::KvV2);
                return outcome.map(Found::Kv2);
            }
            Guess::Open(open) => open,
        };
        let open_kind = open.as_ref().map(Error::kind);
        let is_denied = open_kind == Some(ErrorKind::PermissionDenied);
        if let (Some(open), true) = (&open, is_denied)
            && self.detection.is_refused.load(Ordering::Relaxed)
        {
            return Err(error::denied_at(&self.mount, open.clone()));
        }
        let failure = match (self.detect_engine().await, &open) {
            (Ok(Engine::KvV2), Some(open)) => return Err(open.clone()),
            (Ok(Engine::KvV2), None) => {
                return self.read_kv2(path, version).await.map(Found::Kv2);
            }
            (Ok(engine), _) => return self.read_other(engine, path, version).await,
            (Err(failure), _) => failure,
        };
        let is_refused = failure.kind() == ErrorKind::PermissionDenied;
        Err(match open {
            None => error::unknown_engine(&self.mount, &failure),
            Some(open) if is_refused => match open.kind() {
                // Nothing says that this is version 2, so "not found" would be a guess.
                ErrorKind::NotFound => error::unknown_engine(&self.mount, &failure),
                ErrorKind::PermissionDenied => error::denied_at(&self.mount, open),
                _ => open,
            },
            // The read has just used up the token, which was good for it.
            Some(open)
                if open.kind() == ErrorKind::NotFound
                    && failure.kind() == ErrorKind::Unauthenticated =>
            {
                open
            }
            Some(_) => failure,
        })
    }

    /// `GET <mount>/data/<path>` of an unknown engine. Only an answer that no other engine can give counts as version 2.
    async fn guess_kv2(&self, path: &str, version: Option<u64>) -> Result<Guess> {
        let call = self.kv2_read_call(path, version);
        let response = self.send(&call).await?;
        match response.status.as_u16() {
            200 | 404 if is_surely_kv2(&response) => Ok(Guess::Right(kv2_secret(&response)?)),
            200 => Ok(Guess::Open(None)),
            403..=405 => {
                let refused: Result<()> = self.refuse(&response, &call);
                Ok(Guess::Open(refused.err()))
            }
            _ => self.refuse(&response, &call),
        }
    }

    /// The engine, requested from the server if unknown. Concurrent callers share one request.
    async fn detect_engine(&self) -> Result<Engine> {
        let detection = &self.detection;
        if detection.load() == Engine::Auto {
            let _guard = detection.gate.lock().await;
            if detection.load() == Engine::Auto {
                match self.mounted_engine().await {
                    Ok(engine) => detection.set(engine),
                    Err(failure) => {
                        if failure.kind() == ErrorKind::PermissionDenied {
                            detection.is_refused.store(true, Ordering::Relaxed);
                        }
                        return Err(failure);
                    }
                }
            }
        }
        Ok(detection.load())
    }

    /// `GET sys/internal/ui/mounts/<mount>`.
    async fn mounted_engine(&self) -> Result<Engine> {
        let call = Call::read(format!("sys/internal/ui/mounts/{}", self.root));
        let response = self.send_checked(&call).await?;
        let info: MountInfo<'_> = decode(data(&response)?.get().as_bytes())?;
        let path = info.path.trim_matches('/');
        if path != &*self.mount {
            return Err(error::folder_as_mount(&self.mount, path));
        }
        let version = info
            .options
            .and_then(|mut options| options.remove("version"));
        Ok(match (&*info.kind, version.as_deref()) {
            ("kv", Some("2")) => Engine::KvV2,
            // Before version 2 existed, the engine was called `generic`.
            ("kv" | "generic", _) => Engine::KvV1,
            _ => Engine::Generic,
        })
    }

    /// Fails if the server says that nothing is mounted. It says so only to a token that may list this folder. A listing
    /// shows no value, whatever is mounted.
    async fn expect_mount(&self, folder: &str) -> Result<()> {
        let token = self.auth.token().await?;
        let call = self.list_call("metadata/", folder, None, Some(1));
        let response = self.endpoint.send(&call, Some(&token.header)).await?;
        if error::is_without_mount(&response) {
            return Err(error::no_mount(&self.mount));
        }
        Ok(())
    }
}

fn is_surely_kv2(response: &HttpResponse) -> bool {
    let Ok(envelope) = decode::<Envelope<'_>>(&response.body) else {
        return false;
    };
    let fits = |data: &serde_json::value::RawValue| {
        decode::<Kv2ReadExactly<'_>>(data.get().as_bytes()).is_ok()
    };
    envelope.lease_duration == 0 && envelope.data.is_some_and(fits)
}
