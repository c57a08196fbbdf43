//! The language of `.avm` files.
