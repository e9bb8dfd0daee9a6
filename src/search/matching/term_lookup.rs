//! From a query to terms: what each of its words may be meant for in one source.

use crate::error::Result;
use crate::search::matching::postings::{Meant, Postings};
use crate::search::query::query_text::{Group, Phrase, QueryWord};
use crate::search::terms::field::{Scope, Slot};
use crate::search::terms::index_term::IndexTerm;
use crate::search::terms::phone::Number;

/// A term that a word of a query may be meant for.
pub(crate) struct Variant<T> {
    pub(crate) term: T,
    pub(crate) typos: u8,
    /// It is only the beginning of what the term is of.
    pub(crate) partial: bool,
    /// The term is of values that are the word.
    pub(crate) alone: bool,
}

/// All that one word of a query may be meant for.
pub(crate) type WordTerms<T> = Vec<Variant<T>>;

/// The words of a phrase in one scope.
pub(crate) struct Sequence<T> {
    pub(crate) scope: Scope,
    pub(crate) words: Vec<WordTerms<T>>,
    /// The terms that stand where values begin that have as many words, if it is asked which are equal.
    pub(crate) openings: Vec<T>,
}

/// A phrase in each scope in which all of its words are known.
pub(crate) struct PhraseTerms<T> {
    pub(crate) scopes: Vec<Sequence<T>>,
    /// In about how many documents it is. It decides the order of work, not the answer.
    pub(crate) frequency: u64,
}

/// A run of digits in phones.
pub(crate) struct RunTerms<T> {
    pub(crate) sequence: Sequence<T>,
    /// Whether only whole numbers count.
    pub(crate) is_whole: bool,
}

/// A group of a query.
pub(crate) struct GroupTerms<T> {
    /// All of its phrases, or none if one of them is nowhere.
    pub(crate) phrases: Vec<PhraseTerms<T>>,
    /// The runs of digits that stand for it as a number.
    pub(crate) number: Vec<RunTerms<T>>,
    /// In about how many documents it is.
    pub(crate) frequency: u64,
}

impl<T> GroupTerms<T> {
    /// Whether no document has it.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.phrases.is_empty() && self.number.is_empty()
    }
}

/// Looks the words of queries up.
pub(crate) struct Lookup<'a, P> {
    pub(crate) source: &'a P,
    pub(crate) scopes: &'a [Scope],
    /// Whether typos are forgiven.
    pub(crate) forgiving: bool,
}

impl<P: Postings> Lookup<'_, P> {
    /// The terms of a group, which may be all of the query.
    pub(crate) fn group(&self, group: &Group, is_all: bool) -> Result<GroupTerms<P::Term>> {
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

    fn phrase(&self, phrase: &Phrase, is_equal_asked: bool) -> Result<PhraseTerms<P::Term>> {
        let mut scopes = Vec::new();
        let mut frequency = 0_u64;
        // Phones are compared as numbers only.
        for scope in self.scopes.iter().filter(|scope| scope.slot != Slot::Phone) {
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
            let openings = if is_equal_asked {
                self.openings(scope, words.len(), first)?
            } else {
                Vec::new()
            };
            frequency = frequency.saturating_add(self.frequency(&words));
            scopes.push(Sequence {
                scope: scope.clone(),
                words,
                openings,
            });
        }
        Ok(PhraseTerms { scopes, frequency })
    }

    fn number(&self, number: &Number) -> Result<Vec<RunTerms<P::Term>>> {
        let mut runs = Vec::new();
        let Some(scope) = self.scopes.iter().find(|scope| scope.slot == Slot::Phone) else {
            return Ok(runs);
        };
        for run in &number.runs {
            let terms = run
                .words
                .iter()
                .map(|word| self.source.term(Slot::Phone, word));
            let Some(terms) = terms.collect::<Result<Option<Vec<_>>>>()? else {
                continue;
            };
            let words: Vec<_> = terms
                .into_iter()
                .map(|term| {
                    vec![Variant {
                        term,
                        typos: 0,
                        partial: false,
                        alone: false,
                    }]
                })
                .collect();
            let openings = self.openings(scope, words.len(), None)?;
            let sequence = Sequence {
                scope: scope.clone(),
                words,
                openings,
            };
            runs.push(RunTerms {
                sequence,
                is_whole: run.is_whole,
            });
        }
        Ok(runs)
    }

    /// The terms of a scope that a word may be meant for; of one that others stand beside, which is not alone.
    fn word(
        &self,
        scope: &Scope,
        word: &QueryWord,
        in_company: bool,
    ) -> Result<WordTerms<P::Term>> {
        let mut terms = Vec::new();
        for (text, alone) in scope
            .terms(&word.text)
            .filter(|(_, alone)| !(in_company && *alone))
        {
            let exact = self.source.term(scope.slot, &text)?;
            terms.extend(exact.map(|term| Variant {
                term,
                typos: 0,
                partial: false,
                alone,
            }));
        }
        if word.is_beginning {
            let longer = self.source.beginning_with(scope, &word.text)?;
            terms.extend(longer.into_iter().map(|term| Variant {
                term,
                typos: 0,
                partial: true,
                alone: false,
            }));
        }
        if let Some(mistyped) = word.mistyped.as_ref().filter(|_| self.forgiving) {
            for Meant {
                term,
                alone,
                distance,
            } in self.source.meant_by(scope, mistyped, word.is_beginning)?
            {
                // Those without a typo are there already.
                if let Some((typos @ 1.., partial)) = distance.least(word.is_beginning) {
                    terms.push(Variant {
                        term,
                        typos,
                        partial,
                        alone,
                    });
                }
            }
        }
        Ok(terms)
    }

    /// The terms that stand where values begin that have so many words, the first one of which is this.
    pub(crate) fn openings(
        &self,
        scope: &Scope,
        words: usize,
        first: Option<&QueryWord>,
    ) -> Result<Vec<P::Term>> {
        // The words of one custom field are placed as among those of all.
        let scope = if scope.slot == Slot::NamedCustomField {
            &Scope::whole(Slot::CustomFields)
        } else {
            scope
        };
        if let Some(opening) = IndexTerm::opening(words) {
            return Ok(self
                .source
                .term(scope.slot, &opening.to_string())?
                .into_iter()
                .collect());
        }
        // A single word that is all of a value opens it.
        let Some(word) = first.filter(|_| words == 1) else {
            return Ok(Vec::new());
        };
        let alone = self
            .word(scope, word, false)?
            .into_iter()
            .filter(|variant| variant.alone && !variant.partial);
        Ok(alone.map(|variant| variant.term).collect())
    }

    /// How often the rarest of some words comes.
    fn frequency(&self, words: &[WordTerms<P::Term>]) -> u64 {
        words
            .iter()
            .map(|terms| frequency(self.source, terms))
            .min()
            .unwrap_or(0)
    }
}

/// In about how many documents a word is.
pub(crate) fn frequency<P: Postings>(source: &P, terms: &WordTerms<P::Term>) -> u64 {
    terms
        .iter()
        .map(|variant| u64::from(source.frequency(&variant.term)))
        .sum()
}
