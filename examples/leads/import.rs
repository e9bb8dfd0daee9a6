//! Importing a CSV file: its columns are matched by their names, and a row that breaks a rule is reported while the others go in.

use std::fs::File;
use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use leadstore::rust_decimal::Decimal;
use leadstore::{LeadStore, NewLead};

use crate::failure::{Failure, Result};
use crate::show::{Output, print_json};

/// How many rows go into one transaction.
const BATCH: usize = 1_000;

/// What a column means.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    Name,
    FirstName,
    LastName,
    Email,
    Phone,
    Company,
    Status,
    Source,
    OwnerId,
    DealValue,
    Tags,
    ExternalId,
    /// A custom field under the column's own name.
    Custom(String),
}

/// A row that did not go in.
struct BadRow {
    line: u64,
    reason: String,
}

/// Imports a file; `false` if rows of it were refused.
pub fn run(store: &LeadStore, path: &Path, output: Output) -> Result<bool> {
    let named =
        |error: &dyn std::fmt::Display| Failure::new("malformed_request", format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(|error| named(&error))?;
    let size = file.metadata().map_err(|error| named(&error))?.len();
    // Rows of other lengths than the header's are reported one by one.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let columns = columns(reader.headers().map_err(|error| named(&error))?);
    if !columns.iter().any(|column| matches!(column, Column::Name | Column::FirstName | Column::LastName)) {
        return Err(named(&"there is no column name, first_name or last_name in its header"));
    }
    let bar = if output.json { ProgressBar::hidden() } else { progress_bar(size) };
    let (mut imported, mut bad) = (0_u64, Vec::new());
    let mut records = reader.records();
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        for record in records.by_ref().take(BATCH) {
            match record {
                Ok(record) => batch.push(record),
                Err(error) if error.is_io_error() => return Err(named(&error)),
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    bad.push(BadRow { line, reason: error.to_string() });
                }
            }
        }
        if batch.is_empty() && records.reader().is_done() {
            break;
        }
        imported += store.transaction(|transaction| {
            let mut imported = 0;
            for record in &batch {
                let created =
                    new_lead(&columns, record).and_then(|lead| transaction.create(lead).map_err(|e| e.to_string()));
                match created {
                    Ok(_) => imported += 1,
                    Err(reason) => bad.push(BadRow { line: record.position().map_or(0, csv::Position::line), reason }),
                }
            }
            Ok(imported)
        })?;
        bar.set_position(records.reader().position().byte());
    }
    bar.finish_and_clear();
    report(imported, &bad, output);
    Ok(bad.is_empty())
}

fn report(imported: u64, bad: &[BadRow], output: Output) {
    if output.json {
        let refused: Vec<_> =
            bad.iter().map(|row| serde_json::json!({"line": row.line, "reason": row.reason})).collect();
        print_json(&serde_json::json!({"imported": imported, "refused": refused}));
        return;
    }
    for BadRow { line, reason } in bad {
        eprintln!("line {line}: {reason}");
    }
    println!("{imported} leads imported, {} rows refused", bad.len());
}

fn progress_bar(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What each column means. Of several for one field the first is taken; the others become custom fields.
fn columns(header: &csv::StringRecord) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for title in header {
        let column = column(title);
        columns.push(if columns.contains(&column) { Column::Custom(title.trim().to_owned()) } else { column });
    }
    columns
}

fn column(title: &str) -> Column {
    let title = title.trim_start_matches('\u{feff}').trim();
    let plain: String = title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    match plain.as_str() {
        "name" | "fullname" | "leadname" | "contactname" => Column::Name,
        "firstname" | "givenname" | "forename" => Column::FirstName,
        "lastname" | "familyname" | "surname" => Column::LastName,
        "email" | "mail" | "emailaddress" => Column::Email,
        "phone" | "phone1" | "telephone" | "tel" | "phonenumber" | "mobile" => Column::Phone,
        "company" | "companyname" | "organization" | "organisation" => Column::Company,
        "status" | "leadstatus" => Column::Status,
        "source" | "leadsource" => Column::Source,
        "ownerid" | "owner" => Column::OwnerId,
        "dealvalue" | "value" | "amount" => Column::DealValue,
        "tags" => Column::Tags,
        "externalid" | "id" => Column::ExternalId,
        _ => Column::Custom(title.to_owned()),
    }
}

fn new_lead(columns: &[Column], record: &csv::StringRecord) -> std::result::Result<NewLead, String> {
    if record.len() != columns.len() {
        return Err(format!("it has {} values, the header has {}", record.len(), columns.len()));
    }
    let value_of = |wanted: Column| {
        let mut values = columns.iter().zip(record);
        values.find(|(column, _)| **column == wanted).map_or("", |(_, value)| value.trim())
    };
    let joined = format!("{} {}", value_of(Column::FirstName), value_of(Column::LastName));
    let mut new = NewLead::new(Some(value_of(Column::Name)).filter(|name| !name.is_empty()).unwrap_or(joined.trim()));
    for (column, value) in columns.iter().zip(record).filter(|(_, value)| !value.trim().is_empty()) {
        new = match column {
            Column::Name | Column::FirstName | Column::LastName => new,
            Column::Email => new.email(value),
            Column::Phone => new.phone(value),
            Column::Company => new.company(value),
            Column::Status => new.status(value.trim()),
            Column::Source => new.source(value),
            Column::OwnerId => new.owner_id(value.trim()),
            Column::DealValue => {
                let digits = value.trim();
                let amount =
                    Decimal::from_str_exact(digits).map_err(|_| format!("deal_value: {digits} is no number"))?;
                new.deal_value(amount)
            }
            Column::Tags => new.tags(value.split(',').map(str::trim).filter(|tag| !tag.is_empty())),
            Column::ExternalId => new.external_id(value.trim()),
            Column::Custom(name) => new.custom_field(name.as_str(), value),
        };
    }
    Ok(new)
}
