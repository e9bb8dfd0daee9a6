//! The 500 contacts of `us-500.csv`, imported and then found by id, by search and in lists with
//! several sort orders.

use std::collections::BTreeSet;

use leadstore::{Lead, ListQuery, NewLead, SearchField, SearchQuery, Sort};

use crate::support::{self, TestStore};

#[test]
fn every_us_500_lead_is_found_by_id_list_email_and_company() {
    let Some(path) = support::data("us-500.csv") else {
        return;
    };
    let mut test = TestStore::new();
    let rows: Vec<csv::StringRecord> = csv::Reader::from_path(path)
        .unwrap()
        .records()
        .map(Result::unwrap)
        .collect();
    let imported: Vec<Lead> = test
        .store
        .transaction(|t| {
            let lead = |row: &csv::StringRecord| {
                t.create(
                    NewLead::new(format!("{} {}", &row[0], &row[1]))
                        .company(&row[2])
                        .custom_field("city", &row[4])
                        .phone(&row[8])
                        .email(&row[10]),
                )
            };
            rows.iter().map(lead).collect()
        })
        .unwrap();
    assert_eq!(imported.len(), 500);
    for reopened in [false, true] {
        if reopened {
            test.reopen();
        }
        let store = &test.store;
        for lead in &imported {
            assert_eq!(store.get(lead.id).unwrap().as_ref(), Some(lead));
            let found = store
                .search(
                    &SearchQuery::new(lead.email.as_deref().unwrap()).fields([SearchField::Email]),
                )
                .unwrap();
            assert!(
                found.items.iter().any(|hit| hit.lead == *lead),
                "{:?}",
                lead.email
            );
            let company = lead.company.as_deref().unwrap();
            let found = store
                .search(
                    &SearchQuery::new(company)
                        .fields([SearchField::Company])
                        .per_page(100),
                )
                .unwrap();
            assert!(found.items.iter().any(|hit| hit.lead == *lead), "{company}");
        }
        for sort in [
            "-created_at",
            "created_at",
            "name",
            "-email",
            "company",
            "-phone",
        ] {
            let Ok(sort) = sort.parse::<Sort>() else {
                assert_eq!(sort, "-phone", "only phone is not a sort key");
                continue;
            };
            let mut seen = BTreeSet::new();
            for page in 1..=20 {
                let listed = store
                    .list(&ListQuery::new().sort([sort]).page(page))
                    .unwrap();
                assert_eq!((listed.total, listed.items.len()), (500, 25));
                seen.extend(listed.into_iter().map(|lead| lead.id));
            }
            assert_eq!(seen.len(), 500, "{sort}");
            assert!(
                store
                    .list(&ListQuery::new().sort([sort]).page(21))
                    .unwrap()
                    .items
                    .is_empty()
            );
        }
    }
}
