//! An expression that gives a value: lists, maps and choices on the outside, and what is evaluated inside them.
//!
//! Taking the outside apart keeps the maps people write out of crate `cel`, and names the very entry that fails.
use std::collections::HashSet;

use cel::ExecutionError;
use serde_json::{Map, Value as Json};

use super::super::invalid::InvalidFilter;
use super::super::limits::STEPS_MAX;
use super::super::path::{self, Path};
use super::super::subject::Subject;
use super::eval::Evaluation;
use super::expression;
use super::foreign::Foreign;
use super::json::{Output, Unwritable};
use super::lowering;
use super::node::Node;
use super::parser;
use super::plan::{self, Planned};
use super::syntax::{Kind, Literal, Span, Syntax};
use super::value::Failure;

/// A compiled expression that gives a value.
pub(crate) struct Composition {
    text: Box<str>,
    root: Part,
}

struct Part {
    span: Span,
    shape: Shape,
}

enum Shape {
    List(Vec<Part>),
    Map(Vec<(Part, Part)>),
    Choice(Box<[Part; 3]>),
    Leaf(Leaf),
}

/// What is evaluated as a whole.
struct Leaf {
    body: Body,
    /// Where it looks, to show what was found there.
    reads: Vec<Path>,
}

enum Body {
    Own(Node),
    Foreign(Box<Foreign>),
}

/// The part of an expression that gave no value for an event.
#[derive(Debug)]
pub(crate) struct Unevaluated {
    /// The part, as it was written.
    pub(crate) part: String,
    pub(crate) reason: String,
    /// What the event has where the part looks.
    pub(crate) found: Option<String>,
}

impl Composition {
    /// Compiles a text.
    pub(crate) fn compile(text: &str) -> Result<Self, InvalidFilter> {
        let syntax = parser::parse(text)?;
        Ok(Self { text: text.into(), root: Part::compile(text, &syntax)? })
    }

    /// Returns the expression as it was declared.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Evaluates it over an event.
    pub(crate) fn evaluate(&self, subject: &dyn Subject) -> Result<Json, Unevaluated> {
        let mut run = Run { text: &self.text, subject, steps: STEPS_MAX, output: Output::new() };
        run.part(&self.root, 0)
    }
}

impl Part {
    fn compile(text: &str, syntax: &Syntax) -> Result<Self, InvalidFilter> {
        let part = |syntax| Self::compile(text, syntax);
        let shape = match &syntax.kind {
            Kind::List(items) => Shape::List(items.iter().map(part).collect::<Result<_, _>>()?),
            Kind::Map(entries) => {
                check_names(text, entries)?;
                let entry = |(name, value)| Ok((part(name)?, part(value)?));
                Shape::Map(
                    entries.iter().map(|(name, value)| entry((name, value))).collect::<Result<_, _>>()?,
                )
            }
            Kind::Choice(three) => {
                let [condition, then, otherwise] = &**three;
                let condition =
                    Self { span: condition.span, shape: Shape::Leaf(Leaf::compile(text, condition)?) };
                Shape::Choice(Box::new([condition, part(then)?, part(otherwise)?]))
            }
            _ => Shape::Leaf(Leaf::compile(text, syntax)?),
        };
        Ok(Self { span: syntax.span, shape })
    }
}

