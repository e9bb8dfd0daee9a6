//! The trash: which leads it contains, for how long, and which operations on them are rejected.

use std::time::Duration;

use leadstore::chrono::TimeDelta;
use leadstore::testing::sweep;
use leadstore::{
    Clock, ErrorKind, Filter, LeadPatch, LeadStore, LeadVersion, ListQuery, NewLead, SearchQuery,
    Sort, SortKey, TrashQuery,
};

use crate::support::{TestStore, options};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn deleted_lead_is_hidden_everywhere_and_restored_unchanged() {
    let test = TestStore::new();
    let new = NewLead::new("Jane Doe")
        .email("jane@example.com")
        .external_id("e1")
        .tags(["vip"]);
    let lead = test.store.create(new).unwrap();
    test.clock.advance(DAY);
    let trashed = test.store.delete(lead.id).unwrap();
    assert_eq!(trashed.deleted_at, test.clock.now());
    assert_eq!(trashed.expires_at, trashed.deleted_at + TimeDelta::days(30));
    assert_eq!(trashed.lead.version, LeadVersion::new(2));

    assert_eq!(test.store.get(lead.id).unwrap(), None);
    assert_eq!(test.store.get_by_external_id("e1").unwrap(), None);
    assert_eq!(test.store.list(&ListQuery::new()).unwrap().total, 0);
    assert_eq!(test.store.count(&Filter::new().tag("vip")).unwrap(), 0);
    assert_eq!(
        test.store.search(&SearchQuery::new("jane")).unwrap().total,
        0
    );
    assert_eq!(test.store.leads(&Filter::new()).count(), 0);

    let error = test
        .store
        .update(lead.id, LeadPatch::new().name("x"))
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.expires_at()),
        (ErrorKind::InTrash, Some(trashed.expires_at))
    );
    assert_eq!(
        test.store.delete(lead.id).unwrap_err().kind(),
        ErrorKind::InTrash
    );

    let listed = test.store.list_trash(&TrashQuery::new()).unwrap();
    assert_eq!((listed.total, &listed.items), (1, &vec![trashed.clone()]));
    assert_eq!(test.store.get_trashed(lead.id).unwrap(), Some(trashed));
    let json = serde_json::to_value(&listed.items[0]).unwrap();
    assert_eq!(
        (&json["name"], &json["deleted_at"]),
        (&"Jane Doe".into(), &"2026-03-02T12:00:00.000000Z".into())
    );

    let restored = test.store.restore(lead.id).unwrap();
    let mut expected = lead.clone();
    (expected.version, expected.updated_at) = (LeadVersion::new(3), test.clock.now());
    assert_eq!(restored, expected);
    assert_eq!(test.store.get(lead.id).unwrap(), Some(expected));
    assert_eq!(
        test.store.search(&SearchQuery::new("jane")).unwrap().total,
        1
    );
    assert_eq!(test.store.count(&Filter::new().tag("vip")).unwrap(), 1);
    assert_eq!(
        test.store.restore(lead.id).unwrap_err().kind(),
        ErrorKind::NotInTrash
    );
    assert_eq!(
        test.store.purge(lead.id).unwrap_err().kind(),
        ErrorKind::NotInTrash
    );
}

