//! What Spark says when it can't do what it is asked: clearly, with what to do about it, and without losing anything.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use spark_tests::wait::{self, LONG};
use spark_tests::{Finished, Setup, World, free_port, run, spark, target_toml};

/// Says what is wrong in these words, and ends with this code.
#[track_caller]
fn assert_refused(done: &Finished, code: i32, words: &[&str]) {
    assert_eq!(done.code, code, "{done:?}");
    for word in words {
        assert!(done.stderr.contains(word), "no {word:?} in {}", done.stderr);
    }
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}

#[test]
fn a_second_spark_on_one_data_directory_is_refused_and_the_first_goes_on() {
    let world = World::new();
    let setup = Setup::new(&world);
    let up = setup.start();
    let mut second = Setup { listen: "127.0.0.1:0".to_owned(), ..setup.clone() };
    assert_refused(&run(second.command()), 1, &["in use by another Spark", "archive"]);
    second.data = world.path("other");
    drop(second.start());
    up.until_judged();
}

#[test]
fn a_port_that_is_taken_is_named_with_the_flag_that_chooses_another() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let setup = Setup { listen: listen.clone(), ..Setup::new(&world) };
    assert_refused(&run(setup.command()), 1, &[&listen, "--listen", "in use"]);
}

#[test]
fn a_data_directory_that_cannot_be_written_is_named() {
    let world = World::new();
    let file = world.file("a-file", "");
    let setup = Setup { data: file.join("data"), ..Setup::new(&world) };
    assert_refused(&run(setup.command()), 1, &[setup.data.to_str().unwrap(), "--data"]);
    // Root may write anywhere but here.
    let setup = Setup { data: Path::new("/proc/spark").to_owned(), ..Setup::new(&world) };
    assert_refused(&run(setup.command()), 1, &["/proc/spark", "--data"]);
}

#[test]
fn listening_beyond_this_machine_needs_a_word() {
    let world = World::new();
    let setup = Setup { listen: "0.0.0.0:0".to_owned(), ..Setup::new(&world) };
    assert_refused(&run(setup.command()), 64, &["--insecure", "127.0.0.1"]);
    assert!(!setup.data.exists(), "nothing was touched");
}

#[test]
fn unknown_flags_commands_and_values_are_wrong_usage() {
    for arguments in [
        &["--no-such-flag"][..],
        &["up", "--no-such-flag"],
        &["no-such-command"],
        &["up", "--listen", "nonsense"],
        &["up", "--executor-url", "not a url"],
        &["up", "--profile", "no spaces allowed"],
        &["gate", "--format", "xml"],
        &["nats"],
    ] {
        let mut command = spark();
        command.args(arguments);
        assert_refused(&run(command), 64, &[]);
    }
    let mut help = spark();
    help.arg("--help");
    let help = run(help);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("spark gate") && help.stdout.contains("SPARK_DATA"), "{}", help.stdout);
    let mut profile = spark();
    profile.args(["up", "--profile", "no-such", "--data", "/proc/spark"]);
    // Whichever is noticed first, it is not an ordinary failure.
    assert_refused(&run(profile), 64, &["no profile \"no-such\"; there are: dev, prod"]);
}

/// A configuration, and where and how it is wrong.
type Bad = (&'static str, usize, usize, &'static str);