/// Refuses names of members that JSON cannot have, that are there twice, or that people meant as texts.
fn check_names(text: &str, entries: &[(Syntax, Syntax)]) -> Result<(), InvalidFilter> {
    let mut names = HashSet::new();
    for (name, _) in entries {
        let written = &text[name.span.start..name.span.end];
        let invalid = |message: String| InvalidFilter::at(text, name.span.start, message);
        match &name.kind {
            Kind::Literal(Literal::Text(name)) if !names.insert(name) => {
                return Err(invalid(format!("the object has two members named {written}")));
            }
            Kind::Literal(Literal::Text(_)) => {}
            Kind::Literal(_) => {
                return Err(invalid(format!("`{written}` is no name of a member: names are texts"))
                    .hint(format!("write \"{}\"", written.replace('"', ""))));
            }
            // It would be the value of the attribute, which hardly anybody means.
            Kind::Name(attribute) => {
                return Err(invalid(format!("the name `{attribute}` needs quotes")).hint(format!(
                    "write \"{attribute}\": …, or event.{attribute}: … to be named after the value of the attribute"
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Leaf {
    fn compile(text: &str, syntax: &Syntax) -> Result<Self, InvalidFilter> {
        let body = match plan::plan(text, syntax)? {
            Planned::Own(node) => Body::Own(node),
            Planned::Foreign => Body::Foreign(Box::new(lowering::compile(text, syntax)?)),
        };
        Ok(Self { body, reads: expression::reads(syntax) })
    }
}

/// One evaluation.
struct Run<'a> {
    text: &'a str,
    subject: &'a dyn Subject,
    steps: u32,
    output: Output,
}

impl<'a> Run<'a> {
    /// Evaluates a part that stands inside `depth` lists and maps.
    fn part(&mut self, part: &'a Part, depth: usize) -> Result<Json, Unevaluated> {
        let unevaluated = |run: &Self, reason: String| run.unevaluated(part, reason);
        match &part.shape {
            Shape::List(items) => {
                self.output.open(items.len(), depth).map_err(|why| unevaluated(self, why.to_string()))?;
                let items = items.iter().map(|item| self.part(item, depth + 1));
                items.collect::<Result<_, _>>().map(Json::Array)
            }
            Shape::Map(entries) => {
                self.output.open(entries.len(), depth).map_err(|why| unevaluated(self, why.to_string()))?;
                let mut members = Map::new();
                for (name, value) in entries {
                    let named = self.name(name)?;
                    let value = self.part(value, depth + 1)?;
                    if members.contains_key(&named) {
                        return Err(self.unevaluated(name, Unwritable::Twice(named).to_string()));
                    }
                    members.insert(named, value);
                }
                Ok(Json::Object(members))
            }
            Shape::Choice(three) => {
                let [condition, then, otherwise] = &**three;
                if self.condition(condition)? { self.part(then, depth) } else { self.part(otherwise, depth) }
            }
            Shape::Leaf(leaf) => self.leaf(leaf, depth).map_err(|reason| unevaluated(self, reason)),
        }
    }

    /// Evaluates the name of a member.
    fn name(&mut self, part: &'a Part) -> Result<String, Unevaluated> {
        // The colon behind it; quotes are counted with the text.
        self.output.take(1).map_err(|why| self.unevaluated(part, why.to_string()))?;
        let kind = match self.part(part, 0)? {
            Json::String(name) => return Ok(name),
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Array(_) => "a list",
            Json::Object(_) => "an object",
        };
        Err(self.unevaluated(part, Unwritable::Name(kind).to_string()))
    }

    fn condition(&mut self, part: &'a Part) -> Result<bool, Unevaluated> {
        let Shape::Leaf(leaf) = &part.shape else { return Ok(false) };
        let holds = match &leaf.body {
            Body::Own(node) => self.own(|evaluation| evaluation.boolean(node)),
            Body::Foreign(foreign) => {
                let holds = foreign.run(self.subject, &mut self.steps);
                holds.map_err(|error| self.in_words(error))
            }
        };
        holds.map_err(|reason| self.unevaluated(part, reason))
    }

    fn leaf(&mut self, leaf: &'a Leaf, depth: usize) -> Result<Json, String> {
        let written = match &leaf.body {
            // Filters take it for an empty object; as a value that would be made up.
            Body::Own(Node::Data) if self.subject.data().is_none() => {
                return Err("the event has no JSON data".to_owned());
            }
            Body::Own(node) => {
                let value = self.own(|evaluation| evaluation.value(node))?;
                self.output.value(&value, depth)
            }
            Body::Foreign(foreign) => {
                let output = &mut self.output;
                let written =
                    foreign.evaluate(self.subject, &mut self.steps, |val| Ok(output.foreign(val, depth)));
                written.map_err(|error| self.in_words(error))?
            }
        };
        written.map_err(|why| why.to_string())
    }

    /// Evaluates on our own nodes.
    fn own<T>(
        &mut self,
        evaluate: impl FnOnce(&mut Evaluation<'a>) -> Result<T, Failure<'a>>,
    ) -> Result<T, String> {
        let mut evaluation = Evaluation::new(self.subject, self.steps);
        let evaluated = evaluate(&mut evaluation);
        self.steps = evaluation.steps.left();
        evaluated.map_err(|failure| match failure {
            Failure::Budget => SPENT.to_owned(),
            failure => failure.to_string(),
        })
    }

    fn in_words(&self, error: ExecutionError) -> String {
        if self.steps == 0 {
            return SPENT.to_owned();
        }
        match error {
            ExecutionError::UndeclaredReference(name) => match name.strip_prefix("@attribute:") {
                Some(name) => format!("the event has no attribute `{name}`"),
                None => format!("there is no `{name}`"),
            },
            ExecutionError::NoSuchKey(name) => format!("there is no `{name}`"),
            // Some of them show the values they were about, however long these are.
            error => path::shortened(error.to_string()),
        }
    }

    fn unevaluated(&self, part: &Part, reason: String) -> Unevaluated {
        let Span { start, end } = part.span;
        let found = match &part.shape {
            Shape::Leaf(leaf) => expression::found(&leaf.reads, self.subject),
            _ => None,
        };
        Unevaluated { part: path::shortened(self.text[start..end].to_owned()), reason, found }
    }
}

const SPENT: &str = "the expression takes too long for this event, and was stopped";
