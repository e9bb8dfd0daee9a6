//! The leads that a search finds and the matches that it reports, in cases that the model test does
//! not make explicit.

use leadstore::{
    CustomValue, ErrorKind, Filter, LeadPatch, LeadStore, NewLead, SearchField, SearchQuery,
    SearchState, TypoTolerance,
};

use proptest::prelude::*;

use crate::support::{self, TestStore, scale, wait_until};

#[path = "../../examples/search_quality/measure.rs"]
mod search_quality;

fn found(store: &LeadStore, query: SearchQuery) -> Vec<String> {
    store
        .search(&query)
        .unwrap()
        .into_iter()
        .map(|hit| hit.lead.name)
        .collect()
}

fn pairs(ranges: &[std::ops::Range<usize>]) -> Vec<(usize, usize)> {
    ranges
        .iter()
        .map(|range| (range.start, range.end))
        .collect()
}

#[test]
fn names_of_many_languages_are_found_as_typed() {
    for (name, company, typed) in [
        (
            "José Ñúñez",
            "Peña & Hermanos",
            &["jose nunez", "JOSÉ", "ñuñ", "pena"][..],
        ),
        (
            "Jürgen Groß",
            "Süßwaren Straßmann",
            &["jurgen gross", "GROSS", "groß", "strassmann", "süss"],
        ),
        (
            "Đặng Thị Ngọc",
            "Phở Việt",
            &["dang thi ngoc", "đặng", "ĐẶNG", "pho viet"],
        ),
        (
            "Łukasz Żółć",
            "Wałęsa Spółka",
            &["lukasz zolc", "ŁUKASZ", "walesa", "spolka"],
        ),
        (
            "İlkay Işık",
            "Şişli Çiçek",
            &["ilkay isik", "İLKAY IŞIK", "ışık", "sisli cicek"],
        ),
        (
            "Ελένη Παπαδόπουλος",
            "Ήλιος ΑΕ",
            &["ελενη παπαδοπουλος", "ΠΑΠΑΔΟΠΟΥΛΟΣ", "ηλιος", "ήλιος"],
        ),
        (
            "Пётр Сергеевич",
            "Ёлка и Ко",
            &["петр", "ПЁТР СЕРГЕЕВИЧ", "елка", "серг"],
        ),
        (
            "مُحَمَّد عَلِي",
            "شركة النور",
            &["محمد علي", "مُحَمَّد", "النور", "الن"],
        ),
        ("שָׁלוֹם כֹּהֵן", "חברת אור", &["שלום כהן", "כֹּהֵן", "אור", "של"]),
        (
            "田中太郎",
            "スーパー株式会社",
            &["田中", "太郎", "田", "ｽｰﾊﾟｰ", "株式会社", "スーパー 田中"],
        ),
        (
            "김민수",
            "삼성전자 주식회사",
            &[
                "김민수",
                "김",
                "삼성",
                "주식회사 김민수",
                "\u{1100}\u{1175}\u{11b7}민수",
            ],
        ),
        (
            "王小明",
            "阿里巴巴集团",
            &["王小明", "王", "小明", "阿里", "巴巴集团", "集团 王小明"],
        ),
    ] {
        let mut test = TestStore::new();
        test.store
            .create(NewLead::new("Unrelated Person").company("Another Company"))
            .unwrap();
        test.store
            .create(NewLead::new(name).company(company))
            .unwrap();
        for indexed in [false, true] {
            if indexed {
                test.reopen();
            }
            for text in typed.iter().chain(&[name, company]) {
                assert_eq!(
                    found(
                        &test.store,
                        SearchQuery::new(*text).typos(TypoTolerance::Never)
                    ),
                    [name],
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn phones_match_by_their_digits() {
    let store = LeadStore::in_memory().unwrap();
    let phones = [
        "504-621-8927",
        "+33 6 28 12 34 56",
        "(0)30 / 901820",
        "555-0123 ext 12",
    ];
    phones
        .iter()
        .for_each(|phone| drop(store.create(NewLead::new(*phone).phone(*phone)).unwrap()));
    let by_phone = |text: &str| found(&store, SearchQuery::new(text).fields([SearchField::Phone]));
    for (typed, expected) in [
        ("6218", phones[0]),
        ("+1 (504) 621.8927", phones[0]),
        ("06 28 12", phones[1]),
        ("0033628123456", phones[1]),
        ("030 901820", phones[2]),
        ("+49 30 901820", phones[2]),
        ("0123", phones[3]),
        ("555 0123 12", phones[3]),
        ("\"628 12\"", phones[1]),
    ] {
        assert_eq!(by_phone(typed), [expected], "{typed}");
    }
    for text in ["504", "5046218928", "504 x 621", "+2 621 8927", "012312"] {
        assert_eq!(by_phone(text), Vec::<String>::new(), "{text}");
    }
    let hit = store
        .search(&SearchQuery::new("+1 504 621-8927").fields([SearchField::Phone]))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        (hit.matches[0].field.clone(), pairs(&hit.matches[0].ranges)),
        (SearchField::Phone, vec![(0, 12)])
    );
    let hit = store
        .search(&SearchQuery::new("62812").fields([SearchField::Phone]))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(pairs(&hit.matches[0].ranges), [(4, 11)]);
}

/// A value may hold several numbers, extensions and words.
#[test]
fn phones_in_any_form_are_found_by_each_number_and_by_their_own_text() {
    let mut test = TestStore::new();
    let phones = [
        "+1 (212) 555-0101 ext. 42",
        "030 111222 / 0171 333444",
        "tel:+49-30-1234567",
        "+44 (0)20 7946 0018",
        "1-415-555-0134",
        "ask for Bob: 110",
        "(415) 555-0135 x123",
    ];
    for phone in phones {
        let lead = NewLead::new("x").external_id(phone).phone(phone);
        test.store.create(lead).unwrap();
    }
    for indexed in [false, true] {
        if indexed {
            test.reopen();
        }
        let found = |text: &str| {
            let query = SearchQuery::new(text).typos(TypoTolerance::Never);
            let found = test.store.search(&query).unwrap();
            let ids = found.items.iter().map(|hit| hit.lead.external_id.clone());
            ids.map(Option::unwrap).collect::<Vec<_>>()
        };
        for phone in phones {
            assert_eq!(found(phone), [phone], "{phone}");
        }
        for (typed, expected) in [
            ("212 555 0101", phones[0]),
            ("+12125550101", phones[0]),
            ("0171 333444", phones[1]),
            ("+49 171 333444", phones[1]),
            ("+49 30 1234567", phones[2]),
            ("030/1234567", phones[2]),
            ("+44 20 7946 0018", phones[3]),
            ("020 7946 0018", phones[3]),
            ("tel:+442079460018", phones[3]),
            ("415 555 0134", phones[4]),
            ("bob", phones[5]),
            ("1-415-555-0135", phones[6]),
            ("(415) 555-0135 ext 9", phones[6]),
            ("415 555 0135 / 415 555 0135", phones[6]),
        ] {
            assert_eq!(found(typed), [expected], "{typed}");
        }
        for typed in ["1112220171", "010142", "4155550135123", "30 1234567 ext"] {
            assert_eq!(found(typed), Vec::<String>::new(), "{typed}");
        }
    }
}

#[test]
fn han_and_kana_are_found_across_a_blank_in_a_value() {
    let mut test = TestStore::new();
    let names = ["山田 太郎", "佐藤花子", "林 檎", "スーパー マン"];
    for name in names {
        test.store.create(NewLead::new(name)).unwrap();
    }
    for indexed in [false, true] {
        if indexed {
            test.reopen();
        }
        for (typed, expected) in [
            ("山田太郎", "山田 太郎"),
            ("\"山田太郎\"", "山田 太郎"),
            ("山田\u{3000}太郎", "山田 太郎"),
            ("太郎 山田", "山田 太郎"),
            ("佐藤 花子", "佐藤花子"),
            ("林檎", "林 檎"),
            ("檎", "林 檎"),
            ("林 檎", "林 檎"),
            ("スーパーマン", "スーパー マン"),
        ] {
            let query = SearchQuery::new(typed);
            assert_eq!(found(&test.store, query), [expected], "{typed}");
        }
    }
}

/// Parts of values, in every script and form that is treated in a way of its own.
const PIECES: &[&str] = &[
    "Jane",
    "O'Brien",
    "o`",
    "´",
    "Zoë",
    "e\u{301}",
    "\u{301}",
    "ß",
    "Đỗ",
    "ﬁ",
    "Ⅷ",
    "½",
    "①",
    "Ελένη",
    "Пётр",
    "שָׁלוֹם",
    "हिन्दी",
    "서울",
    "山",
    "田",
    "太郎",
    "スーパー",
    "ー",
    "ｶﾞ",
    "+",
    "+49",
    "(0)",
    "0",
    "00",
    "1",
    "12",
    "030",
    "1234567",
    "555-0134",
    "٥٠٤",
    "x",
    "x12",
    "ext.",
    "#7",
    "tel:",
    "/",
    ",",
    ";",
    ":",
    "&",
    "*",
    "%",
    "\"",
    "-",
    "–",
    ".",
    "@",
    "(",
    ")",
    " ",
    " ",
    "\u{3000}",
    "😀",
    "1-415-555-0134",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400 * u32::try_from(scale()).unwrap_or(1)))]

    /// The text of any field, used as a query, finds its lead.
    #[test]
    fn own_text_of_a_field_finds_its_lead(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 1..9),
        field in 0..7_usize,
    ) {
        let text = pieces.concat();
        let lead = NewLead::new("Name");
        let lead = match field {
            0 => NewLead::new(&text),
            1 => lead.company(&text),
            2 => lead.phone(&text),
            3 => lead.tags([&text]),
            4 => lead.source(&text),
            5 => lead.job_title(&text),
            _ => lead.custom_field("any", text.as_str()),
        };
        let store = LeadStore::in_memory().unwrap();
        if let Ok(lead) = store.create(lead)
            && text.chars().any(char::is_alphanumeric)
        {
            for typos in [TypoTolerance::Never, TypoTolerance::Always] {
                let found = store.search(&SearchQuery::new(&text).typos(typos)).unwrap();
                prop_assert_eq!(found.total, 1, "{:?} in field {}: {:?}", text, field, lead);
                prop_assert!(!found.items[0].matches.is_empty());
            }
        }
    }
}

