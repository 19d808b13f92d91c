//! `secrets audit`.

use std::path::PathBuf;
use std::time::SystemTime;

use secrets::layers::{AuditLog, AuditQuery, ChainReport, Record};
use secrets::{ErrorKind, PutMode, PutOptions, Secrets};
use serde_json::{Value, json};

use crate::cli::{Audit, AuditShow, AuditVerb, Records};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::generate::Recipe;
use crate::output::{self, Table};
use crate::settings::{Settings, block_on};
use crate::{files, show};

/// 256 bits as text, which every store accepts.
const KEY: &str = "hex:64";

pub(crate) fn run(command: &Audit, settings: &Settings) -> Outcome {
    match &command.verb {
        AuditVerb::Init => init(settings),
        AuditVerb::Verify {
            files,
            through,
            json,
        } => verify(files, through.as_deref(), *json, settings),
        AuditVerb::Show(command) => show(command, settings),
    }
}

/// Creates the key that the configuration names. This is not recorded, since the log needs the key.
fn init(settings: &Settings) -> Outcome {
    let mut config = settings.config()?;
    let audit = config.audit.take().ok_or_else(|| {
        Failure::input("no audit log is configured").with_hint("add `[audit]` to the configuration")
    })?;
    let key = KEY.parse::<Recipe>().map_err(Failure::other)?.make()?;
    if let Some(file) = &audit.key_file {
        let path = config.base_dir.join(file);
        if std::fs::symlink_metadata(&path).is_ok() {
            output::say(format!("key already exists: {}", path.display()));
            return Ok(Exit::Ok);
        }
        files::write_private(&path, key.expose_bytes())?;
        output::say(format!(
            "created the key of the audit log: {}",
            path.display()
        ));
        return Ok(Exit::Ok);
    }
    let Some(reference) = audit.key else {
        return Err(Failure::input("no key is configured for the audit log")
            .with_hint("add `key = \"local://audit-key\"` to `[audit]`"));
    };
    let builder = Secrets::builder().config(config);
    let secrets = builder
        .environment(settings.load.environment.clone())
        .build()?;
    let options = PutOptions::default().with_mode(PutMode::Create);
    let is_new = block_on(async {
        let written = secrets.put_with(reference.clone(), key, options).await;
        settings.close(&secrets).await;
        match written {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    })?;
    output::say(match is_new {
        true => format!("created the key of the audit log: {reference}"),
        false => format!("key already exists: {reference}"),
    });
    Ok(Exit::Ok)
}

fn verify(files: &[PathBuf], through: Option<&str>, as_json: bool, settings: &Settings) -> Outcome {
    let secrets = settings.open()?;
    let log = match (files.last(), secrets.config().audit.is_some()) {
        // Without a configuration, the key is unknown.
        (Some(last), false) => AuditLog::new(last, None),
        _ => block_on(async { Ok(secrets.audit_log().await?) })?,
    };
    let verified = match files {
        [] => log.verify()?,
        files => log.verify_files(files)?,
    };
    if let (Some(through), None) = (through, &verified.fault) {
        let (seq, hash) = through
            .split_once(':')
            .and_then(|(seq, hash)| Some((seq.parse().ok()?, hash)))
            .ok_or_else(|| {
                Failure::usage(format!("--through: not NUMBER:HASH: {through:?}"))
                    .with_hint("copy it from the output of an earlier `secrets audit verify`")
            })?;
        if !log.goes_through(seq, hash)? {
            return Err(Failure::other(format!(
                "audit log: record {seq} with this hash is missing"
            ))
            .with_exit(Exit::Integrity)
            .with_hint("the log was replaced, or the hash comes from another log"));
        }
    }
    if as_json {
        output::json(object(&verified))?;
    }
    if let Some(fault) = &verified.fault {
        let failure = Failure::other(fault.to_string()).with_exit(Exit::Integrity);
        return Err(match verified.records {
            0 => failure.with_hint("no earlier record can be trusted"),
            _ => failure.with_hint(format!(
                "the earlier records {} to {} are unchanged",
                verified.first, verified.last
            )),
        });
    }
    if !as_json {
        output::data(format!("{}:{}\n", verified.last, verified.hash).as_bytes())?;
        output::say(format!(
            "verified {}, {} to {}: unchanged",
            output::count(
                usize::try_from(verified.records).unwrap_or(usize::MAX),
                "record"
            ),
            verified.first,
            verified.last
        ));
    }
    if verified.first > 1 {
        output::warn(
            settings.palette,
            &format!("records 1 to {} are not in these files", verified.first - 1),
        );
    }
    if !verified.keyed {
        output::warn_with_hint(
            settings.palette,
            "the log has no key; anyone who can write it can forge records",
            "add `key = \"local://audit-key\"` to `[audit]`, then `secrets audit init`",
        );
    }
    if !verified.anchored {
        output::warn(
            settings.palette,
            "no checkpoint for the end of these files; records may be missing there",
        );
    }
    if verified.unfinished > 0 {
        output::say(format!(
            "the last {} bytes are an unfinished record",
            verified.unfinished
        ));
    }
    Ok(Exit::Ok)
}

fn object(verified: &ChainReport) -> Value {
    let fault = verified.fault.as_ref().map(|fault| {
        json!({
            "file": fault.file,
            "line": fault.line,
            "record": fault.seq,
            "problem": fault.kind.to_string(),
        })
    });
    json!({
        "records": verified.records,
        "first": verified.first,
        "last": verified.last,
        "hash": verified.hash,
        "keyed": verified.keyed,
        "anchored": verified.anchored,
        "unfinished_bytes": verified.unfinished,
        "fault": fault,
    })
}

fn show(command: &AuditShow, settings: &Settings) -> Outcome {
    let mut query = command.records.query()?;
    query.actor.clone_from(&command.actor);
    query.outcome.clone_from(&command.outcome);
    let files = command.records.files(settings)?;
    let mut found: Vec<(u64, Record)> = Vec::new();
    AuditLog::read(&files, |seq, record| {
        if query.matches(&record) {
            found.push((seq, record));
        }
    })?;
    if let Some(last) = command.last {
        found.drain(..found.len().saturating_sub(last));
    }
    if command.ocsf {
        for (_, record) in &found {
            output::data(format!("{}\n", record.to_ocsf()).as_bytes())?;
        }
        return Ok(Exit::Ok);
    }
    if command.json {
        let records: Vec<Value> = found
            .iter()
            .map(|(seq, record)| {
                let mut object = json!(record);
                object["seq"] = json!(seq);
                object
            })
            .collect();
        output::json(json!({ "records": records }))?;
        return Ok(Exit::Ok);
    }
    table(&found)?;
    Ok(Exit::Ok)
}

fn table(found: &[(u64, Record)]) -> Outcome<()> {
    let mut table = Table::new(&[
        "TIME",
        "USER",
        "EVENT",
        "OPERATION",
        "NAME",
        "VERSION",
        "PROVIDER",
        "OUTCOME",
        "SOURCE",
        "COUNT",
    ]);
    for (_, record) in found {
        let actor = &record.actor;
        let user = actor.user.clone().or(actor.uid.map(|uid| uid.to_string()));
        table.row([
            show::time(Some(record.time)),
            user.unwrap_or_default(),
            record.event.as_str().to_owned(),
            record.operation.as_deref().unwrap_or_default().to_owned(),
            record
                .name
                .clone()
                .or_else(|| record.note.clone())
                .unwrap_or_default(),
            record.version.clone().unwrap_or_default(),
            record.provider.clone().unwrap_or_default(),
            record.outcome.as_deref().unwrap_or_default().to_owned(),
            record
                .source
                .map(|source| source.as_str().to_owned())
                .unwrap_or_default(),
            record
                .count
                .map(|count| count.to_string())
                .unwrap_or_default(),
        ]);
    }
    match table.is_empty() {
        true => {
            output::say("no records");
            Ok(())
        }
        false => table.print(),
    }
}

impl Records {
    /// The query for these options.
    pub(super) fn query(&self) -> Outcome<AuditQuery> {
        let mut query = AuditQuery::default();
        query.operation.clone_from(&self.operation);
        query.name.clone_from(&self.name);
        query.provider.clone_from(&self.of_provider);
        query.since = self.since.as_deref().map(parse_time).transpose()?;
        query.until = self.until.as_deref().map(parse_time).transpose()?;
        if let (Some(since), Some(until)) = (query.since, query.until)
            && since >= until
        {
            return Err(
                Failure::usage("--until: not after --since").with_hint(format!(
                    "--since is {}, --until is {}",
                    show::time(Some(since)),
                    show::time(Some(until))
                )),
            );
        }
        Ok(query)
    }

    /// The files to read; by default those of the configured log.
    pub(super) fn files(&self, settings: &Settings) -> Outcome<Vec<PathBuf>> {
        match self.files.is_empty() {
            true => Ok(settings.open()?.audit_files()?),
            false => Ok(self.files.clone()),
        }
    }
}

/// Parses a time in RFC 3339, a day, or a duration before now.
fn parse_time(text: &str) -> Outcome<SystemTime> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.into());
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && let Ok(start) = day.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Ok(start.timestamp().into());
    }
    let ago = text
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|ago| SystemTime::now().checked_sub(ago.try_into().ok()?));
    ago.ok_or_else(|| {
        Failure::usage(format!("not a time: {text:?}")).with_hint(
            "write 2026-01-31T12:00:00Z, 2026-01-31 (from midnight UTC), or 2h for two hours ago",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn times_days_and_durations_are_accepted() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(
            parse_time("2026-01-01T00:00:01Z").unwrap(),
            at(1_767_225_601)
        );
        assert_eq!(parse_time("2026-01-01").unwrap(), at(1_767_225_600));
        let ago = SystemTime::now()
            .duration_since(parse_time("2h").unwrap())
            .unwrap();
        assert!(ago.as_secs().abs_diff(7200) < 5, "{ago:?}");
        assert!(parse_time("soon").is_err());
    }
}
