//! Random reads from the store, each compared with the oracle.

use fastrand::Rng;
use leadstore::chrono::{DateTime, Utc};
use leadstore::rust_decimal::Decimal;
use leadstore::{
    Lead, LeadStore, ListQuery, SearchField, SearchQuery, TrashQuery, TypoTolerance, ValueFacet,
};

use super::oracle::{ListRequest, Oracle};
use super::values::{self, Fields};

/// A store, and the oracle that it must agree with.
pub struct Answers<'a> {
    pub rng: &'a mut Rng,
    pub store: &'a LeadStore,
    pub oracle: &'a Oracle,
    pub now: DateTime<Utc>,
}

impl Answers<'_> {
    pub fn check_random_answer(&mut self) {
        match self.rng.u32(0..11) {
            0..9 => self.check_stored_answer(),
            _ => self.check_search(),
        }
    }

    /// Checks a random answer that does not involve the search index.
    pub fn check_stored_answer(&mut self) {
        match self.rng.u32(0..9) {
            0..2 => self.check_get(),
            2..5 => self.check_list(),
            5 => self.check_cursors(),
            6 => self.check_trash(),
            7 => self.check_count(),
            _ => self.check_facets(),
        }
    }

    fn check_get(&mut self) {
        let Some(id) = self.oracle.any_id(self.rng) else {
            return;
        };
        assert_eq!(self.store.get(id).unwrap(), self.oracle.get(id));
        let external = Fields::random(self.rng).external_id;
        if let Some(external) = external {
            assert_eq!(
                self.store.get_by_external_id(&external).unwrap(),
                self.oracle.get_by_external_id(&external)
            );
        }
        let trashed = self
            .store
            .get_trashed(id)
            .unwrap()
            .map(|t| (t.lead, t.deleted_at, t.expires_at));
        assert_eq!(trashed, self.oracle.get_trashed(self.now, id));
    }

    fn check_list(&mut self) {
        let request = ListRequest::random(self.rng, self.oracle);
        let per_page = self.rng.u32(1..=40);
        let pages = self.oracle.live().count() as u64 / u64::from(per_page) + 2;
        let page = self.rng.u64(1..=pages);
        let query = ListQuery::new()
            .filter(request.filter())
            .sort(request.sort.clone());
        let listed = self
            .store
            .list(&query.clone().page(page).per_page(per_page))
            .unwrap();
        let (expected, total) = self.oracle.list(
            &request,
            (page - 1) * u64::from(per_page),
            per_page as usize,
        );
        assert_eq!(listed.total, total, "{request:?}");
        assert_eq!(
            listed.items, expected,
            "{request:?}, page {page}, {per_page} per page"
        );
        let window = self.store.list(&query.window(3, 7)).unwrap();
        assert_eq!(
            window.items,
            self.oracle.list(&request, 3, 7).0,
            "{request:?}"
        );
    }

    /// Follows the cursors of a list to its end, without any writes in between.
    fn check_cursors(&mut self) {
        let request = ListRequest::random(self.rng, self.oracle);
        let query = ListQuery::new()
            .filter(request.filter())
            .sort(request.sort.clone())
            .per_page(self.rng.u32(7..=60));
        let mut page = self.store.list(&query).unwrap();
        let mut followed = Vec::new();
        loop {
            assert_eq!(
                page.total,
                self.oracle.list(&request, 0, 0).1,
                "{request:?}"
            );
            followed.append(&mut page.items);
            let Some(cursor) = page.next else { break };
            page = self
                .store
                .list(&query.clone().after(cursor.to_string().parse().unwrap()))
                .unwrap();
            assert!(
                !page.items.is_empty(),
                "a cursor leads to an empty page: {request:?}"
            );
        }
        assert_eq!(
            followed,
            self.oracle.list(&request, 0, usize::MAX).0,
            "{request:?}"
        );
    }

    fn check_count(&mut self) {
        let request = ListRequest::random(self.rng, self.oracle);
        let (_, total) = self.oracle.list(&request, 0, 0);
        assert_eq!(
            self.store.count(&request.filter()).unwrap(),
            total,
            "{request:?}"
        );
        let in_creation_order: Vec<Lead> = self
            .store
            .leads(&request.filter())
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(
            in_creation_order,
            self.oracle.in_creation_order(&request),
            "{request:?}"
        );
    }

    fn check_facets(&mut self) {
        let request = ListRequest::random(self.rng, self.oracle);
        let facets = self.store.facets(&request.filter()).unwrap();
        assert_eq!(
            facets.total,
            self.oracle.list(&request, 0, 0).1,
            "{request:?}"
        );
        let values = |facets: Vec<ValueFacet>| -> Vec<_> {
            facets
                .into_iter()
                .map(|facet| (facet.value, facet.leads, 0, Decimal::ZERO))
                .collect()
        };
        let statuses = facets
            .statuses
            .into_iter()
            .map(|f| (Some(f.status), f.leads, f.deals, f.deal_value))
            .collect();
        let actual = [
            statuses,
            values(facets.sources),
            values(facets.owners),
            values(facets.tags),
        ];
        let expected = self.oracle.facets(&request).map(|facet| -> Vec<_> {
            let value = |(without, _, value): (bool, String, String)| (!without).then_some(value);
            facet
                .into_iter()
                .map(|(key, (leads, deals, worth))| (value(key), leads, deals, worth))
                .collect()
        });
        assert_eq!(actual, expected, "{request:?}");
    }

    fn check_trash(&mut self) {
        let sort = ListRequest::random_trash_sort(self.rng);
        let (page, per_page) = (self.rng.u64(1..5), self.rng.u32(1..30));
        let query = TrashQuery::new()
            .sort(sort.clone())
            .page(page)
            .per_page(per_page);
        let listed = self.store.list_trash(&query).unwrap();
        let offset = (page - 1) * u64::from(per_page);
        let (expected, total) = self
            .oracle
            .list_trash(self.now, &sort, offset, per_page as usize);
        assert_eq!(listed.total, total);
        let items: Vec<_> = listed
            .into_iter()
            .map(|t| (t.lead, t.deleted_at, t.expires_at))
            .collect();
        assert_eq!(items, expected, "{sort:?}");
    }

    pub fn check_search(&mut self) {
        let text = values::random_query(self.rng);
        let fields = match self.rng.u32(0..4) {
            0 => vec![SearchField::Email, SearchField::Company],
            1 => vec![SearchField::Name],
            2 => vec![SearchField::CustomField("industry".to_owned())],
            _ => vec![],
        };
        let mut request = if self.rng.bool() {
            ListRequest::all()
        } else {
            ListRequest::random(self.rng, self.oracle)
        };
        request.sort = vec![];
        let typos = [
            TypoTolerance::Auto,
            TypoTolerance::Always,
            TypoTolerance::Never,
        ][self.rng.usize(0..3)];
        let query = SearchQuery::new(&*text)
            .fields(fields.clone())
            .typos(typos)
            .filter(request.filter())
            .per_page(100);
        let found = self.store.search(&query).unwrap();
        let expected = self.oracle.search(&text, &fields, typos, &request);
        assert_eq!(
            found.total,
            expected.len() as u64,
            "{text:?} in {fields:?}, {request:?}"
        );
        let leads: Vec<&Lead> = found.items.iter().map(|hit| &hit.lead).collect();
        assert_eq!(
            leads,
            expected.iter().take(100).collect::<Vec<_>>(),
            "{text:?} in {fields:?}"
        );
        assert!(
            found.items.iter().all(|hit| !hit.matches.is_empty()),
            "hit without a match: {text:?}"
        );
    }

    pub fn check_everything(&mut self) {
        for id in self.oracle.all_ids() {
            assert_eq!(self.store.get(id).unwrap(), self.oracle.get(id));
        }
        for sort in values::SORTS {
            let request = ListRequest::all().sorted_by(sort);
            let snapshot = self.store.snapshot().unwrap();
            let mut paged = Vec::new();
            for page in 1.. {
                let query = ListQuery::new()
                    .sort(request.sort.clone())
                    .page(page)
                    .per_page(31);
                let listed = snapshot.list(&query).unwrap();
                if listed.items.is_empty() {
                    break;
                }
                paged.extend(listed);
            }
            assert_eq!(paged, self.oracle.list(&request, 0, usize::MAX).0, "{sort}");
        }
        for word in values::WORDS {
            let found = self.store.search(&SearchQuery::new(*word)).unwrap();
            assert_eq!(
                found.total,
                self.oracle
                    .search(word, &[], TypoTolerance::Auto, &ListRequest::all())
                    .len() as u64,
                "{word}"
            );
        }
    }
}
