//! Visitors of a scan.

use std::ops::ControlFlow;

use crate::error::Result;

/// The answer of a visitor: whether to continue or stop the scan.
pub(crate) type Visit = ControlFlow<()>;

/// A visitor that receives keys and values until it returns `Break`.
pub(crate) type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> Result<Visit> + 'v;
