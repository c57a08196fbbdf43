//! A trefoil process under test.
