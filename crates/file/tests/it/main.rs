//! What a file means, and what is said about a broken one, through the public loader.

mod acceptance;
mod bytes;
mod checks;
mod faults;
mod includes;
mod markdown;
mod meaning;
mod schema;
mod support;
mod variables;
