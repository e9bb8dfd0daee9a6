//! The id of a lead: a UUID that is printed as a TypeID, such as `lead_01h455vb4pex5vsknk084sn02q`.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::type_id;

/// The id of a lead.
///
/// It is a 128-bit UUID. The store generates UUIDs of version 7 ([RFC
/// 9562](https://www.rfc-editor.org/rfc/rfc9562)), which sort by creation time. A caller may supply
/// any UUID. The id is printed, parsed and serialized as a
/// [TypeID](https://github.com/jetify-com/typeid) with the prefix `lead`.
///
/// ```
/// use leadstore::LeadId;
///
/// let id: LeadId = "lead_01h455vb4pex5vsknk084sn02q".parse()?;
/// assert_eq!(id.to_string(), "lead_01h455vb4pex5vsknk084sn02q");
/// assert!("person_01h455vb4pex5vsknk084sn02q".parse::<LeadId>().is_err());
/// # Ok::<(), leadstore::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeadId(u128);

pub(crate) const PREFIX: &str = "lead_";

impl LeadId {
    /// Creates an id from the 16 bytes of a UUID, most significant byte first as in RFC 9562.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// Returns the 16 bytes of the UUID, most significant byte first. The bytes sort like the ids.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Generates a UUIDv7 for a lead created at `time`. The 12 bits after the version hold the
    /// fraction of the millisecond (RFC 9562, section 6.2, method 3), so ids from different
    /// microseconds sort by creation time.
    pub(crate) fn generate(time: DateTime<Utc>) -> Self {
        let micros = u64::try_from(time.timestamp_micros()).unwrap_or(0);
        let (millis, fraction) = (micros / 1_000, micros % 1_000);
        let random = Uuid::new_v4().as_u128();
        let time_and_version = (u128::from(millis & 0xffff_ffff_ffff) << 80) | (0x7 << 76);
        // Scales 0 to 999 microseconds to the 4,096 values of 12 bits.
        let fraction = u128::from(fraction * 4_096 / 1_000) << 64;
        // The lower 64 bits begin with the variant, which is the same in versions 4 and 7.
        let tail = random & 0xffff_ffff_ffff_ffff;
        Self(time_and_version | fraction | tail)
    }
}

impl fmt::Display for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&type_id::format(PREFIX, self.0))
    }
}

impl fmt::Debug for LeadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LeadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_micros;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_round_trip_through_text_and_bytes(bytes: [u8; 16]) {
            let id = LeadId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<LeadId>().unwrap(), id);
            prop_assert_eq!(id.to_bytes(), bytes);
        }

        #[test]
        fn text_order_matches_id_order(a: [u8; 16], b: [u8; 16]) {
            let (a, b) = (LeadId::from_bytes(a), LeadId::from_bytes(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn parsing_arbitrary_text_never_panics(text: String) {
            let _ = text.parse::<LeadId>();
        }
    }

    #[test]
    fn generated_ids_are_version_7_and_sort_by_microsecond() {
        let start = 1_700_000_000_000_000;
        let ids: Vec<LeadId> = (0..3_000)
            .map(|n| LeadId::generate(from_micros(start + n)))
            .collect();
        assert!(ids.is_sorted());
        for id in ids {
            let uuid = Uuid::from_bytes(id.to_bytes());
            assert_eq!(uuid.get_version_num(), 7);
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        }
        let before_1970 = LeadId::generate(from_micros(-5));
        assert_eq!(
            Uuid::from_bytes(before_1970.to_bytes()).get_version_num(),
            7
        );
    }

    #[test]
    fn id_serializes_as_its_text() {
        let id: LeadId = "lead_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"lead_01h455vb4pex5vsknk084sn02q\"");
        assert_eq!(serde_json::from_str::<LeadId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<LeadId>("\"lead_\"").is_err());
    }
}
