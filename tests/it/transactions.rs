//! Transactions are atomic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use leadstore::{Error, ErrorKind, Filter, LeadPatch, ListQuery, NewLead, SearchQuery};

use crate::support::TestStore;

#[test]
fn error_rolls_the_transaction_back() {
    let test = TestStore::new();
    let kept = test.store.create(NewLead::new("kept")).unwrap();
    let error = test
        .store
        .transaction(|t| {
            t.create(NewLead::new("gone"))?;
            t.update(kept.id, LeadPatch::new().name("changed"))?;
            t.delete(kept.id)?;
            Err::<(), _>(Error::abort(std::io::Error::other("the caller's own")))
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Aborted);
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.downcast_ref::<std::io::Error>().unwrap().to_string(),
        "the caller's own"
    );
    assert_eq!(test.store.get(kept.id).unwrap(), Some(kept.clone()));
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 1);
    assert_eq!(
        test.store.search(&SearchQuery::new("gone")).unwrap().total,
        0
    );
    let next = test.store.create(NewLead::new("next")).unwrap();
    assert_eq!(
        test.store.list(&ListQuery::new()).unwrap().items,
        [next, kept]
    );
}

#[test]
fn panic_rolls_the_transaction_back_and_the_store_stays_usable() {
    let mut test = TestStore::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        test.store.transaction(|t| {
            t.create(NewLead::new("gone"))?;
            if t.count(&Filter::new())? == 1 {
                panic!("in the caller's closure");
            }
            Ok(())
        })
    }));
    assert_eq!(
        panicked.unwrap_err().downcast_ref::<&str>(),
        Some(&"in the caller's closure")
    );
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 0);
    test.store.create(NewLead::new("next")).unwrap();
    test.reopen();
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 1);
}

#[test]
fn failed_write_changes_nothing_and_the_transaction_continues() {
    let test = TestStore::new();
    let lead = test
        .store
        .create(NewLead::new("A").external_id("taken"))
        .unwrap();
    test.store
        .transaction(|t| {
            assert_eq!(
                t.create(NewLead::new("B").external_id("taken"))
                    .unwrap_err()
                    .kind(),
                ErrorKind::AlreadyExists
            );
            assert_eq!(
                t.create(NewLead::new("")).unwrap_err().kind(),
                ErrorKind::Invalid
            );
            assert_eq!(
                t.restore(lead.id).unwrap_err().kind(),
                ErrorKind::NotInTrash
            );
            t.create(NewLead::new("C"))
        })
        .unwrap();
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 2);
}

#[test]
fn transaction_sees_its_own_writes_and_others_do_not() {
    let test = TestStore::new();
    test.store
        .transaction(|t| {
            let lead = t.create(NewLead::new("A").external_id("e").tags(["x"]))?;
            assert_eq!(format!("{t:?}"), "Transaction { changes: 1, .. }");
            assert_eq!(t.get(lead.id)?, Some(lead.clone()));
            assert_eq!(t.get_by_external_id("e")?, Some(lead.clone()));
            assert_eq!(t.count(&Filter::new().tag("x"))?, 1);
            assert_eq!(
                t.list(&ListQuery::new().sort(["status".parse()?, "-source".parse()?]))?
                    .items,
                std::slice::from_ref(&lead)
            );
            assert_eq!(
                t.leads(&Filter::new()).collect::<Result<Vec<_>, _>>()?,
                std::slice::from_ref(&lead)
            );
            assert_eq!(test.store.get(lead.id)?, None);
            assert_eq!(test.store.count(&Filter::new())?, 0);
            t.delete(lead.id)?;
            assert_eq!(format!("{t:?}"), "Transaction { changes: 2, .. }");
            assert_eq!(t.get_many(&[lead.id])?, [None]);
            assert!(t.get_trashed(lead.id)?.is_some());
            assert_eq!(t.list_trash(&Default::default())?.total, 1);
            t.restore(lead.id).map(drop)
        })
        .unwrap();
    assert_eq!(test.store.count(&Filter::new()).unwrap(), 1);
}

#[test]
fn write_inside_its_own_transaction_returns_nested() {
    let test = TestStore::new();
    let store = &test.store;
    let kinds = store
        .transaction(|_| {
            let errors = [
                store.create(NewLead::new("A")).unwrap_err(),
                store.transaction(|_| Ok(())).unwrap_err(),
                store.sync().unwrap_err(),
                store.compact().unwrap_err(),
                store.reopen().unwrap_err(),
                store.clone().close().unwrap_err(),
            ];
            Ok(errors.map(|error| error.kind()))
        })
        .unwrap();
    assert_eq!(kinds, [ErrorKind::Nested; 6]);
    store.create(NewLead::new("A")).unwrap();
}
