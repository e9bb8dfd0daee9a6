//! Documents that have what was typed, or a part of it, and how well: joined part by part.

use crate::search::matching::collect::{Note, Noted, Way};
use crate::search::matching::doc_set::Documents;
use crate::search::matching::rank::{Class, Places};

/// Documents that have all parts so far, and in what best way each.
pub(crate) enum Hits {
    /// Those of one phrase, as they were noted: only the ways of those that stay are made out.
    Noted { noted: Noted, is_all: bool },
    Made {
        documents: Documents,
        ways: Vec<PartWay>,
    },
}

/// In what way a document has one part of what was typed, or all so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartWay {
    pub(crate) class: Class,
    /// Where all phrases are.
    pub(crate) common: Places,
}

impl Default for Hits {
    fn default() -> Self {
        Self::made(0, std::iter::empty())
    }
}

impl Hits {
    /// Those of one phrase, which may be all of the query.
    pub(crate) fn of_phrase(noted: Noted, is_all: bool) -> Self {
        Self::Noted { noted, is_all }
    }

    /// Those of a number, which may be all of the query. Its digits are no words that others could stand beside.
    pub(crate) fn of_number(noted: Noted, is_all: bool) -> Self {
        let way = |note| PartWay {
            common: Places::default(),
            ..PartWay::of(note, is_all)
        };
        let ways = (0..noted.documents.len())
            .filter_map(|place| noted.note(place).map(way))
            .collect();
        Self::Made {
            ways,
            documents: noted.documents,
        }
    }

    /// Documents below `end`, in ascending order, each with its way.
    pub(crate) fn made(end: u32, hits: impl Iterator<Item = (u32, PartWay)>) -> Self {
        let (documents, ways) = hits.unzip();
        Self::Made {
            documents: Documents::new(documents, end),
            ways,
        }
    }

    pub(crate) fn documents(&self) -> &Documents {
        match self {
            Self::Noted { noted, .. } => &noted.documents,
            Self::Made { documents, .. } => documents,
        }
    }

    /// The way of the document in this place.
    #[inline]
    pub(crate) fn way(&self, place: usize) -> Option<PartWay> {
        match self {
            Self::Noted { noted, is_all } => {
                noted.note(place).map(|note| PartWay::of(note, *is_all))
            }
            Self::Made { ways, .. } => ways.get(place).copied(),
        }
    }

    /// The way of a document, if it is there and its place is at `from` or after, which then is the place.
    #[inline]
    fn way_from(&self, from: &mut usize, document: u32) -> Option<PartWay> {
        match self {
            Self::Noted { noted, is_all } => noted
                .note_from(from, document)
                .map(|note| PartWay::of(note, *is_all)),
            Self::Made { documents, ways } => {
                *from = documents.place_from(*from, document)?;
                ways.get(*from).copied()
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, PartWay)> {
        let documents = self.documents().as_slice().iter().enumerate();
        documents.filter_map(|(place, document)| Some((*document, self.way(place)?)))
    }

    /// Tells of a way in which a document has all that was typed.
    pub(crate) fn improve(&mut self, document: u32, class: Class) {
        if let Self::Made { documents, ways } = self
            && let Some(way) = documents
                .place(document)
                .and_then(|place| ways.get_mut(place))
        {
            way.class = way.class.min(class);
        }
    }

    /// The hits of one more part, all of which are among those `before`, with what both say of them. The place of the
    /// part that was typed first counts.
    pub(crate) fn joined(before: Option<Self>, fewer: Self, fewer_is_first: bool) -> Self {
        let Some(before) = before else { return fewer };
        let mut from = 0;
        let both = |(document, way): (u32, PartWay)| {
            // All of `fewer` are there.
            let before = before.way_from(&mut from, document)?;
            let class = Class {
                typos: before.class.typos.saturating_add(way.class.typos),
                partial: before.class.partial || way.class.partial,
                unequal: true,
                apart: true,
                place: if fewer_is_first {
                    way.class.place
                } else {
                    before.class.place
                },
            };
            Some((
                document,
                PartWay {
                    class,
                    common: Places(before.common.0 & way.common.0),
                },
            ))
        };
        Self::made(fewer.documents().end(), fewer.iter().filter_map(both))
    }

    /// All of both, in the better way where both have one.
    pub(crate) fn or(self, number: Self) -> Self {
        let end = self.documents().end().max(number.documents().end());
        let (mut words, mut numbers) = (self.iter().peekable(), number.iter().peekable());
        let both = std::iter::from_fn(|| {
            let next = match (words.peek(), numbers.peek()) {
                (Some((word, _)), Some((number, _))) => (*word).min(*number),
                (Some((document, _)), None) | (None, Some((document, _))) => *document,
                (None, None) => return None,
            };
            let word = words
                .next_if(|(document, _)| *document == next)
                .map(|(_, way)| way);
            let number = numbers
                .next_if(|(document, _)| *document == next)
                .map(|(_, way)| way);
            let way = match (word, number) {
                (Some(word), Some(number)) => word.or(number),
                (one, other) => one.or(other)?,
            };
            Some((next, way))
        });
        Self::made(end, both)
    }
}

impl PartWay {
    fn of(note: Note, is_all: bool) -> Self {
        let (
            Way {
                typos,
                partial,
                unequal,
            },
            places,
        ) = (note.way(), note.places());
        let class = Class {
            typos,
            partial,
            unequal: unequal || !is_all,
            apart: !is_all,
            place: places.best(),
        };
        Self {
            class,
            common: places,
        }
    }

    fn or(self, other: Self) -> Self {
        let better = if other.class < self.class {
            other
        } else {
            self
        };
        Self {
            common: Places(self.common.0 | other.common.0),
            ..better
        }
    }
}
