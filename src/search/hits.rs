//! Documents that have what was typed, or a part of it, and how well: joined part by part.

use super::best_ways::{Note, Noted, Way};
use super::rank::{Class, Places};

/// Documents that have all groups so far, in order, and in what best way each.
#[derive(Default)]
pub(super) struct Hits {
    pub(super) documents: Vec<u32>,
    pub(super) ways: Vec<GroupWay>,
}

/// In what way a document has one group, or all so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupWay {
    pub(super) class: Class,
    /// Where all phrases are.
    pub(super) common: Places,
}

impl Hits {
    pub(super) fn push(&mut self, document: u32, way: GroupWay) {
        self.documents.push(document);
        self.ways.push(way);
    }

    /// Tells of a way in which a document has all that was typed.
    pub(super) fn improve(&mut self, document: u32, class: Class) {
        let way = self.documents.binary_search(&document).ok().and_then(|index| self.ways.get_mut(index));
        way.into_iter().for_each(|way| way.class = way.class.min(class));
    }

    /// Those of one phrase or number, which may be all of the query.
    pub(super) fn of(noted: Noted, is_all: bool) -> Self {
        let way = |note: &Note| {
            let (Way { typos, partial, unequal }, places) = (note.way(), note.places());
            let class = Class { typos, partial, unequal: unequal || !is_all, apart: !is_all, place: places.best() };
            GroupWay { class, common: places }
        };
        Self { ways: noted.notes.iter().map(way).collect(), documents: noted.documents }
    }

    /// The hits of one more part, all of which are among those `before`, with what both say of them. The place of the
    /// part that was typed first counts.
    pub(super) fn joined(before: Option<Self>, fewer: Self, fewer_is_first: bool) -> Self {
        let Some(before) = before else { return fewer };
        let mut before = before.documents.iter().zip(before.ways);
        let both = |(document, way): (&u32, GroupWay)| {
            // All of `fewer` are there.
            let (_, before) = before.by_ref().find(|(other, _)| *other == document)?;
            let class = Class {
                typos: before.class.typos.saturating_add(way.class.typos),
                partial: before.class.partial || way.class.partial,
                unequal: true,
                apart: true,
                place: if fewer_is_first { way.class.place } else { before.class.place },
            };
            Some(GroupWay { class, common: Places(before.common.0 & way.common.0) })
        };
        let ways = fewer.documents.iter().zip(fewer.ways).filter_map(both).collect();
        Self { documents: fewer.documents, ways }
    }

    /// All of both, in the better way where both have one.
    pub(super) fn or(self, number: Self) -> Self {
        let mut hits = Self::default();
        let mut words = self.documents.into_iter().zip(self.ways).peekable();
        let mut numbers = number.documents.into_iter().zip(number.ways).peekable();
        loop {
            let next = match (words.peek(), numbers.peek()) {
                (Some((word, _)), Some((number, _))) => (*word).min(*number),
                (Some((document, _)), None) | (None, Some((document, _))) => *document,
                (None, None) => return hits,
            };
            let word = words.next_if(|(document, _)| *document == next).map(|(_, way)| way);
            let number = numbers.next_if(|(document, _)| *document == next).map(|(_, way)| way);
            let both = match (word, number) {
                (Some(word), Some(number)) => Some(word.or(number)),
                (one, other) => one.or(other),
            };
            both.into_iter().for_each(|way| hits.push(next, way));
        }
    }
}

impl GroupWay {
    fn or(self, other: Self) -> Self {
        let better = if other.class < self.class { other } else { self };
        Self { common: Places(self.common.0 | other.common.0), ..better }
    }
}
