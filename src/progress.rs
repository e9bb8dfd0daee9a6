//! Progress of a long operation.

use serde::{Deserialize, Serialize};

/// The progress of a long operation: `done` of `total` units. What a unit is depends on the
/// operation.
///
/// The total can be an upper bound; `done` may end below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The number of units that are done.
    pub done: u64,
    /// The number of units in total.
    pub total: u64,
}

impl Progress {
    /// Creates the progress of `done` units of `total`.
    pub const fn new(done: u64, total: u64) -> Self {
        Self { done, total }
    }

    /// Returns the share that is done, from 0 to 1; 1 if there is nothing to do.
    pub fn fraction(self) -> f64 {
        if self.total == 0 {
            return 1.0;
        }
        (self.done as f64 / self.total as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraction_stays_between_zero_and_one() {
        for (done, total, fraction) in [(0, 0, 1.0), (0, 4, 0.0), (1, 4, 0.25), (5, 4, 1.0)] {
            assert_eq!(Progress::new(done, total).fraction(), fraction);
        }
    }
}
