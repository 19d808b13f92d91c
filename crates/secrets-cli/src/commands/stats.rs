//! `secrets stats`.

use std::time::Duration;

use secrets::layers::{AuditLog, AuditSummary, UseStats};
use serde_json::{Value, json};

use crate::cli::Stats;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::show;

pub(crate) fn run(command: &Stats, settings: &Settings) -> Outcome {
    let query = command.records.query()?;
    let files = command.records.files(settings)?;
    let mut summary = AuditSummary::default();
    AuditLog::read_strictly(&files, |_, record| {
        if query.matches(&record) {
            summary.add(&record);
        }
    })?;
    if command.prometheus {
        output::data(summary.prometheus().as_bytes())?;
    } else if command.json {
        let mut object = object(&summary);
        if let Some(since) = query.since {
            object["since"] = json!(show::time(Some(since)));
        }
        if let Some(until) = query.until {
            object["until"] = json!(show::time(Some(until)));
        }
        output::json(object)?;
    } else {
        tables(&summary, settings)?;
    }
    Ok(Exit::Ok)
}

fn object(summary: &AuditSummary) -> Value {
    let uses: Vec<Value> = summary
        .uses()
        .map(|(provider, operation, stats)| {
            let mut object = sums(stats);
            object["provider"] = json!(provider);
            object["operation"] = json!(operation);
            object
        })
        .collect();
    let mut object = json!({
        "uses": uses,
        "total": sums(&summary.total()),
        "missing": summary.missing(),
    });
    if let Some((first, last)) = summary.period() {
        object["first"] = json!(show::time(Some(first)));
        object["last"] = json!(show::time(Some(last)));
    }
    object
}

fn sums(stats: &UseStats) -> Value {
    let durations = &stats.durations;
    let quantile = |share| durations.quantile(share).map(milliseconds);
    json!({
        "count": stats.count,
        "errors": stats.errors(),
        "outcomes": stats.outcomes,
        "values": { "provider": stats.fresh, "cache": stats.cached, "stale": stats.stale },
        "hit_rate": stats.hit_rate(),
        "duration_ms": {
            "count": durations.count(),
            "p50": quantile(0.5),
            "p95": quantile(0.95),
            "max": durations.max().map(milliseconds),
        },
    })
}

fn tables(summary: &AuditSummary, settings: &Settings) -> Outcome<()> {
    let palette = settings.data_palette;
    let Some((first, last)) = summary.period() else {
        output::say("no records");
        return missing(summary, settings);
    };
    let mut sums = Table::new(&[
        "PROVIDER",
        "OPERATION",
        "COUNT",
        "ERRORS",
        "HIT RATE",
        "STALE",
        "P50",
        "P95",
        "MAX",
    ])
    .with_numbers_from(2);
    let mut failed =
        Table::new(&["PROVIDER", "OPERATION", "OUTCOME", "COUNT"]).with_numbers_from(3);
    for (provider, operation, stats) in summary.uses() {
        add(&mut sums, provider, operation, stats);
        for (outcome, count) in stats
            .outcomes
            .iter()
            .filter(|(outcome, _)| *outcome != "ok")
        {
            failed.row([provider, operation, outcome, &count.to_string()].map(str::to_owned));
        }
    }
    if summary.uses().len() > 1 {
        add(&mut sums, "total", "", &summary.total());
    }
    sums.print_in(palette)?;
    if !failed.is_empty() {
        output::data(b"\n")?;
        failed.print_in(palette)?;
    }
    output::say(format!(
        "recorded from {} to {}",
        show::time(Some(first)),
        show::time(Some(last))
    ));
    missing(summary, settings)
}

fn add(table: &mut Table, provider: &str, operation: &str, stats: &UseStats) {
    let hit_rate = stats
        .hit_rate()
        .map(|rate| format!("{:.1} %", 100.0 * rate));
    let took = |time: Option<Duration>| {
        time.map(|time| format!("{} ms", milliseconds(time)))
            .unwrap_or_default()
    };
    table.row([
        provider.to_owned(),
        operation.to_owned(),
        stats.count.to_string(),
        stats.errors().to_string(),
        hit_rate.unwrap_or_default(),
        stats.stale.to_string(),
        took(stats.durations.quantile(0.5)),
        took(stats.durations.quantile(0.95)),
        took(stats.durations.max()),
    ]);
    if stats.errors() > 0 {
        table.mark_wrong();
    }
}

fn missing(summary: &AuditSummary, settings: &Settings) -> Outcome<()> {
    if summary.missing() > 0 {
        output::warn(
            settings.palette,
            &format!(
                "{} not recorded, according to the log",
                match summary.missing() {
                    1 => "1 use is".to_owned(),
                    more => format!("{more} uses are"),
                }
            ),
        );
    }
    Ok(())
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
