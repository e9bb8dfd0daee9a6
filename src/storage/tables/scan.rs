//! Visitors of a scan.

use std::ops::ControlFlow;

use crate::error::Result;

/// Whether a visitor wants to see more.
pub(crate) type Visit = ControlFlow<()>;

/// Who is shown keys and values, until it breaks.
pub(crate) type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> Result<Visit> + 'v;
