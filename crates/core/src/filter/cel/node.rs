//! What an expression is planned onto: names are resolved, patterns compiled, shapes checked.
use super::pattern::Pattern;
use super::syntax::{Literal, Operator};

/// A node that is evaluated.
#[derive(Debug)]
pub(crate) enum Node {
    Literal(Literal),
    Attribute(Box<str>),
    Data,
    /// The variable of a comprehension, by how many are around it.
    Local(usize),
    Select(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    HasAttribute(Box<str>),
    HasData,
    HasField(Box<Node>, Box<str>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Choice(Box<[Node; 3]>),
    Equal {
        left: Box<Node>,
        right: Box<Node>,
        negated: bool,
    },
    Order(Operator, Box<Node>, Box<Node>),
    In(Box<Node>, Box<Node>),
    Arithmetic(Operator, Box<Node>, Box<Node>),
    Size(Box<Node>),
    Text(TextTest, Box<Node>, Box<Node>),
    Matches(Box<Node>, Pattern),
    Convert(Conversion, Box<Node>),
    List(Vec<Node>),
    Fold(Box<Fold>),
}

/// How a text is tested for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

impl TextTest {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
        }
    }
}

/// What a value is made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conversion {
    Boolean,
    Double,
    /// Into itself: `dyn(x)` only speaks to type checkers.
    Dynamic,
    Integer,
    Text,
    Unsigned,
}

impl Conversion {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Boolean,
            "double" => Self::Double,
            "dyn" => Self::Dynamic,
            "int" => Self::Integer,
            "string" => Self::Text,
            "uint" => Self::Unsigned,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "bool",
            Self::Double => "double",
            Self::Dynamic => "dyn",
            Self::Integer => "int",
            Self::Text => "string",
            Self::Unsigned => "uint",
        }
    }
}

/// A comprehension.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) kind: FoldKind,
    pub(crate) range: Node,
    /// What is tested for each item; absent in a `map` of two arguments.
    pub(crate) test: Option<Node>,
    /// What becomes of each item, in a `map`.
    pub(crate) becomes: Option<Node>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoldKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

impl FoldKind {
    pub(crate) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "exists" => Self::Exists,
            "exists_one" | "existsOne" => Self::ExistsOne,
            "map" => Self::Map,
            "filter" => Self::Filter,
            _ => return None,
        })
    }
}
