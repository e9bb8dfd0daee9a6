//! Matching: finds the leads that match the complete query, and ranks them. Every source of
//! postings is matched by the same code, so a lead matches and ranks the same whether it is indexed
//! or not.

use crate::error::Result;
use crate::row::{Row, RowSet};
use crate::schema::TermField;
use crate::search::matching::candidates::{Candidates, PartialMatch};
use crate::search::matching::collect::{
    MatchQuality, PackedQuality, ScoredDocs, TermMatches, collect, visit_once,
};
use crate::search::matching::doc_set::DocSet;
use crate::search::matching::phrase::match_phrase;
use crate::search::matching::postings::Postings;
use crate::search::matching::rank::{FieldSet, RankClass, field_rank};
use crate::search::matching::results::RankedHits;
use crate::search::matching::term_lookup::{
    GroupTerms, PhraseTerms, RunTerms, TermLookup, TermSequence, Variant, WordTerms, frequency,
};
use crate::search::query::query_text::{QueryText, QueryWord};
use crate::search::search_view::SearchView;
use crate::search::terms::field::FieldScope;

/// The parameters of a search.
pub(crate) struct MatchRequest<'q> {
    pub(crate) query: &'q QueryText,
    pub(crate) scopes: &'q [FieldScope],
    /// True if typos are tolerated.
    pub(crate) forgiving: bool,
    /// Rows to search; `None` for all.
    pub(crate) filter: Option<&'q RowSet>,
}

/// Returns the leads that match every group of the query, each group in any of the scopes.
pub(crate) fn find(view: &SearchView, request: &MatchRequest<'_>) -> Result<RankedHits> {
    let mut ranked = RankedHits::default();
    // The rows of the sources searched so far. Older sources can hold only outdated versions of
    // these rows.
    let mut outdated = RowSet::default();
    for segment in view.recent().newest_first() {
        Matcher {
            segment: &segment.terms()?,
            request,
        }
        .rank(&outdated, &mut ranked)?;
        outdated.add_all(segment.rows());
    }
    for segment in view.segments()? {
        Matcher {
            segment: &segment,
            request,
        }
        .rank(&outdated, &mut ranked)?;
    }
    Ok(ranked)
}

/// With fewer candidates than this, further intersections are skipped and positions are checked
/// directly.
const INTERSECTION_MIN: usize = 64;

/// The matching of a request against one source of postings.
struct Matcher<'a, P> {
    segment: &'a P,
    request: &'a MatchRequest<'a>,
}