#[test]
fn trash_can_be_filtered_by_owner() {
    let test = TestStore::new();
    for (name, owner) in [
        ("Jane", Some("u1")),
        ("Joe", Some("u2")),
        ("Jim", None),
        ("Jill", Some("u1")),
    ] {
        let new = NewLead::new(name);
        let new = owner
            .into_iter()
            .fold(new, |new, owner| new.owner_id(owner));
        test.store
            .delete(test.store.create(new).unwrap().id)
            .unwrap();
        test.clock.advance(DAY);
    }
    let names = |query: TrashQuery| {
        let page = test.store.list_trash(&query).unwrap();
        (
            page.total,
            page.items
                .into_iter()
                .map(|trashed| trashed.lead.name)
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        names(TrashQuery::new().owner_id("u1")),
        (2, vec!["Jill".to_owned(), "Jane".to_owned()])
    );
    assert_eq!(
        names(TrashQuery::new().owner_id("u1").per_page(1).page(2)),
        (2, vec!["Jane".to_owned()])
    );
    assert_eq!(names(TrashQuery::new().owner_id("u3")), (0, vec![]));
    assert_eq!(names(TrashQuery::new()).0, 4);
}

#[test]
fn trash_sorts_and_validates_like_a_list() {
    let test = TestStore::new();
    for name in ["Bob", "Carol", "Alice"] {
        test.store
            .delete(test.store.create(NewLead::new(name)).unwrap().id)
            .unwrap();
        test.clock.advance(DAY);
    }
    let names = |query: TrashQuery| -> Vec<String> {
        test.store
            .list_trash(&query)
            .unwrap()
            .items
            .into_iter()
            .map(|trashed| trashed.lead.name)
            .collect()
    };
    assert_eq!(
        names(TrashQuery::new().sort([Sort::asc(SortKey::Name)])),
        ["Alice", "Bob", "Carol"]
    );
    assert_eq!(
        names(
            TrashQuery::new()
                .sort([Sort::desc(SortKey::Name)])
                .per_page(2)
                .page(2)
        ),
        ["Alice"]
    );
    assert_eq!(
        names(TrashQuery::new().sort([Sort::asc(SortKey::DeletedAt)])),
        ["Bob", "Carol", "Alice"]
    );
    assert_eq!(
        names(TrashQuery::new().sort([Sort::asc(SortKey::Name)]).page(2)),
        [""; 0]
    );

    let four = ["name", "email", "company", "status"].map(|key| key.parse::<Sort>().unwrap());
    for wrong in [
        TrashQuery::new().page(0),
        TrashQuery::new().per_page(101),
        TrashQuery::new().sort(four),
    ] {
        assert_eq!(
            test.store.list_trash(&wrong).unwrap_err().kind(),
            ErrorKind::Invalid,
            "{wrong:?}"
        );
    }
}

#[test]
fn restored_lead_returns_to_its_creation_order() {
    let test = TestStore::new();
    let ids: Vec<_> = (0..3)
        .map(|n| test.store.create(NewLead::new(format!("{n}"))).unwrap().id)
        .collect();
    test.store.delete(ids[1]).unwrap();
    test.clock.advance(DAY);
    test.store.restore(ids[1]).unwrap();
    let names: Vec<String> = test
        .store
        .list(&ListQuery::new())
        .unwrap()
        .into_iter()
        .map(|lead| lead.name)
        .collect();
    assert_eq!(names, ["2", "1", "0"]);
}

#[test]
fn delete_if_and_restore_if_check_the_version() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("A")).unwrap();
    let error = test
        .store
        .delete_if(lead.id, LeadVersion::new(2))
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.current_version()),
        (ErrorKind::Conflict, Some(LeadVersion::FIRST))
    );
    test.store.delete_if(lead.id, LeadVersion::FIRST).unwrap();
    assert_eq!(
        test.store
            .restore_if(lead.id, LeadVersion::FIRST)
            .unwrap_err()
            .kind(),
        ErrorKind::Conflict
    );
    assert_eq!(
        test.store
            .restore_if(lead.id, LeadVersion::new(2))
            .unwrap()
            .version,
        LeadVersion::new(3)
    );
}

