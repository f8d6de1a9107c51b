//! A real Chromium, driven through chromedriver (W3C WebDriver).

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::http::Client;
use crate::process::{Process, run};
use crate::tools::{chromedriver, chromium, python, target_dir};
use crate::wait::{self, LONG};
use crate::world::{World, free_port};

const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
];

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    driver: Client,
    session: String,
    _chromedriver: Process,
}

impl Browser {
    /// Opens a window of a browser with a profile of its own.
    pub fn open(world: &World) -> Self {
        Self::open_with(world, "browser", &json!({}))
    }

    /// The same, which runs no script.
    pub fn open_without_script(world: &World) -> Self {
        let off = json!({"profile.managed_default_content_settings.javascript": 2});
        Self::open_with(world, "browser-without-script", &off)
    }

    fn open_with(world: &World, name: &str, preferences: &Value) -> Self {
        let port = free_port();
        let mut command = chromedriver();
        command.arg(format!("--port={port}")).env("HOME", world.path("."));
        let process = Process::start(command, &format!("chromedriver-{name}"), &world.logs());
        let driver = Client::new(&format!("http://127.0.0.1:{port}"));
        wait::until("chromedriver is ready", LONG, || driver.try_json("/status").map(drop));
        let mut arguments: Vec<String> = FLAGS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", world.path(name).display()));
        let options = json!({"args": arguments, "prefs": preferences, "binary": chromium()});
        let wanted = json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = post(&driver, "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        let session = format!("/session/{}", session["sessionId"].as_str().expect("a session"));
        Self { driver, session, _chromedriver: process }
    }

    /// Opens a page and waits until it is loaded.
    pub fn go(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    /// What a script's `return` gives.
    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text that a reader sees.
    pub fn text(&self) -> String {
        let body = self.post("/element", &json!({"using": "css selector", "value": "body"}));
        let id = body.as_object().and_then(|element| element.values().next()).and_then(Value::as_str);
        let path = format!("{}/element/{}/text", self.session, id.expect("the page has a body"));
        value(self.driver.json(&path)).as_str().expect("a text").to_owned()
    }

    /// What the console said since the last time, errors and warnings only.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().expect("a log").iter();
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        entries.filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    /// Shows the page in a light or a dark theme, at a width.
    pub fn look(&self, theme: &str, width: u64) {
        let features = json!([{"name": "prefers-color-scheme", "value": theme}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
        let metrics = json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Saves the whole page as `target/screenshots/<name>.png`.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn screenshot(&self, name: &str) {
        let shot = self.devtools("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        let folder = target_dir().join("screenshots");
        fs::create_dir_all(&folder).expect("a folder for screenshots");
        let encoded = shot["data"].as_str().expect("a picture");
        save_base64(&folder.join(format!("{name}.png")), encoded);
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        post(&self.driver, &format!("{}{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session; chromedriver alone being killed would leave it running.
        let _best_effort = self.driver.delete(&self.session);
    }
}

#[track_caller]
fn post(driver: &Client, path: &str, body: &Value) -> Value {
    let answer = driver.post(path, body).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text);
    value(answer.json())
}

fn value(mut answer: Value) -> Value {
    answer["value"].take()
}

/// Python decodes it: the harness needs no crate for one picture.
fn save_base64(path: &Path, encoded: &str) {
    let aside = path.with_extension("base64");
    File::create(&aside).and_then(|mut file| file.write_all(encoded.as_bytes())).expect("write a picture");
    let code = "import base64, pathlib, sys; p = pathlib.Path(sys.argv[1]); \
                p.with_suffix('.png').write_bytes(base64.b64decode(p.read_text())); p.unlink()";
    let mut decode = python();
    decode.args(["-c", code]).arg(&aside);
    let done = run(decode);
    assert_eq!(done.code, 0, "{}", done.stderr);
}
