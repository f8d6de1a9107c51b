//! The pages in a real Chromium: they load without a complaint, show the figures that the API gives, follow by
//! themselves, say so when the server is gone, and read well without script.

use serde_json::Value;
use spark_tests::browser::Browser;
use spark_tests::wait::{self, LONG};
use spark_tests::{Setup, Up, World, target_toml};

const PAGES: [(&str, &str); 6] = [
    ("home", "/"),
    ("dashboard", "/dashboard"),
    ("target", "/targets/executor"),
    ("portfolio", "/portfolio"),
    ("strategies", "/strategies"),
    ("settings", "/settings"),
];
const SHARES: [&str; 2] = ["error_rate_ppm", "completeness_ppm"];
const WINDOWS: [&str; 10] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d", "7d", "28d", "30d"];

/// The exact figures in each row of a panel's table, by the row's heading.
const ROWS: &str = "return Object.fromEntries([...document.querySelectorAll(PANEL + ' tbody tr')].map(row => [
    row.querySelector('th').innerText.trim().split(/\\s/)[0],
    [...row.querySelectorAll('td.num')].map(cell => cell.querySelector('data')?.value ?? null)]))";
/// When the page was rendered.
const RENDERED_AT: &str = "return document.querySelector('#pulse time').dateTime";

#[test]
fn every_page_loads_without_a_complaint_in_both_themes() {
    let world = World::new();
    let mut setup = Setup::new(&world);
    setup.more = vec!["--demo".to_owned()];
    let up = setup.start();
    up.until_judged();
    let browser = Browser::open(&world);
    wait::until("the demo trades", LONG, || {
        let page = up.api.get("/strategies")?;
        wait::that(page.text.contains("demo-pairs"), || "no strategy yet".to_owned())
    });
    for (name, path) in PAGES {
        browser.go(&url(&up, path));
        assert_eq!(browser.script("return document.querySelectorAll('h1').length"), 1, "{path}");
        assert!(browser.text().contains("UP"), "{path} shows Spark's health");
        for (theme, width) in [("light", 1280), ("dark", 1280), ("light", 390)] {
            browser.look(theme, width);
            let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.script(overflow), 0, "{path} is wider than a window of {width}");
            browser.screenshot(&format!("{name}-{theme}-{width}"));
        }
        browser.look("light", 1280);
        // The stream has brought something; what it broke would be on the console now.
        wait::until("the page is live", LONG, || {
            let open = browser.script("return performance.getEntriesByType('resource').map(entry => entry.name)");
            wait::that(open.to_string().contains("/assets/"), || open.to_string())
        });
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{path}");
    }
    browser.go(&url(&up, "/no-such-page"));
    assert!(browser.text().contains("404"));
    browser.screenshot("not-found");
}

#[test]
fn numbers_on_pages_equal_the_api_at_the_same_moment() {
    let world = World::new();
    let config = target_toml("fast", &world.executor.url("/fast"), "500ms");
    let up = Setup::with_config(&world, &config).start();
    up.until_judged();
    world.executor.set_status("/fast", 500);
    wait::until("a failure is counted", LONG, || {
        let window = up.api.try_json("/api/v1/windows?target=fast")?;
        wait::that(window["failed"].as_u64() > Some(2), || window.to_string())
    });
    world.executor.set_status("/fast", 200);
    let browser = Browser::open(&world);

    // Pages that follow, against the API as of when they were rendered. What arrives in between is counted by the
    // later of the two only, so it may take a few looks.
    browser.go(&url(&up, "/dashboard"));
    wait::until("the live dashboard shows what the API gives", LONG, || {
        let at = browser.script(RENDERED_AT);
        let at = at.as_str().expect("an instant");
        let rows = browser.script(&ROWS.replace("PANEL", "'#targets'"));
        wait::that(browser.script(RENDERED_AT) == at, || "it was rendered anew meanwhile".to_owned())?;
        let tiles =
            browser.script("return [...document.querySelectorAll('#slo .figure data')].map(data => data.value)");
        let slo = up.api.try_json(&format!("/api/healthz?at={at}"))?["slo"].clone();
        let told = [&slo["latencyP95"], &slo["errorRate"], &slo["staleness"]].map(Value::to_string);
        let shown: Vec<&str> = tiles.as_array().expect("tiles").iter().filter_map(Value::as_str).take(3).collect();
        wait::that(shown == told, || format!("shown {shown:?}, told {told:?}"))?;
        for (target, figures) in rows.as_object().expect("rows") {
            let told = up.api.try_json(&format!("/api/v1/windows?target={target}&window=5m&at={at}"))?;
            let told = row(&told, &["p50", "p95", "p99"], &SHARES, &["count"]);
            let mut shown = figures.clone();
            // How overdue it is stands before the count; that figure is in healthz only.
            shown.as_array_mut().expect("figures").remove(5);
            wait::that(shown == told, || format!("{target}: shown {shown}, told {told}"))?;
        }
        wait::that(rows.as_object().is_some_and(|rows| rows.len() == 8), || rows.to_string())
    });

    // Every figure of every window. The bucket that is still open may get another observation between the two looks.
    wait::until("the target's page shows what the API gives", LONG, || {
        let at = up.api.try_json("/api/v1/targets")?["at"].as_str().expect("an instant").to_owned();
        browser.go(&url(&up, &format!("/targets/fast?at={at}")));
        let rows = browser.script(&ROWS.replace("PANEL", "'#windows'"));
        for window in WINDOWS {
            let told = up.api.try_json(&format!("/api/v1/windows?target=fast&window={window}&at={at}"))?;
            let told =
                row(&told, &["count", "failed", "missed", "expected"], &SHARES, &["p50", "p90", "p95", "p99", "max"]);
            wait::that(rows[window] == told, || format!("{window}: shown {}, told {told}", rows[window]))?;
        }
        wait::that(rows["5m"][1].as_str().is_some_and(|failed| failed != "0"), || rows.to_string())
    });
    println!("{} figures are equal", WINDOWS.len() * 11 + 8 * 6 + 3);
}