#[test]
fn expired_lead_is_gone_before_and_after_the_sweep() {
    for swept in [false, true] {
        let mut test = TestStore::new();
        let lead = test
            .store
            .create(NewLead::new("A").external_id("e1"))
            .unwrap();
        test.store.delete(lead.id).unwrap();
        test.clock.advance(30 * DAY - Duration::from_micros(1));
        assert_eq!(sweep(&test.store).unwrap(), 0);
        assert!(test.store.get_trashed(lead.id).unwrap().is_some());
        let snapshot = test.store.snapshot().unwrap();
        test.clock.advance(Duration::from_micros(1));
        assert_eq!(
            snapshot.list_trash(&TrashQuery::new()).unwrap().total,
            1,
            "a snapshot keeps the time at which it was taken"
        );
        if swept {
            assert_eq!(sweep(&test.store).unwrap(), 1);
        }
        drop(snapshot);
        for reopened in [false, true] {
            if reopened {
                test.reopen();
            }
            assert_eq!(test.store.get_trashed(lead.id).unwrap(), None);
            assert_eq!(test.store.list_trash(&TrashQuery::new()).unwrap().total, 0);
            for error in [
                test.store.restore(lead.id).map(drop),
                test.store.purge(lead.id),
                test.store.delete(lead.id).map(drop),
                test.store.update(lead.id, LeadPatch::new()).map(drop),
            ] {
                assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
            }
            assert_eq!(test.store.empty_trash().unwrap(), 0);
            let report = test.store.check(|_| ()).unwrap();
            assert_eq!(report.in_trash, 0, "expired leads are removed as well");
        }
        // The id and the external id can be used again.
        let again = test
            .store
            .create(NewLead::new("B").id(lead.id).external_id("e1"))
            .unwrap();
        assert_eq!((again.id, again.version), (lead.id, LeadVersion::FIRST));
        assert_eq!(
            test.store.get_by_external_id("e1").unwrap().unwrap().name,
            "B"
        );
        assert_eq!(test.store.list(&ListQuery::new()).unwrap().total, 1);
    }
}

#[test]
fn large_trash_is_emptied_in_several_commits() {
    let store = LeadStore::in_memory().unwrap();
    let ids = store.transaction(|transaction| {
        let lead = |number| NewLead::new(format!("lead {number}")).external_id(format!("{number}"));
        let mut ids = Vec::new();
        for number in 0..2_500 {
            ids.push(transaction.create(lead(number))?.id);
        }
        ids.iter()
            .try_for_each(|id| transaction.delete(*id).map(drop))?;
        Ok(ids)
    });
    let kept = store.create(NewLead::new("kept")).unwrap();
    assert_eq!(store.empty_trash().unwrap(), 2_500);
    assert_eq!(store.empty_trash().unwrap(), 0);
    assert_eq!(store.list_trash(&TrashQuery::new()).unwrap().total, 0);
    assert_eq!(store.list(&ListQuery::new()).unwrap().items, [kept]);
    assert!(store.restore(ids.unwrap()[7]).is_err());
    let report = store.check(|_| ()).unwrap();
    assert!(report.is_ok(), "{:?}", report.problems);
    let nested = store.transaction(|_| store.empty_trash());
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::Nested);
}

#[test]
fn expiry_is_fixed_at_deletion() {
    let mut test = TestStore::new();
    let lead = test.store.create(NewLead::new("A")).unwrap();
    let trashed = test.store.delete(lead.id).unwrap();
    test.store.clone().close().unwrap();
    test.store = options(&test.clock)
        .trash_retention(DAY)
        .open(test.path())
        .unwrap();
    assert_eq!(test.store.get_trashed(lead.id).unwrap(), Some(trashed));
    let other = test.store.create(NewLead::new("B")).unwrap();
    let trashed = test.store.delete(other.id).unwrap();
    assert_eq!(trashed.expires_at - trashed.deleted_at, TimeDelta::days(1));
}

