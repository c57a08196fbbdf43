//! status_source
