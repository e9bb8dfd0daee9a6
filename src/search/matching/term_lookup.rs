//! Term lookup: finds the terms of one source that match each word of a query.

use crate::error::Result;
use crate::schema::TermField;
use crate::search::matching::postings::{FuzzyMatch, Postings};
use crate::search::query::query_text::{Phrase, QueryWord, WordGroup};
use crate::search::terms::field::FieldScope;
use crate::search::terms::index_term::IndexTerm;
use crate::search::terms::phone::PhoneNumber;

/// A term that matches a word of a query.
pub(crate) struct Variant<T> {
    pub(crate) term: T,
    pub(crate) typos: u8,
    /// The query word matches only a prefix of the term's word.
    pub(crate) prefix_only: bool,
    /// The term stands for values that consist of this word alone.
    pub(crate) is_exact: bool,
}

/// All terms that match one word of a query.
pub(crate) type WordTerms<T> = Vec<Variant<T>>;

/// The words of a phrase in one scope.
pub(crate) struct TermSequence<T> {
    pub(crate) scope: FieldScope,
    pub(crate) words: Vec<WordTerms<T>>,
    /// Terms that mark the start of values with the same number of words as the phrase. Empty if it
    /// does not matter whether a value equals the phrase.
    pub(crate) length_markers: Vec<T>,
}

/// The terms of a phrase, for each scope that contains all of its words.
pub(crate) struct PhraseTerms<T> {
    pub(crate) scopes: Vec<TermSequence<T>>,
    /// Estimated number of documents that match. It affects only the order of evaluation, not the
    /// result.
    pub(crate) frequency: u64,
}

/// A run of digits to find in stored phone numbers, as terms.
pub(crate) struct RunTerms<T> {
    pub(crate) sequence: TermSequence<T>,
    /// True if the run must be a complete number.
    pub(crate) is_whole: bool,
}

/// The terms of a group of a query.
pub(crate) struct GroupTerms<T> {
    /// All phrases of the group. Empty if one of them matches nothing.
    pub(crate) phrases: Vec<PhraseTerms<T>>,
    /// The runs of digits to find. Empty if the group cannot match as a phone number.
    pub(crate) number: Vec<RunTerms<T>>,
    /// Estimated number of documents that match.
    pub(crate) frequency: u64,
}

impl<T> GroupTerms<T> {
    /// Returns true if it is certain that no document matches the group.
    pub(crate) fn matches_nothing(&self) -> bool {
        self.phrases.is_empty() && self.number.is_empty()
    }
}

/// The lookup of the words of a query in one source.
pub(crate) struct TermLookup<'a, P> {
    pub(crate) segment: &'a P,
    pub(crate) scopes: &'a [FieldScope],
    /// True if typos are tolerated.
    pub(crate) forgiving: bool,
}

