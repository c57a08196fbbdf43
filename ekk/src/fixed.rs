//! Fixed-point numbers and decay curves.
