//! A compiled expression: its conjuncts, each run by our own nodes or by crate `cel`.
use super::super::clause;
use super::super::equality::{self, Equality};
use super::super::explanation::Unmatched;
use super::super::invalid::InvalidFilter;
use super::super::limits::STEPS_MAX;
use super::super::path::{self, Path};
use super::super::subject::{self, Subject};
use super::eval::Evaluation;
use super::foreign::Foreign;
use super::lowering;
use super::node::{Conversion, FoldKind, Node};
use super::parser;
use super::plan::{self, Planned};
use super::syntax::{Kind, Literal, Syntax};
use super::value::Failure;

/// A compiled expression. It is true when all its conjuncts are; a conjunct that fails makes it false wherever it
/// stands, so the conjuncts need no order among them.
pub(crate) struct Expression {
    text: Box<str>,
    conjuncts: Vec<Conjunct>,
}

struct Conjunct {
    text: Box<str>,
    body: Body,
    /// Where it looks, to show what was found there.
    reads: Vec<Path>,
}

enum Body {
    Own(Node),
    Foreign(Box<Foreign>),
}

impl Expression {
    /// Compiles a text.
    pub(crate) fn compile(text: &str) -> Result<Self, InvalidFilter> {
        let syntax = parser::parse(text)?;
        let mut conjuncts = Vec::new();
        flatten(&syntax, &mut |syntax| {
            conjuncts.push(Conjunct::compile(text, syntax)?);
            Ok(())
        })?;
        Ok(Self { text: text.into(), conjuncts })
    }

    /// Returns the expression as it was declared.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, subject: &dyn Subject) -> bool {
        let mut steps = STEPS_MAX;
        self.conjuncts.iter().all(|conjunct| match &conjunct.body {
            Body::Own(node) => {
                let mut evaluation = Evaluation::new(subject, steps);
                let holds = evaluation.boolean(node) == Ok(true);
                steps = evaluation.steps.left();
                holds
            }
            Body::Foreign(foreign) => foreign.run(subject, &mut steps) == Ok(true),
        })
    }

    /// Returns the first conjunct that does not hold; one that is false goes before one that fails.
    pub(crate) fn explain(&self, subject: &dyn Subject) -> Option<Unmatched> {
        let mut steps = STEPS_MAX;
        let mut failed = None;
        for conjunct in &self.conjuncts {
            let error = match conjunct.run(subject, &mut steps) {
                Ok(true) => continue,
                Ok(false) => None,
                Err(error) => Some(error),
            };
            let unmatched = conjunct.unmatched(subject, error);
            if unmatched.error.is_none() {
                return Some(unmatched);
            }
            failed = failed.or(Some(unmatched));
        }
        failed
    }

    /// Returns the equalities that hold whenever the expression does.
    pub(crate) fn equalities(&self) -> Vec<Equality> {
        equality::conjunction(self.conjuncts.iter().map(|conjunct| match &conjunct.body {
            Body::Own(node) => equalities(node),
            Body::Foreign(_) => Vec::new(),
        }))
    }
}

/// Calls `each` for every conjunct, also those of conjunctions in brackets.
fn flatten(
    syntax: &Syntax,
    each: &mut dyn FnMut(&Syntax) -> Result<(), InvalidFilter>,
) -> Result<(), InvalidFilter> {
    match &syntax.kind {
        Kind::And(terms) => terms.iter().try_for_each(|term| flatten(term, each)),
        _ => each(syntax),
    }
}

impl Conjunct {
    fn compile(text: &str, syntax: &Syntax) -> Result<Self, InvalidFilter> {
        let body = match plan::plan(text, syntax)? {
            Planned::Own(node) => {
                if never_boolean(&node) {
                    return Err(not_a_condition(text, syntax, &node));
                }
                Body::Own(node)
            }
            Planned::Foreign => Body::Foreign(Box::new(lowering::compile(text, syntax)?)),
        };
        Ok(Self { text: text[syntax.span.start..syntax.span.end].into(), body, reads: reads(syntax) })
    }

