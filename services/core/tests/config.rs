//! A bad configuration is refused with the place, what is wrong and what is allowed.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use spark_core::config::{Config, ConfigError};

const TARGET: &str = "[[target]]\nname = \"checkout\"\nurl = \"https://shop.example/health\"\n";
const DEV: &str = "[profiles.dev]\nlatency_p95 = \"150ms\"\nerror_rate = \"5%\"\nstaleness = \"30s\"\n";

fn error_of(text: &str) -> ConfigError {
    match Config::from_toml(text) {
        Ok(_) => panic!("this is taken for good:\n{text}"),
        Err(error) => error,
    }
}

fn assert_refused(text: &str, (line, column): (usize, usize), message: &str) {
    assert_eq!(error_of(text), ConfigError { line, column, message: message.to_owned() }, "in\n{text}");
}

/// A line more about a target that is good; the line is the file's fourth.
fn assert_line_refused(line: &str, column: usize, message: &str) {
    assert_refused(&format!("{TARGET}{line}\n"), (4, column), message);
}

#[test]
fn what_is_no_toml_is_refused_where_it_ends_to_be_it() {
    assert_refused("environment = production\n", (1, 15), "string values must be quoted, expected literal string");
    assert_refused("[[target]\nname = \"x\"\n", (1, 10), "unclosed array table, expected `]`");
    assert_refused("environment = \"a\n", (1, 17), "invalid basic string, expected `\"`");
    assert_refused("environment = \"a\"\nprofile\n", (2, 8), "key with no value, expected `=`");
    assert_refused("environment = \"a\"\nenvironment = \"b\"\n", (2, 1), "duplicate key");
    assert_line_refused("ü = 1", 1, "invalid unquoted key, expected letters, numbers, `-`, `_`");
}

#[test]
fn unknown_and_missing_keys_are_refused_with_those_there_are() {
    assert_refused(
        "enviroment = \"production\"\n",
        (1, 1),
        "unknown field `enviroment`, expected one of `environment`, `profile`, `agents`, `builtin_targets`, `target`, `slo`, \
         `openslo`, `maintenance`, `service_hours`, `profiles`, `canary`, `report`, `probe`",
    );
    assert_line_refused(
        "intervl = \"5s\"",
        1,
        "unknown field `intervl`, expected one of `name`, `url`, `interval`, `timeout`, `role`, `demo`, `agents`, \
         `method`, `headers`, `body`, `redirects_max`, `connection`, `expect_status`, `expect_headers`, `expect_body`, \
         `expect_body_matches`, `expect_json`, `body_bytes_max`, `expect_records`, `latency_max`, \
         `certificate_days_min`, `ca_file`, `server_name`",
    );
    let probe = "unknown field `lingr`, expected one of `linger`, `concurrency`, `outbox_bytes_max`";
    assert_refused("[probe]\nlingr = \"1s\"\n", (2, 1), probe);
    let canary = "unknown field `sigma`, expected one of `alpha`, `samples_min`, `completeness_min`, `latency_warn`, \
                  `latency_fail`, `latency_floor`, `slow_warn`, `slow_fail`, `errors_warn`, `errors_fail`";
    assert_refused("[canary]\nsigma = 3\n", (2, 1), canary);
    let profile = "unknown field `p99`, expected one of `latency_p95`, `error_rate`, `staleness`, `warn_latency_p95`, \
                   `warn_error_rate`, `warn_staleness`, `targets`, `check`, \
                   `score_min`, `waiver`";
    assert_refused(&format!("{DEV}p99 = \"1s\"\n"), (5, 1), profile);
    assert_refused("\n[[target]]\nurl = \"https://shop.example/\"\n", (2, 1), "missing field `name`");
    assert_refused("[[target]]\nname = \"checkout\"\n", (1, 1), "missing field `url`");
    assert_refused("[profiles.dev]\nlatency_p95 = \"1s\"\nerror_rate = \"5%\"\n", (1, 1), "missing field `staleness`");
}

