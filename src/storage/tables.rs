//! Every table of the file `leads.redb`, with its keys and values.
//!
//! All keys and values are bytes that `key`, `record`, `meta` and `log` write; redb orders them bytewise.
//! Numbers in keys are big-endian, so that byte order is number order.
//!
//! ```text
//! leads     row u32                                     -> lead record (see `record`)
//!
//! ids       01 uuid[16]                                 -> row u32        the row of an id, trash included
//!           02 external id                              -> row u32        the row of an external id, trash included
//!
//! keys      the begin of a block                        -> sorted keys    see `block` and `key_blocks`
//!           10 created_at                      row u32                    live leads by each sort key;
//!           11 updated_at                      row u32                    a lead without a value has no key
//!           12 folded name, name               row u32
//!           13 folded company, company         row u32
//!           14 folded email, email             row u32
//!           15 deal_value * 10^4 as u64        row u32
//!           20 deleted_at                      row u32                    leads in the trash
//!           21 expires_at                      row u32
//!
//! bitmaps   01                                 chunk u16 -> rows          live leads
//!           02                                 chunk u16 -> rows          leads in the trash
//!           03                                 chunk u16 -> rows          live leads created out of created_at order
//!           04 01 folded status, status        chunk u16 -> rows          live leads with this status
//!           05 01 folded source, source        chunk u16 -> rows          live leads with this source,
//!           05 FF                              chunk u16 -> rows            with none
//!           06 01 folded owner_id, owner_id    chunk u16 -> rows          live leads of this owner,
//!           06 FF                              chunk u16 -> rows            of nobody
//!           07 01 folded tag, tag              chunk u16 -> rows          live leads with this tag
//!           08 sort key (13, 14, 15)           chunk u16 -> rows          live leads with a value for this sort key
//!
//! columns   01                                 row u32  -> deal values    of 512 rows from this one on (see `column`)
//!
//! log       seq u64, part u32                           -> log record     what a commit changed (see `log`)
//!
//! creds     credential id[16]                           -> credential record (see `credential`)
//!
//! meta      "format"                                    -> u32, little-endian; read before anything else
//!           "header"                                    -> header record (see `meta`)
//! ```
//!
//! A text in a key has every 00 written as 00 FF and ends with 00 01, so that no text is a prefix of another and
//! byte order is text order. Between a folded text and the text itself stands 01 if that is lower, 03 if it is higher;
//! 02 stands for a text that is its own folded form. Times are microseconds since 1970 as i64 with the sign bit flipped.
//!
//! Rows in a bitmap are those of one chunk, `row / 65,536`, as a roaring bitmap in its
//! [portable format](https://github.com/RoaringBitmap/RoaringFormatSpec); an empty chunk has no entry.
//!
//! The file itself is one of redb's in sealed blocks, see `sealed_file`.
//!
//! What was committed since the last checkpoint is not in the tables yet: see `journal` and `overlay`.

pub(crate) mod bitmap_cache;
pub(crate) mod bitmap_chunk;
pub(crate) mod block;
pub(crate) mod column;
pub(crate) mod key_blocks;
pub(crate) mod read;
pub(crate) mod scan;
pub(crate) mod tree;
pub(crate) mod write;
