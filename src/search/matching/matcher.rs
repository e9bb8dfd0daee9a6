//! Matching: which leads have all that was typed, and how well. One way of matching for every source of postings, so that
//! a lead is found and ranked alike whether it is in the index or not yet.

use crate::error::Result;
use crate::row::{Row, RowSet};
use crate::search::matching::candidates::{Hits, PartWay};
use crate::search::matching::collect::{Found, Note, Noted, Way, collect, each_first};
use crate::search::matching::doc_set::Documents;
use crate::search::matching::phrase::side_by_side;
use crate::search::matching::postings::Postings;
use crate::search::matching::rank::{Class, Places, place};
use crate::search::matching::results::Ranked;
use crate::search::matching::term_lookup::{
    GroupTerms, Lookup, PhraseTerms, RunTerms, Sequence, Variant, WordTerms, frequency,
};
use crate::search::query::query_text::QueryText;
use crate::search::terms::field::{Scope, Slot};
use crate::search::view::View;

/// What leads are held against.
pub(crate) struct Wanted<'q> {
    pub(crate) query: &'q QueryText,
    pub(crate) scopes: &'q [Scope],
    /// Whether typos are forgiven.
    pub(crate) forgiving: bool,
    /// Which leads are wanted at all; `None` for any.
    pub(crate) filter: Option<&'q RowSet>,
}

/// The leads that have every group of the query, each in any of the scopes.
pub(crate) fn find(view: &View, wanted: &Wanted<'_>) -> Result<Ranked> {
    let mut ranked = Ranked::default();
    // What a newer source knows of a row outdates all older ones.
    let mut outdated = RowSet::default();
    for layer in view.recent().newest_first() {
        Matching {
            source: &layer.words()?,
            wanted,
        }
        .rank(&outdated, &mut ranked)?;
        outdated.add_all(layer.rows());
    }
    for segment in view.segments()? {
        Matching {
            source: &segment,
            wanted,
        }
        .rank(&outdated, &mut ranked)?;
    }
    Ok(ranked)
}

/// So few documents are not worth to be looked for among those of one more word: positions tell as well.
const FEW: usize = 64;

/// The wanted leads of one source.
struct Matching<'a, P> {
    source: &'a P,
    wanted: &'a Wanted<'a>,
}

