//! Imports a CSV file. Columns are matched by name, and a row that breaks a rule is reported
//! without stopping the import.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use leadstore::rust_decimal::Decimal;
use leadstore::{LeadStore, NewLead};

use crate::failure::{Failure, Result};
use crate::show::{Output, print_json};

/// Number of rows per transaction.
const BATCH: usize = 1_000;

/// The field that a column maps to.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    Name,
    FirstName,
    LastName,
    Email,
    Phone,
    Company,
    JobTitle,
    Status,
    Source,
    OwnerId,
    DealValue,
    Tags,
    ExternalId,
    /// A custom field with this name.
    Custom(String),
}

/// A row that was rejected.
pub struct BadRow {
    line: u64,
    reason: String,
}

/// The result of an import.
pub struct Imported {
    pub leads: u64,
    pub refused: Vec<BadRow>,
}

/// The contents of a CSV file, and the columns that its header names.
pub struct CsvFile {
    bytes: Vec<u8>,
    columns: Vec<Column>,
}

impl CsvFile {
    /// Reads a file and parses its header, so that a file without a usable header is rejected
    /// before a store is created for it.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| malformed(&name, &error))?;
        Self::of(bytes, &name)
    }

    /// Parses the header of these bytes. Error messages use `name` as the name of the file.
    pub fn of(bytes: Vec<u8>, name: &str) -> Result<Self> {
        let failed = |what: &dyn std::fmt::Display| malformed(name, what);
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let columns = columns(reader.headers().map_err(|error| failed(&error))?);
        if !columns
            .iter()
            .any(|column| matches!(column, Column::Name | Column::FirstName | Column::LastName))
        {
            return Err(failed(
                &"the header must be separated by commas and contain name, first_name or last_name",
            ));
        }
        Ok(Self { bytes, columns })
    }
}

fn malformed(name: &str, what: &dyn std::fmt::Display) -> Failure {
    Failure::new("malformed_request", format!("{name}: {what}"))
}

/// Imports a file and prints the result. Returns false if rows were rejected.
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

/// Imports a file, with one transaction per batch of rows.
pub fn import(store: &LeadStore, file: &CsvFile, bar: &ProgressBar) -> Result<Imported> {
    let CsvFile { bytes, columns } = file;
    // Flexible, so that `new_lead` reports a row that has more or fewer values than the header.
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

/// A line counter. The CSV reader cannot be used to number lines: the position that it reports for
/// a row precedes any line endings and blank lines that it skips before the row.
struct Lines<'a> {
    bytes: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// Returns the line on which the row at this byte offset begins. Offsets must not decrease
    /// between calls.
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

/// Maps every column to a field. If several columns match one field, the first one is used. The
/// others become custom fields, as do columns with unknown titles. A custom field is named after
/// its column's title. If the title is blank or another custom field already has that name, the
/// column number is added to the name.
fn columns(header: &csv::StringRecord) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for (index, title) in header.iter().enumerate() {
        let title = title.trim_start_matches('\u{feff}').trim();
        let numbered = || Column::Custom(format!("{title} column {}", index + 1).trim().to_owned());
        let mapped = if title.is_empty() {
            numbered()
        } else {
            column(title)
        };
        let custom = Column::Custom(title.to_owned());
        columns.push(
            [mapped, custom]
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
        "jobtitle" | "title" | "position" => Column::JobTitle,
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
            "the row has {} values, but the header has {}",
            record.len(),
            columns.len()
        ));
    }
    let value_of = |target: Column| {
        let mut values = columns.iter().zip(record);
        values
            .find(|(column, _)| **column == target)
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
            Column::JobTitle => new.job_title(value),
            // Exports often capitalize statuses, which are lower case here.
            Column::Status => new.status(value.trim().to_lowercase()),
            Column::Source => new.source(value),
            Column::OwnerId => new.owner_id(value.trim()),
            Column::DealValue => {
                let digits = value.trim();
                let amount = Decimal::from_str_exact(digits)
                    .map_err(|_| format!("deal_value: {digits} is not a number"))?;
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
