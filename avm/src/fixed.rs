//! Hash tables with fixed keys: the same inputs give the same behaviour, order included. No other file of this crate names the
//! tables of the standard library, whose keys are random by default.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

/// A map without a random source.
pub(crate) type FixedMap<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;

/// A set without a random source.
pub(crate) type FixedSet<T> = HashSet<T, BuildHasherDefault<DefaultHasher>>;
