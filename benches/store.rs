//! Cost of the calls at 100,000 leads: `cargo bench --bench store`. `LEADSTORE_BENCH_LEADS` sets a
//! different number of leads.

mod generated;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use leadstore::{
    Filter, LeadId, LeadPatch, LeadStore, ListQuery, NewLead, SearchField, SearchQuery, Sort,
};

fn leads() -> usize {
    std::env::var("LEADSTORE_BENCH_LEADS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(100_000)
}

fn reads(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let path = generated::store(directory.path(), leads()).unwrap();
    let store = LeadStore::open(&path).unwrap();
    let filter = || Filter::new().status("new");
    let three = || {
        Filter::new()
            .status("new")
            .source("website")
            .owner_id("user-7")
    };

    let mut group = c.benchmark_group("list");
    let pages = store
        .list(&ListQuery::new().filter(filter()))
        .unwrap()
        .total_pages();
    for (name, page) in [("first", 1), ("middle", pages / 2), ("last", pages)] {
        for sort in ["-created_at", "created_at"] {
            let query = ListQuery::new()
                .filter(filter())
                .sort([sort.parse().unwrap()])
                .page(page);
            group.bench_function(format!("one filter, {sort}, {name} page"), |b| {
                b.iter(|| store.list(black_box(&query)).unwrap())
            });
        }
    }
    let query = ListQuery::new().filter(three());
    group.bench_function("three filters, -created_at, first page", |b| {
        b.iter(|| store.list(black_box(&query)).unwrap())
    });
    for sort in ["name", "-deal_value", "status"] {
        for (name, page) in [("first", 1), ("middle", pages / 2)] {
            let query = ListQuery::new()
                .filter(filter())
                .sort([sort.parse::<Sort>().unwrap()])
                .page(page);
            group.bench_function(format!("one filter, {sort}, {name} page"), |b| {
                b.iter(|| store.list(black_box(&query)).unwrap())
            });
        }
    }
    for (sorts, sort) in [
        ("status,name", ["status", "name"]),
        ("name,-deal_value", ["name", "-deal_value"]),
    ] {
        for (name, page) in [("first", 1), ("last", pages)] {
            let sort = sort.map(|key| key.parse::<Sort>().unwrap());
            let query = ListQuery::new().filter(filter()).sort(sort).page(page);
            group.bench_function(format!("one filter, {sorts}, {name} page"), |b| {
                b.iter(|| store.list(black_box(&query)).unwrap())
            });
        }
    }
    group.finish();

    let ids: Vec<LeadId> = store
        .leads(&Filter::new())
        .map(|lead| lead.unwrap().id)
        .collect();
    let mut rng = fastrand::Rng::with_seed(2);
    c.bench_function("get, random", |b| {
        b.iter(|| store.get(ids[rng.usize(..ids.len())]).unwrap().unwrap())
    });

    let some = store.get(ids[ids.len() / 2]).unwrap().unwrap();
    let mut group = c.benchmark_group("search");
    for (name, query) in [
        (
            "exact e-mail",
            SearchQuery::new(format!("{} ", some.email.unwrap())).fields([SearchField::Email]),
        ),
        ("common first name", SearchQuery::new("mary ")),
        ("prefix", SearchQuery::new("sm")),
        ("two words", SearchQuery::new("jane systems ")),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| store.search(black_box(&query)).unwrap())
        });
    }
    group.finish();
    store.close().unwrap();

    c.bench_function("open, after a clean close", |b| {
        b.iter_custom(|count| {
            let mut opening = Duration::ZERO;
            for _ in 0..count {
                let begun = Instant::now();
                let store = LeadStore::open(&path).unwrap();
                opening += begun.elapsed();
                store.close().unwrap();
            }
            opening
        });
    });
}

fn writes(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let store = LeadStore::open(generated::store(directory.path(), leads()).unwrap()).unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    let mut number = leads();
    let mut group = c.benchmark_group("one durable write");
    group.measurement_time(Duration::from_secs(10));
    group.bench_function("create", |b| {
        b.iter(|| {
            number += 1;
            store.create(generated::lead(&mut rng, number)).unwrap()
        });
    });
    let lead = store
        .create(NewLead::new("Jane Doe").company("Example Corp"))
        .unwrap();
    group.bench_function("update", |b| {
        b.iter(|| {
            number += 1;
            store
                .update(lead.id, LeadPatch::new().deal_value(number as u64))
                .unwrap()
        });
    });
    group.bench_function("delete and restore", |b| {
        b.iter(|| {
            store.delete(lead.id).unwrap();
            store.restore(lead.id).unwrap()
        });
    });
    group.finish();
    store.close().unwrap();
}

fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("bulk");
    group
        .sample_size(10)
        .throughput(criterion::Throughput::Elements(leads() as u64));
    group.bench_function("import with search, until all is indexed and closed", |b| {
        b.iter_custom(|count| {
            let mut importing = Duration::ZERO;
            for _ in 0..count {
                let directory = tempfile::tempdir().unwrap();
                let begun = Instant::now();
                generated::store(directory.path(), leads()).unwrap();
                importing += begun.elapsed();
            }
            importing
        });
    });
    group.finish();
}

fn maintenance(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let store = LeadStore::open(generated::store(directory.path(), leads()).unwrap()).unwrap();
    let mut group = c.benchmark_group("maintenance");
    group
        .sample_size(10)
        .throughput(criterion::Throughput::Elements(leads() as u64));
    group.bench_function("check", |b| {
        b.iter(|| assert!(store.check(|_| ()).unwrap().is_ok()))
    });
    let mut backups = 0;
    group.bench_function("backup", |b| {
        b.iter(|| {
            backups += 1;
            store
                .backup_to(directory.path().join(format!("backup {backups}")), |_| ())
                .unwrap();
        });
    });
    group.finish();
    store.close().unwrap();
}

criterion_group!(benches, reads, writes, bulk, maintenance);
criterion_main!(benches);
