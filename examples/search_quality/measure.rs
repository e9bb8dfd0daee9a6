//! Real contacts, what a person would type to find each of them, and how often that does.

use std::collections::HashMap;
use std::path::Path;

use fastrand::Rng;
use leadstore::{LeadStore, NewLead, Result, SearchQuery};

/// One contact of the file.
pub struct Contact {
    first: String,
    last: String,
    company: String,
    phone: String,
    email: String,
}

impl Contact {
    /// The contacts of a CSV file with a header.
    pub fn read(path: &Path) -> Vec<Self> {
        let mut reader = csv::Reader::from_path(path).expect("the file can be read");
        let header = reader.headers().expect("the file has a header").clone();
        let column = |name: &str| {
            header
                .iter()
                .position(|column| column == name)
                .expect("the column is there")
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

    /// The phone's ten digits, with these before the first, the fourth and the seventh.
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

/// Creates a lead of each contact.
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

/// One line of the table: how many contacts are found as wanted by what is typed for each.
pub struct Row {
    pub typed: &'static str,
    pub wanted: Wanted,
    pub of: usize,
    pub found: usize,
}

/// Where among the hits a contact is to be.
#[derive(Clone, Copy)]
pub enum Wanted {
    InTheFirst(usize),
    Anywhere,
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InTheFirst(1) => f.write_str("the first hit"),
            Self::InTheFirst(count) => write!(f, "among the first {count}"),
            Self::Anywhere => f.write_str("among the hits"),
        }
    }
}

/// What is typed for a contact, if anything.
type Typed<'a> = Box<dyn FnMut(&Contact) -> Option<String> + 'a>;

/// Searches for every contact in every way.
pub fn table(store: &LeadStore, contacts: &[Contact]) -> Result<Vec<Row>> {
    use Wanted::{Anywhere, InTheFirst};
    let mut names: HashMap<String, usize> = HashMap::new();
    contacts
        .iter()
        .for_each(|contact| *names.entry(contact.name()).or_default() += 1);
    // The same typos in every run.
    let mut rng = Rng::with_seed(500);
    let mut ways: Vec<(&'static str, Wanted, Typed<'_>)> = vec![
        (
            "the e-mail address",
            InTheFirst(1),
            Box::new(|c| Some(c.email.clone())),
        ),
        (
            "the phone as `504-621-8927`",
            InTheFirst(1),
            Box::new(|c| Some(c.phone.clone())),
        ),
        (
            "`(504) 621 8927`",
            InTheFirst(1),
            Box::new(|c| Some(c.spelled(["(", ") ", " "]))),
        ),
        (
            "`+1 504 621 8927`",
            InTheFirst(1),
            Box::new(|c| Some(c.spelled(["+1 ", " ", " "]))),
        ),
        (
            "`5046218927`",
            InTheFirst(1),
            Box::new(|c| Some(c.spelled(["", "", ""]))),
        ),
        (
            "first and last name, where they are unique",
            InTheFirst(1),
            Box::new(|c| Some(c.name()).filter(|name| names.get(name) == Some(&1))),
        ),
        (
            "first and last name",
            Anywhere,
            Box::new(|c| Some(c.name())),
        ),
        (
            "last and first name in small letters",
            InTheFirst(3),
            Box::new(|c| Some(format!("{} {}", c.last, c.first).to_lowercase())),
        ),
        (
            "first and last name with a typo",
            InTheFirst(3),
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
    let mut rows = Vec::with_capacity(ways.len());
    for (typed, wanted, text) in &mut ways {
        let mut row = Row {
            typed,
            wanted: *wanted,
            of: 0,
            found: 0,
        };
        for contact in contacts {
            let Some(text) = text(contact) else { continue };
            row.of += 1;
            row.found += usize::from(finds(store, &text, *wanted, contact)?);
        }
        rows.push(row);
    }
    Ok(rows)
}

fn finds(store: &LeadStore, text: &str, wanted: Wanted, contact: &Contact) -> Result<bool> {
    for page in 1.. {
        let found = store.search(&SearchQuery::new(text).per_page(100).page(page))?;
        let first = if let Wanted::InTheFirst(count) = wanted {
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
        if matches!(wanted, Wanted::InTheFirst(_)) || found.items.is_empty() {
            break;
        }
    }
    Ok(false)
}

/// A name with one typo that is forgiven: what is typed has 4 letters or more, and the first one is right.
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
