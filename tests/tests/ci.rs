//! What pipelines use: the gate's exit codes and reports from a shell script, the other examples, completions, man pages.

use std::fs;
use std::process::Command;

use saphyr_parser::{Event, Parser};
use serde_json::Value;
use spark_tests::wait::{self, LONG};
use spark_tests::{Finished, Setup, World, repository, run, spark, target_toml};

/// Runs the example script in a directory of its own; gives how it ended and where its reports are.
fn script(world: &World, url: &str, variables: &[(&str, &str)]) -> (Finished, std::path::PathBuf) {
    let reports = world.path("reports");
    let mut command = Command::new("sh");
    command.arg(repository().join("deploy/ci/gate.sh"));
    command.env("SPARK", spark().get_program()).env("SPARK_URL", url).env("SPARK_GATE_REPORTS", &reports);
    command.env("SPARK_BY", "pipeline 7").env("SPARK_GATE_WAIT", "10s").envs(variables.iter().copied());
    (run(command), reports)
}

fn config(world: &World) -> String {
    let target = |name, role| {
        let url = world.executor.url(&format!("/{name}"));
        format!("{}\nrole = \"{role}\"\n", target_toml(name, &url, "200ms").trim_end())
    };
    let profile = "[profiles.dev]\nlatency_p95 = \"5s\"\nerror_rate = \"100%\"\nstaleness = \"30s\"\n";
    let check = "[[profiles.dev.check]]\nname = \"evidence\"\ncompleteness = { window = \"5m\", min = \"1%\" }\n";
    format!("builtin_targets = false\n{}{}{profile}{check}", target("shop", "ui"), target("health", "executor"))
}

fn attribute(xml: &str, name: &str) -> String {
    let start = xml.find(&format!(" {name}=\"")).unwrap_or_else(|| panic!("no {name} in {xml}"));
    xml[start..].split('"').nth(1).expect("a value").to_owned()
}

#[test]
fn the_shell_script_ends_as_the_gate_does_and_leaves_reports() {
    let world = World::new();
    let setup = Setup::with_config(&world, &config(&world));
    let mut up = setup.start();
    // It waits for the first observations by itself.
    let (passed, reports) = script(&world, up.api.base(), &[]);
    assert_eq!(passed.code, 0, "{passed:?}");
    assert!(passed.stdout.contains("### ✅ Deploy gate: pass") && passed.stdout.ends_with("spark: safe to deploy\n"));
    let read = |name: &str| fs::read_to_string(reports.join(name)).expect("a report");
    let decision: Value = serde_json::from_str(&read("decision.json")).expect("JSON");
    assert_eq!((&decision["verdict"], &decision["evidence"]["recorded"]), (&"pass".into(), &true.into()));
    let junit = read("junit.xml");
    assert_eq!(
        [attribute(&junit, "tests"), attribute(&junit, "failures"), attribute(&junit, "errors")],
        ["7", "0", "0"]
    );
    assert!(junit.contains(decision["id"].as_str().expect("an identity")), "one decision, three reports");

    world.executor.set_status("/shop", 500);
    wait::until("the shop is down", LONG, || {
        let preview = up.api.try_json("/api/tools/status")?;
        wait::that(preview["verdict"] == "fail", || preview.to_string())
    });
    let (failed, _) = script(&world, up.api.base(), &[]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.ends_with("spark: not safe to deploy\n"), "{failed:?}");
    assert_eq!(attribute(&read("junit.xml"), "failures"), "1");
    assert!(read("summary.md").contains("| ❌ fail | `ui.up` | down | up |"), "{}", read("summary.md"));

    let (unknown, _) = script(&world, up.api.base(), &[("SPARK_PROFILE", "nope")]);
    assert_eq!(unknown.code, 64, "{unknown:?}");
    assert!(
        !unknown.stdout.contains("Deploy gate") && !reports.join("junit.xml").exists(),
        "of an earlier run: {unknown:?}"
    );

    up.process.terminate();
    let (nobody, _) = script(&world, up.api.base(), &[("SPARK_GATE_WAIT", "2s")]);
    assert_eq!(nobody.code, 2, "{nobody:?}");
    assert!(nobody.stderr.contains("spark gate: waiting, 1 s left: no answer from "), "{nobody:?}");
    assert!(nobody.stderr.contains("spark gate: waited 2 s in vain: "), "{nobody:?}");
    assert_eq!(
        (attribute(&read("junit.xml"), "errors").as_str(), read("decision.json").contains("no_data")),
        ("1", true)
    );
    assert!(read("summary.md").starts_with("### ❔ Deploy gate: no answer"), "{}", read("summary.md"));
}

