//! The example server `serve`, called by `curl` and by a browser, and the TypeScript types of the
//! API, which the TypeScript compiler checks against real responses. A test that needs a missing
//! program is skipped and prints a message.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use leadstore::http::LeadsApi;
use serde_json::{Value, json};

use super::Api;

/// The running example, killed on drop.
struct Server {
    child: Child,
    url: String,
    key: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Option<Self> {
        // The test binary is in target/…/deps, and the examples are in target/…/examples.
        let test = std::env::current_exe().unwrap();
        let program = test.parent()?.parent()?.join("examples").join("serve");
        if !program.exists() {
            println!("SKIPPED: {} has not been built", program.display());
            return None;
        }
        let mut child = Command::new(program)
            .args(["--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let first = lines.find(|line| line.contains("/#")).unwrap();
        let page = first.split(' ').next_back().unwrap();
        let (url, key) = page.split_once("/#").unwrap();
        let curl = lines.find(|line| line.starts_with("curl ")).unwrap();
        assert!(
            curl.contains(key) && curl.contains(url),
            "the curl line lacks the key or the URL: {curl}"
        );
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self {
            url: url.to_owned(),
            key: key.to_owned(),
            child,
        })
    }

    /// Runs `curl` as the documentation of the Leads API does, and returns the status and the body.
    fn curl(&self, arguments: &[&str], path: &str) -> (u16, Value) {
        let output = Command::new("curl")
            .args(["-sS", "-w", "\n%{http_code}", "--max-time", "30"])
            .args(arguments)
            .args(["-H", &format!("Authorization: Bearer {}", self.key)])
            .arg(format!("{}{path}", self.url))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(body).unwrap()
        };
        (status.parse().unwrap(), body)
    }
}

/// Returns true if a program can be run. Otherwise prints that the test is skipped.
fn is_installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        println!("SKIPPED: {program} is not installed");
    }
    found
}

#[test]
fn curl_examples_of_the_leads_api_work_on_the_server() {
    if !is_installed("curl") {
        return;
    }
    let Some(server) = Server::start() else {
        return;
    };
    let json_type = "Content-Type: application/json";
    let jane = r#"{"name": "Jane Doe", "email": "jane@example.com", "deal_value": 25000}"#;
    let (status, created) = server.curl(&["-X", "POST", "-H", json_type, "-d", jane], "/v1/leads");
    assert_eq!(status, 201);
    let path = format!("/v1/leads/{}", created["id"].as_str().unwrap());
    let (status, page) = server.curl(
        &["-X", "GET"],
        "/v1/leads?page=1&per_page=25&status=new&sort=-created_at",
    );
    assert_eq!((status, &page["data"]), (200, &json!([created])));
    assert_eq!(server.curl(&["-X", "GET"], &path), (200, created));
    let patch = r#"{"status": "qualified", "deal_value": 50000}"#;
    let (status, changed) = server.curl(&["-X", "PATCH", "-H", json_type, "-d", patch], &path);
    assert_eq!(
        (status, &changed["status"], &changed["deal_value"]),
        (200, &json!("qualified"), &json!(50000))
    );
    let query = r#"{"query": "example.com", "fields": ["email", "company"]}"#;
    let (status, found) = server.curl(
        &["-X", "POST", "-H", json_type, "-d", query],
        "/v1/leads/search",
    );
    assert_eq!((status, &found["pagination"]["total"]), (200, &json!(1)));
    assert_eq!(server.curl(&["-X", "DELETE"], &path), (204, Value::Null));
    assert_eq!(server.curl(&["-X", "GET"], &path).1["error"], "in_trash");
    assert_eq!(
        server.curl(&["-X", "POST"], &format!("{path}/restore")).0,
        200
    );
    let (status, refused) = server.curl(&["-d", jane], "/v1/leads");
    assert_eq!(
        (status, &refused["error"]),
        (415, &json!("unsupported_media_type")),
        "the default media type of curl is not JSON"
    );
    let head = Command::new("curl")
        .args(["-sSI", "--max-time", "30"])
        .arg(format!("{}{path}", server.url))
        .output();
    assert!(
        String::from_utf8(head.unwrap().stdout)
            .unwrap()
            .starts_with("HTTP/1.1 401"),
        "HEAD without a key"
    );
    let large = std::env::temp_dir().join(format!("leadstore-large-{}", std::process::id()));
    std::fs::write(&large, vec![b' '; 3 << 20]).unwrap();
    let body = format!("@{}", large.display());
    let (status, _) = server.curl(
        &["-H", json_type, "-H", "Expect:", "--data-binary", &body],
        "/v1/leads",
    );
    std::fs::remove_file(large).unwrap();
    assert_eq!(status, 413);
}

