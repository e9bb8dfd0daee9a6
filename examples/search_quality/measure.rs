//! Real contacts, the text that a person would type to find each of them, and how often that text
//! finds them.

use std::collections::HashMap;
use std::path::Path;

use fastrand::Rng;
use leadstore::{LeadStore, NewLead, Result, SearchQuery};

/// A contact of the file.
pub struct Contact {
    first: String,
    last: String,
    company: String,
    phone: String,
    email: String,
}

impl Contact {
    /// Reads the contacts of a CSV file with a header.
    pub fn read(path: &Path) -> Vec<Self> {
        let mut reader = csv::Reader::from_path(path).expect("the file can be read");
        let header = reader.headers().expect("the file has a header").clone();
        let column = |name: &str| {
            header
                .iter()
                .position(|column| column == name)
                .expect("the column exists")
        };
        let columns = ["first_name", "last_name", "company_name", "phone1", "email"].map(column);
        let contact = |row: csv::Result<csv::StringRecord>| {
            let row = row.expect("every row can be read");
            let [first, last, company, phone, email] = columns.map(|column| row[column].to_owned());
            Self {
                first,
                last,
                company,
                phone,
                email,
            }
        };
        reader.records().map(contact).collect()
    }

    fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    /// Returns the ten digits of the phone number, with the given separators before the first, the
    /// fourth and the seventh digit.
    fn spelled(&self, [before, between, then]: [&str; 3]) -> String {
        let digits: String = self.phone.chars().filter(char::is_ascii_digit).collect();
        format!(
            "{before}{}{between}{}{then}{}",
            &digits[..3],
            &digits[3..6],
            &digits[6..]
        )
    }
}

/// Creates a lead for each contact.
pub fn import(store: &LeadStore, contacts: &[Contact]) -> Result<()> {
    store.transaction(|t| {
        contacts.iter().try_for_each(|contact| {
            let new = NewLead::new(contact.name())
                .company(&contact.company)
                .phone(&contact.phone);
            t.create(new.email(&contact.email)).map(drop)
        })
    })
}

/// A row of the table: the number of contacts that are found at the expected position by one kind
/// of text.
pub struct Row {
    pub typed: &'static str,
    pub expected: Expected,
    pub of: usize,
    pub found: usize,
}

/// The expected position of a contact among the hits.
#[derive(Clone, Copy)]
pub enum Expected {
    Top(usize),
    Anywhere,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Top(1) => f.write_str("the first hit"),
            Self::Top(count) => write!(f, "among the first {count}"),
            Self::Anywhere => f.write_str("among the hits"),
        }
    }
}

/// A function that returns the text that a person types for a contact, or `None` if this kind of
/// text does not apply to the contact.
type TextFor<'a> = Box<dyn FnMut(&Contact) -> Option<String> + 'a>;

/// Searches for every contact with every kind of text.
pub fn table(store: &LeadStore, contacts: &[Contact]) -> Result<Vec<Row>> {
    use Expected::{Anywhere, Top};
    let mut names: HashMap<String, usize> = HashMap::new();
    contacts
        .iter()
        .for_each(|contact| *names.entry(contact.name()).or_default() += 1);
    // A fixed seed, for the same typos in every run.
    let mut rng = Rng::with_seed(500);
    let mut kinds: Vec<(&'static str, Expected, TextFor<'_>)> = vec![
        (
            "the e-mail address",
            Top(1),
            Box::new(|c| Some(c.email.clone())),
        ),
        (
            "the phone as `504-621-8927`",
            Top(1),
            Box::new(|c| Some(c.phone.clone())),
        ),
        (
            "`(504) 621 8927`",
            Top(1),
            Box::new(|c| Some(c.spelled(["(", ") ", " "]))),
        ),
        (
            "`+1 504 621 8927`",
            Top(1),
            Box::new(|c| Some(c.spelled(["+1 ", " ", " "]))),
        ),
        (
            "`5046218927`",
            Top(1),
            Box::new(|c| Some(c.spelled(["", "", ""]))),
        ),
        (
            "first and last name, where they are unique",
            Top(1),
            Box::new(|c| Some(c.name()).filter(|name| names.get(name) == Some(&1))),
        ),
        (
            "first and last name",
            Anywhere,
            Box::new(|c| Some(c.name())),
        ),
        (
            "last and first name in lower case",
            Top(3),
            Box::new(|c| Some(format!("{} {}", c.last, c.first).to_lowercase())),
        ),
        (
            "first and last name with a typo",
            Top(3),
            Box::new(move |c| mistyped(&mut rng, &c.name())),
        ),
        (
            "the first word of the company",
            Anywhere,
            Box::new(|c| {
                c.company
                    .split(|letter: char| !letter.is_alphanumeric())
                    .find(|word| !word.is_empty())
                    .map(str::to_owned)
            }),
        ),
        (
            "the first three letters of the last name",
            Anywhere,
            Box::new(|c| Some(c.last.chars().take(3).collect())),
        ),
    ];
    let mut rows = Vec::with_capacity(kinds.len());
    for (typed, expected, text) in &mut kinds {
        let mut row = Row {
            typed,
            expected: *expected,
            of: 0,
            found: 0,
        };
        for contact in contacts {
            let Some(text) = text(contact) else { continue };
            row.of += 1;
            row.found += usize::from(finds(store, &text, *expected, contact)?);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn finds(store: &LeadStore, text: &str, expected: Expected, contact: &Contact) -> Result<bool> {
    for page in 1.. {
        let found = store.search(&SearchQuery::new(text).per_page(100).page(page))?;
        let first = if let Expected::Top(count) = expected {
            count
        } else {
            found.items.len()
        };
        if found
            .items
            .iter()
            .take(first)
            .any(|hit| hit.lead.email.as_ref() == Some(&contact.email))
        {
            return Ok(true);
        }
        if matches!(expected, Expected::Top(_)) || found.items.is_empty() {
            break;
        }
    }
    Ok(false)
}

/// Returns a name with one typo that search tolerates: the mistyped word has at least 4 letters and
/// keeps its first letter. Returns `None` if no word is long enough.
fn mistyped(rng: &mut Rng, name: &str) -> Option<String> {
    let mut words: Vec<Vec<char>> = name.split(' ').map(|word| word.chars().collect()).collect();
    let long: Vec<usize> = (0..words.len())
        .filter(|index| words[*index].len() >= 4)
        .collect();
    let word = &mut words[*long.get(rng.usize(..long.len().max(1)))?];
    let before = word.clone();
    while *word == before || word.len() < 4 {
        word.clone_from(&before);
        let (at, letter) = (rng.usize(1..word.len() - 1), rng.char('a'..='z'));
        match rng.u32(..4) {
            0 => word.swap(at, at + 1),
            1 => word[at] = letter,
            2 => word.insert(at, letter),
            _ => drop(word.remove(at)),
        }
    }
    Some(
        words
            .into_iter()
            .map(String::from_iter)
            .collect::<Vec<_>>()
            .join(" "),
    )
}