#[test]
fn purge_and_empty_trash_delete_permanently() {
    let test = TestStore::new();
    let ids: Vec<_> = (0..5)
        .map(|n| test.store.create(NewLead::new(format!("{n}"))).unwrap().id)
        .collect();
    for id in &ids[..4] {
        test.store.delete(*id).unwrap();
    }
    test.store.purge(ids[0]).unwrap();
    assert_eq!(
        test.store.restore(ids[0]).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        test.store.purge(ids[0]).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(test.store.empty_trash().unwrap(), 3);
    assert_eq!(test.store.list_trash(&TrashQuery::new()).unwrap().total, 0);
    assert_eq!(test.store.list(&ListQuery::new()).unwrap().total, 1);
    assert_eq!(
        test.store
            .create(NewLead::new("again").id(ids[0]))
            .unwrap()
            .version,
        LeadVersion::FIRST
    );
}

#[test]
fn sweep_purges_all_expired_leads_in_batches() {
    let test = TestStore::new();
    test.store
        .transaction(|t| {
            for number in 0..600 {
                let lead = t.create(NewLead::new(format!("{number}")))?;
                t.delete(lead.id)?;
            }
            Ok(())
        })
        .unwrap();
    test.clock.advance(15 * DAY);
    let late = test.store.create(NewLead::new("late")).unwrap();
    test.store.delete(late.id).unwrap();
    test.clock.advance(20 * DAY);
    assert_eq!(test.store.list_trash(&TrashQuery::new()).unwrap().total, 1);
    assert_eq!(sweep(&test.store).unwrap(), 600);
    assert_eq!(sweep(&test.store).unwrap(), 0);
    assert_eq!(
        test.store.list_trash(&TrashQuery::new()).unwrap().items[0]
            .lead
            .id,
        late.id
    );
}

#[test]
fn sweep_waits_an_hour_after_the_clock_jumps_ahead() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("A")).unwrap();
    test.store.delete(lead.id).unwrap();
    let right = test.clock.now();
    test.clock.set(right + TimeDelta::days(365));
    assert_eq!(
        test.store.get_trashed(lead.id).unwrap(),
        None,
        "reads trust the clock"
    );
    assert_eq!(sweep(&test.store).unwrap(), 0);
    test.clock.advance(Duration::from_secs(3_599));
    assert_eq!(sweep(&test.store).unwrap(), 0);
    test.clock.set(right);
    test.store.restore(lead.id).unwrap();
    test.store.delete(lead.id).unwrap();
    test.clock.set(right + TimeDelta::days(365));
    assert_eq!(sweep(&test.store).unwrap(), 0);
    test.clock.advance(Duration::from_secs(3_600));
    assert_eq!(sweep(&test.store).unwrap(), 1);
}

/// A desktop application is opened for half an hour a day. Personal data must not stay in its trash
/// for years.
#[test]
fn store_that_is_opened_for_minutes_at_a_time_is_swept() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("A")).unwrap();
    test.store.delete(lead.id).unwrap();
    test.store.clone().close().unwrap();
    test.clock.advance(DAY * 40);
    let mut sessions = 0;
    loop {
        // While the store is closed, the application's monotonic clock does not run.
        let wall = test.clock.now() + TimeDelta::hours(12);
        test.clock.set(wall);
        test.store.reopen().unwrap();
        sweep(&test.store).unwrap();
        let is_purged = test.store.check(|_| ()).unwrap().in_trash == 0;
        test.clock.advance(Duration::from_secs(1_800));
        test.store.clone().close().unwrap();
        if is_purged {
            break;
        }
        sessions += 1;
        assert!(sessions < 50, "the lead was never purged");
    }
    assert!(
        sessions >= 2,
        "the clock was trusted after {sessions} sessions"
    );
}

#[test]
fn restart_does_not_end_the_wait_after_the_clock_jumps_ahead() {
    let mut test = TestStore::new();
    let lead = test.store.create(NewLead::new("A")).unwrap();
    test.store.delete(lead.id).unwrap();
    let right = test.clock.now();
    test.clock.set(right + TimeDelta::days(365));
    test.reopen();
    assert_eq!(sweep(&test.store).unwrap(), 0);
    test.store
        .create(NewLead::new("written under the wrong time"))
        .unwrap();
    test.clock.advance(Duration::from_secs(60));
    test.reopen();
    assert_eq!(sweep(&test.store).unwrap(), 0);
    test.clock.set(right);
    test.store.restore(lead.id).unwrap();
}

#[test]
fn expired_lead_is_not_counted_before_the_sweep() {
    let store = LeadStore::options()
        .trash_retention(Duration::ZERO)
        .in_memory()
        .unwrap();
    let lead = store.create(NewLead::new("A")).unwrap();
    store.delete(lead.id).unwrap();
    assert_eq!(store.list_trash(&TrashQuery::new()).unwrap().total, 0);
    assert_eq!(
        store.restore(lead.id).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}