/// One of each kind.
const BAD: [Bad; 22] = [
    ("[[target]\n", 1, 10, "expected"),
    ("nonsense = 1\n", 1, 1, "unknown field `nonsense`, expected one of"),
    ("\n\n  [[targets]]\n", 3, 5, "unknown field `targets`"),
    ("[[target]]\nname = \"a\"\n", 1, 1, "missing field `url`"),
    ("[[target]]\nurl = \"http://h/\"\n", 1, 1, "missing field `name`"),
    ("[[target]]\nname = \"a b\"\nurl = \"http://h/\"\n", 2, 8, "letters, digits, '-' and '_'"),
    ("[[target]]\nname = \"a\"\nurl = \"nowhere\"\n", 3, 7, "relative URL"),
    ("[[target]]\nname = \"a\"\nurl = \"gopher://h/\"\n", 3, 7, "no check for scheme \"gopher\"; there are: http"),
    ("[[target]]\nname = \"a\"\nurl = \"http://me:pw@h/\"\n", 3, 7, "no credentials in the URL"),
    ("[[target]]\nname = \"a\"\nurl = \"tcp://h\"\n", 3, 7, "needs a port"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\ninterval = \"5 s\"\n", 4, 12, "is not a duration"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\ninterval = \"1ms\"\n", 4, 12, "must be from 100ms to 1d"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\ntimeout = \"1m\"\n", 4, 11, "at most the interval (15s)"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\nlatency_max = \"0s\"\n", 4, 15, "more than 0s"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\nmethod = \"get\"\n", 4, 10, "not an HTTP method"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\nexpect_status = [999]\n", 4, 18, "from 100 to 599"),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\nexpect_status = []\n", 4, 17, "at least one status"),
    (
        "[[target]]\nname = \"a\"\nurl = \"http://h/\"\nheaders = { \"b d\" = \"x\" }\n",
        4,
        11,
        "not an HTTP header name",
    ),
    ("[[target]]\nname = \"a\"\nurl = \"http://h/\"\nrole = \"boss\"\n", 4, 8, "expected `ui` or `executor`"),
    (
        "[[target]]\nname = \"a\"\nurl = \"http://h/\"\n[[target]]\nname = \"a\"\nurl = \"http://i/\"\n",
        5,
        8,
        "is there twice",
    ),
    ("profile = \"staging\"\n", 1, 11, "no profile \"staging\"; there are: dev, prod"),
    ("[profiles.dev]\nlatency_p95 = \"1s\"\nerror_rate = \"200%\"\nstaleness = \"1m\"\n", 3, 14, "is not a percentage"),
];

#[test]
fn twenty_kinds_of_bad_configuration_are_refused_with_line_and_column() {
    let world = World::new();
    let mut wrong = Vec::new();
    for (text, line, column, message) in BAD {
        let file = world.file("bad.toml", text);
        let wanted = format!("{}: line {line}, column {column}: ", file.display());
        let mut check = spark();
        check.arg("check").arg(&file);
        let up = Setup { config: Some(file), ..Setup::new(&world) };
        for command in [check, up.command()] {
            let done = run(command);
            let is_right = done.code == 64 && done.stderr.contains(&wanted) && done.stderr.contains(message);
            if !is_right || done.stderr.contains("panicked") {
                wrong.push(format!("{text}\n  wanted {wanted}{message}\n  got {} {}", done.code, done.stderr));
            }
        }
        assert!(!up.data.exists(), "nothing was touched");
    }
    assert!(wrong.is_empty(), "{} are not told well:\n{}", wrong.len(), wrong.join("\n"));

    let mut check = spark();
    check.arg("check").arg(world.path("missing.toml"));
    assert_refused(&run(check), 64, &["missing.toml", "No such file"]);
    fs::write(world.path("latin.toml"), b"# \xfc\n").unwrap();
    let mut check = spark();
    check.arg("check").arg(world.path("latin.toml"));
    assert_refused(&run(check), 64, &["latin.toml", "not UTF-8"]);
}

#[test]
fn a_good_configuration_is_explained() {
    let world = World::new();
    let file = world.file("good.toml", &target_toml("shop", "https://shop.example/health", "5s"));
    let mut check = spark();
    check.arg("check").arg(&file);
    let done = run(check);
    assert_eq!(done.code, 0, "{done:?}");
    for word in ["can be used", "shop", "https://shop.example/health", "every 5s", "profile prod"] {
        assert!(done.stdout.contains(word), "no {word:?} in {}", done.stdout);
    }
}

