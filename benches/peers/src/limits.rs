//! The cost of basic operations, measured in the same run: an engine that performs one of them
//! cannot be faster than the operation itself.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use fastrand::Rng;
use tantivy::collector::Count;
use tantivy::query::TermQuery;
use tantivy::schema::{IndexRecordOption, Schema, TEXT};
use tantivy::{Index, IndexWriter, ReloadPolicy, Term, doc};

use crate::generated::Fields;

pub fn measure(directory: &Path, leads: usize) -> Vec<(String, String)> {
    let micros = |value: f64| format!("{value:.2} µs");
    vec![
        (
            "one append of 512 bytes and fdatasync".to_owned(),
            micros(append_and_sync(directory)),
        ),
        (
            "one look-up in a hash map and decoding of JSON".to_owned(),
            micros(look_up_and_decode(leads)),
        ),
        (
            "one bare tantivy term query with its count, common first name".to_owned(),
            micros(term_query(leads)),
        ),
    ]
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn append_and_sync(directory: &Path) -> f64 {
    let mut file = std::fs::File::create(directory.join("appended")).unwrap();
    let samples = (0..300).map(|_| {
        let begun = Instant::now();
        file.write_all(&[7; 512]).unwrap();
        file.sync_data().unwrap();
        begun.elapsed().as_secs_f64() * 1e6
    });
    median(samples.collect())
}

fn look_up_and_decode(leads: usize) -> f64 {
    let mut rng = Rng::with_seed(1);
    let encode = |fields: Fields| {
        let decoded = (
            fields.name,
            fields.email,
            fields.phone,
            fields.company,
            fields.owner_id,
            fields.status,
            fields.source,
        );
        serde_json::to_vec(&decoded).unwrap()
    };
    let map: HashMap<usize, Vec<u8>> = (0..leads)
        .map(|number| (number, encode(Fields::random(&mut rng, number))))
        .collect();
    type Decoded = (
        String,
        String,
        String,
        Option<String>,
        Option<String>,
        String,
        String,
    );
    let samples = (0..300).map(|_| {
        let begun = Instant::now();
        for _ in 0..100 {
            let bytes = &map[&rng.usize(..leads)];
            black_box(serde_json::from_slice::<Decoded>(bytes).unwrap());
        }
        begun.elapsed().as_secs_f64() * 1e4
    });
    median(samples.collect())
}

fn term_query(leads: usize) -> f64 {
    let mut schema = Schema::builder();
    let name = schema.add_text_field("name", TEXT);
    let index = Index::create_in_ram(schema.build());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 100 << 20).unwrap();
    let mut rng = Rng::with_seed(1);
    for number in 0..leads {
        writer
            .add_document(doc!(name => Fields::random(&mut rng, number).name))
            .unwrap();
    }
    writer.commit().unwrap();
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()
        .unwrap();
    let searcher = reader.searcher();
    let query = TermQuery::new(
        Term::from_field_text(name, "mary"),
        IndexRecordOption::Basic,
    );
    let samples = (0..100).map(|_| {
        let begun = Instant::now();
        black_box(searcher.search(&query, &Count).unwrap());
        begun.elapsed().as_secs_f64() * 1e6
    });
    median(samples.collect())
}
