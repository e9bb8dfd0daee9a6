//! The command line and the queries that it builds. Flags are named after the parameters of the
//! API.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use leadstore::chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use leadstore::rust_decimal::Decimal;
use leadstore::{
    Cursor, CustomValue, Filter, LeadId, LeadPatch, LeadVersion, ListQuery, NewLead, SearchField,
    SearchQuery, Sort, TrashQuery, TypoTolerance,
};

use crate::failure::{Failure, Result};

/// Inspects and changes a lead store.
#[derive(Parser)]
#[command(name = "leads")]
pub struct Arguments {
    /// Directory of the store
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Print results as JSON, as in the response bodies of the Leads API
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Show the life of a lead step by step, in a temporary store unless --store is given
    Demo,
    /// Import leads from a CSV file with a header row; columns are matched by name, unknown ones
    /// become custom fields
    Import { file: PathBuf },
    /// List leads
    List {
        #[command(flatten)]
        filter: FilterFlags,
        #[command(flatten)]
        page: PageFlags,
        #[command(flatten)]
        sort: SortFlag,
        /// Continue after the page that returned this next_cursor, instead of at a page number
        #[arg(long, conflicts_with = "page")]
        cursor: Option<Cursor>,
    },
    /// Show one lead
    Get { id: LeadId },
    /// Search leads; the last word may be incomplete
    Search {
        text: String,
        /// Search only these fields: name, email, phone, company, source, tags, job_title,
        /// custom_fields, custom_fields.<name>
        #[arg(long, value_delimiter = ',')]
        fields: Vec<SearchField>,
        /// Typo tolerance: auto (only if nothing matches as typed), always or never
        #[arg(long, default_value_t)]
        typos: TypoTolerance,
        #[command(flatten)]
        filter: FilterFlags,
        #[command(flatten)]
        page: PageFlags,
    },
    /// Create a lead
    Create(FieldFlags),
    /// Change the given fields; an empty value clears a field (not name or status)
    Update {
        id: LeadId,
        #[command(flatten)]
        fields: FieldFlags,
        /// Fail unless the lead has this version
        #[arg(long, alias = "if_version")]
        if_version: Option<u64>,
    },
    /// Move a lead to the trash
    Delete { id: LeadId },
    /// Restore a lead from the trash
    Restore { id: LeadId },
    /// List the trash
    Trash {
        #[command(flatten)]
        page: PageFlags,
        #[command(flatten)]
        sort: SortFlag,
    },
    /// Count leads by status, source, owner and tag, and sum up deal values by status
    Stats {
        #[command(flatten)]
        filter: FilterFlags,
    },
}

impl Command {
    /// Returns true if the command does not change the store.
    pub fn is_read_only(&self) -> bool {
        matches!(
            self,
            Self::List { .. }
                | Self::Get { .. }
                | Self::Search { .. }
                | Self::Trash { .. }
                | Self::Stats { .. }
        )
    }
}

#[derive(Args)]
pub struct FilterFlags {
    /// Only leads with any of these statuses
    #[arg(long, value_delimiter = ',')]
    status: Vec<String>,
    /// Only leads from any of these sources
    #[arg(long, value_delimiter = ',')]
    source: Vec<String>,
    /// Only leads of any of these owners; an empty value matches leads without an owner
    #[arg(long, alias = "owner_id", value_delimiter = ',')]
    owner_id: Vec<String>,
    /// Only leads with any of these job titles
    #[arg(long, alias = "job_title", value_delimiter = ',')]
    job_title: Vec<String>,
    /// Only leads with any of these tags
    #[arg(long, value_delimiter = ',')]
    tag: Vec<String>,
    /// Created at or after this time: a date or an RFC 3339 timestamp
    #[arg(long, alias = "created_after", value_parser = time)]
    created_after: Option<DateTime<Utc>>,
    /// Created before this time
    #[arg(long, alias = "created_before", value_parser = time)]
    created_before: Option<DateTime<Utc>>,
    /// Updated at or after this time
    #[arg(long, alias = "updated_after", value_parser = time)]
    updated_after: Option<DateTime<Utc>>,
    /// Updated before this time
    #[arg(long, alias = "updated_before", value_parser = time)]
    updated_before: Option<DateTime<Utc>>,
    /// Deal value of at least this amount
    #[arg(long, alias = "deal_value_min")]
    deal_value_min: Option<Decimal>,
    /// Deal value of at most this amount
    #[arg(long, alias = "deal_value_max")]
    deal_value_max: Option<Decimal>,
}

