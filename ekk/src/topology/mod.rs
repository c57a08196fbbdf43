//! The k nearest neighbours.
