use super::{Source, format, parse};

mod reading;
