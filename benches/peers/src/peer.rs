//! What is asked of every engine, and what it answers: leads by their numbers, so that answers can be compared.

use crate::generated::Fields;

/// When the first lead was created, in microseconds since 1970.
const START: i64 = 1_700_000_000_000_000;
/// How long after the one before a lead was created: longer than leadstore holds a clock that goes back, so that leads
/// can be imported in any order of their times.
const SPACING: i64 = 601_000_000;

pub fn created_at(number: usize) -> i64 {
    START + number as i64 * SPACING
}

/// A page of leads, by their numbers, and the exact total.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub numbers: Vec<usize>,
    pub total: u64,
}

/// How leads divide: by status with how many deals there are and their sum in ten-thousandths, then by source, owner
/// and tag. In the order of the values, those without one last.
#[derive(Debug, Default, PartialEq)]
pub struct Divided {
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
    /// From the first on, before the second.
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
    /// The words stand side by side.
    pub phrase: bool,
    /// The last word is a beginning.
    pub prefix: bool,
    /// The best hits are wanted rather than the newest. Each engine has its own order of them.
    pub ranked: bool,
}

pub const PER_PAGE: u32 = 25;

/// An open store of one engine.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// Creates leads in one transaction, at the times that `created_at` gives, in any order.
    fn import(&mut self, leads: &[(usize, Fields)]);
    fn create(&mut self, number: usize, fields: &Fields);
    /// Creates each thread's leads in that thread, one durable write a lead.
    fn create_in_threads(&mut self, of_threads: &[Vec<(usize, Fields)>]);
    fn update(&mut self, number: usize, value: i64);
    fn delete(&mut self, number: usize);
    fn restore(&mut self, number: usize);
    /// The name of a lead, all of whose fields are read.
    fn get(&mut self, number: usize) -> String;
    fn list(&mut self, case: &ListCase) -> Answer;
    fn facets(&mut self, status: Option<&'static str>) -> Divided;
    fn search(&mut self, case: &SearchCase) -> Answer;
    /// How many of some leads a search finds.
    fn finds_of(&mut self, case: &SearchCase, numbers: &[usize]) -> u64;
    /// Ends, with everything indexed and on disk.
    fn close(self: Box<Self>);
}