#[test]
fn typos_are_tolerated_if_nothing_matches_as_typed() {
    let store = LeadStore::in_memory().unwrap();
    for name in ["Jonathan Smith", "Jonathon Smythe", "Jona"] {
        store
            .create(NewLead::new(name).status(if name == "Jona" { "lost" } else { "new" }))
            .unwrap();
    }
    let search = |text: &str, typos| found(&store, SearchQuery::new(text).typos(typos));
    assert_eq!(
        search("jonathan smith", TypoTolerance::Auto),
        ["Jonathan Smith"]
    );
    assert_eq!(
        search("jonathan smith ", TypoTolerance::Always),
        ["Jonathan Smith"],
        "smythe is two edits away"
    );
    assert_eq!(
        search("jonathan", TypoTolerance::Always),
        ["Jonathan Smith", "Jonathon Smythe"]
    );
    assert_eq!(
        search("jonathen", TypoTolerance::Auto),
        ["Jonathon Smythe", "Jonathan Smith"]
    );
    assert_eq!(
        search("jonathen", TypoTolerance::Never),
        Vec::<String>::new()
    );
    assert_eq!(
        search("\"jonathen\"", TypoTolerance::Always),
        Vec::<String>::new()
    );
    assert_eq!(
        search("konathan", TypoTolerance::Always),
        Vec::<String>::new(),
        "a typo in the first letter is not tolerated"
    );
    // With a filter, typos are tolerated if no lead that the filter selects matches the query as
    // typed.
    let lost = SearchQuery::new("jonaa").filter(Filter::new().status("lost"));
    assert_eq!(found(&store, lost), ["Jona"]);
    let hit = store
        .search(&SearchQuery::new("smiht"))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        pairs(&hit.matches[0].ranges),
        [(9, 14)],
        "the match range covers the intended word"
    );
}

