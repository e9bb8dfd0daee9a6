//! Candidates: documents that match the query or a part of it, with their match quality. Parts are
//! joined one at a time.

use crate::search::matching::collect::{MatchQuality, PackedQuality, ScoredDocs};
use crate::search::matching::doc_set::DocSet;
use crate::search::matching::rank::{FieldSet, RankClass};

/// Documents that match all parts joined so far, each with its best match.
pub(crate) enum Candidates {
    /// The documents of one phrase, with packed qualities. Only the qualities of documents that
    /// remain candidates are unpacked.
    ScoredDocs { scored: ScoredDocs, is_all: bool },
    Computed {
        documents: DocSet,
        qualities: Vec<PartialMatch>,
    },
}

/// A document's match with one part of the query, or with all parts joined so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartialMatch {
    pub(crate) class: RankClass,
    /// Fields that each contain all phrases joined so far.
    pub(crate) common: FieldSet,
}

impl Default for Candidates {
    fn default() -> Self {
        Self::from_sorted(0, std::iter::empty())
    }
}

impl Candidates {
    /// Creates the candidates of one phrase. `is_all` is true if the phrase is the complete query.
    pub(crate) fn of_phrase(scored: ScoredDocs, is_all: bool) -> Self {
        Self::ScoredDocs { scored, is_all }
    }

    /// Creates the candidates of a phone number. `is_all` is true if the number is the complete
    /// query. The set `common` of each match is empty, because no word of another part can be
    /// adjacent to the digits.
    pub(crate) fn of_number(scored: ScoredDocs, is_all: bool) -> Self {
        let quality = |packed| PartialMatch {
            common: FieldSet::default(),
            ..PartialMatch::of(packed, is_all)
        };
        let qualities = (0..scored.documents.len())
            .filter_map(|index| scored.packed(index).map(quality))
            .collect();
        Self::Computed {
            qualities,
            documents: scored.documents,
        }
    }

    /// Creates candidates from documents below `end` in ascending order, each with its match.
    pub(crate) fn from_sorted(
        end: u32,
        candidates: impl Iterator<Item = (u32, PartialMatch)>,
    ) -> Self {
        let (documents, qualities) = candidates.unzip();
        Self::Computed {
            documents: DocSet::new(documents, end),
            qualities,
        }
    }

    pub(crate) fn documents(&self) -> &DocSet {
        match self {
            Self::ScoredDocs { scored, .. } => &scored.documents,
            Self::Computed { documents, .. } => documents,
        }
    }

    /// Returns the match of the candidate at `index`.
    #[inline]
    pub(crate) fn quality(&self, index: usize) -> Option<PartialMatch> {
        match self {
            Self::ScoredDocs { scored, is_all } => scored
                .packed(index)
                .map(|packed| PartialMatch::of(packed, *is_all)),
            Self::Computed { qualities, .. } => qualities.get(index).copied(),
        }
    }

    /// Returns the match of a document if it is a candidate. The search begins at index `from`, and
    /// advances `from` to the document's index. Qualities in dense packed form need no search, and
    /// `from` is left unchanged.
    #[inline]
    fn quality_from(&self, from: &mut usize, document: u32) -> Option<PartialMatch> {
        match self {
            Self::ScoredDocs { scored, is_all } => scored
                .packed_from(from, document)
                .map(|packed| PartialMatch::of(packed, *is_all)),
            Self::Computed {
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

    /// Improves the class of a document to `class`, unless the document already has a better one.
    /// `class` is the class of a match with the complete query.
    pub(crate) fn improve(&mut self, document: u32, class: RankClass) {
        if let Self::Computed {
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

    /// Combines the matches of two sets of candidates. `before` contains the documents that match
    /// all parts joined so far, and `fewer` those of them that also match one more part. Returns
    /// the documents of `fewer` with the combined matches. The field rank is taken from the part
    /// that was typed first.
    pub(crate) fn joined(before: Option<Self>, fewer: Self, fewer_is_first: bool) -> Self {
        let Some(before) = before else { return fewer };
        let mut from = 0;
        let both = |(document, quality): (u32, PartialMatch)| {
            // Every document in `fewer` is also in `before`.
            let before = before.quality_from(&mut from, document)?;
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
        Self::from_sorted(fewer.documents().end(), fewer.iter().filter_map(both))
    }

    /// Returns the union of both sets. A document that is in both keeps the better of its two
    /// matches.
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
        Self::from_sorted(end, both)
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
