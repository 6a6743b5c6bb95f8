//! The rules of filters, in their own words.
