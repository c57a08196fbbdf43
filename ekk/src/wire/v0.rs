//! The packed messages of the seed.
