//! The catalogue of fields: which values of a lead have bitmaps, index keys and search terms. It is
//! part of the store's state rather than a constant, so that applications will be able to define
//! their own fields. The write path, lists and searches loop over it.

use std::sync::Arc;

use crate::schema::field::{self, BitmapField, FieldDef, SortKey, SortOrder, TermField};

/// All fields that a store knows.
#[derive(Clone, Debug)]
pub(crate) struct Catalogue {
    fields: Vec<FieldDef>,
    /// Each searched field, with its position in `fields`, in the order of `TermField`.
    searched: Vec<(TermField, usize)>,
}

impl Catalogue {
    /// Returns the catalogue of the fields that are built into every store.
    pub(crate) fn builtin() -> Arc<Self> {
        Arc::new(Self::new(field::builtin()))
    }

    fn new(fields: Vec<FieldDef>) -> Self {
        let mut searched: Vec<(TermField, usize)> = fields
            .iter()
            .enumerate()
            .filter_map(|(place, field)| Some((field.search?, place)))
            .collect();
        searched.sort_unstable();
        Self { fields, searched }
    }

    /// Returns the catalogue with one more field.
    #[cfg(test)]
    pub(crate) fn with(&self, field: FieldDef) -> Arc<Self> {
        let mut fields = self.fields.clone();
        fields.push(field);
        Arc::new(Self::new(fields))
    }

    pub(crate) fn fields(&self) -> &[FieldDef] {
        &self.fields
    }

    /// Returns the field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldDef> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the field of a sort key, and the stored structure that provides its order.
    pub(crate) fn sort(&self, key: SortKey) -> Option<(&FieldDef, SortOrder)> {
        let field = self.field(key.as_str())?;
        Some((field, field.sort?))
    }

    /// Returns the fields by whose values a filter can select leads.
    pub(crate) fn filters(&self) -> impl Iterator<Item = (&FieldDef, BitmapField)> {
        self.fields
            .iter()
            .filter_map(|field| Some((field, field.filter?)))
    }

    /// Returns the searched fields in the order of `TermField`.
    pub(crate) fn searched(&self) -> impl Iterator<Item = (TermField, &FieldDef)> {
        self.searched
            .iter()
            .filter_map(|(term_field, place)| Some((*term_field, self.fields.get(*place)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::{LeadPatch, NewLead};
    use crate::query::Filter;
    use crate::schema::field::{FieldSource, SortIndex};
    use crate::schema::keys::{self, Collection};
    use crate::store::{LeadStore, OpenOptions};

    /// Returns a field that is defined at run time. A later version will let applications define
    /// their fields like this.
    fn industry() -> FieldDef {
        FieldDef::new("industry", FieldSource::Custom("industry".to_owned()))
            .filtered(BitmapField(0x40))
            .sorted(SortIndex(0x60), false)
    }

    fn store() -> LeadStore {
        let mut options = OpenOptions::new();
        options.catalogue = Catalogue::builtin().with(industry());
        options.in_memory().unwrap()
    }

    #[test]
    fn a_field_defined_at_run_time_is_filtered_and_checked_like_any_other() {
        let store = store();
        let lead = |name: &str, industry: &str| {
            let lead = NewLead::new(name).custom_field("industry", industry);
            store.create(lead).unwrap().id
        };
        let (ada, ben) = (lead("Ada", "Technology"), lead("Ben", "Retail"));
        store.create(NewLead::new("Cy")).unwrap();
        store
            .update(ben, LeadPatch::new().custom_field("industry", "Technology"))
            .unwrap();
        let count = |value: Option<&str>| {
            let value = value.map(str::to_owned);
            store
                .count(&Filter::new().with_value(BitmapField(0x40), value))
                .unwrap()
        };
        assert_eq!(
            (
                count(Some("Technology")),
                count(Some("Retail")),
                count(None)
            ),
            (2, 0, 1)
        );
        store.delete(ada).unwrap();
        assert_eq!(count(Some("Technology")), 1);
        let mut sorted = Vec::new();
        store
            .read(|state| {
                let range = keys::sort_range(Collection::Live, SortIndex(0x60));
                state.scan_keys(&range, crate::row::Direction::Ascending, |key| {
                    sorted.push(key.to_vec());
                    Ok(crate::storage::Visit::Continue(()))
                })
            })
            .unwrap();
        assert_eq!(sorted.len(), 1);
        let report = store.check(|_| ()).unwrap();
        assert!(report.is_ok(), "{:?}", report.problems);
    }

    #[test]
    fn every_sort_key_has_a_field_that_can_be_sorted_by() {
        let catalogue = Catalogue::builtin();
        for key in SortKey::ALL {
            assert!(catalogue.sort(*key).is_some(), "{key}");
        }
    }

    #[test]
    fn no_two_fields_share_a_name_or_a_tag_on_disk() {
        let catalogue = Catalogue::builtin();
        let mut seen = std::collections::BTreeSet::new();
        for field in catalogue.fields() {
            assert!(seen.insert(field.name.to_string()), "{}", field.name);
            if let Some(BitmapField(tag)) = field.filter {
                assert!(seen.insert(format!("bitmap {tag}")), "{}", field.name);
            }
            if let Some(SortOrder::Keys { index, .. }) = field.sort {
                assert!(seen.insert(format!("keys {}", index.0)), "{}", field.name);
            }
        }
    }
}
