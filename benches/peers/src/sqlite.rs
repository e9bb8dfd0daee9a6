//! SQLite as an experienced developer would set it up for this workload: WAL with full sync, cached
//! prepared statements, partial indexes on live leads, and a deferred join for deep pages. Search
//! uses an external-content FTS5 table with prefix indexes, which triggers keep up to date.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, TransactionBehavior, params, params_from_iter};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::generated::Fields;
use crate::peer::{Answer, FacetCounts, ListCase, PER_PAGE, Peer, SearchCase, SortBy, created_at};

pub struct Sqlite {
    connection: Connection,
    path: PathBuf,
    cache_bytes: usize,
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS leads (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL, name_key TEXT NOT NULL, email TEXT, phone TEXT, company TEXT, status TEXT NOT NULL, source TEXT, owner_id TEXT,
    deal_value INTEGER, tags TEXT NOT NULL, custom_fields TEXT NOT NULL, custom_text TEXT NOT NULL,
    created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, version INTEGER NOT NULL, deleted_at INTEGER, expires_at INTEGER
);
CREATE INDEX IF NOT EXISTS by_status ON leads (status, created_at) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_source ON leads (source, created_at) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_owner ON leads (owner_id, created_at) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_created ON leads (created_at) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_updated ON leads (updated_at) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_name ON leads (name_key, name) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_value ON leads (deal_value) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS by_expiry ON leads (expires_at) WHERE deleted_at IS NOT NULL;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    name, company, email, phone, source, tags, custom_text,
    content='leads', content_rowid='number', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
CREATE TRIGGER IF NOT EXISTS leads_insert AFTER INSERT ON leads WHEN new.deleted_at IS NULL BEGIN
    INSERT INTO words (rowid, name, company, email, phone, source, tags, custom_text)
    VALUES (new.number, new.name, new.company, new.email, new.phone, new.source, new.tags, new.custom_text);
END;
CREATE TRIGGER IF NOT EXISTS leads_leave AFTER UPDATE OF name, company, email, phone, source, tags, custom_text, deleted_at ON leads
WHEN old.deleted_at IS NULL BEGIN
    INSERT INTO words (words, rowid, name, company, email, phone, source, tags, custom_text)
    VALUES ('delete', old.number, old.name, old.company, old.email, old.phone, old.source, old.tags, old.custom_text);
END;
CREATE TRIGGER IF NOT EXISTS leads_enter AFTER UPDATE OF name, company, email, phone, source, tags, custom_text, deleted_at ON leads
WHEN new.deleted_at IS NULL BEGIN
    INSERT INTO words (rowid, name, company, email, phone, source, tags, custom_text)
    VALUES (new.number, new.name, new.company, new.email, new.phone, new.source, new.tags, new.custom_text);
END;
";

const INSERT: &str = "INSERT INTO leads (number, id, name, name_key, email, phone, company, status, source, owner_id, deal_value, tags,
    custom_fields, custom_text, created_at, updated_at, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)";

const COLUMNS: &str =
    "number, id, name, email, phone, company, status, source, owner_id, deal_value, tags, custom_fields, created_at,
    updated_at, version";

impl Sqlite {
    pub fn open(directory: &Path, cache_bytes: usize) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let path = directory.join("leads.sqlite");
        let connection = connect(&path, cache_bytes);
        connection.execute_batch(SCHEMA).unwrap();
        Self {
            connection,
            path,
            cache_bytes,
        }
    }

    /// Merges the FTS5 index into one segment, compacts the file and updates the statistics of the
    /// query planner.
    pub fn tidy_up(&self) {
        self.connection
            .execute_batch(
                "INSERT INTO words (words) VALUES ('optimize'); VACUUM; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
    }
}

fn connect(path: &Path, cache_bytes: usize) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .busy_timeout(std::time::Duration::from_secs(60))
        .unwrap();
    connection.set_prepared_statement_cache_capacity(100);
    let pragmas = format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-{}; PRAGMA mmap_size={cache_bytes};",
        cache_bytes / 1024
    );
    connection.execute_batch(&pragmas).unwrap();
    connection
}

/// Returns the folded form of a name, by which SQLite sorts. Covers only the letters of the
/// generated names.
fn fold(text: &str) -> String {
    let plain = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase);
    plain
        .map(|c| {
            if c == 'ø' {
                'o'
            } else if c == 'ł' {
                'l'
            } else {
                c
            }
        })
        .collect()
}

/// Returns a search in the query syntax of FTS5.
fn match_text(case: &SearchCase) -> String {
    let words: Vec<String> = case
        .words
        .iter()
        .map(|word| word.replace('"', ""))
        .collect();
    let mut text = if case.phrase {
        format!("\"{}\"", words.join(" "))
    } else {
        words.join(" AND ")
    };
    if case.prefix {
        text.push('*');
    }
    case.field
        .map_or(text.clone(), |field| format!("{field} : {text}"))
}

