//! From a query to terms: what each of its words may be meant for in one source.

use super::field::{Scope, Slot};
use super::lead_words::opening;
use super::phone::Number;
use super::postings::Postings;
use super::query_text::{Group, Phrase, QueryWord};
use crate::Result;

/// A term that a word of a query may be meant for.
pub(super) struct Variant<T> {
    pub(super) term: T,
    pub(super) typos: u8,
    /// It is only the beginning of what the term is of.
    pub(super) partial: bool,
}

/// All that one word of a query may be meant for.
pub(super) type WordTerms<T> = Vec<Variant<T>>;

/// The words of a phrase in one scope.
pub(super) struct Sequence<T> {
    pub(super) scope: Scope,
    pub(super) words: Vec<WordTerms<T>>,
    /// The terms of values that begin with the first word and have as many, if that is asked for.
    pub(super) openings: Vec<Opening<T>>,
}

/// A term that says what word a value begins with, and how many words it has.
pub(super) struct Opening<T> {
    pub(super) term: T,
    pub(super) typos: u8,
}

/// A phrase in each scope in which all of its words are known.
pub(super) struct PhraseTerms<T> {
    pub(super) scopes: Vec<Sequence<T>>,
    /// In about how many documents it is. It decides the order of work, not the answer.
    pub(super) frequency: u64,
}

/// A run of digits in phones.
pub(super) struct RunTerms<T> {
    pub(super) sequence: Sequence<T>,
    /// Whether only whole numbers count.
    pub(super) is_whole: bool,
}

/// A group of a query.
pub(super) struct GroupTerms<T> {
    /// All of its phrases, or none if one of them is nowhere.
    pub(super) phrases: Vec<PhraseTerms<T>>,
    /// The runs of digits that stand for it as a number.
    pub(super) number: Vec<RunTerms<T>>,
    /// In about how many documents it is.
    pub(super) frequency: u64,
}

impl<T> GroupTerms<T> {
    /// Whether no document has it.
    pub(super) fn is_nowhere(&self) -> bool {
        self.phrases.is_empty() && self.number.is_empty()
    }
}

/// Looks the words of queries up.
pub(super) struct Lookup<'a, P> {
    pub(super) source: &'a P,
    pub(super) scopes: &'a [Scope],
    /// Whether typos are forgiven.
    pub(super) forgiving: bool,
}

