//! Random field values from small pools, so that values collide, and queries that users would type
//! to find them.

use fastrand::Rng;
use leadstore::rust_decimal::Decimal;
use leadstore::{LeadPatch, NewLead};

pub const NAMES: &[&str] = &[
    "Jane Doe",
    "jane doe",
    "JANE DOE",
    "José García",
    "Jose Garcia",
    "Zoë Ångström",
    "Anna-Lena Groß",
    "O'Brien Pat",
    "Obrien Patty",
    "Li Wei",
    "Élodie Dupont",
    "Mary Ann Smith",
    "Smith",
    "Ann",
    "Anne",
    "Łukasz Nowak",
    "a",
    "Zz Top",
];
const EMAILS: &[&str] = &[
    "jane@example.com",
    "Jane@Example.com",
    "li.wei@example.org",
    "smith@mail.example.com",
    "a@b",
    "zoe+new@angstrom.se",
];
const COMPANIES: &[&str] = &[
    "Example Corp",
    "example corp",
    "Groß & Söhne",
    "Mary Ann Smith",
    "Zebra",
    "Älpha Inc",
    "A",
];
const STATUSES: &[&str] = &["new", "qualified", "lost", "a-b_c9"];
const SOURCES: &[&str] = &["website", "Website", "trade fair", "référral"];
const OWNERS: &[&str] = &["ada", "Bob", "bob", "u-17"];
const TAGS: &[&str] = &["vip", "VIP", "cold call", "x", "müde"];
const INDUSTRIES: &[&str] = &["Technology", "Food & Drink", "technology transfer"];
const JOB_TITLES: &[&str] = &["CTO", "cto", "Head of Sales", "Álvarez Chief"];
const PHONES: &[&str] = &["+1-555-0123", "504 621 8927", "12345"];
const DEAL_VALUES: &[(i64, u32)] = &[
    (0, 0),
    (25_000, 0),
    (2_500_050, 2),
    (1, 4),
    (999_999_999_999_999, 4),
];

pub const SORTS: &[&str] = &[
    "created_at",
    "-created_at",
    "updated_at",
    "-updated_at",
    "name",
    "-name",
    "company",
    "-company",
    "job_title",
    "-job_title",
    "email",
    "-email",
    "status",
    "-status",
    "source",
    "-source",
    "owner_id",
    "-owner_id",
    "deal_value",
    "-deal_value",
];

pub const WORDS: &[&str] = &[
    "jane",
    "jan",
    "doe",
    "jose",
    "garcía",
    "angstrom",
    "gross",
    "obrien",
    "o'brien",
    "ann",
    "smith ",
    "smith",
    "example.com",
    "jane@example.com",
    "corp",
    "z",
    "technology",
    "cto",
    "head sales",
    "vip",
    "555",
    "mary ann",
    "ann mary",
    "\"mary ann\"",
    "\"ann mary\"",
    "cold call",
    "anna-lena",
    "lena-anna",
    "nothing",
    "sohne gross",
    "ann smith",
    "referral",
    "mude ",
    "2500",
    "true",
    "7",
];

pub fn random_query(rng: &mut Rng) -> String {
    let one = WORDS[rng.usize(..WORDS.len())];
    if rng.u32(0..4) > 0 {
        return one.to_owned();
    }
    format!("{one} {}", WORDS[rng.usize(..WORDS.len())])
}

/// The fields of a lead. Absent fields are `None`.
#[derive(Clone, Debug)]
pub struct Fields {
    pub external_id: Option<String>,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub job_title: Option<String>,
    pub status: Option<String>,
    pub source: Option<String>,
    pub owner_id: Option<String>,
    pub deal_value: Option<Decimal>,
    pub tags: Vec<String>,
    pub industry: Option<String>,
    pub employees: Option<i64>,
    pub marks: Vec<bool>,
}