/// Returns an id in the style of a UUIDv7: it begins with the creation time of the lead, so ids
/// ascend with time, like those of leadstore. The same number always gets the same id.
fn id(number: usize) -> [u8; 16] {
    let mut id = fastrand::Rng::with_seed(number as u64)
        .u128(..)
        .to_be_bytes();
    let millis = (created_at(number) / 1_000) as u64;
    id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    id[6] = 0x70 | (id[6] & 0x0f);
    id
}

fn insert(connection: &Connection, number: usize, fields: &Fields) {
    let value = fields.deal_value.mantissa() as i64 * 10_i64.pow(4 - fields.deal_value.scale());
    let custom = format!(
        r#"{{"industry":"{}","employees":{}}}"#,
        fields.industry, fields.employees
    );
    let custom_text = format!("{} {}", fields.industry, fields.employees);
    let time = created_at(number);
    let mut statement = connection.prepare_cached(INSERT).unwrap();
    statement
        .execute(params![
            number as i64,
            id(number),
            fields.name,
            fold(&fields.name),
            fields.email,
            fields.phone,
            fields.company,
            fields.status,
            fields.source,
            fields.owner_id,
            value,
            fields.tag.unwrap_or(""),
            custom,
            custom_text,
            time,
            time
        ])
        .unwrap();
}

