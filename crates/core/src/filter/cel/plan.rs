//! From the tree to nodes: names are resolved, shapes checked, and what only crate `cel` can do is told apart.
use super::super::invalid::InvalidFilter;
use super::super::limits::COMPREHENSION_DEPTH_MAX;
use super::super::subject;
use super::hints;
use super::node::{Conversion, Fold, FoldKind, Node, TextTest};
use super::pattern::Pattern;
use super::syntax::{Kind, Literal, Operator, Syntax};

/// What became of a part of an expression.
pub(crate) enum Planned {
    /// Our own nodes can evaluate it.
    Own(Node),
    /// It is well-formed, but uses more of the language than our own nodes cover.
    Foreign,
}

/// Checks a part of an expression and plans it. `text` is the whole expression, for the places of errors.
pub(crate) fn plan(text: &str, syntax: &Syntax) -> Result<Planned, InvalidFilter> {
    let mut planner = Planner { text, locals: Vec::new(), foreign: false };
    let node = planner.node(syntax)?;
    Ok(if planner.foreign { Planned::Foreign } else { Planned::Own(node) })
}

struct Planner<'a> {
    text: &'a str,
    /// The variables of the comprehensions around the node, the innermost last.
    locals: Vec<String>,
    /// Whether something was met that our own nodes cannot evaluate. The rest is still checked.
    foreign: bool,
}

/// The names of CEL's types, which are values too.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional_type",
    "string",
    "type",
    "uint",
];

/// Returns whether CEL has a type of that name.
pub(crate) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

