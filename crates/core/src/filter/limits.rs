//! The bounds a filter is checked against when it is declared, and the budget it may spend on one event.

/// Longest text of one expression, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 4096;
/// Most clauses in one declared filter (map entries, list items, dialect entries, expressions).
pub(crate) const CLAUSES_MAX: usize = 512;
/// Deepest nesting of lists and dialects in one declared filter.
pub(crate) const DECLARED_DEPTH_MAX: usize = 16;
/// Most nodes in one expression.
pub(crate) const NODES_MAX: usize = 1500;
/// Deepest nesting of one expression. Parsing and evaluation recurse that deep and no deeper.
pub(crate) const DEPTH_MAX: usize = 32;
/// Deepest nesting of what the interpreter of crate `cel` runs: its frames are many times larger than ours.
pub(crate) const FOREIGN_DEPTH_MAX: usize = 16;
/// Most comprehensions inside each other. Every level multiplies the cost by the length of a list.
pub(crate) const COMPREHENSION_DEPTH_MAX: usize = 2;
/// Longest pattern of `matches`, in bytes.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024;
/// Largest compiled pattern, in bytes.
pub(crate) const PATTERN_COMPILED_BYTES_MAX: usize = 1 << 20;
/// Most segments of a path into the payload.
pub(crate) const PATH_SEGMENTS_MAX: usize = 16;
/// Steps one expression may take for one event: about a millisecond. A step is a node, or some bytes of text looked at.
pub(crate) const STEPS_MAX: u32 = 100_000;
/// Most values of one equality that are put into the hash index; a longer `in [...]` is evaluated instead.
pub(crate) const EQUALITY_VALUES_MAX: usize = 64;
/// Largest value an expression may give, in bytes of its JSON.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of lists and objects in such a value: what readers of JSON commonly accept.
pub(crate) const VALUE_DEPTH_MAX: usize = 127;
