//! Cost of the HTTP API compared with the calls that it wraps, measured alternately at 100,000
//! leads: `cargo bench --features http --bench http`. `LEADSTORE_BENCH_LEADS` sets a different
//! number of leads.

mod generated;

use std::hint::black_box;
use std::time::{Duration, Instant};

use leadstore::http::http::Request;
use leadstore::http::{LeadsApi, Scope};
use leadstore::{Filter, LeadId, LeadStore, ListQuery, SearchQuery};

const ROUNDS: usize = 31;
const CALLS: u32 = 400;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let leads = std::env::var("LEADSTORE_BENCH_LEADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000);
    let directory = tempfile::tempdir()?;
    let store = LeadStore::open(generated::store(directory.path(), leads)?)?;
    let key = store
        .credentials()
        .create_api_key("bench", Scope::ALL)?
        .token;
    let api = LeadsApi::new(store.clone());
    let ids: Vec<LeadId> = store
        .leads(&Filter::new())
        .map(|lead| Ok(lead?.id))
        .collect::<leadstore::Result<_>>()?;
    let request = |method: &str, path: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Authorization", format!("Bearer {key}"));
        request.body(body.to_owned()).expect("valid request")
    };

    println!(
        "| {leads} leads, median of {ROUNDS} alternating rounds | direct call | in-process HTTP | |"
    );
    println!("|---|---|---|---|");
    let mut rng = fastrand::Rng::with_seed(2);
    let mut pick = || ids[rng.usize(..ids.len())];
    compare(
        &api,
        "`GET /v1/leads/{id}`, at random",
        |id| drop(black_box(store.get(*id))),
        || {
            // The call and the request get different leads, so that neither benefits from what the
            // other has loaded into the CPU cache.
            (pick(), request("GET", &format!("/v1/leads/{}", pick()), ""))
        },
    );
    let query = ListQuery::new().filter(Filter::new().status("new"));
    compare(
        &api,
        "`GET /v1/leads?status=new`, 25 leads",
        |query| drop(black_box(store.list(query))),
        || (query.clone(), request("GET", "/v1/leads?status=new", "")),
    );
    let query = SearchQuery::new("jane systems");
    compare(
        &api,
        "`POST /v1/leads/search`, 25 hits",
        |query| drop(black_box(store.search(query))),
        || {
            (
                query.clone(),
                request("POST", "/v1/leads/search", r#"{"query": "jane systems"}"#),
            )
        },
    );
    store.close()?;
    Ok(())
}

/// Times a call and the equivalent request alternately, and prints a row.
fn compare<T>(
    api: &LeadsApi,
    what: &str,
    call: impl Fn(&T),
    mut next: impl FnMut() -> (T, Request<String>),
) {
    let mut round = || {
        let (inputs, requests): (Vec<T>, Vec<_>) = (0..CALLS).map(|_| next()).unzip();
        let begun = Instant::now();
        inputs.iter().for_each(&call);
        let calls = begun.elapsed() / CALLS;
        let begun = Instant::now();
        for request in requests {
            assert_eq!(api.handle(request).status(), 200);
        }
        (calls, begun.elapsed() / CALLS)
    };
    let (mut calls, mut mirrors): (Vec<Duration>, Vec<Duration>) =
        (0..ROUNDS).map(|_| round()).unzip();
    calls.sort();
    mirrors.sort();
    let micros = |times: &[Duration]| times[times.len() / 2].as_secs_f64() * 1e6;
    let (call, mirror) = (micros(&calls), micros(&mirrors));
    println!(
        "| {what} | {call:.1} µs | {mirror:.1} µs | {:.2} times |",
        mirror / call
    );
}
