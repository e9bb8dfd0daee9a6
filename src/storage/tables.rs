//! The tables of `leads.redb`, with their keys and values.
//!
//! All keys and values are bytes. `schema::keys`, `storage::key` and `change_log` encode the keys,
//! and `record` encodes the records. redb orders keys bytewise. Numbers in keys are big-endian, so
//! that byte order is numeric order.
//!
//! ```text
//! leads     row u32                                     -> lead record (see `record`)
//!
//! ids       01 uuid[16]                                 -> row u32        the row of an id, trash included
//!           02 external id                              -> row u32        the row of an external id, trash included
//!
//! keys      lower bound of a key block                  -> index keys     of these forms (see `block` and `key_blocks`):
//!           10 created_at                      row u32                    live leads in each sort index;
//!           11 updated_at                      row u32                    a lead without a value has no key
//!           12 folded name, name               row u32
//!           13 folded company, company         row u32
//!           14 folded email, email             row u32
//!           15 deal_value * 10^4 as u64        row u32
//!           16 folded job_title, job_title     row u32
//!           20 10 created_at, …                row u32                    leads in the trash: the same again,
//!           20 17 deleted_at                   row u32                      and the time of the deletion
//!           21 expires_at                      row u32                    leads in the trash
//!
//! bitmaps   01                                 chunk u16 -> rows          live leads
//!           03                                 chunk u16 -> rows          live leads created out of created_at order
//!           04 01 folded status, status        chunk u16 -> rows          live leads with this status
//!           05 01 folded source, source        chunk u16 -> rows          live leads with this source,
//!           05 FF                              chunk u16 -> rows            without a source
//!           06 01 folded owner_id, owner_id    chunk u16 -> rows          live leads of this owner,
//!           06 FF                              chunk u16 -> rows            without an owner
//!           07 01 folded tag, tag              chunk u16 -> rows          live leads with this tag
//!           08 sort index (13, 14, 15, 16)     chunk u16 -> rows          live leads with a value in this sort index
//!           09 01 folded job_title, job_title  chunk u16 -> rows          live leads with this job title,
//!           09 FF                              chunk u16 -> rows            without a job title
//!           02 01, 02 03, 02 04 …              chunk u16 -> rows          leads in the trash: the same again
//!
//! columns   01                                 row u32  -> deal values    of 512 rows from this one on (see `column`)
//!
//! log       seq u64, part u32                           -> log record     changes of a commit (see `change_log`)
//!
//! creds     credential id[16]                           -> credential record (see `credential`)
//!
//! meta      "format"                                    -> u32, little-endian; read before anything else
//!           "header"                                    -> metadata record (see `meta`)
//! ```
//!
//! In the text of a key, every 00 is written as 00 FF, and the text ends with 00 01. As a result,
//! no encoded text is a prefix of another, and byte order is text order. A folded text is followed
//! by a byte that compares the exact text with it: 01 if the exact text is lower, 03 if it is
//! higher, 02 if both are equal. The exact text comes next, except after 02. Times are microseconds
//! since 1970 as i64 with the sign bit flipped.
//!
//! A bitmap is stored in chunks, numbered `row / 65,536`. The rows of a chunk are a roaring bitmap
//! in its [portable format](https://github.com/RoaringBitmap/RoaringFormatSpec). An empty chunk has
//! no entry.
//!
//! The file is a redb database in sealed blocks, see `file::table_file`.
//!
//! Changes committed since the last checkpoint are not in the tables yet, see `journal` and
//! `overlay`.

pub(crate) mod bitmap_cache;
pub(crate) mod bitmap_chunk;
pub(crate) mod block;
pub(crate) mod column;
pub(crate) mod key_blocks;
pub(crate) mod read;
pub(crate) mod scan;
pub(crate) mod tree;
pub(crate) mod write;

/// The version of the file format that this module and `record` describe.
///
/// | format | remarks |
/// |---|---|
/// | 3 | the oldest format that can be read |
/// | 4 | adds `job_title`: lead records of format 2, the bitmaps 09, the sort index 16 |
/// | 5 | folding drops `´`, `` ` `` and other apostrophes, and spells `þ` as `th` |
/// | 6 | the trash has bitmaps and sort indexes of its own |
pub(crate) const FORMAT: u32 = 6;
/// The oldest version that can be read. A store of an older version than [`FORMAT`] is migrated
/// when it is opened for writing.
pub(crate) const OLDEST_FORMAT: u32 = 3;
