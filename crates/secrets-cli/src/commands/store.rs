//! `secrets store`.

use secrets::SecretValue;
use secrets::file::{Accepted, FileStore, KeyOrigin};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::store_merge;
use crate::cli::{Passphrase, RecipientsVerb, Store, StoreVerb};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::{files, output, prompt};

pub(crate) fn run(command: &Store, settings: &Settings) -> Outcome {
    let store = open(settings)?;
    match &command.verb {
        StoreVerb::Accept { json } => accept(&store, *json)?,
        StoreVerb::Merge { consent, json } => store_merge::merge(&store, *consent, *json)?,
        StoreVerb::MergeFiles {
            consent,
            base,
            ours,
            theirs,
        } => store_merge::merge_files(&store, *consent, base, ours, theirs)?,
        StoreVerb::Info { json } => info(&store, *json)?,
        StoreVerb::Passphrase(command) => passphrase(&store, command)?,
        StoreVerb::Recipients { verb } => recipients(&store, verb)?,
    }
    Ok(Exit::Ok)
}

/// The store of the configuration, as its provider would open it.
fn open(settings: &Settings) -> Outcome<FileStore> {
    settings.with_secrets(async |secrets| {
        Ok(secrets
            .file_store(settings.load.provider.as_deref())
            .await?)
    })
}

fn accept(store: &FileStore, as_json: bool) -> Outcome<()> {
    let accepted = store.accept()?;
    if as_json {
        return output::json(json!({
            "path": store.path(),
            "revision": accepted.revision,
            "seen_before": accepted.seen_before,
            "key": match accepted.key {
                KeyOrigin::First => "first",
                KeyOrigin::Same => "same",
                KeyOrigin::Successor => "successor",
                _ => "other",
            },
            "added_recipients": accepted.added_recipients,
            "removed_recipients": accepted.removed_recipients,
        }));
    }
    let before = accepted.seen_before.map(|seen| format!(", after {seen}"));
    output::say(format!(
        "accepted revision {}{} of {}",
        accepted.revision,
        before.unwrap_or_default(),
        output::printable(&store.path().display().to_string())
    ));
    say_key(store, &accepted)
}

/// Says what an accepted store changes for who can open it.
fn say_key(store: &FileStore, accepted: &Accepted) -> Outcome<()> {
    let say = |what: &str, recipient: &str| {
        output::say(format!("  {what:<17}  {}", output::printable(recipient)));
    };
    match accepted.key {
        KeyOrigin::First | KeyOrigin::Same => {}
        KeyOrigin::Successor => {
            output::say("its data key was replaced by a holder of the one seen before");
            for recipient in &accepted.added_recipients {
                say("recipient added", recipient);
            }
            for recipient in &accepted.removed_recipients {
                say("recipient removed", recipient);
            }
        }
        _ => {
            output::say(
                "its data key does not follow from the one seen before: the store is older, or somebody else made it",
            );
            let recipients = store.recipients()?;
            let passphrase = recipients.passphrase.then(|| "passphrase".to_owned());
            for recipient in recipients.public_keys.iter().chain(&passphrase) {
                say("recipient", recipient);
            }
        }
    }
    Ok(())
}

/// What is known once the store has a new key.
fn rekeyed(store: &FileStore) -> Outcome<Value> {
    Ok(json!({ "path": store.path(), "revision": store.summary()?.revision }))
}