#[test]
fn every_word_must_match_and_only_the_last_as_a_prefix() {
    let store = LeadStore::in_memory().unwrap();
    store
        .create(
            NewLead::new("Jane Doe")
                .company("Example Corp")
                .email("jane@example.com"),
        )
        .unwrap();
    let count = |text: &str| store.search(&SearchQuery::new(text)).unwrap().total;
    for text in [
        "jane corp",
        "corp jan",
        "ex",
        "doe jane",
        "example.com",
        "jane@example.co",
        "\"jane doe\"",
        "doe corp ",
    ] {
        assert_eq!(count(text), 1, "{text}");
    }
    for text in [
        "jan corp",
        "jane smith",
        "ane",
        "jan ",
        "jan.",
        "\"doe jane\"",
        "example.jane",
        "\"jane do\"",
        "com.example",
    ] {
        assert_eq!(count(text), 0, "{text}");
    }
}

#[test]
fn fields_and_filters_narrow_a_search() {
    let store = LeadStore::in_memory().unwrap();
    let lead = |name: &str| NewLead::new(name);
    store
        .create(lead("1").email("a@example.com").status("lost"))
        .unwrap();
    store.create(lead("2").company("Example com")).unwrap();
    store
        .create(
            lead("3")
                .custom_field("site", "example.com")
                .custom_field("industry", "web"),
        )
        .unwrap();
    store
        .create(
            lead("4")
                .custom_field("industry", vec!["example.com", "x"])
                .tags(["example com"]),
        )
        .unwrap();
    let example = || SearchQuery::new("example.com");
    assert_eq!(found(&store, example()), ["2", "1", "4", "3"]);
    assert_eq!(
        found(
            &store,
            example().fields([SearchField::Email, SearchField::Company])
        ),
        ["2", "1"]
    );
    assert_eq!(
        found(&store, example().fields([SearchField::CustomFields])),
        ["4", "3"]
    );
    assert_eq!(
        found(
            &store,
            example().fields([SearchField::CustomField("industry".into())])
        ),
        ["4"]
    );
    assert_eq!(
        found(
            &store,
            example().fields([SearchField::CustomField("indus".into())])
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        found(&store, example().filter(Filter::new().status("lost"))),
        ["1"]
    );
    assert_eq!(found(&store, example().per_page(2).page(2)), ["4", "3"]);
    assert_eq!(
        store.search(&example().per_page(1).page(9)).unwrap().total,
        4
    );
    for (text, field) in [
        ("email", SearchField::Email),
        ("custom_fields.a.b", SearchField::CustomField("a.b".into())),
    ] {
        assert_eq!(text.parse::<SearchField>().unwrap(), field);
        assert_eq!(field.to_string(), text);
    }
    assert_eq!(
        "status".parse::<SearchField>().unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn numbers_and_booleans_are_found_by_their_text() {
    let store = LeadStore::in_memory().unwrap();
    let mixed = CustomValue::List(vec![1.5.into(), true.into(), (-42_i64).into()]);
    store
        .create(
            NewLead::new("A")
                .custom_field("n", 2024_i64)
                .custom_field("mixed", mixed),
        )
        .unwrap();
    for text in ["2024", "1.5", "true", "-42"] {
        assert_eq!(found(&store, SearchQuery::new(text)), ["A"], "{text}");
    }
}

#[test]
fn hits_report_their_match_ranges() {
    let store = LeadStore::in_memory().unwrap();
    let new = NewLead::new("Zoë 🦀 O’Brien")
        .email("zoe@obrien.example")
        .tags(["cold", "Zoes friend"]);
    store
        .create(new.custom_field("notes", vec!["call zoë", "ﬁne"]))
        .unwrap();
    let hit = store
        .search(&SearchQuery::new("zoe"))
        .unwrap()
        .items
        .remove(0);
    let matches: Vec<_> = hit
        .matches
        .iter()
        .map(|m| (m.field.to_string(), m.item, pairs(&m.ranges)))
        .collect();
    assert_eq!(
        matches,
        [
            ("name".to_owned(), None, vec![(0, 4)]),
            ("email".to_owned(), None, vec![(0, 3)]),
            ("tags".to_owned(), Some(1), vec![(0, 4)]),
            ("custom_fields.notes".to_owned(), Some(0), vec![(5, 9)]),
        ]
    );
    let hit = store
        .search(&SearchQuery::new("obrien zoë ").fields([SearchField::Name]))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(hit.matches[0].ranges, [0..4, 10..19]);
    assert_eq!(&hit.lead.name[10..19], "O’Brien");
    let json = serde_json::to_value(&hit).unwrap();
    assert_eq!(
        json["matches"],
        serde_json::json!([{"field": "name", "item": null, "ranges": [[0, 3], [7, 14]]}])
    );
    assert_eq!(json["name"], "Zoë 🦀 O’Brien");
    let hit = store
        .search(&SearchQuery::new("fine"))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        (hit.matches[0].item, pairs(&hit.matches[0].ranges)),
        (Some(1), vec![(0, 5)]),
        "folding changes the length of the text"
    );
    let joined = store
        .search(&SearchQuery::new("obrien.example").fields([SearchField::Email]))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(pairs(&joined.matches[0].ranges), [(4, 18)]);
    store.create(NewLead::new("Johanna")).unwrap();
    let nested = store
        .search(&SearchQuery::new("johanna jo"))
        .unwrap()
        .items
        .remove(0);
    assert_eq!(
        pairs(&nested.matches[0].ranges),
        [(0, 7)],
        "a match range inside another one is merged into it"
    );
}

#[test]
fn invalid_queries_are_rejected_and_wordless_ones_find_nothing() {
    let store = LeadStore::in_memory().unwrap();
    store.create(NewLead::new("Jane")).unwrap();
    for text in ["", "  \t", &"x".repeat(513), &"a ".repeat(33)] {
        let error = store.search(&SearchQuery::new(text)).unwrap_err();
        assert_eq!(
            (error.kind(), &*error.violations()[0].field),
            (ErrorKind::Invalid, "query"),
            "{text:?}"
        );
    }
    assert_eq!(
        store
            .search(&SearchQuery::new("jane").per_page(0).page(0))
            .unwrap_err()
            .violations()
            .len(),
        2
    );
    for text in ["...", "\"\"", "@", "🦀", &"a ".repeat(32), &"x".repeat(512)] {
        assert_eq!(
            store.search(&SearchQuery::new(text)).unwrap().total,
            0,
            "{text:?}"
        );
    }
    assert_eq!(
        found(&store, SearchQuery::new("\"jane").per_page(100)),
        ["Jane"]
    );
    let fields = |count: usize| {
        SearchQuery::new("jane")
            .fields((0..count).map(|n| SearchField::CustomField(format!("{n}"))))
    };
    assert_eq!(store.search(&fields(108)).unwrap().total, 0);
    assert_eq!(
        &*store.search(&fields(109)).unwrap_err().violations()[0].field,
        "fields"
    );
}

#[test]
fn snapshot_searches_its_own_state() {
    let test = TestStore::new();
    let lead = test.store.create(NewLead::new("before")).unwrap();
    wait_until("the index", || {
        test.store.search_status().state == SearchState::Ready
    });
    let snapshot = test.store.snapshot().unwrap();
    test.store
        .update(lead.id, LeadPatch::new().name("after"))
        .unwrap();
    // Wait until the index has moved past the snapshot.
    wait_until("indexing", || test.store.search_status().unindexed == 0);
    for _ in 0..2 {
        assert_eq!(
            snapshot.search(&SearchQuery::new("before")).unwrap().total,
            1
        );
        assert_eq!(
            snapshot.search(&SearchQuery::new("after")).unwrap().total,
            0
        );
        assert_eq!(
            test.store
                .search(&SearchQuery::new("before"))
                .unwrap()
                .total,
            0
        );
        assert_eq!(found(&test.store, SearchQuery::new("after")), ["after"]);
    }
}

#[test]
fn search_facets_count_exactly_the_hits() {
    let test = TestStore::new();
    for (name, status, tag) in [
        ("Jane Doe", "new", "vip"),
        ("Jane Roe", "won", "vip"),
        ("John Doe", "new", "eu"),
    ] {
        test.store
            .create(NewLead::new(name).status(status).tags([tag]).deal_value(10))
            .unwrap();
    }
    wait_until("the index", || {
        test.store.search_status().state == SearchState::Ready
    });
    let counts = |query: &SearchQuery| {
        let facets = test.store.search_facets(query).unwrap();
        assert_eq!(
            facets,
            test.store.snapshot().unwrap().search_facets(query).unwrap()
        );
        assert_eq!(facets.total, test.store.search(query).unwrap().total);
        let statuses = facets
            .statuses
            .into_iter()
            .map(|facet| (facet.status, facet.leads, facet.deals));
        let tags = facets
            .tags
            .into_iter()
            .map(|facet| (facet.value.unwrap(), facet.leads));
        (statuses.collect::<Vec<_>>(), tags.collect::<Vec<_>>())
    };
    let (new, won) = (|n| ("new".to_owned(), n, n), |n| ("won".to_owned(), n, n));
    assert_eq!(
        counts(&SearchQuery::new("jane")),
        (vec![new(1), won(1)], vec![("vip".to_owned(), 2)])
    );
    let filtered = SearchQuery::new("doe")
        .filter(Filter::new().status("new"))
        .page(9);
    assert_eq!(
        counts(&filtered),
        (
            vec![new(2)],
            vec![("eu".to_owned(), 1), ("vip".to_owned(), 1)]
        )
    );
    assert_eq!(counts(&SearchQuery::new("nothing")), (vec![], vec![]));
    assert_eq!(
        test.store
            .search_facets(&SearchQuery::new(" "))
            .unwrap_err()
            .kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn real_contacts_are_found_by_typical_queries() {
    let Some(path) = support::data("us-500.csv") else {
        return;
    };
    let contacts = search_quality::Contact::read(&path);
    let store = LeadStore::in_memory().unwrap();
    search_quality::import(&store, &contacts).unwrap();
    for row in search_quality::table(&store, &contacts).unwrap() {
        println!(
            "{}: {} for {} of {}",
            row.typed, row.expected, row.found, row.of
        );
        let (least, of) = if row.typed.contains("typo") {
            (row.of * 98 / 100, 500)
        } else {
            (row.of, row.of)
        };
        assert!(
            row.found >= least && row.of == of && of > 490,
            "{}: {} of {}",
            row.typed,
            row.found,
            row.of
        );
    }
}