#[test]
fn an_open_page_follows_by_itself_and_says_when_the_server_is_gone() {
    let world = World::new();
    let config = target_toml("shop", &world.executor.url("/shop"), "500ms");
    let setup = Setup::with_config(&world, &config);
    let mut up = setup.start();
    up.until_judged();
    let browser = Browser::open(&world);
    browser.go(&url(&up, "/dashboard"));
    browser.script("window.neverReloaded = true");
    let state = |word: &str| {
        let script = "return [...document.querySelectorAll('#targets tbody tr')]
            .find(row => row.innerText.startsWith('shop'))?.querySelector('.state')?.innerText ?? ''";
        wait::until(&format!("the page shows the target {word}"), LONG, || {
            let shown = browser.script(script);
            wait::that(shown.as_str().is_some_and(|shown| shown.trim() == word), || shown.to_string())
        });
    };
    state("Up");
    world.executor.set_status("/shop", 503);
    let began = wait::now();
    state("Down");
    println!("a failure was on the page {:?} after it began", began.elapsed());
    browser.screenshot("dashboard-target-down");
    world.executor.set_status("/shop", 200);
    state("Up");

    let banner = "const banner = document.getElementById('connection'); return banner.hidden ? '' : banner.innerText";
    let says = |wanted: &str| {
        wait::until(&format!("the page says {wanted:?}"), LONG, || {
            let said = browser.script(banner);
            let is_so = said
                .as_str()
                .is_some_and(|said| if wanted.is_empty() { said.is_empty() } else { said.contains(wanted) });
            wait::that(is_so, || said.to_string())
        });
    };
    says("");
    up.process.kill();
    says("Not live since");
    browser.screenshot("dashboard-server-gone");
    drop(up);
    let up = setup.start();
    says("");
    let rendered = browser.script(RENDERED_AT);
    wait::until("the page goes on", LONG, || {
        wait::that(browser.script(RENDERED_AT) != rendered, || rendered.to_string())
    });
    assert_eq!(browser.script("return window.neverReloaded"), true);
    drop(up);
}

#[test]
fn pages_read_well_without_script() {
    let world = World::new();
    let up = Setup::new(&world).start();
    up.until_judged();
    let browser = Browser::open_without_script(&world);
    browser.go(&url(&up, "/dashboard"));
    let text = browser.text();
    for wanted in ["p95 latency", "Safe to deploy", "executor.up", "ui-home", "Live updates need JavaScript"] {
        assert!(text.contains(wanted), "no {wanted:?} in {text}");
    }
    browser.screenshot("dashboard-without-script");
    browser.go(&url(&up, "/"));
    assert!(browser.text().contains("All 7 targets are up"), "{}", browser.text());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn url(up: &Up, path: &str) -> String {
    format!("{}{path}", up.api.base())
}

/// Figures of a window in the order of a table's row, as `<data value>` has them.
fn row(told: &Value, before: &[&str], shares: &[&str], after: &[&str]) -> Value {
    let figure = |key: &&str| match &told[key] {
        Value::Null => &told["latency_us"][key],
        figure => figure,
    };
    let figures = before.iter().chain(shares).chain(after).map(figure);
    figures.map(|figure| if figure.is_null() { Value::Null } else { figure.to_string().into() }).collect()
}
