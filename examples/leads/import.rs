//! Importing a CSV file: its columns are matched by their names, and a row that breaks a rule is reported while the
//! others go in.

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
pub struct BadRow {
    line: u64,
    reason: String,
}

/// What became of the rows of a file.
pub struct Imported {
    pub leads: u64,
    pub refused: Vec<BadRow>,
}

/// A CSV file that was read, whose header says what its columns are.
pub struct CsvFile {
    bytes: Vec<u8>,
    columns: Vec<Column>,
}

impl CsvFile {
    /// Reads a file and its header, so that one that is no list of leads is told before a store is made for it.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| malformed(&name, &error))?;
        Self::of(bytes, &name)
    }

    /// The same of what a file of this name holds.
    pub fn of(bytes: Vec<u8>, name: &str) -> Result<Self> {
        let failed = |what: &dyn std::fmt::Display| malformed(name, what);
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let columns = columns(reader.headers().map_err(|error| failed(&error))?);
        if !columns
            .iter()
            .any(|column| matches!(column, Column::Name | Column::FirstName | Column::LastName))
        {
            return Err(failed(
                &"its header, separated by commas, names no column name, first_name or last_name",
            ));
        }
        Ok(Self { bytes, columns })
    }
}

fn malformed(name: &str, what: &dyn std::fmt::Display) -> Failure {
    Failure::new("malformed_request", format!("{name}: {what}"))
}

/// Imports a file and reports what became of it; `false` if rows of it were refused.
pub fn run(store: &LeadStore, file: &CsvFile, output: Output) -> Result<bool> {
    let bar = if output.json {
        ProgressBar::hidden()
    } else {
        progress_bar(file.bytes.len() as u64)
    };
    let imported = import(store, file, &bar)?;
    bar.finish_and_clear();
    report(imported.leads, &imported.refused, output);
    Ok(imported.refused.is_empty())
}

/// Imports a file.
pub fn import(store: &LeadStore, file: &CsvFile, bar: &ProgressBar) -> Result<Imported> {
    let CsvFile { bytes, columns } = file;
    // Rows of other lengths than the header's are reported one by one.
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(&bytes[..]);
    let mut lines = Lines {
        bytes,
        byte: 0,
        line: 1,
    };
    let (mut imported, mut bad) = (0_u64, Vec::new());
    let mut records = reader.records();
    while !records.reader().is_done() {
        let batch: Vec<_> = records.by_ref().take(BATCH).collect();
        imported += store.transaction(|transaction| {
            let mut imported = 0;
            for record in &batch {
                let lead = match record {
                    Ok(record) => new_lead(columns, record),
                    Err(error) => Err(error.to_string()),
                };
                match lead
                    .and_then(|lead| transaction.create(lead).map_err(|error| error.to_string()))
                {
                    Ok(_) => imported += 1,
                    Err(reason) => {
                        let position = match record {
                            Ok(record) => record.position(),
                            Err(error) => error.position(),
                        };
                        let line = lines.line_of(position.map_or(0, csv::Position::byte));
                        bad.push(BadRow { line, reason });
                    }
                }
            }
            Ok(imported)
        })?;
        bar.set_position(records.reader().position().byte());
    }
    Ok(Imported {
        leads: imported,
        refused: bad,
    })
}

/// Counts lines. The CSV reader's own count is that before the line ends and blank lines that it has yet to pass.
struct Lines<'a> {
    bytes: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line on which the row begins that is read from this byte on; rows are asked for in order.
    fn line_of(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.bytes.get(self.byte) {
            if self.byte >= byte && !matches!(next, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*next == b'\n');
            self.byte += 1;
        }
        self.line
    }
}

fn report(imported: u64, bad: &[BadRow], output: Output) {
    if output.json {
        let refused: Vec<_> = bad
            .iter()
            .map(|row| serde_json::json!({"line": row.line, "reason": row.reason}))
            .collect();
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

/// What each column means. Of several for one field the first is taken; the others become custom fields, like those of
/// other titles. A custom field whose title is blank or comes again is named by its column's number.
fn columns(header: &csv::StringRecord) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for (index, title) in header.iter().enumerate() {
        let title = title.trim_start_matches('\u{feff}').trim();
        let numbered = || Column::Custom(format!("{title} column {}", index + 1).trim().to_owned());
        let meant = if title.is_empty() {
            numbered()
        } else {
            column(title)
        };
        let custom = Column::Custom(title.to_owned());
        columns.push(
            [meant, custom]
                .into_iter()
                .find(|column| !columns.contains(column))
                .unwrap_or_else(numbered),
        );
    }
    columns
}

fn column(title: &str) -> Column {
    let plain: String = title
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect();
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

fn new_lead(
    columns: &[Column],
    record: &csv::StringRecord,
) -> std::result::Result<NewLead, String> {
    if record.len() != columns.len() {
        return Err(format!(
            "it has {} values, the header has {}",
            record.len(),
            columns.len()
        ));
    }
    let value_of = |wanted: Column| {
        let mut values = columns.iter().zip(record);
        values
            .find(|(column, _)| **column == wanted)
            .map_or("", |(_, value)| value.trim())
    };
    let joined = format!(
        "{} {}",
        value_of(Column::FirstName),
        value_of(Column::LastName)
    );
    let mut new = NewLead::new(
        Some(value_of(Column::Name))
            .filter(|name| !name.is_empty())
            .unwrap_or(joined.trim()),
    );
    for (column, value) in columns
        .iter()
        .zip(record)
        .filter(|(_, value)| !value.trim().is_empty())
    {
        new = match column {
            Column::Name | Column::FirstName | Column::LastName => new,
            Column::Email => new.email(value),
            Column::Phone => new.phone(value),
            Column::Company => new.company(value),
            // Exports often capitalise what statuses write small.
            Column::Status => new.status(value.trim().to_lowercase()),
            Column::Source => new.source(value),
            Column::OwnerId => new.owner_id(value.trim()),
            Column::DealValue => {
                let digits = value.trim();
                let amount = Decimal::from_str_exact(digits)
                    .map_err(|_| format!("deal_value: {digits} is no number"))?;
                new.deal_value(amount)
            }
            Column::Tags => {
                let mut tags: Vec<&str> = Vec::new();
                for tag in value
                    .split(',')
                    .map(str::trim)
                    .filter(|tag| !tag.is_empty())
                {
                    if !tags.contains(&tag) {
                        tags.push(tag);
                    }
                }
                new.tags(tags)
            }
            Column::ExternalId => new.external_id(value.trim()),
            Column::Custom(name) => new.custom_field(name.as_str(), value),
        };
    }
    Ok(new)
}