impl FilterFlags {
    pub fn filter(self) -> Filter {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let mut filter = self.status.into_iter().fold(Filter::new(), Filter::status);
        filter = self.source.into_iter().fold(filter, Filter::source);
        filter = self.job_title.into_iter().fold(filter, Filter::job_title);
        filter = self.tag.into_iter().fold(filter, Filter::tag);
        for owner in self.owner_id {
            filter = if owner.is_empty() {
                filter.unassigned()
            } else {
                filter.owner_id(owner)
            };
        }
        let times = |after: Option<_>, before: Option<_>| {
            (
                after.map_or(Unbounded, Included),
                before.map_or(Unbounded, Excluded),
            )
        };
        if self.created_after.is_some() || self.created_before.is_some() {
            filter = filter.created(times(self.created_after, self.created_before));
        }
        if self.updated_after.is_some() || self.updated_before.is_some() {
            filter = filter.updated(times(self.updated_after, self.updated_before));
        }
        if self.deal_value_min.is_some() || self.deal_value_max.is_some() {
            let (min, max) = (self.deal_value_min, self.deal_value_max);
            filter = filter.deal_value((
                min.map_or(Unbounded, Included),
                max.map_or(Unbounded, Included),
            ));
        }
        filter
    }
}

fn time(text: &str) -> std::result::Result<DateTime<Utc>, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| {
            "must be a date like 2026-03-01 or a time like 2026-03-01T12:00:00Z".to_owned()
        })
}

#[derive(Args)]
pub struct PageFlags {
    /// Page number, starting at 1
    #[arg(long, default_value_t = 1)]
    page: u64,
    /// Number of leads per page, 1 to 100
    #[arg(long, alias = "per_page", default_value_t = 25)]
    per_page: u32,
}

#[derive(Args)]
pub struct SortFlag {
    /// Up to three of the sort keys created_at, updated_at, name, company, job_title, email,
    /// status, source, owner_id, deal_value (in the trash also deleted_at); a leading - sorts in
    /// descending order, as in --sort=-created_at
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    sort: Vec<Sort>,
}

impl PageFlags {
    pub fn list_query(self, filter: Filter, SortFlag { sort }: SortFlag) -> ListQuery {
        ListQuery::new()
            .filter(filter)
            .sort(sort)
            .page(self.page)
            .per_page(self.per_page)
    }

    pub fn search_query(
        self,
        text: &str,
        fields: Vec<SearchField>,
        typos: TypoTolerance,
        filter: Filter,
    ) -> SearchQuery {
        SearchQuery::new(text)
            .fields(fields)
            .typos(typos)
            .filter(filter)
            .page(self.page)
            .per_page(self.per_page)
    }

    pub fn trash_query(self, SortFlag { sort }: SortFlag) -> TrashQuery {
        TrashQuery::new()
            .sort(sort)
            .page(self.page)
            .per_page(self.per_page)
    }
}