#[test]
fn browser_page_lists_changes_searches_and_deletes_a_lead() {
    let Some(chromium) = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| is_installed(name))
    else {
        return;
    };
    let Some(server) = Server::start() else {
        return;
    };
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=20000", "--dump-dom"])
        .arg(format!("{}/#{}", server.url, server.key))
        .output()
        .unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    let log = page
        .split("<pre id=\"log\">")
        .nth(1)
        .and_then(|rest| rest.split("</pre>").next());
    let log: Vec<&str> = log
        .unwrap_or_else(|| panic!("{page}\n{}", String::from_utf8_lossy(&output.stderr)))
        .lines()
        .collect();
    let until = log
        .iter()
        .position(|line| line.starts_with("in the trash until: 2"));
    let until = until.unwrap_or_else(|| panic!("{}", log.join("\n")));
    assert_eq!(
        log[..until],
        [
            "created: 201 Jane Doe, new",
            "listed: 200 Jane Doe first",
            "changed: 200 qualified, 50000",
            "found: 200 “example.com” in email",
            "deleted: 204",
            // The page requests the lead that it deleted.
            log[until - 1],
        ]
    );
    assert!(log[until - 1].ends_with(": 404 in_trash"), "{log:?}");
    assert_eq!(log[until + 1..], ["restored: 200", "done"]);
    assert!(
        page.contains("<td>Jane Doe</td>") && page.contains("<td>qualified</td>"),
        "the page does not show the table: {page}"
    );
}

/// Returns the TypeScript compiler: the one that `LEADSTORE_TSC` names, `tsc` by default. Returns
/// `None` if it cannot be run.
fn tsc() -> Option<PathBuf> {
    let named = std::env::var_os("LEADSTORE_TSC").unwrap_or_else(|| "tsc".into());
    is_installed(&named.to_string_lossy()).then(|| PathBuf::from(named))
}

#[test]
fn typescript_types_match_real_responses() {
    let Some(tsc) = tsc() else { return };
    let api = Api::new();
    let bodies = [
        (
            "NewLead",
            json!({"name": "Jane Doe", "deal_value": 2.5, "tags": ["vip"], "custom_fields": {"a": [1, "b", true], "c": null}}),
        ),
        (
            "LeadPatch",
            json!({"name": "J.", "email": null, "tags": null, "custom_fields": {"a": null}}),
        ),
        (
            "Search",
            json!({"query": "jane", "fields": ["email", "custom_fields.a"], "typos": "never", "status": ["new"]}),
        ),
    ];
    let lead = api.create(bodies[0].1.clone());
    api.create(json!({"name": "of another", "external_id": "x1", "email": "a@b.de", "custom_fields": {"a": "jane"}}));
    let mut answers = vec![
        ("Lead", api.get(&lead).body),
        ("LeadPage", api.get("/v1/leads?per_page=1").body),
        (
            "HitPage",
            api.post("/v1/leads/search", json!({"query": "jane"})).body,
        ),
        ("Fault", api.get("/v1/leads?page=0").body),
        ("Fault", api.get("/v1/nowhere").body),
    ];
    assert_eq!(answers[2].1["pagination"]["total"], 2);
    api.delete(&lead);
    answers.push(("Fault", api.get(&lead).body));
    answers.push(("TrashPage", api.get("/v1/leads/trash").body));
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("leads.d.ts"), LeadsApi::TYPESCRIPT).unwrap();
    let program = |values: &[(&str, Value)]| {
        let lines = values.iter().enumerate();
        let lines = lines.map(|(index, (name, value))| {
            format!("export const value{index}: api.{name} = {value};\n")
        });
        format!(
            "import type * as api from \"./leads\";\n{}",
            lines.collect::<String>()
        )
    };
    let all: Vec<_> = answers.iter().cloned().chain(bodies).collect();
    let (compiles, diagnostics) = compile(&tsc, directory.path(), &program(&all));
    assert!(compiles, "{diagnostics}");
    // The compiler rejects an extra member in each type of response except `Fault`, and a missing
    // member in `Lead`.
    for (name, mut value) in answers.iter().filter(|(name, _)| *name != "Fault").cloned() {
        value["colour"] = json!("red");
        assert!(
            !compile(&tsc, directory.path(), &program(&[(name, value)])).0,
            "{name}"
        );
    }
    let mut lead = answers[0].1.clone();
    lead.as_object_mut().unwrap().remove("version");
    assert!(!compile(&tsc, directory.path(), &program(&[("Lead", lead)])).0);
}

fn compile(tsc: &Path, directory: &Path, program: &str) -> (bool, String) {
    std::fs::write(directory.join("program.ts"), program).unwrap();
    let mut child = Command::new(tsc)
        .args([
            "--noEmit",
            "--strict",
            "--target",
            "es2022",
            "--moduleResolution",
            "bundler",
            "--module",
            "es2022",
        ])
        .arg("program.ts")
        .current_dir(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut diagnostics = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut diagnostics)
        .unwrap();
    (child.wait().unwrap().success(), diagnostics)
}
