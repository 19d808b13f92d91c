use axum::http::Method;
use serde_json::{Value, json};

use super::auth::Actor;
use super::call::Call;
use super::error::ApiError;
use super::options::Older;
use super::schema::Reader;
use super::secrets::{self, Dialect};
use super::state::{State, at};
use super::{folders, imports, kms, leases, tags};
use crate::fakes::faults::Faults;

/// The switches that this fake has beside what all have.
pub(super) const SWITCHES: &[&str] = &[
    "expire_tokens",
    "lockout",
    "approval",
    "hidden_values",
    "denied",
];

/// A part of the server that a request is for, once it is known to be let in.
pub(super) struct Context<'a> {
    pub(super) state: &'a mut State,
    pub(super) call: &'a Call,
    pub(super) actor: Actor,
    pub(super) approval: bool,
    pub(super) hidden: bool,
}

impl Context<'_> {
    /// Reads what is left of the body by `read`.
    pub(super) fn body<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> Result<T, ApiError> {
        let call = self.call;
        self.read(call.body()?, read)
    }

    pub(super) fn query<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> Result<T, ApiError> {
        let call = self.call;
        self.read(&call.query, read)
    }

    fn read<T>(
        &mut self,
        value: &Value,
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> Result<T, ApiError> {
        let mut reader = Reader::new(value);
        let read = read(&mut reader);
        self.state.ignored.extend(reader.finish()?);
        Ok(read)
    }

    /// Only machine identities are let in here, no service tokens.
    pub(super) fn identity_only(&self) -> Result<(), ApiError> {
        match self.actor {
            Actor::Identity { .. } => Ok(()),
            Actor::Service(_) => Err(ApiError::forbidden(
                "You are not allowed to access this resource",
            )
            .named(&format!("Forbidden access to {}", self.call.target))),
        }
    }
}

/// `None` where there is no such route.
pub(super) fn answer(
    state: &mut State,
    call: &Call,
    faults: &Faults,
) -> Option<Result<Value, ApiError>> {
    let parts: Vec<&str> = call.parts.iter().map(String::as_str).collect();
    let rest = parts.strip_prefix(&["api"])?;
    let switch = |name: &str| faults.take_switch(name, &call.method, &path_of(call));
    if switch("expire_tokens") {
        state.credentials.expire_tokens();
    }
    // The route is found before anything else is looked at.
    let handler = handler(rest, &call.method, state)?;
    Some(run(state, call, handler, &switch))
}

fn path_of(call: &Call) -> String {
    let path = call.target.split('?').next();
    path.unwrap_or_default().to_owned()
}

fn run(
    state: &mut State,
    call: &Call,
    handler: Handler<'_>,
    switch: &dyn Fn(&str) -> bool,
) -> Result<Value, ApiError> {
    // A token that is sent where none is needed is looked at all the same.
    let actor = match &call.authorization {
        Some(header) => Some(state.credentials.actor(header, call.now)?),
        None => None,
    };
    let handler = match handler {
        Handler::Open(handler) => {
            if switch("lockout") {
                state.credentials.lock(call.now);
            }
            return handler(state, call);
        }
        Handler::Closed(handler) => handler,
    };
    let actor = actor.ok_or_else(|| ApiError::unauthorized("Token missing"))?;
    let mut context = Context {
        state,
        call,
        actor,
        approval: call.method != Method::GET && switch("approval"),
        hidden: switch("hidden_values"),
    };
    if switch("denied") {
        let action = match call.method.as_str() {
            "GET" => "read",
            "POST" => "create",
            "PATCH" => "edit",
            _ => "delete",
        };
        return Err(ApiError::denied(action, "secrets"));
    }
    handler(&mut context)
}

type Open = fn(&mut State, &Call) -> Result<Value, ApiError>;

enum Handler<'a> {
    Open(Open),
    Closed(Closed<'a>),
}

type Closed<'a> = Box<dyn FnOnce(&mut Context<'_>) -> Result<Value, ApiError> + 'a>;

fn closed<'a>(
    handler: impl FnOnce(&mut Context<'_>) -> Result<Value, ApiError> + 'a,
) -> Option<Handler<'a>> {
    Some(Handler::Closed(Box::new(handler)))
}