#[test]
fn a_bad_file_on_reload_changes_nothing_and_a_good_one_applies_without_restart() {
    let world = World::new();
    let config = |name: &str| target_toml(name, &world.executor.url(&format!("/{name}")), "500ms");
    let up = Setup::with_config(&world, &config("one")).start();
    let api = &up.api;
    let reloads = |result: &str| {
        let metrics = api.get("/api/tools/metrics").map(|answer| answer.text).unwrap_or_default();
        let series = format!("spark_config_reloads_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok()).unwrap_or(0)
    };
    wait::until("the first configuration is in force", LONG, || api.try_json("/api/v1/config"));
    let digest = || api.json("/api/v1/config")["digest"].clone();
    let first = digest();

    // Noticed by itself.
    let bad = world.file("spark.toml", &(config("one") + "[[target]]\nname = \"two\"\n"));
    wait::until("the refusal is an event in the log", LONG, || {
        let rejected = api.try_json("/api/v1/config")?["rejected"].clone();
        let told = rejected["error"].as_str().is_some_and(|error| error.contains("line 6") && error.contains("url"));
        wait::that(told && rejected["source"] == bad.to_str().unwrap(), || rejected.to_string())
    });
    assert_eq!(digest(), first, "the one before stays in force");
    assert_eq!((reloads("rejected"), reloads("applied")), (1, 0));
    assert!(up.process.stderr().contains("configuration not applied"), "{}", up.process.stderr());
    let before = world.executor.hits("/one");
    wait::until("probing goes on", LONG, || wait::that(world.executor.hits("/one") > before + 2, String::new));

    // Asked for.
    up.process.signal("HUP");
    wait::until("the file is looked at again", LONG, || {
        wait::that(reloads("rejected") == 2, || reloads("rejected").to_string())
    });

    world.file("spark.toml", &(config("one") + &config("two")));
    wait::until("the new target is probed", LONG, || wait::that(world.executor.hits("/two") > 2, String::new));
    wait::until("the new configuration is in force", LONG, || {
        wait::that(digest() != first, || "not yet".to_owned())?;
        let rejected = api.try_json("/api/v1/config")?["rejected"].clone();
        wait::that(rejected.is_null(), || rejected.to_string())
    });
    assert_eq!(reloads("applied"), 1);
}

/// Availability of everything, as an OpenSLO document.
const DOCUMENT: &str = "\
apiVersion: openslo/v1
kind: SLO
metadata: { name: everything }
spec:
  service: shop
  indicator:
    metadata: { name: answers }
    spec:
      ratioMetric:
        good: { metricSource: { type: Spark, spec: { metric: good } } }
        total: { metricSource: { type: Spark, spec: { metric: total } } }
  timeWindow: [{ duration: 28d, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.99 }]
";

#[test]
fn an_openslo_document_is_explained_and_reloaded_like_the_configuration_that_names_it() {
    let world = World::new();
    let document = world.file("slo.yaml", DOCUMENT);
    let mut check = spark();
    check.arg("check").arg(&document);
    let done = run(check);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("line 1: SLO everything can be used"), "{}", done.stdout);
    assert!(done.stdout.contains("Budget: 1%, 6h 43m of everything failing."), "{}", done.stdout);

    let target = target_toml("one", &world.executor.url("/one"), "500ms");
    let up = Setup::with_config(&world, &format!("openslo = [\"slo.yaml\"]\n{target}")).start();
    wait::until("the first is in force", LONG, || up.api.try_json("/api/v1/config"));
    let digest = || up.api.json("/api/v1/config")["digest"].clone();
    let first = digest();

    world.file(
        "slo.yaml",
        &DOCUMENT.replace("good: { metricSource: { type: Spark", "good: { metricSource: { type: Atlas"),
    );
    let reason = "slo.yaml: line 10, column 39: metricSource's type \"Atlas\"";
    wait::until("the refusal is an event in the log", LONG, || {
        let rejected = up.api.try_json("/api/v1/config")?["rejected"].clone();
        let told = rejected["error"].as_str().is_some_and(|error| error.contains(reason));
        wait::that(told, || rejected.to_string())
    });
    assert_eq!(digest(), first, "the one before stays in force");
    let mut check = spark();
    check.arg("check").arg(&document);
    let done = run(check);
    assert!(done.code == 64 && done.stdout.contains(reason), "{done:?}");

    world.file("slo.yaml", &DOCUMENT.replace("0.99", "0.999"));
    wait::until("the stricter promise is in force", LONG, || {
        wait::that(digest() != first, || "not yet".to_owned())?;
        let rejected = up.api.try_json("/api/v1/config")?["rejected"].clone();
        wait::that(rejected.is_null(), || rejected.to_string())
    });
}

