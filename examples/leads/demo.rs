//! The command `demo`: takes a lead through its life and prints the Leads API request for each
//! step.

use std::path::Path;

use leadstore::{
    Filter, LeadPatch, LeadStore, ListQuery, NewLead, SearchField, SearchQuery, TrashQuery,
};

use crate::failure::{Failure, Result};
use crate::show::Output;

pub fn run(directory: Option<&Path>, output: Output) -> Result<()> {
    let temporary =
        tempfile::tempdir().map_err(|error| Failure::new("internal", error.to_string()))?;
    let path = directory.map_or_else(|| temporary.path().join("leads"), Path::to_owned);
    let store = LeadStore::open(&path)?;
    step(output, "Create a lead", "POST /v1/leads");
    let jane = store.create(
        NewLead::new("Jane Doe")
            .email("jane@example.com")
            .phone("+1-555-0123")
            .company("Example Corp")
            .source("website")
            .deal_value(25_000)
            .custom_field("industry", "Technology")
            .custom_field("employees", "50-200"),
    )?;
    output.lead(&jane);

    step(
        output,
        "List the new leads",
        "GET /v1/leads?page=1&per_page=25&status=new&sort=-created_at",
    );
    let query = ListQuery::new()
        .filter(Filter::new().status("new"))
        .sort(["-created_at".parse()?])
        .page(1)
        .per_page(25);
    output.leads(&store.list(&query)?);

    step(
        output,
        "Change its status to qualified and its deal value to 50000",
        &format!("PATCH /v1/leads/{}", jane.id),
    );
    output.lead(&store.update(
        jane.id,
        LeadPatch::new().status("qualified").deal_value(50_000),
    )?);

    step(
        output,
        "Search for example.com in e-mail and company",
        "POST /v1/leads/search",
    );
    output.hits(&store.search(
        &SearchQuery::new("example.com").fields([SearchField::Email, SearchField::Company]),
    )?);

    step(
        output,
        "Delete the lead",
        &format!("DELETE /v1/leads/{}", jane.id),
    );
    output.deleted(&store.delete(jane.id)?);

    step(
        output,
        "List the trash, from which the lead can be restored for 30 days",
        "GET /v1/leads/trash",
    );
    output.trash(&store.list_trash(&TrashQuery::new())?);

    step(
        output,
        "Restore the lead",
        &format!("POST /v1/leads/{}/restore", jane.id),
    );
    output.lead(&store.restore(jane.id)?);
    Ok(store.close()?)
}

fn step(output: Output, what: &str, request: &str) {
    if output.json {
        // Standard output must contain only JSON.
        eprintln!("{what}: {request}");
    } else {
        say!("\n{what}: {request}");
    }
}
