//! The integration tests: one binary, a module a concern.

mod model;
mod support;
