//! The leads that changed since the index was last committed, in layers, the way segments follow one another.
//!
//! A layer holds only rows. Their words are analysed when the first search asks, and shared by all views that hold the
//! layer, so that a bulk load nobody searches costs nothing here.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock};

use roaring::RoaringBitmap;

use super::field::{Scope, Slot};
use super::lead_words::placed_words;
use super::matcher::Postings;
use crate::Result;
use crate::row::RowSet;
use crate::storage::{ReadView, Reader};

/// The changed leads of one or more commits.
pub(super) struct Layer {
    rows: RowSet,
    /// The state after the last of those commits.
    read: Arc<ReadView>,
    words: OnceLock<LayerWords>,
    analysing: Mutex<()>,
}

impl Layer {
    fn new(rows: RowSet, read: Arc<ReadView>) -> Arc<Self> {
        Arc::new(Self { rows, read, words: OnceLock::new(), analysing: Mutex::new(()) })
    }

    pub(super) fn rows(&self) -> &RowSet {
        &self.rows
    }

    pub(super) fn words(&self) -> Result<&LayerWords> {
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        // One searcher analyses, the others wait for it. The lock guards nothing that a panic could leave half done.
        let _analysing = self.analysing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        let words = LayerWords::analyse(&self.rows, &*self.read)?;
        Ok(self.words.get_or_init(|| words))
    }
}

/// The words of a layer's live leads; documents are rows.
#[derive(Default)]
pub(super) struct LayerWords {
    postings: BTreeMap<(Slot, String), HashMap<u32, Vec<u32>>>,
}

impl LayerWords {
    fn analyse(rows: &RowSet, reader: &impl Reader) -> Result<Self> {
        let mut words = Self::default();
        for row in rows.iter() {
            let Some(stored) = reader.lead(row)?.filter(|stored| stored.trash.is_none()) else { continue };
            for word in placed_words(&stored.lead) {
                let documents = words.postings.entry((word.slot, word.text)).or_default();
                documents.entry(row.0).or_default().push(word.position);
            }
        }
        Ok(words)
    }

    fn each_term(&self, scope: &Scope, word: &str, prefix: bool, mut visit: impl FnMut(&HashMap<u32, Vec<u32>>)) {
        let first = (scope.slot, format!("{}{word}", scope.prefix));
        if !prefix {
            if let Some(documents) = self.postings.get(&first) {
                visit(documents);
            }
            return;
        }
        for ((slot, term), documents) in self.postings.range((Bound::Included(&first), Bound::Unbounded)) {
            if *slot != scope.slot || !term.starts_with(first.1.as_str()) {
                break;
            }
            visit(documents);
        }
    }
}

impl Postings for LayerWords {
    fn frequency(&self, scope: &Scope, word: &str, prefix: bool) -> Result<u64> {
        let mut frequency = 0;
        self.each_term(scope, word, prefix, |documents| frequency += documents.len() as u64);
        Ok(frequency)
    }

    fn documents(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        among: Option<&RoaringBitmap>,
    ) -> Result<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        self.each_term(scope, word, prefix, |documents| found.extend(documents.keys()));
        if let Some(among) = among {
            found &= among;
        }
        Ok(found)
    }

    fn each_position(
        &self,
        scope: &Scope,
        word: &str,
        prefix: bool,
        among: &RoaringBitmap,
        mut visit: impl FnMut(u32, &[u32]),
    ) -> Result<()> {
        self.each_term(scope, word, prefix, |documents| {
            for (document, positions) in documents.iter().filter(|(document, _)| among.contains(**document)) {
                visit(*document, positions);
            }
        });
        Ok(())
    }

    fn rows_of(&self, documents: &RoaringBitmap) -> Result<RowSet> {
        Ok(RowSet::from(documents.clone()))
    }
}

/// All layers since the last commit of the index.
#[derive(Clone, Default)]
pub(super) struct Recent {
    /// Those that the follower is indexing, oldest first. They are not merged with the ones after.
    frozen: Vec<Arc<Layer>>,
    /// Those since, oldest first, each larger than the next.
    fresh: Vec<Arc<Layer>>,
}

impl Recent {
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Layer> {
        self.frozen.iter().chain(&self.fresh).rev().map(|layer| &**layer)
    }

    /// How many rows the layers hold; one that changed in several is counted in each.
    pub(super) fn len(&self) -> u64 {
        self.newest_first().map(|layer| layer.rows.len()).sum()
    }

    /// With the rows that a commit changed. Layers of like size are merged, so that there are few of them
    /// and each row is merged a logarithmic number of times.
    pub(super) fn with(&self, mut rows: RowSet, read: &Arc<ReadView>) -> Self {
        let mut recent = self.clone();
        while let Some(last) = recent.fresh.pop_if(|last| last.rows.len() <= rows.len()) {
            rows.add_all(&last.rows);
        }
        recent.fresh.push(Layer::new(rows, Arc::clone(read)));
        recent
    }

    /// With everything so far handed to the follower.
    pub(super) fn frozen(&self) -> Self {
        let mut recent = self.clone();
        recent.frozen.append(&mut recent.fresh);
        recent
    }

    /// Without what the follower has indexed.
    pub(super) fn without_frozen(&self) -> Self {
        Self { frozen: Vec::new(), fresh: self.fresh.clone() }
    }
}
