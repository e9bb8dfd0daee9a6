//! A small server for the Leads API on loopback: `cargo run --features http --example serve --
//! --store my-leads`.
//!
//! It prints a `curl` command with a fresh access token. `/` serves a page that calls the API like
//! a web front end.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use leadstore::LeadStore;
use leadstore::chrono::{TimeDelta, Utc};
use leadstore::http::http::{Request, Response};
use leadstore::http::{LeadsApi, Scope};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Arguments {
    /// Directory of the store; without it, the store is in memory and is lost when the server
    /// stops.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Port on loopback; 0 picks a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Additional origin whose pages may call the API, such as http://localhost:5173. Can be
    /// repeated.
    #[arg(long)]
    allow_origin: Vec<String>,
}

const PAGE: &str = include_str!("page.html");
/// Maximum number of bytes read from a request body: one more than the API accepts, so that the API
/// itself rejects larger bodies.
const BODY_BYTES_MAX: u64 = (1 << 20) + 1;
const THREADS: usize = 4;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let store = match &arguments.store {
        Some(path) => LeadStore::open(path)?,
        None => LeadStore::in_memory()?,
    };
    // The key is an access token that expires after a day. With API keys, which do not expire, each
    // start of the server would leave one more valid key in the store.
    let expires_at = Utc::now() + TimeDelta::days(1);
    let key = store
        .credentials()
        .create_access_token("serve", Scope::ALL, expires_at)?
        .token;
    let origins = arguments.allow_origin.into_iter();
    let api = origins.fold(LeadsApi::new(store), LeadsApi::allow_origin);

    let server = Arc::new(tiny_http::Server::http(("127.0.0.1", arguments.port))?);
    let url = format!("http://{}", server.server_addr());
    println!("Leads API: {url}/v1/leads\nPage that calls it: {url}/#{key}\n");
    println!("curl -H 'Authorization: Bearer {key}' '{url}/v1/leads?status=new&sort=-created_at'");

    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (server, api) = (Arc::clone(&server), api.clone());
            std::thread::spawn(move || {
                for request in server.incoming_requests() {
                    if let Err(error) = answer(&api, request) {
                        eprintln!("failed to answer a request: {error}");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a server thread panicked")?;
    }
    Ok(())
}

fn answer(api: &LeadsApi, mut request: tiny_http::Request) -> Result<(), Failure> {
    if request.url().split('?').next() == Some("/") {
        let html = tiny_http::Header::from_bytes("Content-Type", "text/html; charset=utf-8")
            .map_err(|()| "invalid header")?;
        return Ok(request.respond(tiny_http::Response::from_string(PAGE).with_header(html))?);
    }
    let response = match translated(&mut request) {
        Ok(translated) => api.handle(translated),
        // The body could not be read, or the `http` crate cannot represent the request.
        Err(error) => Response::builder()
            .status(400)
            .body(error.to_string().into_bytes())?,
    };
    let (head, body) = response.into_parts();
    let mut answer = tiny_http::Response::from_data(body).with_status_code(head.status.as_u16());
    for (name, value) in &head.headers {
        let header = tiny_http::Header::from_bytes(name.as_str(), value.as_bytes())
            .map_err(|()| "invalid header")?;
        answer.add_header(header);
    }
    Ok(request.respond(answer)?)
}

fn translated(request: &mut tiny_http::Request) -> Result<Request<Vec<u8>>, Failure> {
    let mut body = Vec::new();
    request
        .as_reader()
        .take(BODY_BYTES_MAX)
        .read_to_end(&mut body)?;
    let mut builder = Request::builder()
        .method(request.method().as_str())
        .uri(request.url());
    for header in request.headers() {
        builder = builder.header(header.field.as_str().as_str(), header.value.as_bytes());
    }
    Ok(builder.body(body)?)
}