impl<P: Postings> Matcher<'_, P> {
    /// Adds the matching leads of this source to `ranked`, except for outdated rows.
    fn rank(&self, outdated: &RowSet, ranked: &mut RankedHits) -> Result<()> {
        let query = &self.request.query.groups;
        let mut groups = Vec::with_capacity(query.len());
        for group in query {
            let group = self.lookup().group(group, query.len() == 1)?;
            if group.matches_nothing() {
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
        let mut candidates = self.select(&self.candidates(&groups)?, outdated)?;
        self.improve_adjacent(&groups, &mut candidates)?;
        self.segment
            .each_row(candidates.documents().as_slice(), |index, row| {
                if let Some(quality) = candidates.quality(index) {
                    ranked.class(quality.class).push(row);
                }
            })
    }

    /// Ranks the matches of a single-phrase query. The class of a lead follows from the match
    /// quality of the phrase.
    fn rank_phrase(
        &self,
        phrase: &PhraseTerms<P::Term>,
        outdated: &RowSet,
        ranked: &mut RankedHits,
    ) -> Result<()> {
        let mut term_matches = self.term_matches(phrase, None, true)?;
        let times = usize::try_from(phrase.frequency).unwrap_or(usize::MAX);
        let is_selected = self.is_selected(times, outdated);
        let class = |packed: PackedQuality| {
            let MatchQuality {
                typos,
                prefix_only,
                not_exact,
            } = packed.quality();
            RankClass {
                typos,
                prefix_only,
                not_exact,
                not_adjacent: false,
                field_rank: packed.fields().best(),
            }
        };
        if term_matches.documents.is_empty() {
            // Best class first, so that each document needs to be visited only once.
            term_matches.terms.sort_by_key(|(_, packed)| class(*packed));
            return visit_once(self.segment, &term_matches.terms, |documents, packed| {
                let rows = ranked.class(class(packed));
                self.segment.each_row(documents, |_, row| {
                    if is_selected(row) {
                        rows.push(row);
                    }
                })
            });
        }
        let scored = collect(self.segment, term_matches, None)?;
        self.segment
            .each_row(scored.documents.as_slice(), |place, row| {
                if let Some(packed) = scored.packed(place).filter(|_| is_selected(row)) {
                    ranked.class(class(packed)).push(row);
                }
            })
    }

    /// Returns the documents that match all groups. The rarest group goes first, so that the others
    /// are looked up among few candidates.
    fn candidates(&self, groups: &[GroupTerms<P::Term>]) -> Result<Candidates> {
        let mut order: Vec<(usize, &GroupTerms<P::Term>)> = groups.iter().enumerate().collect();
        order.sort_by_key(|(_, group)| group.frequency);
        let mut all: Option<Candidates> = None;
        for (index, group) in order {
            let among = all.as_ref().map(Candidates::documents);
            let candidates =
                self.group(group, among, index + 1 == groups.len(), groups.len() == 1)?;
            all = Some(Candidates::joined(all, candidates, index == 0));
        }
        Ok(all.unwrap_or_default())
    }

    /// Returns the documents that match a group, either by its phrases or as a phone number.
    fn group(
        &self,
        group: &GroupTerms<P::Term>,
        among: Option<&DocSet>,
        is_last: bool,
        is_all: bool,
    ) -> Result<Candidates> {
        let count = group.phrases.len();
        let mut order: Vec<(usize, &PhraseTerms<P::Term>)> =
            group.phrases.iter().enumerate().collect();
        order.sort_by_key(|(_, phrase)| phrase.frequency);
        let mut words: Option<Candidates> = None;
        for (index, phrase) in order {
            let among = words.as_ref().map(Candidates::documents).or(among);
            let scored = self.phrase(phrase, among, is_last && index + 1 == count)?;
            words = Some(Candidates::joined(
                words,
                Candidates::of_phrase(scored, is_all && count == 1),
                index == 0,
            ));
        }
        let words = words.unwrap_or_default();
        if group.number.is_empty() {
            return Ok(words);
        }
        Ok(words.or(self.number(&group.number, among, is_last, is_all)?))
    }

    /// Returns the documents that match a phrase. `is_last` is true for the last phrase of the
    /// query.
    fn phrase(
        &self,
        phrase: &PhraseTerms<P::Term>,
        among: Option<&DocSet>,
        is_last: bool,
    ) -> Result<ScoredDocs> {
        collect(
            self.segment,
            self.term_matches(phrase, among, is_last)?,
            among,
        )
    }

    /// Returns the matches of a phrase. For a single word, these are terms. For several words,
    /// positions have to be compared, and the matches are documents.
    fn term_matches<'t>(
        &self,
        phrase: &'t PhraseTerms<P::Term>,
        among: Option<&DocSet>,
        is_last: bool,
    ) -> Result<TermMatches<'t, P::Term>> {
        let (mut terms, mut documents) = (Vec::new(), Vec::new());
        for sequence in &phrase.scopes {
            let field = sequence.scope.field;
            let packed = |quality: MatchQuality| {
                PackedQuality::new(
                    MatchQuality {
                        prefix_only: quality.prefix_only && is_last,
                        ..quality
                    },
                    FieldSet::only(field),
                )
            };
            match sequence.words.as_slice() {
                [word] => {
                    terms.extend(word.iter().map(
                        |Variant {
                             term,
                             typos,
                             prefix_only,
                             is_exact,
                         }| {
                            let is_equal =
                                *is_exact && !*prefix_only && !sequence.length_markers.is_empty();
                            (
                                term,
                                packed(MatchQuality {
                                    typos: *typos,
                                    prefix_only: *prefix_only,
                                    not_exact: !is_equal,
                                }),
                            )
                        },
                    ));
                }
                _ => documents.extend(
                    self.qualities(sequence, among)?
                        .into_iter()
                        .map(|(document, quality)| (document, packed(quality))),
                ),
            }
        }
        Ok(TermMatches { terms, documents })
    }

    /// Returns the documents with a phone number that matches any of the runs.
    fn number(
        &self,
        runs: &[RunTerms<P::Term>],
        among: Option<&DocSet>,
        is_last: bool,
        is_all: bool,
    ) -> Result<Candidates> {
        let mut documents = Vec::new();
        for RunTerms { sequence, is_whole } in runs {
            for (document, quality) in self.qualities(sequence, among)? {
                if !quality.not_exact || !is_whole {
                    let quality = MatchQuality {
                        prefix_only: quality.not_exact && is_last,
                        ..quality
                    };
                    documents.push((
                        document,
                        PackedQuality::new(quality, FieldSet::only(TermField::Phone)),
                    ));
                }
            }
        }
        let scored = collect(
            self.segment,
            TermMatches {
                terms: Vec::new(),
                documents,
            },
            among,
        )?;
        Ok(Candidates::of_number(scored, is_all))
    }

    /// Returns the documents in which the words of a phrase are adjacent.
    fn qualities(
        &self,
        sequence: &TermSequence<P::Term>,
        among: Option<&DocSet>,
    ) -> Result<Vec<(u32, MatchQuality)>> {
        let mut order: Vec<&WordTerms<P::Term>> = sequence.words.iter().collect();
        order.sort_by_key(|word| frequency(self.segment, word));
        let mut documents: Option<DocSet> = None;
        for word in order {
            if documents
                .as_ref()
                .is_some_and(|documents| documents.len() < INTERSECTION_MIN)
            {
                break;
            }
            let any = PackedQuality::new(
                MatchQuality {
                    typos: 0,
                    prefix_only: false,
                    not_exact: false,
                },
                FieldSet::default(),
            );
            let terms = word.iter().map(|variant| (&variant.term, any)).collect();
            let term_matches = TermMatches {
                terms,
                documents: Vec::new(),
            };
            documents =
                Some(collect(self.segment, term_matches, documents.as_ref().or(among))?.documents);
        }
        let words: Vec<&[Variant<P::Term>]> = sequence.words.iter().map(Vec::as_slice).collect();
        let documents = documents.as_ref().map_or(&[][..], DocSet::as_slice);
        match_phrase(self.segment, &words, &sequence.length_markers, documents)
    }

    /// Returns the candidates whose rows pass the filter and are not outdated.
    fn select(&self, candidates: &Candidates, outdated: &RowSet) -> Result<Candidates> {
        let is_selected = self.is_selected(candidates.documents().len(), outdated);
        let mut kept = Vec::new();
        self.segment
            .each_row(candidates.documents().as_slice(), |index, row| {
                if is_selected(row) {
                    kept.extend(
                        candidates
                            .documents()
                            .as_slice()
                            .get(index)
                            .copied()
                            .zip(candidates.quality(index)),
                    );
                }
            })?;
        Ok(Candidates::from_sorted(
            candidates.documents().end(),
            kept.into_iter(),
        ))
    }

    /// Returns a predicate that is true for rows that pass the filter and are not outdated. `times`
    /// is the expected number of calls.
    fn is_selected(&self, times: usize, outdated: &RowSet) -> impl Fn(Row) -> bool {
        let outdated = outdated.lookup(times);
        let filter = self.request.filter.map(|filter| filter.lookup(times));
        move |row| {
            !outdated.contains(row) && filter.as_ref().is_none_or(|filter| filter.contains(row))
        }
    }

    /// Improves the class of the hits in which all words of the query are adjacent in one value.
    fn improve_adjacent(
        &self,
        groups: &[GroupTerms<P::Term>],
        candidates: &mut Candidates,
    ) -> Result<()> {
        let Some(first) = self.request.query.words().next() else {
            return Ok(());
        };
        let common = candidates
            .iter()
            .fold(FieldSet::default(), |all, (_, quality)| {
                FieldSet(all.0 | quality.common.0)
            });
        let scopes = self.request.scopes.iter();
        for scope in scopes.filter(|scope| common.has(scope.field)) {
            self.improve_adjacent_in(scope, first, groups, candidates)?;
        }
        Ok(())
    }

    /// Improves the class of the hits in which all words are adjacent in one value of `scope`.
    /// `first` is the query's first word.
    fn improve_adjacent_in(
        &self,
        scope: &FieldScope,
        first: &QueryWord,
        groups: &[GroupTerms<P::Term>],
        candidates: &mut Candidates,
    ) -> Result<()> {
        let class = |quality: MatchQuality| RankClass {
            typos: quality.typos,
            prefix_only: quality.prefix_only,
            not_exact: quality.not_exact,
            not_adjacent: false,
            field_rank: field_rank(scope.field),
        };
        let best = class(MatchQuality {
            typos: 0,
            prefix_only: false,
            not_exact: false,
        });
        let can_improve =
            |partial: &PartialMatch| partial.common.has(scope.field) && best < partial.class;
        let documents: Vec<u32> = candidates
            .iter()
            .filter(|(_, partial)| can_improve(partial))
            .map(|(document, _)| document)
            .collect();
        if documents.is_empty() {
            return Ok(());
        }
        let phrases = groups.iter().flat_map(|group| &group.phrases);
        let in_scope = phrases.map(|phrase| {
            let mut sequences = phrase.scopes.iter();
            sequences.find(|sequence| sequence.scope == *scope)
        });
        let Some(in_scope) = in_scope.collect::<Option<Vec<_>>>() else {
            return Ok(());
        };
        let words: Vec<&[Variant<P::Term>]> = in_scope
            .iter()
            .flat_map(|sequence| &sequence.words)
            .map(Vec::as_slice)
            .collect();
        let length_markers = self
            .lookup()
            .length_markers(scope, words.len(), Some(first))?;
        for (document, quality) in match_phrase(self.segment, &words, &length_markers, &documents)?
        {
            candidates.improve(document, class(quality));
        }
        Ok(())
    }

    fn lookup(&self) -> TermLookup<'_, P> {
        TermLookup {
            segment: self.segment,
            scopes: self.request.scopes,
            forgiving: self.request.forgiving,
        }
    }
}