impl Planner<'_> {
    fn invalid(&self, syntax: &Syntax, message: impl Into<String>) -> InvalidFilter {
        InvalidFilter::at(self.text, syntax.span.start, message)
    }

    /// Notes that this needs crate `cel`. The node that stands for it is never evaluated.
    fn foreign(&mut self) -> Node {
        self.foreign = true;
        Node::Literal(Literal::Null)
    }

    fn boxed(&mut self, syntax: &Syntax) -> Result<Box<Node>, InvalidFilter> {
        self.node(syntax).map(Box::new)
    }

    fn nodes(&mut self, items: &[Syntax]) -> Result<Vec<Node>, InvalidFilter> {
        items.iter().map(|item| self.node(item)).collect()
    }

    fn node(&mut self, syntax: &Syntax) -> Result<Node, InvalidFilter> {
        Ok(match &syntax.kind {
            Kind::Literal(Literal::Bytes(_)) => self.foreign(),
            Kind::Literal(literal) => Node::Literal(literal.clone()),
            Kind::Name(name) => self.name(syntax, name)?,
            Kind::Select { of, field, optional } => self.select(syntax, of, field, *optional)?,
            Kind::Index { of, index, optional } => self.index(of, index, *optional)?,
            Kind::Call { target: None, name, arguments } => self.call(syntax, name, arguments)?,
            Kind::Call { target: Some(target), name, arguments } => {
                self.member_call(syntax, target, name, arguments)?
            }
            Kind::List(items) => Node::List(self.nodes(items)?),
            Kind::Map(entries) => {
                for (key, value) in entries {
                    self.node(key)?;
                    self.node(value)?;
                }
                self.foreign()
            }
            Kind::Not(operand) => Node::Not(self.boxed(operand)?),
            Kind::Negate(operand) => Node::Negate(self.boxed(operand)?),
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Kind::And(terms) => Node::And(self.nodes(terms)?),
            Kind::Or(terms) => Node::Or(self.nodes(terms)?),
            Kind::Choice(three) => {
                let [condition, then, otherwise] = &**three;
                Node::Choice(Box::new([self.node(condition)?, self.node(then)?, self.node(otherwise)?]))
            }
        })
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|local| local == name)
    }

    /// Returns whether a node is the name of the event itself, rather than a variable or an attribute.
    fn is_event(&self, syntax: &Syntax) -> bool {
        matches!(&syntax.kind, Kind::Name(name) if name == "event" && self.local(name).is_none())
    }

    fn name(&mut self, syntax: &Syntax, name: &str) -> Result<Node, InvalidFilter> {
        if let Some(local) = self.local(name) {
            return Ok(Node::Local(local));
        }
        if name == "event" {
            return Err(self
                .invalid(syntax, "`event` needs an attribute behind it")
                .hint("write event.type, or just type"));
        }
        if !subject::is_core(name) && is_type(name) {
            return Ok(self.foreign());
        }
        self.attribute(syntax, name)
    }

    fn attribute(&self, syntax: &Syntax, name: &str) -> Result<Node, InvalidFilter> {
        if name == "data" {
            return Ok(Node::Data);
        }
        if subject::is_attribute_name(name) {
            return Ok(Node::Attribute(name.into()));
        }
        let invalid = self.invalid(syntax, format!("`{name}` cannot be an attribute"));
        Err(match subject::nearest_core(name) {
            Some(meant) => invalid.hint(format!("did you mean `{meant}`? Text needs quotes: \"{name}\"")),
            None => invalid.hint(format!(
                "text needs quotes: \"{name}\"; a member of the payload is written data.{name}"
            )),
        })
    }

    fn select(
        &mut self,
        syntax: &Syntax,
        of: &Syntax,
        field: &str,
        optional: bool,
    ) -> Result<Node, InvalidFilter> {
        if self.is_event(of) {
            if optional {
                return Err(self
                    .invalid(of, "`event.?` is not available")
                    .hint(format!("write has({field})")));
            }
            return self.attribute(syntax, field);
        }
        let node = self.boxed(of)?;
        self.no_fields(of, &node)?;
        if optional {
            return Ok(self.foreign());
        }
        Ok(Node::Select(node, field.into()))
    }

    /// Refuses to look into an attribute: attributes are flat.
    fn no_fields(&self, of: &Syntax, node: &Node) -> Result<(), InvalidFilter> {
        let Node::Attribute(name) = node else { return Ok(()) };
        let invalid = self.invalid(of, format!("`{name}` is an attribute, and attributes have no fields"));
        Err(if subject::is_core(name) {
            invalid
        } else {
            invalid.hint(format!("the payload is called data: data.{name}; text needs quotes: \"{name}…\""))
        })
    }

    fn index(&mut self, of: &Syntax, index: &Syntax, optional: bool) -> Result<Node, InvalidFilter> {
        if self.is_event(of) {
            return match &index.kind {
                Kind::Literal(Literal::Text(name)) if !optional => self.attribute(index, name),
                _ => Err(self
                    .invalid(index, "event[…] takes the name of an attribute")
                    .hint("write event[\"type\"]")),
            };
        }
        let node = self.boxed(of)?;
        self.no_fields(of, &node)?;
        let index = self.boxed(index)?;
        Ok(if optional { self.foreign() } else { Node::Index(node, index) })
    }

    fn binary(&mut self, operator: Operator, left: &Syntax, right: &Syntax) -> Result<Node, InvalidFilter> {
        let (left, right) = (self.boxed(left)?, self.boxed(right)?);
        Ok(match operator {
            Operator::Equal | Operator::NotEqual => {
                Node::Equal { left, right, negated: operator == Operator::NotEqual }
            }
            Operator::Less | Operator::LessEqual | Operator::Greater | Operator::GreaterEqual => {
                Node::Order(operator, left, right)
            }
            Operator::In => Node::In(left, right),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => Node::Arithmetic(operator, left, right),
        })
    }

    fn call(&mut self, syntax: &Syntax, name: &str, arguments: &[Syntax]) -> Result<Node, InvalidFilter> {
        if !hints::GLOBAL.contains(&(name, arguments.len())) {
            return Err(hints::unknown_function(self.text, syntax.span, name, false, arguments.len()));
        }
        match (name, arguments) {
            ("has", [of]) => self.has(of),
            ("size", [of]) => Ok(Node::Size(self.boxed(of)?)),
            ("matches", [of, pattern]) => self.matches(of, pattern),
            (name, [of]) if let Some(conversion) = Conversion::of(name) => {
                Ok(Node::Convert(conversion, self.boxed(of)?))
            }
            _ => {
                self.nodes(arguments)?;
                Ok(self.foreign())
            }
        }
    }

    fn has(&mut self, of: &Syntax) -> Result<Node, InvalidFilter> {
        let node = match &of.kind {
            Kind::Select { of: inner, field, optional: false } if !self.is_event(inner) => {
                let node = self.boxed(inner)?;
                self.no_fields(inner, &node)?;
                return Ok(Node::HasField(node, field.as_str().into()));
            }
            Kind::Name(_) | Kind::Select { .. } | Kind::Index { .. } => self.node(of)?,
            _ => Node::Literal(Literal::Null),
        };
        match node {
            Node::Attribute(name) => Ok(Node::HasAttribute(name)),
            Node::Data => Ok(Node::HasData),
            _ => Err(self
                .invalid(of, "has(…) takes an attribute or a field")
                .hint("write has(data.field) or has(subject); for an item, \"name\" in data.map")),
        }
    }

    fn matches(&mut self, of: &Syntax, pattern: &Syntax) -> Result<Node, InvalidFilter> {
        let node = self.boxed(of)?;
        let Kind::Literal(Literal::Text(literal)) = &pattern.kind else {
            return Err(self
                .invalid(pattern, "the pattern of `matches` must be a literal text")
                .hint("patterns are compiled when the filter is declared; use contains, startsWith or == for values"));
        };
        let compiled = Pattern::compile(literal).map_err(|message| self.invalid(pattern, message))?;
        Ok(Node::Matches(node, compiled))
    }

    fn member_call(
        &mut self,
        syntax: &Syntax,
        target: &Syntax,
        name: &str,
        arguments: &[Syntax],
    ) -> Result<Node, InvalidFilter> {
        let namespaced =
            matches!(&target.kind, Kind::Name(name) if name == "optional" && self.local(name).is_none());
        if namespaced && hints::OPTIONAL.contains(&(name, arguments.len())) {
            self.nodes(arguments)?;
            return Ok(self.foreign());
        }
        if !hints::MEMBER.contains(&(name, arguments.len())) {
            return Err(hints::unknown_function(self.text, syntax.span, name, true, arguments.len()));
        }
        if let Some(kind) = FoldKind::of(name) {
            return self.fold(kind, target, arguments);
        }
        let test = match name {
            "contains" => TextTest::Contains,
            "startsWith" => TextTest::StartsWith,
            "endsWith" => TextTest::EndsWith,
            "size" => return Ok(Node::Size(self.boxed(target)?)),
            "matches" => return self.matches(target, &arguments[0]),
            _ => {
                self.node(target)?;
                self.nodes(arguments)?;
                return Ok(self.foreign());
            }
        };
        Ok(Node::Text(test, self.boxed(target)?, self.boxed(&arguments[0])?))
    }

    fn fold(&mut self, kind: FoldKind, range: &Syntax, arguments: &[Syntax]) -> Result<Node, InvalidFilter> {
        let Kind::Name(variable) = &arguments[0].kind else {
            return Err(self
                .invalid(&arguments[0], "a comprehension begins with the name of its variable")
                .hint("write data.items.exists(item, item.size > 3)"));
        };
        let range = self.node(range)?;
        if self.locals.len() == COMPREHENSION_DEPTH_MAX {
            return Err(self
                .invalid(
                    &arguments[0],
                    format!("comprehensions are nested more than {COMPREHENSION_DEPTH_MAX} levels deep"),
                )
                .hint("each level multiplies the cost; let the publisher put the result into the event"));
        }
        self.locals.push(variable.clone());
        let rest = self.nodes(&arguments[1..]);
        self.locals.pop();
        let mut rest = rest?.into_iter();
        let (first, second) = (rest.next(), rest.next());
        let (test, becomes) = match (kind, second) {
            (FoldKind::Map, None) => (None, first),
            (_, second) => (first, second),
        };
        Ok(Node::Fold(Box::new(Fold { kind, range, test, becomes })))
    }
}