/// A lead with all the fields that a caller receives. The custom fields remain text, which favors
/// SQLite.
#[allow(
    dead_code,
    reason = "all fields are read so that reading them is timed"
)]
struct Lead {
    number: i64,
    id: [u8; 16],
    name: String,
    email: Option<String>,
    phone: Option<String>,
    company: Option<String>,
    status: String,
    source: Option<String>,
    owner_id: Option<String>,
    deal_value: Option<i64>,
    tags: String,
    custom_fields: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

fn lead(row: &Row<'_>) -> rusqlite::Result<Lead> {
    Ok(Lead {
        number: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        email: row.get(3)?,
        phone: row.get(4)?,
        company: row.get(5)?,
        status: row.get(6)?,
        source: row.get(7)?,
        owner_id: row.get(8)?,
        deal_value: row.get(9)?,
        tags: row.get(10)?,
        custom_fields: row.get(11)?,
        created_at: row.get(12)?,
        updated_at: row.get(13)?,
        version: row.get(14)?,
    })
}

impl Peer for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite"
    }

    fn import(&mut self, leads: &[(usize, Fields)]) {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        for (number, fields) in leads {
            insert(&transaction, *number, fields);
        }
        transaction.commit().unwrap();
    }

    fn create(&mut self, number: usize, fields: &Fields) {
        insert(&self.connection, number, fields);
    }

    fn create_in_threads(&mut self, per_thread: &[Vec<(usize, Fields)>]) {
        std::thread::scope(|scope| {
            for leads in per_thread {
                let (path, cache_bytes) = (&self.path, self.cache_bytes);
                scope.spawn(move || {
                    let connection = connect(path, cache_bytes);
                    for (number, fields) in leads {
                        insert(&connection, *number, fields);
                    }
                });
            }
        });
    }

    fn update(&mut self, number: usize, value: i64) {
        // The lead is found by its integer primary key instead of its public id, which favors
        // SQLite. The version and the time are updated as in leadstore.
        let mut statement = self
            .connection
            .prepare_cached("UPDATE leads SET deal_value = ?, updated_at = ?, version = version + 1 WHERE number = ? AND deleted_at IS NULL")
            .unwrap();
        assert_eq!(
            statement
                .execute(params![value * 100, created_at(number), number as i64])
                .unwrap(),
            1
        );
    }

    fn delete(&mut self, number: usize) {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE leads SET deleted_at = ?, expires_at = ?, version = version + 1 WHERE number = ? AND deleted_at IS NULL")
            .unwrap();
        assert_eq!(
            statement
                .execute(params![created_at(number), i64::MAX, number as i64])
                .unwrap(),
            1
        );
    }

    fn restore(&mut self, number: usize) {
        let mut statement = self
            .connection
            .prepare_cached("UPDATE leads SET deleted_at = NULL, expires_at = NULL, version = version + 1 WHERE number = ? AND deleted_at IS NOT NULL")
            .unwrap();
        assert_eq!(statement.execute(params![number as i64]).unwrap(), 1);
    }

    fn get(&mut self, number: usize) -> String {
        // The lead is found by its public id, because a caller does not know its number.
        let sql = format!("SELECT {COLUMNS} FROM leads WHERE id = ? AND deleted_at IS NULL");
        let mut statement = self.connection.prepare_cached(&sql).unwrap();
        statement.query_row([id(number)], lead).unwrap().name
    }

    fn list(&mut self, case: &ListCase) -> Answer {
        let mut conditions = vec!["deleted_at IS NULL".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        for (column, value) in [
            ("status", case.status),
            ("source", case.source),
            ("owner_id", case.owner_id),
        ] {
            if let Some(value) = value {
                conditions.push(format!("{column} = ?"));
                values.push(value.to_owned().into());
            }
        }
        if let Some((from, to)) = case.created {
            conditions.push("created_at >= ? AND created_at < ?".to_owned());
            values.extend([from.into(), to.into()]);
        }
        let conditions = conditions.join(" AND ");
        let order = match case.sort {
            SortBy::NewestFirst => "created_at DESC, number DESC",
            SortBy::Name => "name_key, name, number",
            SortBy::DealValue => "deal_value, number",
        };
        let mut count = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM leads WHERE {conditions}"))
            .unwrap();
        let total: i64 = count
            .query_row(params_from_iter(&values), |row| row.get(0))
            .unwrap();
        let sql = format!(
            "SELECT {COLUMNS} FROM leads WHERE number IN
             (SELECT number FROM leads WHERE {conditions} ORDER BY {order} LIMIT {PER_PAGE} OFFSET ?) ORDER BY {order}"
        );
        let mut page = self.connection.prepare_cached(&sql).unwrap();
        values.push((case.offset as i64).into());
        let leads = page.query_map(params_from_iter(&values), lead).unwrap();
        Answer {
            numbers: leads.map(|lead| lead.unwrap().number as usize).collect(),
            total: total as u64,
        }
    }

    fn facets(&mut self, status: Option<&'static str>) -> FacetCounts {
        let transaction = self.connection.transaction().unwrap();
        let wanted = if status.is_some() {
            "deleted_at IS NULL AND status = ?"
        } else {
            "deleted_at IS NULL"
        };
        let by = |column: &str| -> Vec<(Option<String>, u64)> {
            // A lead has at most one tag here, so SQLite needs no table of tags.
            let sql = format!(
                "SELECT {column}, count(*) FROM leads WHERE {wanted} AND {column} IS NOT '' GROUP BY {column} ORDER BY {column} NULLS LAST"
            );
            let mut statement = transaction.prepare_cached(&sql).unwrap();
            let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64));
            statement
                .query_map(params_from_iter(status), row)
                .unwrap()
                .map(|row| row.unwrap())
                .collect()
        };
        let sql = format!(
            "SELECT status, count(*), count(deal_value), sum(deal_value) FROM leads WHERE {wanted} GROUP BY status ORDER BY status"
        );
        let mut statement = transaction.prepare_cached(&sql).unwrap();
        let row = |row: &Row<'_>| {
            Ok((
                row.get(0)?,
                row.get::<_, i64>(1)? as u64,
                row.get::<_, i64>(2)? as u64,
                row.get::<_, Option<i64>>(3)?.unwrap_or(0).into(),
            ))
        };
        let statuses = statement
            .query_map(params_from_iter(status), row)
            .unwrap()
            .map(|row| row.unwrap())
            .collect();
        FacetCounts {
            statuses,
            sources: by("source"),
            owners: by("owner_id"),
            tags: by("tags"),
        }
    }

    fn search(&mut self, case: &SearchCase) -> Answer {
        let text = match_text(case);
        let mut count = self
            .connection
            .prepare_cached("SELECT count(*) FROM words WHERE words MATCH ?")
            .unwrap();
        let total: i64 = count.query_row([&text], |row| row.get(0)).unwrap();
        let sql = if case.ranked {
            // Ranked by bm25, which FTS5 computes fastest when it sorts by its `rank` column.
            let columns: Vec<String> = COLUMNS
                .split(',')
                .map(|column| format!("leads.{}", column.trim()))
                .collect();
            format!(
                "SELECT {} FROM (SELECT rowid, rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT {PER_PAGE}) AS best
                 JOIN leads ON leads.number = best.rowid ORDER BY best.rank",
                columns.join(", ")
            )
        } else {
            // Newest first. The numbers are in creation order, so FTS5 walks its rowids backwards
            // without sorting.
            format!(
                "SELECT {COLUMNS} FROM leads WHERE number IN
                 (SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT {PER_PAGE}) ORDER BY number DESC"
            )
        };
        let mut page = self.connection.prepare_cached(&sql).unwrap();
        let leads = page.query_map([&text], lead).unwrap();
        Answer {
            numbers: leads.map(|lead| lead.unwrap().number as usize).collect(),
            total: total as u64,
        }
    }

    fn count_found(&mut self, case: &SearchCase, numbers: &[usize]) -> u64 {
        let wanted: Vec<String> = numbers.iter().map(usize::to_string).collect();
        let sql = format!(
            "SELECT count(*) FROM words WHERE words MATCH ? AND rowid IN ({})",
            wanted.join(", ")
        );
        self.connection
            .query_row(&sql, [match_text(case)], |row| row.get::<_, i64>(0))
            .unwrap() as u64
    }

    fn close(self: Box<Self>) {
        self.connection.close().unwrap();
    }
}
