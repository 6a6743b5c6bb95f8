//! From our own tree to that of crate `cel`.
//!
//! Comprehensions are spelled out as the macros of the language do it. Their bodies, and whatever may make or look
//! at something large, are wrapped into the functions of [`super::foreign`] that count steps.
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, ListExpr, LiteralValue,
    MapEntryExpr, MapExpr, SelectExpr, operators,
};

use super::super::invalid::InvalidFilter;
use super::super::limits::FOREIGN_DEPTH_MAX;
use super::super::subject;
use super::foreign::Foreign;
use super::node::FoldKind;
use super::pattern::Pattern;
use super::syntax::{Kind, Literal, Operator, Syntax};

/// Lowers a part of an expression that [`super::plan::plan`] has checked.
pub(crate) fn compile(text: &str, syntax: &Syntax) -> Result<Foreign, InvalidFilter> {
    if syntax.depth > FOREIGN_DEPTH_MAX {
        return Err(InvalidFilter::at(
            text,
            syntax.span.start,
            format!(
                "the expression is nested more than {FOREIGN_DEPTH_MAX} levels deep, too deep for maps, bytes and types as values"
            ),
        ));
    }
    let mut lowering =
        Lowering { text, locals: Vec::new(), attributes: Vec::new(), patterns: Vec::new(), nodes: 0 };
    let tree = lowering.lower(syntax)?;
    Ok(Foreign {
        tree,
        attributes: lowering.attributes,
        patterns: lowering.patterns,
        nodes: u32::try_from(lowering.nodes).unwrap_or(u32::MAX),
    })
}

struct Lowering<'a> {
    text: &'a str,
    locals: Vec<String>,
    attributes: Vec<Box<str>>,
    patterns: Vec<Pattern>,
    nodes: usize,
}

type Lowered = Result<IdedExpr, InvalidFilter>;

