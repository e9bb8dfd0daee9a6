//! Leads made up from a seed, the same on every machine: names and companies with the spread of real ones, a unique e-mail each.

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
const LAST_START: &[&str] =
    &["Sm", "Joh", "Wil", "Bro", "Gar", "Mül", "Nov", "Tan", "Kow", "Ols", "Ros", "Fer", "Dup", "Hal", "Ber", "Mor"];
const LAST_MIDDLE: &[&str] = &["i", "a", "o", "e", "en", "an", "er", "ar", "ol", "in"];
const LAST_END: &[&str] = &["th", "son", "ski", "ez", "berg", "mann", "ton", "ley", "ov", "elli", "aka", "sen"];
const TRADES: &[&str] =
    &["Systems", "Foods", "Logistics", "Partners", "Labs", "Motors", "Media", "Energy", "Textiles", "Consulting"];
const STATUSES: &[&str] = &["new", "new", "new", "contacted", "contacted", "qualified", "won", "lost"];
const SOURCES: &[&str] = &["website", "website", "referral", "trade fair", "cold call", "newsletter"];
const TAGS: &[&str] = &["vip", "follow up", "eu", "us", "partner", "trial"];
const INDUSTRIES: &[&str] = &["Technology", "Food", "Retail", "Health", "Transport", "Energy"];

/// The `number`th lead of those that `rng` makes.
pub fn lead(rng: &mut Rng, number: usize) -> NewLead {
    let first = FIRST[rng.usize(..FIRST.len())];
    let last = surname(rng);
    let company = format!("{} {}", surname(rng), TRADES[rng.usize(..TRADES.len())]);
    let mut new = NewLead::new(format!("{first} {last}"))
        .email(format!("{}.{number}@{}.example", last.to_lowercase(), company.to_lowercase().replace(' ', "-")))
        .phone(format!("+1 {} {} {:04}", rng.u32(200..999), rng.u32(200..999), rng.u32(..10_000)))
        .status(STATUSES[rng.usize(..STATUSES.len())])
        .source(SOURCES[rng.usize(..SOURCES.len())])
        .deal_value(Decimal::new(rng.i64(0..10_000_000), 2))
        .custom_field("industry", INDUSTRIES[rng.usize(..INDUSTRIES.len())])
        .custom_field("employees", rng.i64(1..5_000));
    if rng.u32(..10) < 9 {
        new = new.company(company);
    }
    if rng.u32(..10) < 8 {
        new = new.owner_id(format!("user-{}", rng.u32(..50)));
    }
    if rng.u32(..3) == 0 {
        new = new.tags([TAGS[rng.usize(..TAGS.len())]]);
    }
    new
}

fn surname(rng: &mut Rng) -> String {
    let pick = |rng: &mut Rng, parts: &'static [&str]| parts[rng.usize(..parts.len())];
    format!("{}{}{}{}", pick(rng, LAST_START), pick(rng, LAST_MIDDLE), pick(rng, LAST_MIDDLE), pick(rng, LAST_END))
}

/// Imports `count` leads in transactions of 10,000.
pub fn import(store: &LeadStore, count: usize) -> Result<()> {
    let mut rng = Rng::with_seed(1);
    for start in (0..count).step_by(10_000) {
        store.transaction(|t| {
            for number in start..count.min(start + 10_000) {
                t.create(lead(&mut rng, number))?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// A closed store of `count` leads in a new directory under `parent`.
#[allow(dead_code, reason = "each bench uses a part of this module")]
pub fn store(parent: &Path, count: usize) -> Result<std::path::PathBuf> {
    let path = parent.join(format!("store-{count}"));
    let store = LeadStore::open(&path)?;
    import(&store, count)?;
    store.close()?;
    Ok(path)
}
