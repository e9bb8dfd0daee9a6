//! Prints results: as tables, or as JSON in the style of the Leads API.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use leadstore::chrono::{DateTime, Utc};
use leadstore::{CustomValue, Facets, Hit, Lead, Page, StatusFacet, TrashedLead, ValueFacet};
use serde::Serialize;

use crate::failure::Failure;

/// The output format.
#[derive(Clone, Copy)]
pub struct Output {
    pub json: bool,
}

impl Output {
    pub fn lead(self, lead: &Lead) {
        if self.json {
            return print_json(lead);
        }
        let mut table = table(&["field", "value"]);
        let optional = |value: &Option<String>| value.clone().unwrap_or_default();
        for (field, value) in [
            ("id", lead.id.to_string()),
            ("external_id", optional(&lead.external_id)),
            ("name", lead.name.clone()),
            ("email", optional(&lead.email)),
            ("phone", optional(&lead.phone)),
            ("company", optional(&lead.company)),
            ("job_title", optional(&lead.job_title)),
            ("status", lead.status.clone()),
            ("source", optional(&lead.source)),
            ("owner_id", optional(&lead.owner_id)),
            (
                "deal_value",
                lead.deal_value
                    .map(|value| value.to_string())
                    .unwrap_or_default(),
            ),
            ("tags", lead.tags.join(", ")),
            ("created_at", time(lead.created_at)),
            ("updated_at", time(lead.updated_at)),
            ("version", lead.version.to_string()),
        ] {
            if !value.is_empty() {
                table.add_row(row([field.to_owned(), value]));
            }
        }
        for (name, value) in &lead.custom_fields {
            table.add_row(row([name.clone(), custom(value)]));
        }
        say!("{table}");
    }

    pub fn leads(self, page: &Page<Lead>) {
        if self.json {
            return print_json(page);
        }
        print_leads(page.items.iter());
        print_page_position(page);
    }

    pub fn hits(self, page: &Page<Hit>) {
        if self.json {
            return print_json(page);
        }
        let mut table = table(&["id", "name", "company", "email", "found in"]);
        for Hit { lead, matches, .. } in page {
            let mut fields: Vec<String> = matches
                .iter()
                .map(|found| found.field.to_string())
                .collect();
            fields.dedup();
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            table.add_row(row([
                lead.id.to_string(),
                lead.name.clone(),
                text(&lead.company),
                text(&lead.email),
                fields.join(", "),
            ]));
        }
        say!("{table}");
        print_page_position(page);
    }

    pub fn trash(self, page: &Page<TrashedLead>) {
        if self.json {
            return print_json(page);
        }
        let mut table = table(&["id", "name", "status", "deleted", "restorable until"]);
        for TrashedLead {
            lead,
            deleted_at,
            expires_at,
            ..
        } in page
        {
            table.add_row(row([
                lead.id.to_string(),
                lead.name.clone(),
                lead.status.clone(),
                time(*deleted_at),
                time(*expires_at),
            ]));
        }
        say!("{table}");
        print_page_position(page);
    }

    pub fn deleted(self, trashed: &TrashedLead) {
        // The API responds to a deletion without a body.
        if !self.json {
            say!(
                "{} is in the trash until {}",
                trashed.lead.name,
                time(trashed.expires_at)
            );
        }
    }

    /// Prints the facets of the leads. `trash` is the number of leads in the trash.
    pub fn stats(self, facets: &Facets, trash: u64) {
        if self.json {
            return print_json(&serde_json::json!({"trash": trash, "facets": facets}));
        }
        say!("{} leads, {trash} in the trash", facets.total);
        let mut table = table(&["status", "leads", "deals", "deal value"]);
        for StatusFacet {
            status,
            leads,
            deals,
            deal_value,
            ..
        } in &facets.statuses
        {
            table.add_row(row([
                status.clone(),
                leads.to_string(),
                deals.to_string(),
                deal_value.to_string(),
            ]));
        }
        (1..=3).for_each(|column| align_right(&mut table, column));
        say!("{table}");
        for (name, values, none) in [
            ("source", &facets.sources, "(none)"),
            ("owner", &facets.owners, "(unassigned)"),
            ("tag", &facets.tags, "(none)"),
        ] {
            let mut table = self::table(&[name, "leads"]);
            for ValueFacet { value, leads, .. } in values {
                table.add_row(row([
                    value.as_deref().unwrap_or(none).to_owned(),
                    leads.to_string(),
                ]));
            }
            align_right(&mut table, 1);
            say!("{table}");
        }
    }

    pub fn failure(self, failure: &Failure) {
        if !self.json {
            eprintln!("error: {}", failure.message);
            return;
        }
        let mut body = serde_json::json!({"error": failure.code, "message": failure.message});
        if !failure.details.is_empty() {
            body["details"] = serde_json::json!(failure.details);
        }
        eprintln!("{body:#}");
    }
}

fn print_leads<'a>(leads: impl Iterator<Item = &'a Lead>) {
    let mut table = table(&[
        "id",
        "name",
        "company",
        "email",
        "status",
        "deal value",
        "created",
    ]);
    for lead in leads {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        table.add_row(row([
            lead.id.to_string(),
            lead.name.clone(),
            text(&lead.company),
            text(&lead.email),
            lead.status.clone(),
            lead.deal_value
                .map(|value| value.to_string())
                .unwrap_or_default(),
            time(lead.created_at),
        ]));
    }
    align_right(&mut table, 5);
    say!("{table}");
}

fn print_page_position<T>(page: &Page<T>) {
    if page.total == 0 {
        return say!("none found");
    }
    say!(
        "page {} of {}, {} in total",
        page.page,
        page.total_pages(),
        page.total
    );
}

pub fn print_json(body: &impl Serialize) {
    // The types of the store always serialize to JSON.
    say!("{}", serde_json::to_string_pretty(body).unwrap_or_default());
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    table
}

fn align_right(table: &mut Table, column: usize) {
    if let Some(column) = table.column_mut(column) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// Returns a row of cells. Control characters are escaped, so that stored text cannot control the
/// terminal.
fn row(cells: impl IntoIterator<Item = String>) -> Vec<String> {
    let shown = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    cells
        .into_iter()
        .map(|cell| cell.chars().map(shown).collect())
        .collect()
}

fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M").to_string()
}

fn custom(value: &CustomValue) -> String {
    match value {
        CustomValue::Text(text) => text.clone(),
        other => serde_json::to_string(other).unwrap_or_default(),
    }
}
