//! A small store with varied leads, the same for every input.

use leadstore::testing::{ManualClock, without_threads};
use leadstore::{LeadStore, NewLead, OpenOptions};

pub fn options() -> OpenOptions {
    let now = "2026-03-01T12:00:00Z".parse().expect("valid time");
    without_threads(
        OpenOptions::new()
            .clock(ManualClock::at(now))
            .cache_bytes(1 << 20),
    )
}

pub fn fill(store: &LeadStore) {
    let names = [
        "Jane Doe",
        "José García",
        "O'Brien Pat",
        "李偉",
        "Zoë Ångström",
        "Łukasz",
        "jean-luc",
        "Ἀθηνᾶ",
        "06 28",
    ];
    for number in 0..60_u32 {
        let name = names[number as usize % names.len()];
        let mut lead = NewLead::new(format!("{name} {number}"))
            .email(format!("mail{number}@example.com"))
            .phone(format!("+33 6 28 {number:04} 00"))
            .external_id(format!("x{number}"))
            .status(["new", "won", "lost"][number as usize % 3])
            .tags([["a", "b"][number as usize % 2]])
            .custom_field("industry", ["Technology", "農業"][number as usize % 2])
            .deal_value(number * 100);
        if number % 4 > 0 {
            lead = lead
                .owner_id(["ada", "bob", "eve"][number as usize % 3])
                .company("Example Corp")
                .source("Web");
        }
        let id = store.create(lead).expect("the lead should be created").id;
        if number % 10 == 9 {
            store.delete(id).expect("the lead should exist");
        }
    }
}