    fn run(&self, subject: &dyn Subject, steps: &mut u32) -> Result<bool, String> {
        match &self.body {
            Body::Own(node) => {
                let mut evaluation = Evaluation::new(subject, *steps);
                let holds = evaluation.boolean(node).map_err(|failure: Failure<'_>| failure.to_string());
                *steps = evaluation.steps.left();
                holds
            }
            Body::Foreign(foreign) => {
                foreign.run(subject, steps).map_err(|error| path::shortened(error.to_string()))
            }
        }
    }

    fn unmatched(&self, subject: &dyn Subject, error: Option<String>) -> Unmatched {
        Unmatched { clause: self.text.to_string(), found: found(&self.reads, subject), error }
    }
}

/// Returns the places a part of an expression looks at, each once.
pub(super) fn reads(syntax: &Syntax) -> Vec<Path> {
    let mut reads = Vec::new();
    collect_reads(syntax, &mut Vec::new(), &mut reads);
    reads
}

/// Says what the event has at these places.
pub(super) fn found(reads: &[Path], subject: &dyn Subject) -> Option<String> {
    // A part about more than this is read better in the event itself.
    const READS_SHOWN: usize = 3;
    let found: Vec<_> = reads.iter().take(READS_SHOWN).map(|path| clause::found(path, subject)).collect();
    (!found.is_empty()).then(|| found.join(", "))
}

/// Returns whether a node can be neither true nor false, whatever the event is.
fn never_boolean(node: &Node) -> bool {
    match node {
        Node::Literal(literal) => !matches!(literal, Literal::Boolean(_)),
        Node::Attribute(name) => subject::is_core(name),
        Node::Data | Node::Negate(_) | Node::Arithmetic(..) | Node::Size(_) | Node::List(_) => true,
        Node::Convert(conversion, _) => !matches!(conversion, Conversion::Boolean | Conversion::Dynamic),
        Node::Fold(fold) => matches!(fold.kind, FoldKind::Map | FoldKind::Filter),
        Node::And(terms) | Node::Or(terms) => terms.iter().any(never_boolean),
        Node::Not(operand) => never_boolean(operand),
        _ => false,
    }
}

fn not_a_condition(text: &str, syntax: &Syntax, node: &Node) -> InvalidFilter {
    let written = &text[syntax.span.start..syntax.span.end];
    let invalid =
        InvalidFilter::at(text, syntax.span.start, format!("`{written}` is neither true nor false"));
    match node {
        Node::Attribute(name) => invalid.hint(format!("compare it: {name} == \"…\", or write has({name})")),
        _ => invalid.hint("a filter is a condition, such as type == \"X\""),
    }
}

/// Collects the attributes and places in the payload a part of an expression looks at, each once. `locals` are the
/// variables of the comprehensions around it, which are no attributes.
fn collect_reads<'a>(syntax: &'a Syntax, locals: &mut Vec<&'a str>, reads: &mut Vec<Path>) {
    if let Some(path) = read(syntax, locals) {
        if !reads.contains(&path) {
            reads.push(path);
        }
        return;
    }
    if let Kind::Call { target: Some(range), name, arguments } = &syntax.kind
        && let (Some(_), Some(Kind::Name(variable))) =
            (FoldKind::of(name), arguments.first().map(|first| &first.kind))
    {
        collect_reads(range, locals, reads);
        locals.push(variable);
        arguments[1..].iter().for_each(|body| collect_reads(body, locals, reads));
        locals.pop();
        return;
    }
    for child in syntax.children() {
        collect_reads(child, locals, reads);
    }
}

fn read(syntax: &Syntax, locals: &[&str]) -> Option<Path> {
    match &syntax.kind {
        Kind::Name(name) if locals.contains(&name.as_str()) => None,
        Kind::Name(name) if name == "data" => Some(Path::Data(Box::default())),
        Kind::Name(name) if subject::is_core(name) => Some(Path::Attribute(name.as_str().into())),
        Kind::Name(name) if plan::is_type(name) || name == "event" || name == "optional" => None,
        Kind::Name(name) => Some(Path::Attribute(name.as_str().into())),
        Kind::Select { of, field, .. } => match &of.kind {
            Kind::Name(event) if event == "event" && field == "data" => Some(Path::Data(Box::default())),
            Kind::Name(event) if event == "event" => Some(Path::Attribute(field.as_str().into())),
            _ => below(read(of, locals)?, field),
        },
        Kind::Index { of, index, .. } => match &index.kind {
            Kind::Literal(Literal::Text(field)) => below(read(of, locals)?, field),
            Kind::Literal(Literal::Integer(at)) => below(read(of, locals)?, &at.to_string()),
            _ => None,
        },
        _ => None,
    }
}

fn below(path: Path, field: &str) -> Option<Path> {
    match path {
        Path::Data(segments) => {
            Some(Path::Data(segments.into_iter().chain(std::iter::once(field.into())).collect()))
        }
        Path::Attribute(_) | Path::Named(_) => None,
    }
}

/// Returns the equalities that hold whenever `node` is true.
fn equalities(node: &Node) -> Vec<Equality> {
    match node {
        Node::And(terms) => equality::conjunction(terms.iter().map(equalities)),
        Node::Or(terms) => equality::disjunction(terms.iter().map(equalities)),
        Node::Equal { left, right, negated: false } => {
            match (place(left), canonical(right), place(right), canonical(left)) {
                (Some(path), Some(value), _, _) | (_, _, Some(path), Some(value)) => {
                    vec![Equality::one(path, value)]
                }
                _ => Vec::new(),
            }
        }
        Node::In(item, list) => match (place(item), &**list) {
            (Some(path), Node::List(items)) => match items.iter().map(canonical).collect::<Option<_>>() {
                Some(values) if !items.is_empty() => vec![Equality { path, values }],
                _ => Vec::new(),
            },
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn place(node: &Node) -> Option<Path> {
    match node {
        Node::Attribute(name) => Some(Path::Attribute(name.clone())),
        Node::Data => Some(Path::Data(Box::default())),
        Node::Select(of, field) => below(place(of)?, field),
        Node::Index(of, index) => match &**index {
            Node::Literal(Literal::Text(field)) => below(place(of)?, field),
            _ => None,
        },
        _ => None,
    }
}

fn canonical(node: &Node) -> Option<Box<str>> {
    let Node::Literal(literal) = node else { return None };
    Some(match literal {
        Literal::Null => "null".into(),
        Literal::Boolean(boolean) => boolean.to_string().into(),
        Literal::Integer(number) => number.to_string().into(),
        Literal::Unsigned(number) => number.to_string().into(),
        Literal::Double(number) => path::canonical_float(*number).into(),
        Literal::Text(text) => text.clone(),
        Literal::Bytes(_) => return None,
    })
}