#[test]
fn a_warning_fails_only_where_it_is_asked_for() {
    let world = World::new();
    let objective = "[[slo]]\nname = \"shop\"\nsli = \"availability\"\nobjective = \"1%\"\nwindow = \"1h\"\n";
    let asks = "[[profiles.dev.check]]\nname = \"met\"\nobjective = { slo = \"shop\", warn = \"99.9999%\" }\n";
    let setup = Setup::with_config(&world, &[&config(&world), asks, objective].concat());
    world.executor.set_status("/shop", 500);
    let up = setup.start();
    up.until_judged();
    world.executor.set_status("/shop", 200);
    wait::until("the shop is up, and was not always", LONG, || {
        let preview = up.api.try_json("/api/tools/status")?;
        wait::that(preview["verdict"] == "warn", || preview.to_string())
    });
    assert_eq!(script(&world, up.api.base(), &[]).0.code, 0);
    let (strict, reports) = script(&world, up.api.base(), &[("SPARK_GATE_STRICT", "1")]);
    assert_eq!(strict.code, 1, "{strict:?}");
    let junit = fs::read_to_string(reports.join("junit.xml")).expect("a report");
    assert_eq!(attribute(&junit, "failures"), "1");
}

#[test]
fn wrong_usage_is_64_and_says_what_is_right() {
    for (arguments, says) in [
        (&["gate", "--format", "xml"][..], "text, json, junit, markdown"),
        (&["gate", "--wait", "5min"], "\"5min\" is not a duration"),
        (&["gate", "--at", "2026-01-01T00:00:00Z", "--wait", "1s"], "cannot be used with"),
        (&["gate", "--report", "gate.xml"], "FORMAT=FILE"),
        (&["gate", "replay"], "--policy <FILE>"),
        (&["gate", "replay", "--policy", "x", "--since", "lately"], "neither an instant"),
        (&["verify", "gate"], "<ID>"),
        (&["completions", "cobol"], "bash"),
    ] {
        let mut command = spark();
        command.args(arguments);
        let ended = run(command);
        assert_eq!(ended.code, 64, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn the_yaml_examples_are_yaml_and_ask_for_what_there_is() {
    let dir = repository().join("deploy/ci");
    let mut examples = 0;
    for entry in fs::read_dir(dir).expect("the examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "yml" && end != "yaml") {
            continue;
        }
        examples += 1;
        let text = fs::read_to_string(&path).expect("an example");
        let documents = Parser::new_from_str(&text)
            .map(|event| event.unwrap_or_else(|error| panic!("{}: {error}", path.display())).0)
            .filter(|event| matches!(event, Event::DocumentStart(_)));
        assert!(documents.count() > 0, "{}", path.display());
        let asks = ["deploy/ci/gate.sh", "/api/tools/status?profile=", "/api/tools/gate-webhook?profile="];
        assert!(asks.into_iter().any(|asked| text.contains(asked)), "{} asks nobody", path.display());
    }
    assert_eq!(examples, 4);
}

/// The blocks of TOML in the gate's guide, each with what it takes for granted.
#[test]
fn the_guides_policies_can_be_used() {
    let guide = fs::read_to_string(repository().join("docs/gate.md")).expect("the guide");
    let blocks: Vec<&str> = guide.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    let world = World::new();
    for block in blocks {
        let limits = "[profiles.prod]\nlatency_p95 = \"120ms\"\nerror_rate = \"2%\"\nstaleness = \"15s\"\n";
        let slo = "[[slo]]\nname = \"checkout\"\nsli = \"availability\"\nobjective = \"99.9%\"\nwindow = \"30d\"\n";
        let policy = match (block.contains("latency_p95 = "), block.contains("[profiles.prod]\n")) {
            (true, _) => block.to_owned(),
            (false, true) => block.replace("[profiles.prod]\n", limits),
            (false, false) => format!("{limits}{block}"),
        };
        let mut command = spark();
        command.arg("check").arg(world.file("spark.toml", &format!("{slo}{policy}")));
        let checked = run(command);
        assert_eq!(checked.code, 0, "{block}\n{}", checked.stderr);
    }
}

/// Both forms of an objective in their guide, and the service hours in theirs.
#[test]
fn the_guides_objectives_and_hours_can_be_used() {
    let guide = |name: &str| fs::read_to_string(repository().join("docs").join(name)).expect("the guide");
    let world = World::new();
    let checked = |file: &str, text: &str| {
        let mut command = spark();
        command.arg("check").arg(world.file(file, text));
        let checked = run(command);
        assert_eq!(checked.code, 0, "{text}\n{}", checked.stderr);
        checked.stdout
    };
    let objectives = guide("objectives.md");
    let block = |start: &str| {
        let found = objectives.split("```").skip(1).step_by(2).find_map(|block| block.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no block begins with {start:?}"))
    };
    let target = target_toml("checkout", "https://shop.example/health", "5s");
    let (objective, alert) = (block("toml\n[[slo]]\n"), block("toml\n[[slo.alerts]]\n"));
    let short = format!("{target}[[slo]]\n{objective}[[slo.alerts]]\n{alert}");
    assert!(checked("spark.toml", &short).contains("Alert page: when it burns over 14.4 times too fast for 1h and 5m"));
    assert!(checked("slo.yaml", block("yaml\n")).contains("SLO checkout can be used"));
    let hours = guide("maintenance.md");
    let (_, hours) = hours.split_once("    [[service_hours]]\n").expect("the guide has them");
    let (hours, _) = hours.split_once("\n\n").expect("the block ends");
    let orders = target_toml("orders", "https://shop.example/orders", "5s");
    let said = checked("spark.toml", &format!("{orders}[[service_hours]]\n{hours}\n"));
    assert!(
        said.contains("service hours office: mon tue wed thu fri, 08:00 to 18:00, Europe/Istanbul; orders"),
        "{said}"
    );
}

#[test]
fn shells_and_man_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut command = spark();
        command.args(["completions", shell]);
        let script = run(command);
        assert!(script.code == 0 && script.stdout.contains("replay"), "{shell}: {}", script.stderr);
    }
    let world = World::new();
    let file = world.file("spark.bash", &{
        let mut command = spark();
        command.args(["completions", "bash"]);
        run(command).stdout
    });
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(format!(
        ". {} && COMP_WORDS=(spark gate --f) COMP_CWORD=2 && _spark spark --f gate && echo \"${{COMPREPLY[*]}}\"",
        file.display()
    ));
    assert_eq!(run(bash).stdout, "--format\n");

    let mut command = spark();
    command.args(["man", "--out"]).arg(world.path("man"));
    assert_eq!(run(command).code, 0);
    for page in ["spark.1", "spark-up.1", "spark-gate.1", "spark-gate-replay.1", "spark-verify-gate.1"] {
        let text = fs::read_to_string(world.path("man").join(page)).expect("a page");
        assert!(text.contains(".TH spark"), "{page}");
    }
}
