//! Why a filter matched or did not.
use std::fmt;

/// What a filter says about one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// Every clause holds.
    Matched,
    /// This clause does not hold.
    Unmatched(Unmatched),
}

/// The clause that did not hold, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// The clause, as it was declared.
    pub clause: String,
    /// What the event has there, such as `type = "A"`; `None` when the clause looks at nothing in particular.
    pub found: Option<String>,
    /// Why the clause could not be evaluated, when it could not.
    pub error: Option<String>,
}

impl Explanation {
    /// Returns whether the filter matched.
    pub fn matched(&self) -> bool {
        matches!(self, Self::Matched)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => out.write_str("matched"),
            Self::Unmatched(unmatched) => unmatched.fmt(out),
        }
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` does not hold", self.clause)?;
        if let Some(error) = &self.error {
            write!(out, ": {error}")?;
        }
        if let Some(found) = &self.found {
            write!(out, " ({found})")?;
        }
        Ok(())
    }
}