impl<P: Postings> Lookup<'_, P> {
    /// The terms of a group, which may be all of the query.
    pub(super) fn group(&self, group: &Group, is_all: bool) -> Result<GroupTerms<P::Term>> {
        let is_equal_asked = is_all && group.phrases.len() == 1;
        let mut phrases = Vec::with_capacity(group.phrases.len());
        for phrase in &group.phrases {
            let terms = self.phrase(phrase, is_equal_asked)?;
            if terms.scopes.is_empty() {
                phrases.clear();
                break;
            }
            phrases.push(terms);
        }
        let number = group.number.as_ref().map(|number| self.number(number)).transpose()?.unwrap_or_default();
        let rarest = phrases.iter().map(|phrase| phrase.frequency).min().unwrap_or(0);
        let runs: u64 = number.iter().map(|run| self.frequency(&run.sequence.words)).sum();
        Ok(GroupTerms { phrases, number, frequency: rarest.saturating_add(runs) })
    }

    fn phrase(&self, phrase: &Phrase, is_equal_asked: bool) -> Result<PhraseTerms<P::Term>> {
        let mut scopes = Vec::new();
        let mut frequency = 0_u64;
        // Phones are compared as numbers only.
        for scope in self.scopes.iter().filter(|scope| scope.slot != Slot::Phone) {
            let mut words = Vec::with_capacity(phrase.words.len());
            for word in &phrase.words {
                let terms = self.word(scope, word)?;
                if terms.is_empty() {
                    break;
                }
                words.push(terms);
            }
            if words.len() < phrase.words.len() {
                continue;
            }
            let first = phrase.words.first().filter(|_| is_equal_asked);
            let openings = first.map(|first| self.openings(scope, first, words.len())).transpose()?;
            frequency = frequency.saturating_add(self.frequency(&words));
            scopes.push(Sequence { scope: scope.clone(), words, openings: openings.unwrap_or_default() });
        }
        Ok(PhraseTerms { scopes, frequency })
    }

    fn number(&self, number: &Number) -> Result<Vec<RunTerms<P::Term>>> {
        let mut runs = Vec::new();
        let Some(scope) = self.scopes.iter().find(|scope| scope.slot == Slot::Phone) else { return Ok(runs) };
        for run in &number.runs {
            let terms = run.words.iter().map(|word| self.source.term(Slot::Phone, word));
            let Some(terms) = terms.collect::<Result<Option<Vec<_>>>>()? else { continue };
            let words: Vec<_> =
                terms.into_iter().map(|term| vec![Variant { term, typos: 0, partial: false }]).collect();
            let opening = run.words.first().and_then(|first| opening(words.len(), first));
            let opening = opening.map(|text| self.source.term(Slot::Phone, &text)).transpose()?.flatten();
            let openings = opening.into_iter().map(|term| Opening { term, typos: 0 }).collect();
            let sequence = Sequence { scope: scope.clone(), words, openings };
            runs.push(RunTerms { sequence, is_whole: run.is_whole });
        }
        Ok(runs)
    }

    /// The terms of a scope that a word may be meant for.
    fn word(&self, scope: &Scope, word: &QueryWord) -> Result<WordTerms<P::Term>> {
        let mut terms = Vec::new();
        let exact = self.source.term(scope.slot, &scope.term(&word.text))?;
        terms.extend(exact.map(|term| Variant { term, typos: 0, partial: false }));
        if word.is_beginning {
            let longer = self.source.beginning_with(scope, &word.text)?;
            terms.extend(longer.into_iter().map(|term| Variant { term, typos: 0, partial: true }));
        }
        if let Some(mistyped) = word.mistyped.as_ref().filter(|_| self.forgiving) {
            for meant in self.source.meant_by(scope, mistyped, word.is_beginning)? {
                // Those without a typo are there already.
                if let Some((typos @ 1.., partial)) = meant.distance.least(word.is_beginning) {
                    terms.push(Variant { term: meant.term, typos, partial });
                }
            }
        }
        Ok(terms)
    }

    /// The terms by which values of so many words are known to begin with a word.
    pub(super) fn openings(&self, scope: &Scope, first: &QueryWord, words: usize) -> Result<Vec<Opening<P::Term>>> {
        // The words of one custom field are placed as among those of all.
        let slot = if scope.slot == Slot::NamedCustomField { Slot::CustomFields } else { scope.slot };
        let mut openings = Vec::new();
        let mut add = |text: &str, typos| -> Result<()> {
            let term = opening(words, text).map(|text| self.source.term(slot, &text)).transpose()?.flatten();
            openings.extend(term.map(|term| Opening { term, typos }));
            Ok(())
        };
        add(&first.text, 0)?;
        if let Some(mistyped) = first.mistyped.as_ref().filter(|_| self.forgiving) {
            for meant in self.source.meant_by(scope, mistyped, false)? {
                if let Some((typos @ 1.., _)) = meant.distance.least(false) {
                    add(&meant.word, typos)?;
                }
            }
        }
        Ok(openings)
    }

    /// How often the rarest of some words comes.
    fn frequency(&self, words: &[WordTerms<P::Term>]) -> u64 {
        words.iter().map(|terms| frequency(self.source, terms)).min().unwrap_or(0)
    }
}

/// In about how many documents a word is.
pub(super) fn frequency<P: Postings>(source: &P, terms: &WordTerms<P::Term>) -> u64 {
    terms.iter().map(|variant| u64::from(source.frequency(&variant.term))).sum()
}