impl Fields {
    pub fn random(rng: &mut Rng) -> Self {
        fn maybe(rng: &mut Rng, pool: &[&str]) -> Option<String> {
            (rng.u32(0..10) < 6).then(|| pool[rng.usize(..pool.len())].to_owned())
        }
        let mut tags: Vec<String> = TAGS
            .iter()
            .filter(|_| rng.u32(0..4) == 0)
            .map(|tag| (*tag).to_owned())
            .collect();
        rng.shuffle(&mut tags);
        Self {
            external_id: (rng.u32(0..6) == 0).then(|| format!("ext {}", rng.u32(0..60))),
            name: NAMES[rng.usize(..NAMES.len())].to_owned(),
            email: maybe(rng, EMAILS),
            phone: maybe(rng, PHONES),
            company: maybe(rng, COMPANIES),
            job_title: maybe(rng, JOB_TITLES),
            status: maybe(rng, STATUSES),
            source: maybe(rng, SOURCES),
            owner_id: maybe(rng, OWNERS),
            deal_value: (rng.u32(0..10) < 6).then(|| {
                let (digits, scale) = DEAL_VALUES[rng.usize(..DEAL_VALUES.len())];
                Decimal::new(digits, scale)
            }),
            tags,
            industry: maybe(rng, INDUSTRIES),
            employees: (rng.u32(0..3) == 0).then(|| rng.i64(-3..10)),
            marks: (0..rng.usize(0..3)).map(|_| rng.bool()).collect(),
        }
    }

    pub fn new_lead(&self) -> NewLead {
        // Surrounding whitespace and blank values must make no difference.
        let mut new = NewLead::new(format!(" {} ", self.name)).tags(self.tags.clone());
        new = new.company(self.company.as_deref().unwrap_or("  "));
        new = self.external_id.iter().fold(new, NewLead::external_id);
        new = self.email.iter().fold(new, NewLead::email);
        new = self.phone.iter().fold(new, NewLead::phone);
        new = self.status.iter().fold(new, NewLead::status);
        new = self.source.iter().fold(new, NewLead::source);
        new = self.owner_id.iter().fold(new, NewLead::owner_id);
        new = self.job_title.iter().fold(new, NewLead::job_title);
        new = self.deal_value.into_iter().fold(new, NewLead::deal_value);
        new = self.industry.iter().fold(new, |new, industry| {
            new.custom_field("industry", industry.as_str())
        });
        new = self.employees.iter().fold(new, |new, employees| {
            new.custom_field("employees", *employees)
        });
        if self.marks.is_empty() {
            new
        } else {
            new.custom_field("marks", self.marks.clone())
        }
    }

    /// Returns a patch that sets the fields that are present. Of the absent fields, it clears the
    /// e-mail, the company, the job title, the owner and the industry.
    pub fn patch(&self) -> LeadPatch {
        let mut patch = LeadPatch::new().name(&*self.name).tags(self.tags.clone());
        patch = self.external_id.iter().fold(patch, LeadPatch::external_id);
        patch = match &self.email {
            Some(email) => patch.email(email),
            None => patch.clear_email(),
        };
        patch = self.phone.iter().fold(patch, LeadPatch::phone);
        patch = patch.company(self.company.as_deref().unwrap_or(" "));
        patch = self.status.iter().fold(patch, LeadPatch::status);
        patch = self.source.iter().fold(patch, LeadPatch::source);
        patch = match &self.job_title {
            Some(title) => patch.job_title(title),
            None => patch.clear_job_title(),
        };
        patch = match &self.owner_id {
            Some(owner) => patch.owner_id(owner),
            None => patch.clear_owner_id(),
        };
        patch = self
            .deal_value
            .into_iter()
            .fold(patch, LeadPatch::deal_value);
        patch = match &self.industry {
            Some(industry) => patch.custom_field("industry", industry.as_str()),
            None => patch.remove_custom_field("industry"),
        };
        self.employees.iter().fold(patch, |patch, employees| {
            patch.custom_field("employees", *employees)
        })
    }
}
