//! The suite passes what is right and catches what is wrong.

#[allow(
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "shared by the tests of this file alone"
)]
use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::{Defect, ModelFixture};
use polysecrets_testkit::canary::CommandCapture;
use polysecrets_testkit::conformance::{self, KnownGap, Outcome};
use secrets_core::{Capabilities, Capability};

#[test]
fn cases_are_many_and_have_names_of_their_own() {
    let names: Vec<_> = conformance::case_names().collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
    assert!(names.len() >= 150, "{} cases", names.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_provider_passes_every_case() {
    let report = conformance::run(&ModelFixture::new(Defect::None)).await;
    report.assert_passed();
    assert_eq!(report.totals.unsupported, 0, "{report}");
    assert_eq!(report.totals.passed, conformance::case_names().count());
}

#[tokio::test]
async fn it_passes_on_one_thread_too() {
    conformance::run(&ModelFixture::new(Defect::None))
        .await
        .assert_passed();
}

#[tokio::test]
async fn absent_capabilities_are_proved_and_counted_apart() {
    let fixture = ModelFixture::with_capabilities(Capabilities::new(&[]), Defect::None);
    let report = conformance::run(&fixture).await;
    report.assert_passed();
    assert!(
        report.totals.unsupported > 60 && report.totals.passed > 40,
        "{report}"
    );
    assert!(matches!(
        report.outcome("rollback_twice"),
        Some(Outcome::Unsupported { reason }) if reason == "rollback is absent, and was refused"
    ));
    for missing in Capability::ALL {
        let without = Capabilities::new(Capability::ALL).without(*missing);
        let dependents: &[Capability] = match missing {
            Capability::Put => &[
                Capability::Create,
                Capability::IfVersion,
                Capability::IdempotentPut,
                Capability::Rollback,
                Capability::Tags,
                Capability::Expiry,
            ],
            Capability::Delete => &[
                Capability::Restore,
                Capability::Purge,
                Capability::DeleteWindow,
            ],
            Capability::Restore => &[Capability::DeleteWindow],
            Capability::Versions => &[Capability::Rollback],
            _ => &[],
        };
        let without = dependents
            .iter()
            .fold(without, |set, one| set.without(*one));
        let report =
            conformance::run(&ModelFixture::with_capabilities(without, Defect::None)).await;
        report.assert_passed();
        assert!(report.totals.unsupported > 0, "{missing}: {report}");
    }
}

#[tokio::test]
async fn a_store_inside_the_provider_is_tested_too() {
    let mut fixture = ModelFixture::new(Defect::None);
    fixture.is_shared = false;
    let report = conformance::run(&fixture).await;
    report.assert_passed();
    assert_eq!(report.totals.unsupported, 3, "{report}");
}

#[tokio::test]
async fn a_lasting_store_is_left_as_it_was() {
    let mut fixture = ModelFixture::new(Defect::None);
    conformance::run(&fixture).await.assert_passed();
    assert!(fixture.secrets() > 500);

    fixture = ModelFixture::new(Defect::None);
    fixture.is_disposable = false;
    conformance::run(&fixture).await.assert_passed();
    assert_eq!(fixture.secrets(), 0);
}

#[tokio::test]
async fn a_provider_that_does_not_open_fails() {
    let mut fixture = ModelFixture::new(Defect::None);
    fixture.cannot_open = true;
    let report = conformance::run(&fixture).await;
    let failures: Vec<_> = report.failures().collect();
    assert_eq!(
        failures,
        [("provider_opens", "Unavailable: nobody is there")]
    );
    assert!(std::panic::catch_unwind(|| report.assert_passed()).is_err());
}

#[test]
fn the_variable_names_a_folder_for_reports() {
    let folder = std::env::temp_dir().join(format!("testkit-runs-{}", std::process::id()));
    let mut run = std::process::Command::new(std::env::current_exe().unwrap());
    run.args(["--exact", "conformance::it_passes_on_one_thread_too"])
        .env(conformance::REPORT_DIR_VARIABLE, &folder);
    let capture = CommandCapture::run(&mut run, b"", Duration::from_secs(60)).unwrap();
    assert!(capture.status.success());
    let text = std::fs::read(folder.join("model-None.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(json["totals"]["passed"], conformance::case_names().count());
    std::fs::remove_dir_all(folder).unwrap();
}

/// Each defect, and cases that must not let it pass.
const MUTANTS: &[(Defect, &[&str])] = &[
    (
        Defect::TrimsNewlines,
        &["trailing_newline", "newline_alone", "multi_line_pem"],
    ),
    (
        Defect::TrimsSpaces,
        &[
            "leading_and_trailing_spaces",
            "spaces_alone",
            "json_scalars_are_byte_exact",
        ],
    ),
    (
        Defect::UnixLineEnds,
        &["carriage_returns_and_line_feeds", "trailing_newline"],
    ),
    (
        Defect::LossyUtf8,
        &[
            "every_byte_value",
            "bytes_that_are_not_utf8",
            "large_binary_value",
            "capability_binary",
        ],
    ),
    (Defect::DecodesBase64, &["text_that_is_valid_base64"]),
    (Defect::NumbersAsFloats, &["json_object_keeps_number_text"]),
    (Defect::EmptyIsMissing, &["empty_value"]),
    (Defect::StripsByteOrderMark, &["byte_order_mark"]),
    (Defect::KeepsTailOfLongerValue, &["shorter_over_longer"]),
    (Defect::FoldsCase, &["names_that_differ_in_case"]),
    (Defect::DecodesPercent, &["names_that_look_percent_encoded"]),
    (
        Defect::IgnoresCreate,
        &[
            "create_refuses_an_existing_secret",
            "create_refused_adds_no_version",
            "creates_at_once_have_one_winner",
        ],
    ),
    (
        Defect::IgnoresIfVersion,
        &[
            "if_version_refuses_a_stale_one",
            "if_version_refuses_an_unknown_one",
            "if_version_refuses_a_missing_secret",
            "if_version_is_not_fooled_by_equal_content",
            "if_versions_at_once_have_one_winner",
        ],
    ),
    (
        Defect::CreateReadsThenWrites,
        &["creates_at_once_have_one_winner"],
    ),
    (
        Defect::IfVersionReadsThenWrites,
        &["if_versions_at_once_have_one_winner"],
    ),
    (
        Defect::PutReadsThenWrites,
        &[
            "parallel_puts_all_land",
            "parallel_puts_from_two_providers_all_land",
        ],
    ),
    (
        Defect::WritesInTwoHalves,
        &["dropped_put", "each_put_makes_a_version"],
    ),
    (
        Defect::StaysBusyWhenDropped,
        &["dropped_get", "dropped_put"],
    ),
    (
        Defect::DeniesRollback,
        &["capability_rollback", "rollback_twice"],
    ),
    (
        Defect::DeniesPurge,
        &["capability_purge", "purge_takes_all_versions"],
    ),
    (Defect::ClaimsTags, &["capability_tags", "tags_round_trip"]),
    (
        Defect::ClaimsBatch,
        &["capability_batch", "many_in_the_order_asked"],
    ),
    (Defect::DropsTagsOnPut, &["tags_stay_without_new_ones"]),
    (Defect::GivesOutExpired, &["expired_value_is_not_given_out"]),
    (
        Defect::TakesSecondsForMillis,
        &["times_are_told_in_the_right_unit"],
    ),
    (
        Defect::IgnoresTokens,
        &[
            "repeated_put_with_one_token_is_one_put",
            "capability_idempotent_put",
        ],
    ),
    (
        Defect::ChecksSizeLate,
        &["oversize_value_is_refused_before_any_call"],
    ),
    (
        Defect::SwallowsDeleted,
        &[
            "restorable_secret_is_deleted_not_missing",
            "delete_with_a_window_is_restorable",
        ],
    ),
    (
        Defect::DeletesQuietly,
        &["delete_of_a_missing_secret", "purge_of_a_missing_secret"],
    ),
    (
        Defect::DeletesChildren,
        &["delete_leaves_other_secrets_alone"],
    ),
    (Defect::ListsDeleted, &["deleted_secret_is_not_listed"]),
    (
        Defect::RestoresOldest,
        &["restore_brings_versions_and_tags_back"],
    ),
    (
        Defect::PurgeKeepsVersions,
        &[
            "purge_of_a_deleted_secret",
            "put_after_purge",
            "create_after_purge",
        ],
    ),
    (
        Defect::PageLosesLast,
        &[
            "list_in_pages_of_one",
            "list_in_pages_of_two",
            "versions_are_listed_in_pages",
        ],
    ),
    (Defect::PageRepeatsLast, &["list_in_pages_of_two"]),
    (
        Defect::IgnoresPageSize,
        &["list_in_pages_of_one", "versions_are_listed_in_pages"],
    ),
    (
        Defect::PrefixIsFolder,
        &["list_by_prefix_is_by_text", "list_by_prefix_in_pages"],
    ),
    (Defect::ListsValues, &["list_holds_no_values"]),
    (
        Defect::VersionsOldestFirst,
        &["versions_are_listed_newest_first"],
    ),
    (
        Defect::UnknownVersionIsCurrent,
        &[
            "unknown_version_is_not_found",
            "malformed_version_is_not_found",
            "rollback_to_an_unknown_version",
            "version_of_another_secret_is_not_given",
        ],
    ),
    (
        Defect::RollbackDropsLater,
        &["rollback_keeps_the_other_versions", "rollback_then_put"],
    ),
    (
        Defect::RollbackAnswersTarget,
        &["rollback_brings_old_content_back"],
    ),
    (
        Defect::ManyInOrderOfName,
        &["many_in_the_order_asked", "many_with_missing_ones"],
    ),
    (Defect::ManyStopsAtError, &["many_with_missing_ones"]),
    (
        Defect::ManyOnlyOnce,
        &["many_with_duplicates", "many_with_versions"],
    ),
    (
        Defect::RemembersMissing,
        &[
            "missing_after_a_look_is_found_once_put",
            "put_creates_and_replaces",
        ],
    ),
    (Defect::DebugShowsValues, &["types_do_not_show_the_value"]),
    (
        Defect::ErrorShowsValue,
        &["refused_writes_do_not_show_the_value"],
    ),
    (
        Defect::SourceShowsValue,
        &["refused_writes_do_not_show_the_value"],
    ),
    (Defect::TraceShowsValue, &["traces_do_not_show_the_value"]),
    (Defect::ErrorOfTwoLines, &["errors_are_one_lowercase_line"]),
    (Defect::SaysUnhealthy, &["health_is_answered"]),
    (Defect::ClosesOnce, &["close_can_be_repeated"]),
    (
        Defect::PanicsAfterClose,
        &["calls_after_close_do_not_panic"],
    ),
    (Defect::PanicsOnGet, &["plain_text"]),
    (Defect::HangsOnGet, &["plain_text"]),
];

#[tokio::test]
async fn every_mutant_is_caught_by_the_cases_meant_for_it() {
    let mut survivors = Vec::new();
    for (defect, cases) in MUTANTS {
        let report = conformance::run_cases(&ModelFixture::new(*defect), cases).await;
        assert_eq!(report.cases.len(), cases.len());
        for case in report.cases {
            if !matches!(case.outcome, Outcome::Failed { .. }) {
                survivors.push(format!(
                    "{defect:?} survives {}: {:?}",
                    case.name, case.outcome
                ));
            }
        }
    }
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
}

#[tokio::test]
async fn panics_and_hangs_are_failures_of_their_case() {
    for (defect, text) in [
        (Defect::PanicsOnGet, "panicked: no get today"),
        (Defect::HangsOnGet, "it did not end within 0.2 s"),
    ] {
        let report = conformance::run_cases(&ModelFixture::new(defect), &["plain_text"]).await;
        assert_eq!(
            report.failures().collect::<Vec<_>>(),
            [("plain_text", text)]
        );
    }
}

#[tokio::test]
async fn known_gaps_must_fail_as_stated() {
    let run = async |defect, gap| {
        let mut fixture = ModelFixture::new(defect);
        fixture.gaps = vec![gap];
        conformance::run_cases(&fixture, &["trailing_newline", "plain_text"]).await
    };
    let reason = |report: &conformance::Report, case: &str| match report.outcome(case) {
        Some(Outcome::Failed { reason }) => reason.clone(),
        other => panic!("{other:?}"),
    };

    let gap = KnownGap::new("trailing_newline", "the service trims");
    let report = run(Defect::TrimsNewlines, gap.clone()).await;
    report.assert_passed();
    assert_eq!(report.totals.known_gaps, 1);
    assert_eq!(
        report.outcome("trailing_newline"),
        Some(&Outcome::KnownGap {
            reason: "the service trims".into()
        })
    );
    run(
        Defect::TrimsNewlines,
        gap.clone().failing_with("differ from byte 5 on"),
    )
    .await
    .assert_passed();

    let report = run(
        Defect::TrimsNewlines,
        gap.clone().failing_with("refused with InvalidValue"),
    )
    .await;
    assert!(reason(&report, "trailing_newline").contains("fails in another way"));

    let report = run(Defect::None, gap).await;
    assert!(
        reason(&report, "trailing_newline")
            .contains("a stale known gap: the case is passed by now")
    );

    let report = run(Defect::None, KnownGap::new("no_such_case", "x")).await;
    assert!(reason(&report, "no_such_case").contains("a case that does not exist"));
}

#[tokio::test]
async fn reports_are_read_by_people_and_machines() {
    let fixture = ModelFixture::new(Defect::TrimsNewlines);
    let cases = ["plain_text", "trailing_newline", "name_of_the_longest_kind"];
    let report = conformance::run_cases(&fixture, &cases).await;

    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["scheme"], "model");
    assert_eq!(json["server"], "TrimsNewlines");
    assert_eq!(json["capabilities"][0], "put");
    assert_eq!(json["totals"]["passed"], 2);
    assert_eq!(json["totals"]["failed"], 1);
    let failed = &json["cases"][1];
    assert_eq!(failed["name"], "trailing_newline");
    assert_eq!(failed["group"], "round_trip");
    assert_eq!(failed["outcome"], "failed");
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .contains("differ from byte 5 on")
    );
    assert!(failed["milliseconds"].is_u64());
    assert!(json["cases"][0].get("reason").is_none());

    let table = report.to_string();
    assert!(table.starts_with("conformance of model TrimsNewlines\n"));
    assert!(table.ends_with("3 cases: 2 passed, 1 failed, 0 unsupported, 0 known gaps"));
    let columns: BTreeSet<_> = table
        .lines()
        .filter_map(|line| {
            line.find("passed  ")
                .or(line.find(" passed"))
                .or(line.find(" failed "))
        })
        .collect();
    assert!(!columns.is_empty());

    let panic = std::panic::catch_unwind(|| report.assert_passed()).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("1 of 3 cases failed for model TrimsNewlines:\n  trailing_newline: "));

    let folder = std::env::temp_dir().join(format!("testkit-report-{}", std::process::id()));
    let path = report.write_to(&folder).unwrap();
    assert_eq!(path.file_name().unwrap(), "model-TrimsNewlines.json");
    let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read, json);
    std::fs::remove_dir_all(folder).unwrap();
}
