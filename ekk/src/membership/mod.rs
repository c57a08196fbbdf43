//! Who is a member: watch links, statements of silence, certificates of death.

pub mod record;