impl Lowering<'_> {
    fn lower(&mut self, syntax: &Syntax) -> Lowered {
        self.nodes += 1;
        Ok(match &syntax.kind {
            Kind::Literal(literal) => expr(Expr::Literal(lowered_literal(literal))),
            Kind::Name(name) => self.name(name),
            Kind::Select { of, field, .. } if self.is_event(of) => self.attribute(field),
            Kind::Index { of, index, .. } if self.is_event(of) => match &index.kind {
                Kind::Literal(Literal::Text(name)) => self.attribute(name),
                _ => self.lower(index)?,
            },
            Kind::Select { of, field, optional: false } => select(self.lower(of)?, field, false),
            Kind::Select { of, field, optional: true } => {
                let field = expr(Expr::Literal(LiteralValue::String(field.clone().into())));
                call(operators::OPT_SELECT, vec![self.lower(of)?, field])
            }
            Kind::Index { of, index, optional } => {
                let operator = if *optional { operators::OPT_INDEX } else { operators::INDEX };
                call(operator, vec![self.lower(of)?, self.lower(index)?])
            }
            Kind::Call { target: None, name, arguments } => self.call(name, arguments)?,
            Kind::Call { target: Some(target), name, arguments } => {
                self.member_call(target, name, arguments)?
            }
            Kind::List(items) => expr(Expr::List(ListExpr::new(self.all(items)?))),
            Kind::Map(entries) => self.map(entries)?,
            Kind::Not(operand) => call(operators::LOGICAL_NOT, vec![self.lower(operand)?]),
            Kind::Negate(operand) => call(operators::NEGATE, vec![self.lower(operand)?]),
            Kind::Binary(operator, left, right) => self.binary(*operator, left, right)?,
            Kind::And(terms) => balanced(operators::LOGICAL_AND, self.all(terms)?),
            Kind::Or(terms) => balanced(operators::LOGICAL_OR, self.all(terms)?),
            Kind::Choice(three) => call(operators::CONDITIONAL, self.all(&**three)?),
        })
    }

    fn all(&mut self, items: &[Syntax]) -> Result<Vec<IdedExpr>, InvalidFilter> {
        items.iter().map(|item| self.lower(item)).collect()
    }

    fn is_local(&self, name: &str) -> bool {
        self.locals.iter().any(|local| local == name)
    }

    fn is_event(&self, syntax: &Syntax) -> bool {
        matches!(&syntax.kind, Kind::Name(name) if name == "event" && !self.is_local(name))
    }

    fn name(&mut self, name: &str) -> IdedExpr {
        // What is neither a variable nor a core attribute may be the name of a type.
        if self.is_local(name) || (!subject::is_core(name) && super::plan::is_type(name)) {
            return expr(Expr::Ident(name.to_owned()));
        }
        self.attribute(name)
    }

    fn attribute(&mut self, name: &str) -> IdedExpr {
        if name == "data" {
            return expr(Expr::Ident("@data:".to_owned()));
        }
        self.ask_for(name);
        expr(Expr::Ident(format!("@attribute:{name}")))
    }

    fn ask_for(&mut self, name: &str) {
        if !self.attributes.iter().any(|known| &**known == name) {
            self.attributes.push(name.into());
        }
    }

    fn map(&mut self, entries: &[(Syntax, Syntax)]) -> Lowered {
        let entry = |(key, value): &(Syntax, Syntax)| -> Result<IdedEntryExpr, InvalidFilter> {
            let entry = MapEntryExpr { key: self.lower(key)?, value: self.lower(value)?, optional: false };
            Ok(IdedEntryExpr { id: 0, expr: EntryExpr::MapEntry(entry) })
        };
        Ok(expr(Expr::Map(MapExpr { entries: entries.iter().map(entry).collect::<Result<_, _>>()? })))
    }

    fn binary(&mut self, operator: Operator, left: &Syntax, right: &Syntax) -> Lowered {
        let operands = vec![self.lower(left)?, self.lower(right)?];
        let plain = match operator {
            Operator::Equal => return Ok(metered("@equal", operands)),
            Operator::NotEqual => return Ok(call(operators::LOGICAL_NOT, vec![metered("@equal", operands)])),
            Operator::In => return Ok(metered("@in", operands)),
            Operator::Add => return Ok(charged(0, call(operators::ADD, operands))),
            Operator::Less => operators::LESS,
            Operator::LessEqual => operators::LESS_EQUALS,
            Operator::Greater => operators::GREATER,
            Operator::GreaterEqual => operators::GREATER_EQUALS,
            Operator::Subtract => operators::SUBSTRACT,
            Operator::Multiply => operators::MULTIPLY,
            Operator::Divide => operators::DIVIDE,
            Operator::Remainder => operators::MODULO,
        };
        Ok(call(plain, operands))
    }

    fn call(&mut self, name: &str, arguments: &[Syntax]) -> Lowered {
        match (name, arguments) {
            ("has", [of]) => self.has(of),
            ("matches", [of, pattern]) => self.matches(of, pattern),
            _ => {
                let arguments = self.all(arguments)?;
                Ok(call(name, arguments.into_iter().map(|argument| charged(0, argument)).collect()))
            }
        }
    }

    fn has(&mut self, of: &Syntax) -> Lowered {
        match &of.kind {
            Kind::Select { of: inner, field, .. } if !self.is_event(inner) => {
                Ok(select(self.lower(inner)?, field, true))
            }
            _ => {
                let name = match &of.kind {
                    Kind::Select { field, .. } => field.as_str(),
                    Kind::Name(name) => name,
                    Kind::Index { index, .. } => match &index.kind {
                        Kind::Literal(Literal::Text(name)) => name,
                        _ => "data",
                    },
                    _ => "data",
                };
                self.ask_for(name);
                Ok(expr(Expr::Ident(format!("@has:{name}"))))
            }
        }
    }

    fn matches(&mut self, of: &Syntax, pattern: &Syntax) -> Lowered {
        let Kind::Literal(Literal::Text(literal)) = &pattern.kind else {
            return Err(InvalidFilter::at(
                self.text,
                pattern.span.start,
                "the pattern of `matches` must be a literal text",
            ));
        };
        let compiled = Pattern::compile(literal)
            .map_err(|message| InvalidFilter::at(self.text, pattern.span.start, message))?;
        let named = expr(Expr::Ident(format!("@pattern:{}", self.patterns.len())));
        self.patterns.push(compiled);
        Ok(metered("@matches", vec![named, self.lower(of)?]))
    }

    fn member_call(&mut self, target: &Syntax, name: &str, arguments: &[Syntax]) -> Lowered {
        if let Some(kind) = FoldKind::of(name) {
            return self.fold(kind, target, arguments);
        }
        if let ("matches", [pattern]) = (name, arguments) {
            return self.matches(target, pattern);
        }
        let namespaced =
            matches!(&target.kind, Kind::Name(name) if name == "optional" && !self.is_local(name));
        let target = if namespaced {
            expr(Expr::Ident("optional".to_owned()))
        } else {
            charged(0, self.lower(target)?)
        };
        let arguments = self.all(arguments)?;
        Ok(expr(Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target: Some(Box::new(target)),
            args: arguments,
        })))
    }

    /// Builds what the macros of the language expand to, with a charge for each item.
    fn fold(&mut self, kind: FoldKind, range: &Syntax, arguments: &[Syntax]) -> Lowered {
        let iter_range = charged(0, self.lower(range)?);
        let Kind::Name(variable) = &arguments[0].kind else {
            return Err(InvalidFilter::at(self.text, arguments[0].span.start, "a variable is missing"));
        };
        let nodes = self.nodes;
        self.locals.push(variable.clone());
        let bodies = self.all(&arguments[1..]);
        self.locals.pop();
        // Binding the variable, the test whether to go on and the step itself cost about four nodes more.
        let each = i64::try_from(self.nodes - nodes + 4).unwrap_or(i64::MAX);
        let mut bodies = bodies?.into_iter().map(|body| charged(each, body));
        let (first, second) = (bodies.next().unwrap_or_default(), bodies.next());
        let yes = || expr(Expr::Literal(LiteralValue::Boolean(true.into())));
        let number = |number: i64| expr(Expr::Literal(LiteralValue::Int(number.into())));
        let append = |item| call(operators::ADD, vec![result(), expr(Expr::List(ListExpr::new(vec![item])))]);
        let empty = || expr(Expr::List(ListExpr::new(Vec::new())));
        let (accu_init, loop_cond, loop_step, outcome) = match kind {
            FoldKind::All => {
                let go_on = call(operators::NOT_STRICTLY_FALSE, vec![result()]);
                (yes(), go_on, call(operators::LOGICAL_AND, vec![result(), first]), result())
            }
            FoldKind::Exists => {
                let no = expr(Expr::Literal(LiteralValue::Boolean(false.into())));
                let not_yet = call(operators::LOGICAL_NOT, vec![result()]);
                let go_on = call(operators::NOT_STRICTLY_FALSE, vec![not_yet]);
                (no, go_on, call(operators::LOGICAL_OR, vec![result(), first]), result())
            }
            FoldKind::ExistsOne => {
                let more = call(operators::ADD, vec![result(), number(1)]);
                let step = call(operators::CONDITIONAL, vec![first, more, result()]);
                (number(0), yes(), step, call(operators::EQUALS, vec![result(), number(1)]))
            }
            FoldKind::Map => {
                let step = match second {
                    None => append(first),
                    Some(becomes) => call(operators::CONDITIONAL, vec![first, append(becomes), result()]),
                };
                (empty(), yes(), step, result())
            }
            FoldKind::Filter => {
                let item = expr(Expr::Ident(variable.clone()));
                let step = call(operators::CONDITIONAL, vec![first, append(item), result()]);
                (empty(), yes(), step, result())
            }
        };
        let comprehension = ComprehensionExpr {
            iter_range,
            iter_var: variable.clone(),
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init,
            loop_cond,
            loop_step,
            result: outcome,
        };
        let comprehension = expr(Expr::Comprehension(Box::new(comprehension)));
        // The list a `map` or a `filter` makes may be the range of another one.
        Ok(charged(0, comprehension))
    }
}