#[derive(Args)]
pub struct FieldFlags {
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    email: Option<String>,
    #[arg(long)]
    phone: Option<String>,
    #[arg(long)]
    company: Option<String>,
    #[arg(long, alias = "job_title")]
    job_title: Option<String>,
    #[arg(long)]
    status: Option<String>,
    #[arg(long)]
    source: Option<String>,
    #[arg(long, alias = "owner_id")]
    owner_id: Option<String>,
    #[arg(long, alias = "external_id")]
    external_id: Option<String>,
    /// Deal value, such as 25000 or 99.50; empty to clear it
    #[arg(long, alias = "deal_value", value_parser = amount)]
    deal_value: Option<Amount>,
    /// All tags, separated by commas; empty to clear them
    #[arg(long, value_delimiter = ',')]
    tags: Option<Vec<String>>,
    /// Custom field as NAME=VALUE; an empty value removes it
    #[arg(long = "custom-field", alias = "custom_field", value_name = "NAME=VALUE", value_parser = custom_field)]
    custom_fields: Vec<(String, String)>,
}

/// A deal value, or `None` to clear it.
#[derive(Clone, Copy)]
pub struct Amount(Option<Decimal>);

fn amount(text: &str) -> std::result::Result<Amount, String> {
    if text.is_empty() {
        return Ok(Amount(None));
    }
    Decimal::from_str_exact(text)
        .map(|value| Amount(Some(value)))
        .map_err(|error| error.to_string())
}

fn custom_field(text: &str) -> std::result::Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl FieldFlags {
    pub fn new_lead(self) -> Result<NewLead> {
        let name = self
            .name
            .ok_or_else(|| Failure::new("validation_failed", "--name is required"))?;
        let mut new = NewLead::new(name);
        new = self.email.into_iter().fold(new, NewLead::email);
        new = self.phone.into_iter().fold(new, NewLead::phone);
        new = self.company.into_iter().fold(new, NewLead::company);
        new = self.job_title.into_iter().fold(new, NewLead::job_title);
        new = self.status.into_iter().fold(new, NewLead::status);
        new = self.source.into_iter().fold(new, NewLead::source);
        new = self.owner_id.into_iter().fold(new, NewLead::owner_id);
        new = self.external_id.into_iter().fold(new, NewLead::external_id);
        new = self
            .deal_value
            .and_then(|amount| amount.0)
            .into_iter()
            .fold(new, NewLead::deal_value);
        new = new.tags(non_empty_tags(self.tags.unwrap_or_default()));
        Ok(self
            .custom_fields
            .into_iter()
            .fold(new, |new, (name, value)| {
                new.custom_field(name, CustomValue::from(value))
            }))
    }

    pub fn patch(self, if_version: Option<u64>) -> LeadPatch {
        let mut patch = LeadPatch::new();
        patch = self.name.into_iter().fold(patch, LeadPatch::name);
        patch = self.email.into_iter().fold(patch, LeadPatch::email);
        patch = self.phone.into_iter().fold(patch, LeadPatch::phone);
        patch = self.company.into_iter().fold(patch, LeadPatch::company);
        patch = self.job_title.into_iter().fold(patch, LeadPatch::job_title);
        patch = self.status.into_iter().fold(patch, LeadPatch::status);
        patch = self.source.into_iter().fold(patch, LeadPatch::source);
        patch = self.owner_id.into_iter().fold(patch, LeadPatch::owner_id);
        patch = self
            .external_id
            .into_iter()
            .fold(patch, LeadPatch::external_id);
        patch = match self.deal_value {
            None => patch,
            Some(Amount(None)) => patch.clear_deal_value(),
            Some(Amount(Some(value))) => patch.deal_value(value),
        };
        patch = self
            .tags
            .into_iter()
            .fold(patch, |patch, tags| patch.tags(non_empty_tags(tags)));
        for (name, value) in self.custom_fields {
            patch = if value.is_empty() {
                patch.remove_custom_field(name)
            } else {
                patch.custom_field(name, value)
            };
        }
        if_version
            .map(LeadVersion::new)
            .into_iter()
            .fold(patch, LeadPatch::if_version)
    }
}

/// Trims the tags and drops empty ones, such as the one that `--tags ""` produces.
fn non_empty_tags(tags: Vec<String>) -> impl Iterator<Item = String> {
    tags.into_iter()
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
}
