//! The lead: its fields, their validation rules and its JSON form. Depends on no higher layer and
//! on no storage engine.

mod custom_value;
mod deal_value;
mod id;
mod new_lead;
mod parse_id;
pub(crate) mod patch;
pub(crate) mod rule;
pub(crate) mod text_field;
mod version;
mod violation;
mod violations;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use custom_value::{CustomNumber, CustomValue};
pub use id::LeadId;
pub use new_lead::NewLead;
pub use patch::LeadPatch;
pub use version::LeadVersion;
pub use violation::{Violation, ViolationCode};

pub(crate) use deal_value::{
    deserialize_sum as deserialize_deal_value, serialize as serialize_deal_value,
};
pub(crate) use rule::{MAX_ENCODED_BYTES, StatusSet};
pub(crate) use violations::Violations;

/// A sales lead as stored.
///
/// It serializes as the JSON object of the Leads API: every field is a member, an absent value is
/// `null`, times are RFC 3339 in UTC with microseconds, and `deal_value` is a number without
/// trailing zeros.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Lead {
    /// The id of the lead, which never changes.
    pub id: LeadId,
    /// The id in another system: 1 to 128 printable ASCII characters, unique in the store.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The name: 1 to 255 characters, no control characters.
    pub name: String,
    /// The e-mail address: at most 254 bytes with exactly one `@`.
    #[serde(default)]
    pub email: Option<String>,
    /// The phone number: at most 64 characters, at least 3 of them digits.
    #[serde(default)]
    pub phone: Option<String>,
    /// The company: 1 to 255 characters.
    #[serde(default)]
    pub company: Option<String>,
    /// The job title: 1 to 255 characters.
    #[serde(default)]
    pub job_title: Option<String>,
    /// The status: 1 to 64 characters of `a-z 0-9 _ -`.
    pub status: String,
    /// The source that the lead came from: 1 to 64 characters, no commas or control characters.
    #[serde(default)]
    pub source: Option<String>,
    /// The owner of the lead: 1 to 64 printable ASCII characters, no spaces or commas.
    #[serde(default)]
    pub owner_id: Option<String>,
    /// The exact value of the deal: 0 or more, less than 10^11, at most 4 decimal places.
    #[serde(default, deserialize_with = "deal_value::deserialize")]
    pub deal_value: Option<Decimal>,
    /// The tags in the order given: at most 50, each 1 to 50 characters, no commas or control
    /// characters.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The custom fields: at most 100 named values.
    #[serde(default)]
    pub custom_fields: BTreeMap<String, CustomValue>,
    /// The creation time, in whole microseconds.
    pub created_at: DateTime<Utc>,
    /// The time of the last update or restoration, or else the creation time, in whole
    /// microseconds. Never before `created_at`.
    pub updated_at: DateTime<Utc>,
    /// The version: 1 at creation, incremented by every change.
    pub version: LeadVersion,
}

/// A lead in the trash.
///
/// It serializes as the lead's JSON object with the additional members `deleted_at` and
/// `expires_at`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct TrashedLead {
    /// The lead at the time of its deletion. Its `version` already counts the deletion.
    #[serde(flatten)]
    pub lead: Lead,
    /// The time of the deletion.
    pub deleted_at: DateTime<Utc>,
    /// The time from which the lead can no longer be restored: the deletion time plus the retention
    /// that was configured when the lead was deleted.
    pub expires_at: DateTime<Utc>,
}

impl Lead {
    /// Creates a lead in memory with these values, the status `new`, version 1 and no other fields.
    /// It is meant for tests, and for code that works on leads without a store. Nothing is checked.
    /// The store creates leads from [`NewLead`].
    pub fn new(id: LeadId, name: impl Into<String>, created_at: DateTime<Utc>) -> Self {
        Self {
            id,
            external_id: None,
            name: name.into(),
            email: None,
            phone: None,
            company: None,
            job_title: None,
            status: "new".to_owned(),
            source: None,
            owner_id: None,
            deal_value: None,
            tags: Vec::new(),
            custom_fields: BTreeMap::new(),
            created_at,
            updated_at: created_at,
            version: LeadVersion::FIRST,
        }
    }

    /// Writes the members of the lead's JSON object to `map`, for types that add their own members.
    pub(crate) fn serialize_members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("external_id", &self.external_id)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("email", &self.email)?;
        map.serialize_entry("phone", &self.phone)?;
        map.serialize_entry("company", &self.company)?;
        map.serialize_entry("job_title", &self.job_title)?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("source", &self.source)?;
        map.serialize_entry("owner_id", &self.owner_id)?;
        map.serialize_entry("deal_value", &self.deal_value.map(deal_value::JsonNumber))?;
        map.serialize_entry("tags", &self.tags)?;
        map.serialize_entry("custom_fields", &self.custom_fields)?;
        map.serialize_entry("created_at", &rfc3339(self.created_at))?;
        map.serialize_entry("updated_at", &rfc3339(self.updated_at))?;
        map.serialize_entry("version", &self.version)
    }
}

impl TrashedLead {
    /// Creates a trashed lead in memory. Like [`Lead::new`], it checks nothing.
    pub fn new(lead: Lead, deleted_at: DateTime<Utc>, expires_at: DateTime<Utc>) -> Self {
        Self {
            lead,
            deleted_at,
            expires_at,
        }
    }
}

impl Serialize for Lead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_members(&mut map)?;
        map.end()
    }
}

impl Serialize for TrashedLead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.lead.serialize_members(&mut map)?;
        map.serialize_entry("deleted_at", &rfc3339(self.deleted_at))?;
        map.serialize_entry("expires_at", &rfc3339(self.expires_at))?;
        map.end()
    }
}

pub(crate) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(feature = "http")]
pub(crate) fn serialize_rfc3339<S: Serializer>(
    time: &DateTime<Utc>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    rfc3339(*time).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;

    #[test]
    fn lead_serializes_as_the_leads_api_object() {
        let lead = Lead {
            id: "lead_01h455vb4pex5vsknk084sn02q".parse().unwrap(),
            external_id: None,
            name: "Jane Doe".into(),
            email: Some("jane@example.com".into()),
            phone: None,
            company: None,
            job_title: None,
            status: "new".into(),
            source: None,
            owner_id: None,
            deal_value: Some("25000.50".parse().unwrap()),
            tags: vec![],
            custom_fields: BTreeMap::from([
                ("employees".to_owned(), "50-200".into()),
                ("score".to_owned(), CustomValue::from(7)),
            ]),
            created_at: from_micros(1_700_000_000_000_000),
            updated_at: from_micros(1_700_000_000_000_001),
            version: LeadVersion::FIRST,
        };
        let json = serde_json::to_string(&lead).unwrap();
        assert_eq!(
            json,
            r#"{"id":"lead_01h455vb4pex5vsknk084sn02q","external_id":null,"name":"Jane Doe","email":"jane@example.com","phone":null,"company":null,"job_title":null,"status":"new","source":null,"owner_id":null,"deal_value":25000.5,"tags":[],"custom_fields":{"employees":"50-200","score":7},"created_at":"2023-11-14T22:13:20.000000Z","updated_at":"2023-11-14T22:13:20.000001Z","version":1}"#
        );
    }
}