const RESULT: &str = "@result";

fn result() -> IdedExpr {
    expr(Expr::Ident(RESULT.to_owned()))
}

fn expr(expr: Expr) -> IdedExpr {
    // Ids only serve to find places in the text, which our own tree knows.
    IdedExpr { id: 0, expr }
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    expr(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

fn select(of: IdedExpr, field: &str, test: bool) -> IdedExpr {
    expr(Expr::Select(SelectExpr { operand: Box::new(of), field: field.to_owned(), test }))
}

/// A call with the steps as its first argument.
fn metered(name: &str, mut args: Vec<IdedExpr>) -> IdedExpr {
    args.insert(0, expr(Expr::Ident("@meter:".to_owned())));
    call(name, args)
}

/// Charges for a value: for looking at it once, and for the nodes it takes to compute it.
fn charged(nodes: i64, value: IdedExpr) -> IdedExpr {
    metered("@charge", vec![expr(Expr::Literal(LiteralValue::Int(nodes.into()))), value])
}

/// Joins terms into a tree as shallow as can be: the interpreter recurses into it.
fn balanced(operator: &str, mut terms: Vec<IdedExpr>) -> IdedExpr {
    while terms.len() > 1 {
        let mut pairs = Vec::with_capacity(terms.len().div_ceil(2));
        let mut rest = terms.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => call(operator, vec![left, right]),
                None => left,
            });
        }
        terms = pairs;
    }
    terms.pop().unwrap_or_default()
}

fn lowered_literal(literal: &Literal) -> LiteralValue {
    match literal {
        Literal::Null => LiteralValue::Null,
        Literal::Boolean(boolean) => LiteralValue::Boolean((*boolean).into()),
        Literal::Integer(number) => LiteralValue::Int((*number).into()),
        Literal::Unsigned(number) => LiteralValue::UInt((*number).into()),
        Literal::Double(number) => LiteralValue::Double((*number).into()),
        Literal::Text(text) => LiteralValue::String(text.to_string().into()),
        Literal::Bytes(bytes) => LiteralValue::Bytes(bytes.clone().into()),
    }
}
