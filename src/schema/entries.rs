//! All that is derived from one lead: what is not named here is in no index.

/// The keys of a lead in each index, as `key` writes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IndexEntries {
    /// Its id, and its external id.
    pub(crate) ids: Vec<Vec<u8>>,
    /// Its sorted keys.
    pub(crate) keys: Vec<Vec<u8>>,
    /// The bitmaps that its row is in.
    pub(crate) bitmaps: Vec<Vec<u8>>,
    /// In ten-thousandths.
    pub(crate) deal_value: Option<u64>,
}
