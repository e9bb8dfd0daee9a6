//! A command-line tool for a lead store: `cargo run --example leads -- --help`.
//!
//! `arguments` parses the command line, `import` reads CSV files, `demo` shows the life of a lead,
//! `show` prints results, and `failure` is the error type.

/// Prints a line. A closed standard output, as with `| head`, is not an error.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

mod arguments;
mod demo;
mod failure;
mod import;
mod show;

use std::path::Path;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::{Failure, Result};
use leadstore::{ErrorKind, LeadId, LeadStore, ListQuery, TrashQuery};
use show::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output {
        json: arguments.json,
    };
    match run(arguments, output) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Runs a command. Returns false if part of it failed and the failure was printed.
fn run(arguments: Arguments, output: Output) -> Result<bool> {
    if let Command::Demo = arguments.command {
        return demo::run(arguments.store.as_deref(), output).map(|()| true);
    }
    let Some(directory) = arguments.store else {
        return Err(Failure::new("malformed_request", "--store DIR is required"));
    };
    let imported = match &arguments.command {
        Command::Import { file } => Some(import::CsvFile::open(file)?),
        _ => None,
    };
    // Of the commands handled below, only `import` and `create` may create a store. For the others,
    // a mistyped directory is an error.
    let may_create = matches!(
        arguments.command,
        Command::Import { .. } | Command::Create(_)
    );
    if !may_create && !directory.join("leads.redb").exists() {
        let message = format!(
            "there is no store in {}; create one with import or create",
            directory.display()
        );
        return Err(Failure::new("not_found", message));
    }
    let store = open(&directory, arguments.command.is_read_only())?;
    let done = match imported {
        Some(file) => import::run(&store, &file, output)?,
        None => execute(&store, arguments.command, output).map(|()| true)?,
    };
    store.close()?;
    Ok(done)
}

/// Opens the store read-only if the command permits it, so that several commands can read at the
/// same time. A store that was not closed cleanly must be opened for writing.
fn open(directory: &Path, is_read_only: bool) -> leadstore::Result<LeadStore> {
    match LeadStore::options().read_only(is_read_only).open(directory) {
        Err(error) if is_read_only && error.kind() == ErrorKind::Unavailable => {
            LeadStore::open(directory)
        }
        opened => opened,
    }
}

fn execute(store: &LeadStore, command: Command, output: Output) -> Result<()> {
    match command {
        // Handled by `run`.
        Command::Demo | Command::Import { .. } => {}
        Command::List {
            filter,
            page,
            sort,
            cursor,
        } => {
            let query = page.list_query(filter.filter(), sort);
            output.leads(&store.list(&cursor.into_iter().fold(query, ListQuery::after))?);
        }
        Command::Get { id } => match store.get(id)? {
            Some(lead) => output.lead(&lead),
            None => return Err(missing_lead(store, id)?),
        },
        Command::Search {
            text,
            fields,
            typos,
            filter,
            page,
        } => {
            output.hits(&store.search(&page.search_query(
                &text,
                fields,
                typos,
                filter.filter(),
            ))?);
        }
        Command::Create(fields) => output.lead(&store.create(fields.new_lead()?)?),
        Command::Update {
            id,
            fields,
            if_version,
        } => output.lead(&store.update(id, fields.patch(if_version))?),
        Command::Delete { id } => output.deleted(&store.delete(id)?),
        Command::Restore { id } => output.lead(&store.restore(id)?),
        Command::Trash { page, sort } => output.trash(&store.list_trash(&page.trash_query(sort))?),
        Command::Stats { filter } => {
            let snapshot = store.snapshot()?;
            output.stats(
                &snapshot.facets(&filter.filter())?,
                snapshot.list_trash(&TrashQuery::new())?.total,
            );
        }
    }
    Ok(())
}

/// Returns the error for a lead that cannot be shown: it is in the trash or does not exist.
fn missing_lead(store: &LeadStore, id: LeadId) -> Result<Failure> {
    Ok(match store.get_trashed(id)? {
        Some(trashed) => {
            let until = trashed.expires_at;
            Failure::new(
                "in_trash",
                format!("lead {id} is in the trash; it can be restored until {until}"),
            )
        }
        None => Failure::new("not_found", format!("lead {id} does not exist")),
    })
}
