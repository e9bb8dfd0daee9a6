//! One state of the store: the tables as of a checkpoint, and the overlay of what was committed
//! since.

pub(crate) mod flush;
pub(crate) mod full_scan;
pub(crate) mod merge;
pub(crate) mod overlay;
pub(crate) mod read_view;
pub(crate) mod state_ref;
