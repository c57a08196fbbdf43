//! Figures of the running agent: CPU of an idle node and of an idle console.

use std::path::Path;

use crate::report::Row;

/// All rows of this section.
pub fn rows(_trefoil: Option<&Path>) -> Vec<Row> {
    vec![]
}
