//! Fields: published values that lose strength with age.
