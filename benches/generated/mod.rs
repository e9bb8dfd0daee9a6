//! Leads generated from a seed, the same on every machine. Names and companies are combined from
//! short lists, so they repeat; every e-mail address is unique.
#![allow(dead_code, reason = "each bench uses a part of this module")]

use std::path::Path;

use fastrand::Rng;
use leadstore::rust_decimal::Decimal;
use leadstore::{LeadStore, NewLead, Result};

const FIRST: &[&str] = &[
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Jennifer",
    "Michael",
    "Linda",
    "David",
    "Elizabeth",
    "William",
    "Barbara",
    "Richard",
    "Susan",
    "Joseph",
    "Jessica",
    "Thomas",
    "Sarah",
    "José",
    "Zoë",
    "Søren",
    "Łukasz",
    "Nguyễn",
    "Mei",
    "Yuki",
    "Anna",
    "Jane",
    "Peter",
    "Olga",
    "Fatima",
    "Ahmed",
    "Ines",
    "Björn",
    "Chloé",
    "Marek",
    "Aisha",
];
const LAST_START: &[&str] = &[
    "Sm", "Joh", "Wil", "Bro", "Gar", "Mül", "Nov", "Tan", "Kow", "Ols", "Ros", "Fer", "Dup",
    "Hal", "Ber", "Mor",
];
const LAST_MIDDLE: &[&str] = &["i", "a", "o", "e", "en", "an", "er", "ar", "ol", "in"];
const LAST_END: &[&str] = &[
    "th", "son", "ski", "ez", "berg", "mann", "ton", "ley", "ov", "elli", "aka", "sen",
];
const TRADES: &[&str] = &[
    "Systems",
    "Foods",
    "Logistics",
    "Partners",
    "Labs",
    "Motors",
    "Media",
    "Energy",
    "Textiles",
    "Consulting",
];
const STATUSES: &[&str] = &[
    "new",
    "new",
    "new",
    "contacted",
    "contacted",
    "qualified",
    "won",
    "lost",
];
const SOURCES: &[&str] = &[
    "website",
    "website",
    "referral",
    "trade fair",
    "cold call",
    "newsletter",
];
const TAGS: &[&str] = &["vip", "follow up", "eu", "us", "partner", "trial"];
const INDUSTRIES: &[&str] = &[
    "Technology",
    "Food",
    "Retail",
    "Health",
    "Transport",
    "Energy",
];

/// The fields of a lead, independent of the engine.
#[derive(Clone, Debug)]
pub struct Fields {
    pub name: String,
    pub email: String,
    pub phone: String,
    pub company: Option<String>,
    pub status: &'static str,
    pub source: &'static str,
    pub owner_id: Option<String>,
    pub deal_value: Decimal,
    pub tag: Option<&'static str>,
    pub industry: &'static str,
    pub employees: i64,
}

impl Fields {
    /// Returns random fields for the lead with this number.
    pub fn random(rng: &mut Rng, number: usize) -> Self {
        let first = FIRST[rng.usize(..FIRST.len())];
        let last = surname(rng);
        let company = format!("{} {}", surname(rng), TRADES[rng.usize(..TRADES.len())]);
        Self {
            name: format!("{first} {last}"),
            email: format!(
                "{}.{number}@{}.example",
                last.to_lowercase(),
                company.to_lowercase().replace(' ', "-")
            ),
            phone: format!(
                "+1 {} {} {:04}",
                rng.u32(200..999),
                rng.u32(200..999),
                rng.u32(..10_000)
            ),
            // One lead in 2,000 has a rare status.
            status: if number % 2_000 == 7 {
                "disputed"
            } else {
                STATUSES[rng.usize(..STATUSES.len())]
            },
            source: SOURCES[rng.usize(..SOURCES.len())],
            deal_value: Decimal::new(rng.i64(0..10_000_000), 2),
            industry: INDUSTRIES[rng.usize(..INDUSTRIES.len())],
            employees: rng.i64(1..5_000),
            company: (rng.u32(..10) < 9).then_some(company),
            owner_id: (rng.u32(..10) < 8).then(|| format!("user-{}", rng.u32(..50))),
            tag: (rng.u32(..3) == 0).then(|| TAGS[rng.usize(..TAGS.len())]),
        }
    }

    pub fn new_lead(&self) -> NewLead {
        let mut new = NewLead::new(&*self.name)
            .email(&*self.email)
            .phone(&*self.phone)
            .status(self.status)
            .source(self.source)
            .deal_value(self.deal_value)
            .custom_field("industry", self.industry)
            .custom_field("employees", self.employees)
            .tags(self.tag);
        new = self.company.iter().fold(new, NewLead::company);
        self.owner_id.iter().fold(new, NewLead::owner_id)
    }
}

/// Returns a random lead with this number.
pub fn lead(rng: &mut Rng, number: usize) -> NewLead {
    Fields::random(rng, number).new_lead()
}

fn surname(rng: &mut Rng) -> String {
    let pick = |rng: &mut Rng, parts: &'static [&str]| parts[rng.usize(..parts.len())];
    format!(
        "{}{}{}{}",
        pick(rng, LAST_START),
        pick(rng, LAST_MIDDLE),
        pick(rng, LAST_MIDDLE),
        pick(rng, LAST_END)
    )
}

/// Number of leads per transaction of an import.
pub const BATCH: usize = 10_000;

/// Imports `count` leads.
pub fn import(store: &LeadStore, count: usize) -> Result<()> {
    let mut rng = Rng::with_seed(1);
    for start in (0..count).step_by(BATCH) {
        store.transaction(|t| {
            for number in start..count.min(start + BATCH) {
                t.create(lead(&mut rng, number))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Creates a store of `count` leads in a new directory under `parent`, closes it and returns its
/// path.
pub fn store(parent: &Path, count: usize) -> Result<std::path::PathBuf> {
    let path = parent.join(format!("store-{count}"));
    let store = LeadStore::open(&path)?;
    import(&store, count)?;
    store.close()?;
    Ok(path)
}