impl<P: Postings> TermLookup<'_, P> {
    /// Returns the terms of a group. `is_all` is true if the group is the complete query.
    pub(crate) fn group(&self, group: &WordGroup, is_all: bool) -> Result<GroupTerms<P::Term>> {
        let needs_equality = is_all && group.phrases.len() == 1;
        let mut phrases = Vec::with_capacity(group.phrases.len());
        for phrase in &group.phrases {
            let terms = self.phrase(phrase, needs_equality)?;
            if terms.scopes.is_empty() {
                phrases.clear();
                break;
            }
            phrases.push(terms);
        }
        let number = group
            .number
            .as_ref()
            .map(|number| self.number(number))
            .transpose()?
            .unwrap_or_default();
        let rarest = phrases
            .iter()
            .map(|phrase| phrase.frequency)
            .min()
            .unwrap_or(0);
        let runs: u64 = number
            .iter()
            .map(|run| self.frequency(&run.sequence.words))
            .sum();
        Ok(GroupTerms {
            phrases,
            number,
            frequency: rarest.saturating_add(runs),
        })
    }

    fn phrase(&self, phrase: &Phrase, needs_equality: bool) -> Result<PhraseTerms<P::Term>> {
        let mut scopes = Vec::new();
        let mut frequency = 0_u64;
        for scope in self.scopes {
            let mut words = Vec::with_capacity(phrase.words.len());
            for word in &phrase.words {
                let terms = self.word(scope, word, phrase.words.len() > 1)?;
                if terms.is_empty() {
                    break;
                }
                words.push(terms);
            }
            if words.len() < phrase.words.len() {
                continue;
            }
            let first = phrase.words.first();
            let length_markers = if needs_equality {
                self.length_markers(scope, words.len(), first)?
            } else {
                Vec::new()
            };
            frequency = frequency.saturating_add(self.frequency(&words));
            scopes.push(TermSequence {
                scope: scope.clone(),
                words,
                length_markers,
            });
        }
        Ok(PhraseTerms { scopes, frequency })
    }

    fn number(&self, number: &PhoneNumber) -> Result<Vec<RunTerms<P::Term>>> {
        let mut runs = Vec::new();
        let Some(scope) = self
            .scopes
            .iter()
            .find(|scope| scope.field == TermField::Phone)
        else {
            return Ok(runs);
        };
        for run in &number.runs {
            let terms = run.words.iter().map(|word| {
                let term = IndexTerm::Digits(word).to_string();
                self.segment.term(TermField::Phone, &term)
            });
            let Some(terms) = terms.collect::<Result<Option<Vec<_>>>>()? else {
                continue;
            };
            let words: Vec<_> = terms
                .into_iter()
                .map(|term| {
                    vec![Variant {
                        term,
                        typos: 0,
                        prefix_only: false,
                        is_exact: false,
                    }]
                })
                .collect();
            let length_markers = self.length_markers(scope, words.len(), None)?;
            let sequence = TermSequence {
                scope: scope.clone(),
                words,
                length_markers,
            };
            runs.push(RunTerms {
                sequence,
                is_whole: run.is_whole,
            });
        }
        Ok(runs)
    }

    /// Returns the terms of a scope that match a word. `multi_word` is true if the word is part of
    /// a phrase of several words, so that it cannot be a complete value.
    fn word(
        &self,
        scope: &FieldScope,
        word: &QueryWord,
        multi_word: bool,
    ) -> Result<WordTerms<P::Term>> {
        let mut terms = Vec::new();
        for (text, is_exact) in scope
            .terms(&word.text)
            .filter(|(_, is_exact)| !(multi_word && *is_exact))
        {
            let exact = self.segment.term(scope.field, &text)?;
            terms.extend(exact.map(|term| Variant {
                term,
                typos: 0,
                prefix_only: false,
                is_exact,
            }));
        }
        if word.is_prefix {
            let longer = self.segment.terms_with_prefix(scope, &word.text)?;
            terms.extend(longer.into_iter().map(|term| Variant {
                term,
                typos: 0,
                prefix_only: true,
                is_exact: false,
            }));
        }
        if let Some(fuzzy) = word.fuzzy.as_ref().filter(|_| self.forgiving) {
            for FuzzyMatch {
                term,
                is_exact,
                distance,
            } in self.segment.fuzzy_terms(scope, fuzzy, word.is_prefix)?
            {
                // Terms without a typo were added above.
                if let Some((typos @ 1.., prefix_only)) = distance.least(word.is_prefix) {
                    terms.push(Variant {
                        term,
                        typos,
                        prefix_only,
                        is_exact,
                    });
                }
            }
        }
        Ok(terms)
    }

    /// Returns the terms that mark the start of values with `words` words. A value of one word has
    /// no marker of its own: if `words` is 1, these are the exact terms of `first`.
    pub(crate) fn length_markers(
        &self,
        scope: &FieldScope,
        words: usize,
        first: Option<&QueryWord>,
    ) -> Result<Vec<P::Term>> {
        if !scope.field.ranks_equal_values() {
            return Ok(Vec::new());
        }
        if let Some(length_marker) = IndexTerm::length_marker(words) {
            return Ok(self
                .segment
                .term(scope.field, &length_marker.to_string())?
                .into_iter()
                .collect());
        }
        // A value of one word has no length marker. Its own term marks the start.
        let Some(word) = first.filter(|_| words == 1) else {
            return Ok(Vec::new());
        };
        let is_exact = self
            .word(scope, word, false)?
            .into_iter()
            .filter(|variant| variant.is_exact && !variant.prefix_only);
        Ok(is_exact.map(|variant| variant.term).collect())
    }

    /// Returns the estimated frequency of the rarest word.
    fn frequency(&self, words: &[WordTerms<P::Term>]) -> u64 {
        words
            .iter()
            .map(|terms| frequency(self.segment, terms))
            .min()
            .unwrap_or(0)
    }
}

/// Returns the estimated number of documents that contain a word.
pub(crate) fn frequency<P: Postings>(segment: &P, terms: &WordTerms<P::Term>) -> u64 {
    terms
        .iter()
        .map(|variant| u64::from(segment.frequency(&variant.term)))
        .sum()
}
