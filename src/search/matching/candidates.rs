//! Documents that have what was typed, or a part of it, and how well: joined part by part.

use crate::search::matching::collect::{MatchQuality, PackedQuality, ScoredDocs};
use crate::search::matching::doc_set::DocSet;
use crate::search::matching::rank::{FieldSet, RankClass};

/// Documents that have all parts so far, and in what best way each.
pub(crate) enum Candidates {
    /// Those of one phrase, as they were noted: only the ways of those that stay are made out.
    ScoredDocs { scored: ScoredDocs, is_all: bool },
    Made {
        documents: DocSet,
        qualities: Vec<PartialMatch>,
    },
}

/// In what way a document has one part of what was typed, or all so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartialMatch {
    pub(crate) class: RankClass,
    /// Where all phrases are.
    pub(crate) common: FieldSet,
}

impl Default for Candidates {
    fn default() -> Self {
        Self::made(0, std::iter::empty())
    }
}

impl Candidates {
    /// Those of one phrase, which may be all of the query.
    pub(crate) fn of_phrase(scored: ScoredDocs, is_all: bool) -> Self {
        Self::ScoredDocs { scored, is_all }
    }

    /// Those of a number, which may be all of the query. Its digits are no words that others could stand beside.
    pub(crate) fn of_number(scored: ScoredDocs, is_all: bool) -> Self {
        let quality = |packed| PartialMatch {
            common: FieldSet::default(),
            ..PartialMatch::of(packed, is_all)
        };
        let qualities = (0..scored.documents.len())
            .filter_map(|index| scored.packed(index).map(quality))
            .collect();
        Self::Made {
            qualities,
            documents: scored.documents,
        }
    }

    /// Documents below `end`, in ascending order, each with its way.
    pub(crate) fn made(end: u32, candidates: impl Iterator<Item = (u32, PartialMatch)>) -> Self {
        let (documents, qualities) = candidates.unzip();
        Self::Made {
            documents: DocSet::new(documents, end),
            qualities,
        }
    }

    pub(crate) fn documents(&self) -> &DocSet {
        match self {
            Self::ScoredDocs { scored, .. } => &scored.documents,
            Self::Made { documents, .. } => documents,
        }
    }

    /// The way of the document in this place.
    #[inline]
    pub(crate) fn quality(&self, index: usize) -> Option<PartialMatch> {
        match self {
            Self::ScoredDocs { scored, is_all } => scored
                .packed(index)
                .map(|packed| PartialMatch::of(packed, *is_all)),
            Self::Made { qualities, .. } => qualities.get(index).copied(),
        }
    }

    /// The way of a document, if it is there and its place is at `from` or after, which then is the place.
    #[inline]
    fn way_from(&self, from: &mut usize, document: u32) -> Option<PartialMatch> {
        match self {
            Self::ScoredDocs { scored, is_all } => scored
                .note_from(from, document)
                .map(|packed| PartialMatch::of(packed, *is_all)),
            Self::Made {
                documents,
                qualities,
            } => {
                *from = documents.place_from(*from, document)?;
                qualities.get(*from).copied()
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, PartialMatch)> {
        let documents = self.documents().as_slice().iter().enumerate();
        documents.filter_map(|(index, document)| Some((*document, self.quality(index)?)))
    }

    /// Tells of a way in which a document has all that was typed.
    pub(crate) fn improve(&mut self, document: u32, class: RankClass) {
        if let Self::Made {
            documents,
            qualities,
        } = self
            && let Some(quality) = documents
                .place(document)
                .and_then(|index| qualities.get_mut(index))
        {
            quality.class = quality.class.min(class);
        }
    }

    /// The hits of one more part, all of which are among those `before`, with what both say of them. The place of the
    /// part that was typed first counts.
    pub(crate) fn joined(before: Option<Self>, fewer: Self, fewer_is_first: bool) -> Self {
        let Some(before) = before else { return fewer };
        let mut from = 0;
        let both = |(document, quality): (u32, PartialMatch)| {
            // All of `fewer` are there.
            let before = before.way_from(&mut from, document)?;
            let class = RankClass {
                typos: before.class.typos.saturating_add(quality.class.typos),
                prefix_only: before.class.prefix_only || quality.class.prefix_only,
                not_exact: true,
                not_adjacent: true,
                field_rank: if fewer_is_first {
                    quality.class.field_rank
                } else {
                    before.class.field_rank
                },
            };
            Some((
                document,
                PartialMatch {
                    class,
                    common: FieldSet(before.common.0 & quality.common.0),
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
                .map(|(_, quality)| quality);
            let number = numbers
                .next_if(|(document, _)| *document == next)
                .map(|(_, quality)| quality);
            let quality = match (word, number) {
                (Some(word), Some(number)) => word.or(number),
                (one, other) => one.or(other)?,
            };
            Some((next, quality))
        });
        Self::made(end, both)
    }
}

impl PartialMatch {
    fn of(packed: PackedQuality, is_all: bool) -> Self {
        let (
            MatchQuality {
                typos,
                prefix_only,
                not_exact,
            },
            fields,
        ) = (packed.quality(), packed.fields());
        let class = RankClass {
            typos,
            prefix_only,
            not_exact: not_exact || !is_all,
            not_adjacent: !is_all,
            field_rank: fields.best(),
        };
        Self {
            class,
            common: fields,
        }
    }

    fn or(self, other: Self) -> Self {
        let better = if other.class < self.class {
            other
        } else {
            self
        };
        Self {
            common: FieldSet(self.common.0 | other.common.0),
            ..better
        }
    }
}