impl<P: Postings> Matching<'_, P> {
    /// Adds the leads of this source to those that are found, but for the rows that are outdated.
    fn rank(&self, outdated: &RowSet, ranked: &mut Ranked) -> Result<()> {
        let query = &self.wanted.query.groups;
        let mut groups = Vec::with_capacity(query.len());
        for group in query {
            let group = self.lookup().group(group, query.len() == 1)?;
            if group.is_nowhere() {
                return Ok(());
            }
            groups.push(group);
        }
        if let [
            GroupTerms {
                phrases, number, ..
            },
        ] = groups.as_slice()
            && let ([phrase], []) = (phrases.as_slice(), number.as_slice())
        {
            return self.rank_phrase(phrase, outdated, ranked);
        }
        let mut hits = self.wanted_of(&self.hits(&groups)?, outdated)?;
        self.improve_side_by_side(&groups, &mut hits)?;
        self.source
            .each_row(hits.documents().as_slice(), |index, row| {
                if let Some(way) = hits.way(index) {
                    ranked.class(way.class).push(row);
                }
            })
    }

    /// A query of a single phrase: how a lead has it is its class.
    fn rank_phrase(
        &self,
        phrase: &PhraseTerms<P::Term>,
        outdated: &RowSet,
        ranked: &mut Ranked,
    ) -> Result<()> {
        let mut found = self.found(phrase, None, true)?;
        let times = usize::try_from(phrase.frequency).unwrap_or(usize::MAX);
        let is_wanted = self.is_wanted(times, outdated);
        let class = |note: Note| {
            let Way {
                typos,
                partial,
                unequal,
            } = note.way();
            Class {
                typos,
                partial,
                unequal,
                apart: false,
                place: note.places().best(),
            }
        };
        if found.documents.is_empty() {
            // The best first, so that each document is looked at once.
            found.terms.sort_by_key(|(_, note)| class(*note));
            return each_first(self.source, &found.terms, |documents, note| {
                let rows = ranked.class(class(note));
                self.source.each_row(documents, |_, row| {
                    if is_wanted(row) {
                        rows.push(row);
                    }
                })
            });
        }
        let noted = collect(self.source, found, None)?;
        self.source
            .each_row(noted.documents.as_slice(), |place, row| {
                if let Some(note) = noted.note(place).filter(|_| is_wanted(row)) {
                    ranked.class(class(note)).push(row);
                }
            })
    }

    /// The documents that have all groups: the rarest first, so that the others are looked for in few.
    fn hits(&self, groups: &[GroupTerms<P::Term>]) -> Result<Hits> {
        let mut order: Vec<(usize, &GroupTerms<P::Term>)> = groups.iter().enumerate().collect();
        order.sort_by_key(|(_, group)| group.frequency);
        let mut all: Option<Hits> = None;
        for (index, group) in order {
            let among = all.as_ref().map(Hits::documents);
            let hits = self.group(group, among, index + 1 == groups.len(), groups.len() == 1)?;
            all = Some(Hits::joined(all, hits, index == 0));
        }
        Ok(all.unwrap_or_default())
    }

    /// The documents that have a group, by its phrases or as a number.
    fn group(
        &self,
        group: &GroupTerms<P::Term>,
        among: Option<&Documents>,
        is_last: bool,
        is_all: bool,
    ) -> Result<Hits> {
        let count = group.phrases.len();
        let mut order: Vec<(usize, &PhraseTerms<P::Term>)> =
            group.phrases.iter().enumerate().collect();
        order.sort_by_key(|(_, phrase)| phrase.frequency);
        let mut words: Option<Hits> = None;
        for (index, phrase) in order {
            let among = words.as_ref().map(Hits::documents).or(among);
            let noted = self.phrase(phrase, among, is_last && index + 1 == count)?;
            words = Some(Hits::joined(
                words,
                Hits::of_phrase(noted, is_all && count == 1),
                index == 0,
            ));
        }
        let words = words.unwrap_or_default();
        if group.number.is_empty() {
            return Ok(words);
        }
        Ok(words.or(self.number(&group.number, among, is_last, is_all)?))
    }

    /// The documents that have a phrase, which may be the last one.
    fn phrase(
        &self,
        phrase: &PhraseTerms<P::Term>,
        among: Option<&Documents>,
        is_last: bool,
    ) -> Result<Noted> {
        collect(self.source, self.found(phrase, among, is_last)?, among)
    }

    /// The terms of a phrase of one word, and the documents that have one of several.
    fn found<'t>(
        &self,
        phrase: &'t PhraseTerms<P::Term>,
        among: Option<&Documents>,
        is_last: bool,
    ) -> Result<Found<'t, P::Term>> {
        let (mut terms, mut documents) = (Vec::new(), Vec::new());
        for sequence in &phrase.scopes {
            let slot = sequence.scope.slot;
            let note = |way: Way| {
                Note::new(
                    Way {
                        partial: way.partial && is_last,
                        ..way
                    },
                    Places::only(slot),
                )
            };
            match sequence.words.as_slice() {
                // Under a custom field's name it is positions that tell what is equal.
                [word] if slot.tells_alone() || sequence.openings.is_empty() => {
                    terms.extend(word.iter().map(
                        |Variant {
                             term,
                             typos,
                             partial,
                             alone,
                         }| {
                            let is_equal = *alone && !*partial && !sequence.openings.is_empty();
                            (
                                term,
                                note(Way {
                                    typos: *typos,
                                    partial: *partial,
                                    unequal: !is_equal,
                                }),
                            )
                        },
                    ));
                }
                _ => documents.extend(
                    self.ways(sequence, among)?
                        .into_iter()
                        .map(|(document, way)| (document, note(way))),
                ),
            }
        }
        Ok(Found { terms, documents })
    }

    /// The documents that have a phone of this number.
    fn number(
        &self,
        runs: &[RunTerms<P::Term>],
        among: Option<&Documents>,
        is_last: bool,
        is_all: bool,
    ) -> Result<Hits> {
        let mut documents = Vec::new();
        for RunTerms { sequence, is_whole } in runs {
            for (document, way) in self.ways(sequence, among)? {
                if !way.unequal || !is_whole {
                    let way = Way {
                        partial: way.unequal && is_last,
                        ..way
                    };
                    documents.push((document, Note::new(way, Places::only(Slot::Phone))));
                }
            }
        }
        let noted = collect(
            self.source,
            Found {
                terms: Vec::new(),
                documents,
            },
            among,
        )?;
        Ok(Hits::of_number(noted, is_all))
    }

    /// The documents in which the words of a phrase stand side by side.
    fn ways(
        &self,
        sequence: &Sequence<P::Term>,
        among: Option<&Documents>,
    ) -> Result<Vec<(u32, Way)>> {
        let mut order: Vec<&WordTerms<P::Term>> = sequence.words.iter().collect();
        order.sort_by_key(|word| frequency(self.source, word));
        let mut documents: Option<Documents> = None;
        for word in order {
            if documents
                .as_ref()
                .is_some_and(|documents| documents.len() < FEW)
            {
                break;
            }
            let any = Note::new(
                Way {
                    typos: 0,
                    partial: false,
                    unequal: false,
                },
                Places::default(),
            );
            let terms = word.iter().map(|variant| (&variant.term, any)).collect();
            let found = Found {
                terms,
                documents: Vec::new(),
            };
            documents = Some(collect(self.source, found, documents.as_ref().or(among))?.documents);
        }
        let words: Vec<&[Variant<P::Term>]> = sequence.words.iter().map(Vec::as_slice).collect();
        let documents = documents.as_ref().map_or(&[][..], Documents::as_slice);
        side_by_side(self.source, &words, &sequence.openings, documents)
    }

    /// The hits whose leads are as they are here, and wanted.
    fn wanted_of(&self, hits: &Hits, outdated: &RowSet) -> Result<Hits> {
        let is_wanted = self.is_wanted(hits.documents().len(), outdated);
        let mut kept = Vec::new();
        self.source
            .each_row(hits.documents().as_slice(), |index, row| {
                if is_wanted(row) {
                    kept.extend(
                        hits.documents()
                            .as_slice()
                            .get(index)
                            .copied()
                            .zip(hits.way(index)),
                    );
                }
            })?;
        Ok(Hits::made(hits.documents().end(), kept.into_iter()))
    }

    /// Whether a row is not outdated, and wanted; to be asked so many times.
    fn is_wanted(&self, times: usize, outdated: &RowSet) -> impl Fn(Row) -> bool {
        let outdated = outdated.lookup(times);
        let filter = self.wanted.filter.map(|filter| filter.lookup(times));
        move |row| {
            !outdated.contains(row) && filter.as_ref().is_none_or(|filter| filter.contains(row))
        }
    }

    /// Finds the hits in which all words stand side by side, which is better than wherever.
    fn improve_side_by_side(&self, groups: &[GroupTerms<P::Term>], hits: &mut Hits) -> Result<()> {
        let Some(first) = self.wanted.query.words().next() else {
            return Ok(());
        };
        let common = hits.iter().fold(Places::default(), |all, (_, way)| {
            Places(all.0 | way.common.0)
        });
        for scope in self
            .wanted
            .scopes
            .iter()
            .filter(|scope| common.has(scope.slot))
        {
            let place = place(scope.slot);
            let at_best = Class {
                typos: 0,
                partial: false,
                unequal: false,
                apart: false,
                place,
            };
            let improves = |way: &PartWay| way.common.has(scope.slot) && at_best < way.class;
            let candidates = hits.iter().filter(|(_, way)| improves(way));
            let documents: Vec<u32> = candidates.map(|(document, _)| document).collect();
            if documents.is_empty() {
                continue;
            }
            let phrases = groups.iter().flat_map(|group| &group.phrases);
            let here = phrases.map(|phrase| {
                phrase
                    .scopes
                    .iter()
                    .find(|sequence| sequence.scope == *scope)
            });
            let Some(here) = here.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let words: Vec<&[Variant<P::Term>]> = here
                .iter()
                .flat_map(|sequence| &sequence.words)
                .map(Vec::as_slice)
                .collect();
            let openings = self.lookup().openings(scope, words.len(), Some(first))?;
            for (document, way) in side_by_side(self.source, &words, &openings, &documents)? {
                let Way {
                    typos,
                    partial,
                    unequal,
                } = way;
                hits.improve(
                    document,
                    Class {
                        typos,
                        partial,
                        unequal,
                        apart: false,
                        place,
                    },
                );
            }
        }
        Ok(())
    }

    fn lookup(&self) -> Lookup<'_, P> {
        Lookup {
            source: self.source,
            scopes: self.wanted.scopes,
            forgiving: self.wanted.forgiving,
        }
    }
}
