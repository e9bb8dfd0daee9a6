//! Visitors of a scan.

use std::ops::ControlFlow;

use crate::error::Result;

/// Returned by a visitor to continue or stop a scan.
pub(crate) type Visit = ControlFlow<()>;

/// A visitor that receives keys and values until it breaks.
pub(crate) type Visitor<'v> = dyn FnMut(&[u8], &[u8]) -> Result<Visit> + 'v;