#[test]
fn a_key_that_would_nest_without_end_is_refused_at_the_dot_too_many() {
    let dotted = |dots: usize| format!("a{}", ".a".repeat(dots));
    let condition = |dots: usize| format!("expect_json = [{{ path = \"$\", equals = {{ {} = 1.5 }} }}]", dotted(dots));
    assert!(Config::from_toml(&format!("{TARGET}{}\n", condition(8))).is_ok());
    assert_line_refused(&condition(9), 58, "a key has at most 8 dots");
    // Once the stack did not last for this.
    let nested = format!("{}1{}", format!("{{ {} = ", dotted(78)).repeat(78), "}".repeat(78));
    assert_line_refused(
        &format!("expect_json = [{{ path = \"$\", equals = {nested} }}]"),
        58,
        "a key has at most 8 dots",
    );
    let no_keys = format!("expect_body = \"{}\" # {}", dotted(9), dotted(9));
    assert!(Config::from_toml(&format!("{TARGET}{no_keys}\n")).is_ok());
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_the_right_one() {
    let duration = "expected a duration in quotes, such as \"150ms\" or \"5s\"";
    assert_line_refused("interval = 5", 12, &format!("this is the number `5`, {duration}"));
    assert_line_refused("timeout = true", 11, &format!("this is boolean `true`, {duration}"));
    let percentage = "this is the number `0.05`, expected a percentage in quotes, such as \"2%\"";
    assert_refused(&DEV.replace("\"5%\"", "0.05"), (3, 14), percentage);
    assert_line_refused("method = 1", 10, "this is the number `1`, expected a text in quotes");
    assert_line_refused("demo = \"yes\"", 8, "this is the text \"yes\", expected true or false");
    assert_line_refused("agents = \"ankara\"", 10, "this is the text \"ankara\", expected a list in brackets");
    assert_line_refused("expect_status = 200", 17, "this is the number `200`, expected a list in brackets");
    let whole = "expected a whole number, 0 or more";
    assert_line_refused("certificate_days_min = -1", 24, &format!("this is the number `-1`, {whole}"));
    assert_refused("[probe]\nconcurrency = -5\n", (2, 15), &format!("this is the number `-5`, {whole}"));
    assert_refused("[probe]\noutbox_bytes_max = \"1GB\"\n", (2, 20), &format!("this is the text \"1GB\", {whole}"));
    assert_refused(
        "[target]\nname = \"a\"\nurl = \"http://a/\"\n",
        (1, 1),
        "this is a single table, expected a list of tables: write [[…]] in double brackets",
    );
    // Columns are counted in characters, as editors do.
    let header = "headers = { A = \"çğü\", B = 1 }";
    assert_line_refused(header, 28, "this is the number `1`, expected a text in quotes");
}

#[test]
fn names_that_are_unsafe_in_a_subject_are_refused() {
    let characters = |c| format!("a name is made of letters, digits, '-' and '_', not {c:?}");
    let named = |name: &str| format!("[[target]]\nname = \"{name}\"\nurl = \"https://shop.example/\"\n");
    assert_refused(&named("shop.example"), (2, 8), &characters('.'));
    assert_refused(&named(""), (2, 8), "a name must not be empty");
    let long = "a name has at most 64 characters, this one has 65";
    assert_refused(&named(&"x".repeat(65)), (2, 8), long);
    assert_refused("environment = \"prod >\"\n", (1, 15), &characters(' '));
    assert_line_refused("agents = [\"ankara\", \"b*\"]", 21, &characters('*'));
    assert_refused(&DEV.replace("dev", "\"a b\""), (1, 11), &characters(' '));
}

#[test]
fn two_targets_of_one_name_are_refused_at_the_second() {
    let message = "target \"checkout\" is there twice: names must differ";
    assert_refused(&format!("{TARGET}\n{TARGET}"), (6, 8), message);
}

#[test]
fn urls_that_no_check_can_use_are_refused() {
    let with_url = |url: &str| format!("[[target]]\nname = \"a\"\nurl = \"{url}\"\n");
    let write = "write one such as https://shop.example/health or tcp://db.example:5432";
    let relative = format!("not a URL (relative URL without a base): {write}");
    assert_refused(&with_url("shop.example"), (3, 7), &relative);
    assert_refused(&with_url("https://"), (3, 7), &format!("not a URL (empty host): {write}"));
    let scheme = "no check for scheme \"ftp\"; there are: http, https, tcp, tls, dns";
    assert_refused(&with_url("ftp://shop.example"), (3, 7), scheme);
    assert_refused(&with_url("tcp:db.example:5432"), (3, 7), "the URL names no host");
    let port = "a tcp target needs a port, such as tcp://db.example:5432";
    assert_refused(&with_url("tcp://db.example"), (3, 7), port);
    let credentials = "no credentials in the URL: it is recorded; send a header whose value is \"env:NAME\"";
    for url in ["https://me:secret@shop.example", "https://token@shop.example"] {
        assert_refused(&with_url(url), (3, 7), credentials);
    }
    assert!(!error_of(&with_url("https://me:secret@")).to_string().contains("secret"), "no message repeats a password");
}

#[test]
fn durations_out_of_their_range_are_refused() {
    let form = |text: &str| {
        format!(
            "{text:?} is not a duration: write a whole number and a unit (us, ms, s, m, h or d), such as \"150ms\" or \"5s\""
        )
    };
    for text in ["5", "5 s", "1.5s", "-5s", "5sec", "", "99999999999999d"] {
        assert_line_refused(&format!("interval = \"{text}\""), 12, &form(text));
    }
    for text in ["99ms", "0s", "2d"] {
        assert_line_refused(&format!("interval = \"{text}\""), 12, "interval must be from 100ms to 1d");
    }
    for text in ["0s", "15001ms"] {
        let message = "timeout must be more than 0s and at most the interval (15s)";
        assert_line_refused(&format!("timeout = \"{text}\""), 11, message);
    }
    for text in ["0s", "5001ms"] {
        let message = "latency_max must be more than 0s and at most the timeout (5s)";
        assert_line_refused(&format!("latency_max = \"{text}\""), 15, message);
    }
    assert_refused("[probe]\nlinger = \"1m\"\n", (2, 10), "linger must be at most 10s");
}

#[test]
fn what_is_no_http_is_refused() {
    let status = |text: &str| {
        format!("{text:?} is not an HTTP status: write one such as 204 or a range such as \"200-299\", from 100 to 599")
    };
    assert_line_refused("expect_status = [200, 999]", 23, &status("999"));
    assert_line_refused("expect_status = [\"299-200\"]", 18, &status("299-200"));
    assert_line_refused("expect_status = []", 17, "expect_status must name at least one status");
    assert_line_refused("method = \"get\"", 10, "\"get\" is not an HTTP method such as GET, HEAD or POST");
    assert_line_refused("headers = { \"X Y\" = \"1\" }", 11, "\"X Y\" is not an HTTP header name");
    let control = "the value of \"X-Y\" has a control character";
    assert_line_refused("headers = { X-Y = \"a\\r\\nb\" }", 11, control);
    assert_line_refused("role = \"backend\"", 8, "unknown variant `backend`, expected `ui` or `executor`");
    assert_line_refused("ca_file = \"\"", 11, "ca_file must name a file");
}

#[test]
fn a_key_that_the_check_would_ignore_is_refused() {
    let tcp = "[[target]]\nname = \"db\"\nurl = \"tcp://db.example:5432\"\n";
    for (key, value, column) in [
        ("method", "\"POST\"", 10),
        ("headers", "{ A = \"b\" }", 11),
        ("expect_status", "[204]", 17),
        ("expect_body", "\"ok\"", 15),
        ("body", "\"{}\"", 8),
        ("redirects_max", "1", 17),
        ("connection", "\"reuse\"", 14),
        ("expect_headers", "[{ name = \"a\" }]", 18),
        ("expect_body_matches", "\"ok\"", 23),
        ("expect_json", "[{ path = \"$\" }]", 15),
        ("body_bytes_max", "10", 18),
    ] {
        let message = format!("{key} is for http and https targets; this one is tcp");
        assert_refused(&format!("{tcp}{key} = {value}\n"), (4, column), &message);
    }
    for (key, value, column) in [("certificate_days_min", "14", 24), ("ca_file", "\"ca.pem\"", 11)] {
        let http = format!("[[target]]\nname = \"a\"\nurl = \"http://a.example/\"\n{key} = {value}\n");
        assert_refused(&http, (4, column), &format!("{key} is for https and tls targets; this one is http"));
    }
}

#[test]
fn conditions_that_can_not_be_judged_are_refused() {
    let pattern = "expect_body_matches = \"a(b\"";
    let write = "write one such as \"^ok\", in the syntax of Rust's regex crate";
    assert_line_refused(pattern, 23, &format!("not a regular expression (unclosed group): {write}"));
    let huge = error_of(&format!("{TARGET}expect_body_matches = \"(a{{1000}}){{1000}}\"\n"));
    assert!(huge.message.contains("exceeds size limit"), "{huge}");
    let json = "expect_json = [{ path = \"$.a\", equals = 1 }, { path = \"status\" }]";
    let error = error_of(&format!("{TARGET}{json}\n"));
    assert_eq!((error.line, error.column), (4, 55));
    assert!(error.message.starts_with("not a JSON path of RFC 9535 (at character 1"), "{error}");
    assert_line_refused(
        "expect_json = [{ path = \"$.a\", equal = 1 }]",
        32,
        "unknown field `equal`, expected one of `path`, `equals`, `min`, `max`",
    );
    assert_line_refused(
        "expect_json = [{ path = \"$.a\" }, { path = \"$.b\", equals = nan }]",
        34,
        "$.b can't be compared with what is no number",
    );
    for equals in ["-inf", "[1, nan]", "{ b = [{ c = inf }] }"] {
        let json = format!("expect_json = [{{ path = \"$.a\", equals = {equals} }}]");
        assert_line_refused(&json, 16, "$.a can't be compared with what is no number");
    }
    for bound in ["min", "max"] {
        let json = format!("expect_json = [{{ path = \"$.a\", {bound} = nan }}]");
        let error = error_of(&format!("{TARGET}{json}\n"));
        assert_eq!((error.line, error.message.as_str()), (4, "not a JSON number"), "{error}");
    }
    assert_line_refused(
        "expect_json = [{ path = \"$\", equals = { a = [1, nan] } }]",
        16,
        "$ can't be compared with what is no number",
    );
    for date in ["1979-05-27T07:32:00Z", "[1979-05-27]", "{ at = 07:32:00 }"] {
        let condition = format!("expect_json = [{{ path = \"$\", equals = {date} }}]");
        assert_line_refused(&condition, 16, "$ can't be compared with a date: write it as a text in quotes");
    }
    let levels = |levels: usize| {
        format!("expect_json = [{{ path = \"$\", equals = {}{} }}]", "[".repeat(levels), "]".repeat(levels))
    };
    assert_line_refused(&levels(34), 16, "$ can't be compared with a value of more than 32 levels");
    assert!(Config::from_toml(&format!("{TARGET}{}\n", levels(33))).is_ok());
    assert_line_refused(
        "expect_headers = [{ name = \"a\", equal = \"b\" }]",
        33,
        "unknown field `equal`, expected one of `name`, `equals`, `contains`, `matches`",
    );
    assert_line_refused("expect_headers = [{ name = \"a b\" }]", 19, "\"a b\" is not an HTTP header name");
    let connection = "unknown variant `keep`, expected `fresh` or `reuse`";
    assert_line_refused("connection = \"keep\"", 14, connection);
    assert_line_refused("redirects_max = 11", 17, "redirects_max must be from 0 to 10");
    assert_line_refused("body_bytes_max = 0", 18, "body_bytes_max must be from 1 to 16777216 (16 MiB)");
    assert_line_refused("server_name = \"a b\"", 15, "server_name must be a DNS name or an address");
}

#[test]
fn conditions_that_nothing_can_meet_are_refused() {
    for (condition, sentence) in [
        ("min = 3, max = 2.5", "is at least 3 and is at most 2.5"),
        ("equals = 1, min = 2", "equals 1 and is at least 2"),
        ("equals = \"UP\", max = 2", "equals \"UP\" and is at most 2"),
    ] {
        let message = format!("no value can meet this: $.a {sentence}");
        assert_line_refused(&format!("expect_json = [{{ path = \"$.a\", {condition} }}]"), 16, &message);
    }
    let header = "expect_headers = [{ name = \"a\" }, { name = \"b\", equals = \"c\", contains = \"d\" }]";
    let message = "no value can meet this: header b equals \"c\" and contains \"d\"";
    assert_line_refused(header, 35, message);
    let too_long = "expect_body is longer than body_bytes_max (4)";
    assert_line_refused("expect_body = \"hello\"\nbody_bytes_max = 4", 15, too_long);
    for (key, value, column) in
        [("expect_body", "\"a\"", 15), ("expect_body_matches", "\"a\"", 23), ("expect_json", "[{ path = \"$\" }]", 15)]
    {
        let message = format!("{key} can't hold: the answer to HEAD has no body");
        assert_line_refused(&format!("{key} = {value}\nmethod = \"HEAD\""), column, &message);
    }
}

#[test]
fn what_is_there_twice_is_refused_at_the_second() {
    assert_refused("agents = [\"a\", \"b\", \"a\"]\n", (1, 21), "\"a\" is there twice");
    assert_line_refused("agents = [\"a\", \"a\"]", 16, "\"a\" is there twice");
    assert_line_refused("expect_status = [200, \"300-302\", 200]", 34, "\"200\" is there twice");
    assert_line_refused(
        "expect_json = [{ path = \"$.a\" }, { path = \"$.a\" }]",
        34,
        "\"$.a is there\" is there twice",
    );
    let header = "\"x-y\" is there twice: case makes no difference";
    assert_line_refused("headers = { x-y = \"1\", X-Y = \"2\" }", 11, header);
    let targets = format!("{TARGET}{DEV}targets = [\"checkout\", \"checkout\"]\n");
    assert_refused(&targets, (8, 24), "\"checkout\" is there twice");
}

#[test]
fn records_that_no_answer_can_have_are_refused() {
    let dns = |record: &str| format!("[[target]]\nname = \"a\"\nurl = \"dns:shop.example?type={record}\"\n");
    for (record, expected, example) in [
        ("A", "2001:db8::1", "192.0.2.1"),
        ("AAAA", "192.0.2.1", "2001:db8::1"),
        ("CNAME", "a..b", "name.shop.example"),
        ("NS", "10 ns.example", "name.shop.example"),
        ("MX", "mail.example", "10 mail.shop.example"),
        ("SRV", "10 sip.example", "10 60 5060 sip.shop.example"),
    ] {
        let message = format!("{expected:?} is not a record of type {record}: write one such as {example:?}");
        let text = format!("{}expect_records = [\"{expected}\"]\n", dns(record));
        assert_refused(&text, (4, 19), &message);
    }
    let twice = format!("{}expect_records = [\"192.0.2.1\", \"192.0.2.1\"]\n", dns("A"));
    assert_refused(&twice, (4, 32), "\"192.0.2.1\" is there twice");
    assert!(Config::from_toml(&format!("{}expect_records = [\"0 .\"]\n", dns("MX"))).is_ok());
}

#[test]
fn a_dns_target_that_asks_for_nothing_is_refused() {
    let dns = |url: &str| format!("[[target]]\nname = \"a\"\nurl = \"{url}\"\n");
    let types = "no record type \"PTR\"; there are: A, AAAA, CNAME, MX, TXT, NS, SRV";
    assert_refused(&dns("dns:shop.example?type=PTR"), (3, 7), types);
    assert_refused(&dns("tls://mail.example"), (3, 7), "a tls target needs a port, such as tls://db.example:5432");
    let records = "expect_records is for dns targets; this one is https";
    assert_line_refused("expect_records = [\"192.0.2.1\"]", 18, records);
}

#[test]
fn profiles_that_nothing_can_meet_are_refused() {
    assert_refused("profile = \"production\"\n", (1, 11), "no profile \"production\"; there are: dev, prod");
    assert_refused(&DEV.replace("150ms", "0s"), (2, 15), "latency_p95 must be more than 0s");
    assert_refused(&DEV.replace("5%", "0%"), (3, 14), "error_rate must be more than 0%");
    assert_refused(&DEV.replace("30s", "0s"), (4, 13), "staleness must be more than 0s");
    for (warning, says) in [
        ("warn_latency_p95 = \"150ms\"", "warn_latency_p95 must be more than 0 and less than latency_p95"),
        ("warn_error_rate = \"0%\"", "warn_error_rate must be more than 0 and less than error_rate"),
        ("warn_staleness = \"31s\"", "warn_staleness must be more than 0 and less than staleness"),
    ] {
        assert_refused(&format!("{DEV}{warning}\n"), (5, warning.find('"').unwrap() + 1), says);
    }
    let ratio =
        "\"105%\" is not a percentage: write a number from 0 to 100, at most four decimals, and %, such as \"2%\"";
    assert_refused(&DEV.replace("5%", "105%"), (3, 14), ratio);
    let chekout = format!("{TARGET}{DEV}targets = [\n  \"checkout\",\n  \"chekout\",\n]\n");
    assert_refused(&chekout, (10, 3), "no target \"chekout\"; there are: checkout");
    assert_refused(&format!("{DEV}targets = [\"a\"]\n"), (5, 12), "no target \"a\"; there are: none");
}

#[test]
fn a_probe_that_could_not_work_is_refused() {
    assert_refused("[probe]\nconcurrency = 0\n", (2, 15), "concurrency must be at least 1");
    let outbox = "outbox_bytes_max must be at least 1048576 (1 MiB)";
    assert_refused("[probe]\noutbox_bytes_max = 100\n", (2, 20), outbox);
}

#[test]
fn an_error_reads_as_editors_and_people_expect() {
    let error = error_of("\n\n   profile = \"x\"");
    assert_eq!(error.to_string(), "line 3, column 14: no profile \"x\"; there are: dev, prod");
}

#[test]
fn a_canary_that_could_not_be_judged_is_refused() {
    let refused =
        |line: &str, column, message: &str| assert_refused(&format!("[canary]\n{line}\n"), (2, column), message);
    let levels = "\"3%\" is no level of significance; there are: 10%, 5%, 2%, 1%, 0.5%, 0.1%";
    refused("alpha = \"3%\"", 9, levels);
    let level = "this is the number `0.01`, expected a level of significance in quotes, such as \"1%\"";
    refused("alpha = 0.01", 9, level);
    for samples in ["19", "200001"] {
        refused(&format!("samples_min = {samples}"), 15, "samples_min must be from 20 to 200000");
    }
    refused("errors_warn = \"0%\"", 15, "errors_warn must be more than 0%: every difference would matter");
    refused("latency_fail = \"4%\"", 16, "latency_fail must be at least latency_warn (5%)");
    refused("slow_warn = \"6%\"", 13, "slow_warn must be at most slow_fail (5%)");
    let config = Config::from_toml("[canary]\nalpha = \"0.5%\"\nlatency_fail = \"50%\"\n").unwrap();
    assert_eq!(Config::from_canonical_json(&config.canonical_json()).unwrap(), config);
    let silent = Config::from_toml("").unwrap();
    assert!(!silent.canonical_json().contains("canary"), "digests of configurations without it stay as they were");
}

#[test]
fn a_report_that_could_call_missing_data_a_low_risk_is_refused() {
    let refused = |line: &str, message: &str| {
        assert_refused(&format!("[report]\n{line}\n"), (2, line.find('=').map_or(1, |at| at + 3)), message)
    };
    refused("grace = \"2h\"", "grace must be at most 1h: the day's minutes are kept no longer");
    refused("incident_errors = \"0%\"", "incident_errors must be more than 0%");
    refused("incident_gap = \"1s\"", "incident_gap must be from 1m to 30m");
    refused("silence = \"5s\"", "silence must be at least 1m");
    let key = "error_rate = { medium = \"5%\", high = \"1%\" }";
    refused(key, "error_rate: high must be at least medium");
    let key = "budget_spent = { medium = \"0%\", high = \"1%\" }";
    refused(key, "budget_spent: medium must be more than 0, or no day could be a low risk");
    let key = "completeness = { medium = \"99%\", unknown = \"0%\" }";
    refused(key, "completeness: unknown must be more than 0%: no data is never a low risk");
    let key = "watched = { medium = \"80%\", unknown = \"90%\" }";
    refused(key, "watched: medium must be at least unknown");
    let config = Config::from_toml("[report]\ngrace = \"10m\"\n").unwrap();
    assert_eq!(config.report.grace.to_string(), "10m");
    assert!(config.canonical_json().contains("\"grace\":\"10m\""), "it is a policy figure: the log has it");
    assert_eq!(Config::from_canonical_json(&config.canonical_json()).unwrap(), config);
    let silent = Config::from_toml("[report]\n").unwrap();
    assert!(!silent.canonical_json().contains("report"), "digests of configurations without it stay as they were");
}
