//! The operations that leadstore and SQLite are compared by. Answers identify leads by number, so
//! that the answers of the two engines can be compared.

use crate::generated::Fields;

/// Creation time of the first lead, in microseconds since 1970.
const START: i64 = 1_700_000_000_000_000;
/// Time between two consecutive leads, in microseconds. If the clock is at most 5 minutes behind
/// the newest lead, leadstore uses the time of that lead instead. The spacing is longer than 5
/// minutes, so that leads keep their own times even if they are imported out of order.
const SPACING: i64 = 601_000_000;

pub fn created_at(number: usize) -> i64 {
    START + number as i64 * SPACING
}

/// The numbers of the leads of a page, and the exact total.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub numbers: Vec<usize>,
    pub total: u64,
}

/// Facet counts. Per status: the number of leads, the number of deals, and the sum of the deal
/// values in ten-thousandths. Per source, owner and tag: the number of leads. Each list is sorted
/// by value, with leads without a value last.
#[derive(Debug, Default, PartialEq)]
pub struct FacetCounts {
    pub statuses: Vec<(String, u64, u64, i128)>,
    pub sources: Vec<(Option<String>, u64)>,
    pub owners: Vec<(Option<String>, u64)>,
    pub tags: Vec<(Option<String>, u64)>,
}

#[derive(Clone, Debug, Default)]
pub struct ListCase {
    pub status: Option<&'static str>,
    pub source: Option<&'static str>,
    pub owner_id: Option<&'static str>,
    /// Start and end of the creation times, end exclusive, in microseconds since 1970.
    pub created: Option<(i64, i64)>,
    pub sort: SortBy,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum SortBy {
    #[default]
    NewestFirst,
    Name,
    DealValue,
}

#[derive(Clone, Debug)]
pub struct SearchCase {
    pub words: Vec<String>,
    pub field: Option<&'static str>,
    /// True if the words must be adjacent.
    pub phrase: bool,
    /// True if the last word is a prefix.
    pub prefix: bool,
    /// True if SQLite returns the best hits instead of the newest ones. leadstore always returns
    /// the best ones. Each engine ranks by its own rules.
    pub ranked: bool,
}

pub const PER_PAGE: u32 = 25;

/// An open store of one engine.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// Creates leads in one transaction, with the creation times that `created_at` returns. The
    /// leads can be in any order.
    fn import(&mut self, leads: &[(usize, Fields)]);
    fn create(&mut self, number: usize, fields: &Fields);
    /// Creates the leads of each list in a thread of its own. Every lead is durable before its
    /// thread creates the next one.
    fn create_in_threads(&mut self, per_thread: &[Vec<(usize, Fields)>]);
    fn update(&mut self, number: usize, value: i64);
    fn delete(&mut self, number: usize);
    fn restore(&mut self, number: usize);
    /// Reads all fields of a lead and returns its name.
    fn get(&mut self, number: usize) -> String;
    fn list(&mut self, case: &ListCase) -> Answer;
    fn facets(&mut self, status: Option<&'static str>) -> FacetCounts;
    fn search(&mut self, case: &SearchCase) -> Answer;
    /// Returns how many of these leads a search finds.
    fn count_found(&mut self, case: &SearchCase, numbers: &[usize]) -> u64;
    /// Closes the store once everything is indexed and on disk.
    fn close(self: Box<Self>);
}

/// Size of each engine's file cache, in bytes.
pub const CACHE_BYTES: usize = 256 << 20;

/// Returns a search for these words. Each is split at characters that are neither letters nor
/// digits. If only one is given, its parts must be adjacent.
pub fn words(words: &[&str], field: Option<&'static str>) -> SearchCase {
    let split = |word: &&str| {
        word.split(|c: char| !c.is_alphanumeric())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let phrase = words.len() == 1;
    SearchCase {
        words: words.iter().flat_map(split).collect(),
        field,
        phrase,
        prefix: false,
        ranked: true,
    }
}