#[test]
fn a_configuration_whose_checks_cannot_be_made_is_refused_at_start_and_on_reload() {
    let world = World::new();
    let good = target_toml("one", &world.executor.url("/one"), "500ms");
    let unset = format!("{good}headers = {{ authorization = \"env:SPARK_TEST_NOT_SET\" }}\n");

    let refused = Setup::with_config(&world, &unset);
    assert_refused(&run(refused.command()), 64, &["SPARK_TEST_NOT_SET"]);

    let up = Setup::with_config(&world, &good).start();
    wait::until("the good one is in force", LONG, || up.api.try_json("/api/v1/config"));
    let digest = up.api.json("/api/v1/config")["digest"].clone();
    world.file("spark.toml", &unset);
    wait::until("the refusal is an event in the log", LONG, || {
        let config = up.api.try_json("/api/v1/config")?;
        let told = config["rejected"]["error"].as_str().is_some_and(|error| error.contains("SPARK_TEST_NOT_SET"));
        wait::that(told && config["digest"] == digest, || config.to_string())
    });
    // Put right again, the refusal is no longer the last word.
    world.file("spark.toml", &good);
    wait::until("no refusal stands", LONG, || {
        let rejected = up.api.try_json("/api/v1/config")?["rejected"].clone();
        wait::that(rejected.is_null(), || rejected.to_string())
    });
}

#[test]
fn nats_init_says_where_it_looked_when_nobody_answers() {
    let nowhere = format!("nats://127.0.0.1:{}", free_port());
    let mut init = spark();
    init.args(["nats", "init", "--nats", &nowhere]);
    assert_refused(&run(init), 1, &[&nowhere, "is it started"]);
}

/// Runs `command` with its output going to a pipe that nobody reads.
fn unread(mut command: Command, also_stderr: bool) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    command.stdin(Stdio::null()).stdout(writer.try_clone().expect("a second end"));
    command.stderr(if also_stderr { writer.into() } else { Stdio::piped() });
    let done = command.spawn().expect("start spark").wait_with_output().expect("wait for spark");
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn a_reader_that_goes_away_changes_no_exit_code() {
    let world = World::new();
    let up = Setup::new(&world).start();
    up.until_judged();
    let file = world.file("good.toml", "builtin_targets = false\n");
    let bad = world.file("bad.toml", "nonsense\n");
    for also_stderr in [false, true] {
        let ask = |arguments: &[&str]| {
            let mut command = spark();
            command.args(arguments).args(["--url", up.api.base()]);
            unread(command, also_stderr)
        };
        let verdict = up.ask(&["gate", "--dry-run"]).code;
        assert_eq!(ask(&["gate", "--dry-run"]), (Some(verdict), String::new()));
        assert_eq!(ask(&["gate", "--dry-run", "--format", "json"]).0, Some(verdict));
        assert_eq!(ask(&["smoke"]), (Some(up.ask(&["smoke"]).code), String::new()));
        assert_eq!(ask(&["gate", "--profile", "nobody"]).0, Some(64));
        let check = |file: &Path| {
            let mut command = spark();
            command.arg("check").arg(file);
            unread(command, also_stderr).0
        };
        assert_eq!((check(&file), check(&bad)), (Some(0), Some(64)));
    }
}

#[test]
fn a_spark_is_asked_beneath_the_path_that_its_url_has() {
    let world = World::new();
    let up = Setup::new(&world).start();
    let port = up.api.base().rsplit(':').next().unwrap().to_owned();
    let mut command = spark();
    command.args(["smoke", "--url", &format!("http://127.0.0.1:{}/spark/", port.trim_end_matches('/'))]);
    assert_refused(&run(command), 2, &["/spark/api/tools/smoke"]);
    for (url, why) in
        [("localhost:3003", "it begins with http:// or https://"), ("http://127.0.0.1/?a=b", "without ? and #")]
    {
        let mut command = spark();
        command.args(["gate", "--url", url]);
        assert_refused(&run(command), 64, &[url, why]);
    }
}