fn handler<'a>(parts: &'a [&'a str], method: &Method, state: &State) -> Option<Handler<'a>> {
    let method = method.as_str();
    match (method, parts) {
        ("GET", ["status"]) => Some(Handler::Open(status)),
        ("POST", ["v1", "auth", "universal-auth", "login"]) => Some(Handler::Open(login)),
        ("POST", ["v1", "auth", "token", "renew"]) => Some(Handler::Open(renew)),
        ("POST", ["v1", "auth", "token", "revoke"]) => Some(Handler::Open(revoke)),
        (_, ["v4", "secrets", rest @ ..]) if !state.is(Older::NoV4) => {
            secret_handler(Dialect::V4, method, rest)
        }
        (_, ["v3", "secrets", "batch", "raw"]) => batch_handler(Dialect::V3, method),
        (_, ["v3", "secrets", "raw", rest @ ..]) => match rest {
            // Where v4 has its batches, v3 has a secret of that name.
            [name @ "batch"] => one_secret_handler(Dialect::V3, method, name),
            rest => secret_handler(Dialect::V3, method, rest),
        },
        (_, [version @ ("v1" | "v2"), "folders", rest @ ..]) => {
            let dialect = folders::Dialect::of(version);
            match (method, rest) {
                ("GET", []) => closed(move |context| folders::list(context, dialect)),
                ("POST", []) => closed(move |context| folders::create(context, dialect)),
                ("GET", [id]) => closed(move |context| folders::by_id(context, id)),
                ("PATCH", [id]) => closed(move |context| folders::rename(context, dialect, id)),
                ("DELETE", [id]) => closed(move |context| folders::delete(context, dialect, id)),
                _ => None,
            }
        }
        (_, [version @ ("v1" | "v2"), "secret-imports", rest @ ..]) => {
            let dialect = folders::Dialect::of(version);
            match (method, rest) {
                ("GET", []) => closed(move |context| imports::list(context, dialect)),
                ("POST", []) => closed(move |context| imports::create(context, dialect)),
                ("DELETE", [id]) => closed(move |context| imports::delete(context, dialect, id)),
                _ => None,
            }
        }
        (
            _,
            [
                "v1",
                kind @ ("workspace" | "projects"),
                project,
                "tags",
                rest @ ..,
            ],
        ) => {
            let field = tags::Field::of(kind);
            match (method, rest) {
                ("GET", []) => closed(move |context| tags::list(context, field, project)),
                ("POST", []) => closed(move |context| tags::create(context, field, project)),
                ("DELETE", [id]) => {
                    closed(move |context| tags::delete(context, field, project, id))
                }
                _ => None,
            }
        }
        (_, ["v1", "dynamic-secrets", rest @ ..]) => match (method, rest) {
            ("POST", []) => closed(leases::create_secret),
            ("POST", ["leases"]) => closed(leases::create),
            ("GET", ["leases", id]) => closed(move |context| leases::get(context, id)),
            ("POST", ["leases", id, "renew"]) => closed(move |context| leases::renew(context, id)),
            ("DELETE", ["leases", id]) => closed(move |context| leases::revoke(context, id)),
            ("DELETE", [name]) => closed(move |context| leases::delete_secret(context, name)),
            _ => None,
        },
        (_, ["v1", "kms", "keys", rest @ ..]) => match (method, rest) {
            ("GET", []) => closed(kms::list),
            ("POST", []) => closed(kms::create),
            ("GET", [id]) => closed(move |context| kms::get(context, id)),
            ("GET", ["key-name", name]) => closed(move |context| kms::by_name(context, name)),
            ("PATCH", [id]) => closed(move |context| kms::update(context, id)),
            ("DELETE", [id]) => closed(move |context| kms::delete(context, id)),
            ("GET", [id, "public-key"]) => closed(move |context| kms::public_key(context, id)),
            ("GET", [id, "signing-algorithms"]) => {
                closed(move |context| kms::algorithms(context, id))
            }
            ("POST", [id, "encrypt"]) => closed(move |context| kms::encrypt(context, id)),
            ("POST", [id, "decrypt"]) => closed(move |context| kms::decrypt(context, id)),
            ("POST", [id, "sign"]) => closed(move |context| kms::sign(context, id)),
            ("POST", [id, "verify"]) => closed(move |context| kms::verify(context, id)),
            _ => None,
        },
        _ => None,
    }
}

fn secret_handler<'a>(dialect: Dialect, method: &str, rest: &'a [&'a str]) -> Option<Handler<'a>> {
    match (method, rest) {
        ("GET", []) => closed(move |context| secrets::list(context, dialect)),
        ("GET", ["id", id]) => closed(move |context| secrets::by_id(context, id)),
        ("POST" | "PATCH" | "DELETE", ["batch"]) => batch_handler(dialect, method),
        (_, [name]) => one_secret_handler(dialect, method, name),
        _ => None,
    }
}

fn one_secret_handler<'a>(dialect: Dialect, method: &str, name: &'a str) -> Option<Handler<'a>> {
    match method {
        "GET" => closed(move |context| secrets::get(context, dialect, name)),
        "POST" => closed(move |context| secrets::create(context, dialect, name)),
        "PATCH" => closed(move |context| secrets::update(context, dialect, name)),
        "DELETE" => closed(move |context| secrets::delete(context, dialect, name)),
        _ => None,
    }
}

fn batch_handler<'a>(dialect: Dialect, method: &str) -> Option<Handler<'a>> {
    match method {
        "POST" => closed(move |context| secrets::create_many(context, dialect)),
        "PATCH" => closed(move |context| secrets::update_many(context, dialect)),
        "DELETE" => closed(move |context| secrets::delete_many(context, dialect)),
        _ => None,
    }
}

fn status(_state: &mut State, call: &Call) -> Result<Value, ApiError> {
    Ok(json!({
        "date": at(call.now),
        "message": "Ok",
        "emailConfigured": false,
        "inviteOnlySignup": true,
        "redisConfigured": true,
        "secretScanningConfigured": false,
        "auditLogStorageDisabled": false,
    }))
}

fn login(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let mut reader = Reader::new(call.body()?);
    let client_id = reader.trimmed("clientId");
    let client_secret = reader.trimmed("clientSecret");
    reader.optional_trimmed("subOrganizationName");
    state.ignored.extend(reader.finish()?);
    state
        .credentials
        .login(&client_id, &client_secret, call.now)
}

fn renew(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let token = own_token(state, call)?;
    state.credentials.renew(&token, call.now)
}

fn revoke(state: &mut State, call: &Call) -> Result<Value, ApiError> {
    let token = own_token(state, call)?;
    state.credentials.revoke(&token, call.now)
}

fn own_token(state: &mut State, call: &Call) -> Result<String, ApiError> {
    let mut reader = Reader::new(call.body()?);
    let token = reader.trimmed("accessToken");
    state.ignored.extend(reader.finish()?);
    Ok(token)
}
