//! Reports of a running `spark up`: from its archive, from its API, and the same from both.

use spark_tests::wait::{self, LONG};
use spark_tests::{Finished, Setup, World, run, spark, target_toml};

fn report(arguments: &[&str], data: &std::path::Path) -> Finished {
    let mut command = spark();
    command.arg("report").args(arguments).arg("--data").arg(data);
    // What a report says does not hang on where it is made.
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8");
    run(command)
}

#[test]
fn a_draft_from_the_archive_is_what_the_api_says_and_an_outage_is_in_it() {
    let world = World::new();
    let setup = Setup::with_config(&world, &target_toml("shop", &world.executor.url("/shop"), "1s"));
    let up = setup.start();
    up.until_judged();
    world.executor.set_status("/shop", 503);
    let marked = up.ask(&["deploy", "mark", "--service", "shop", "--version", "v7"]);
    assert_eq!(marked.code, 0, "{marked:?}");
    let draft = wait::until("the report has the outage and the deployment", LONG, || {
        let draft = up.api.try_json("/api/tools/risk-report")?;
        let is_there = draft["incidents"].as_array().is_some_and(|all| !all.is_empty())
            && draft["deployments"].as_array().is_some_and(|all| !all.is_empty());
        wait::that(is_there, || draft.to_string()).map(|()| draft)
    });
    assert_eq!((&draft["draft"], &draft["deployments"][0]["version"]), (&true.into(), &"v7".into()));
    assert_eq!(draft["incidents"][0]["targets"][0]["reasons"][0]["reason"], "status");

    // The same log position gives the same bytes, wherever and in whatever zone it is made.
    let at = draft["evidence"]["last_received"].as_str().expect("leaves came").to_owned();
    let here = report(&["--at", &at, "--format", "json"], &setup.data);
    assert_eq!(here.code, 0, "{here:?}");
    let there = up.ask(&["report", "--at", &at, "--format", "json"]);
    assert_eq!(there.stdout, here.stdout);
    let served = up.api.get(&format!("/api/tools/risk-report?at={at}")).expect("it answers");
    assert_eq!(served.text, here.stdout.trim_end());

    let text = report(&["--at", &at], &setup.data);
    assert!(text.stdout.contains("(draft)  risk ") && text.stdout.contains("incident "), "{text:?}");
    let page = up.api.get(&format!("/api/tools/risk-report?format=html&at={at}")).expect("it answers");
    assert!(page.text.starts_with("<!DOCTYPE html>") && page.text.contains("shop"), "{page:?}");
    let file = world.path("report.html");
    let written = report(&["--at", &at, "--format", "html", "--out", &file.to_string_lossy()], &setup.data);
    assert_eq!((written.code, std::fs::read_to_string(&file).expect("a page")), (0, page.text));
}

#[test]
fn a_report_that_can_not_be_is_refused_with_the_reason() {
    let world = World::new();
    let setup = Setup::new(&world);
    let up = setup.start();
    up.until_judged();
    for (query, status, says) in [
        ("date=2020-01-01", 404, "the log begins on"),
        ("date=2500-01-01", 404, "has not begun"),
        ("at=2020-01-01T00:00:00Z", 404, "the log is empty at"),
        ("date=yesterday", 400, "write YYYY-MM-DD"),
        ("format=pdf", 400, "there are json, html, markdown and text"),
        ("day=2026-11-22", 400, "it takes: date, at, format"),
    ] {
        let answer = up.api.get(&format!("/api/tools/risk-report?{query}")).expect("it answers");
        assert_eq!(answer.status, status, "{query}: {answer:?}");
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(says)), "{answer:?}");
    }
    for (arguments, code, says) in [
        (&["--date", "2020-01-01"][..], 2, "the log begins on"),
        (&["--date", "2026-02-30"], 64, "is not a day"),
        (&["--at", "noon"], 64, "is no instant"),
    ] {
        let finished = report(arguments, &setup.data);
        assert_eq!(finished.code, code, "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
    }
    let nothing = report(&[], &world.path("elsewhere"));
    assert_eq!(nothing.code, 2, "{nothing:?}");
    assert!(nothing.stderr.contains("there is no log in"), "{nothing:?}");
}