/// The configuration is not changed: where the passphrase comes from is the user's to say.
fn passphrase(store: &FileStore, command: &Passphrase) -> Outcome<()> {
    const TWINS: &str = "use --stdin or --from-file FILE";

    let new = if command.remove {
        None
    } else if command.stdin {
        Some(without_newline(files::stdin()?))
    } else if let Some(path) = &command.from_file {
        Some(without_newline(files::read(path)?))
    } else {
        Some(prompt::hidden_twice("new passphrase of the store", TWINS)?)
    };
    if new.as_ref().is_some_and(SecretValue::is_empty) {
        return Err(Failure::input("the passphrase is empty")
            .with_hint("--remove takes the passphrase away"));
    }
    let had_one = store.recipients()?.passphrase;
    if new.is_none() && !had_one {
        return Err(Failure::input("the store has no passphrase")
            .with_hint("`secrets store recipients list` shows who can open it"));
    }
    store.set_passphrase(new.as_ref())?;
    if command.json {
        let mut object = rekeyed(store)?;
        object["passphrase"] = json!(new.is_some());
        return output::json(object);
    }
    output::say(match (new.is_some(), had_one) {
        (true, false) => "the store has a passphrase, and a new key",
        (true, true) => "the store has another passphrase, and a new key",
        (false, _) => "the store has no passphrase any more, and a new key",
    });
    output::say(match new.is_some() {
        true => {
            "now: let `passphrase` of its provider in the configuration give it, such as ${STORE_PASSPHRASE}"
        }
        false => "now: take `passphrase` of its provider out of the configuration",
    });
    Ok(())
}

/// An editor ends a file with a newline that nobody types at a prompt.
fn without_newline(mut bytes: Zeroizing<Vec<u8>>) -> SecretValue {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    SecretValue::from_zeroizing(bytes)
}

fn info(store: &FileStore, as_json: bool) -> Outcome<()> {
    let summary = store.summary()?;
    if as_json {
        return output::json(json!({
            "path": store.path(),
            "id": summary.id,
            "revision": summary.revision,
            "secrets": summary.secrets,
            "rollback_protected": summary.rollback_protected,
        }));
    }
    output::data(
        format!(
            "path      {}\nid        {}\nrevision  {}\nsecrets   {}\n",
            output::printable(&store.path().display().to_string()),
            summary.id,
            summary.revision,
            summary.secrets
        )
        .as_bytes(),
    )
}

fn recipients(store: &FileStore, verb: &RecipientsVerb) -> Outcome<()> {
    match verb {
        RecipientsVerb::List { json } => list(store, *json)?,
        RecipientsVerb::Add { recipients, json } => {
            let mut added = Vec::new();
            for recipient in recipients {
                let is_new = store.add_recipient(recipient)?;
                if is_new {
                    added.push(recipient);
                }
                if !json {
                    output::say(format!(
                        "{recipient} {}",
                        if is_new { "is added" } else { "was there" }
                    ));
                }
            }
            if *json {
                let mut object = rekeyed(store)?;
                object["added"] = json!(added);
                output::json(object)?;
            }
        }
        RecipientsVerb::Remove { recipients, json } => {
            for recipient in recipients {
                if !store.remove_recipient(recipient)? {
                    return Err(Failure::input(format!("{recipient} is not a recipient"))
                        .with_hint("`secrets store recipients list` shows them"));
                }
                if !json {
                    output::say(format!(
                        "{recipient} is removed, and the store has a new key"
                    ));
                }
            }
            if *json {
                let mut object = rekeyed(store)?;
                object["removed"] = json!(recipients);
                output::json(object)?;
            } else {
                output::say(
                    "copies from before stay readable for them: change the secrets themselves too",
                );
            }
        }
        RecipientsVerb::Rekey { json } => {
            store.rekey()?;
            if *json {
                output::json(rekeyed(store)?)?;
            } else {
                output::say("the store has a new key");
            }
        }
    }
    Ok(())
}

fn list(store: &FileStore, as_json: bool) -> Outcome<()> {
    let recipients = store.recipients()?;
    if as_json {
        return output::json(json!({
            "recipients": recipients.public_keys,
            "passphrase": recipients.passphrase,
        }));
    }
    let mut text = String::new();
    for key in &recipients.public_keys {
        text.push_str(&output::printable(key));
        text.push('\n');
    }
    output::data(text.as_bytes())?;
    if recipients.passphrase {
        output::say("a passphrase opens it too");
    }
    Ok(())
}
