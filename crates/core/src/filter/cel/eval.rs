//! Evaluating nodes over an event.
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::LazyLock;

use serde_json::{Map, Value as Json};

use super::super::subject::Subject;
use super::convert;
use super::node::{Fold, FoldKind, Node, TextTest};
use super::pattern::Searches;
use super::syntax::Operator;
use super::value::{self, Failure, Steps, Value};

/// What an event without JSON data has as its data: nothing is in it.
static NO_DATA: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);

/// One evaluation: the event, the variables of the comprehensions around a node, and the steps left.
pub(crate) struct Evaluation<'a> {
    subject: &'a dyn Subject,
    locals: Vec<Value<'a>>,
    searches: Searches,
    pub(crate) steps: Steps,
}

type Evaluated<'a> = Result<Value<'a>, Failure<'a>>;

impl<'a> Evaluation<'a> {
    pub(crate) fn new(subject: &'a dyn Subject, steps: u32) -> Self {
        Self { subject, locals: Vec::new(), searches: Searches::default(), steps: Steps::new(steps) }
    }

    /// Evaluates a node that must be true or false.
    pub(crate) fn boolean(&mut self, node: &'a Node) -> Result<bool, Failure<'a>> {
        match self.value(node)? {
            Value::Boolean(boolean) => Ok(boolean),
            other => Err(mismatch("a condition", &[&other])),
        }
    }

    pub(crate) fn value(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.steps.take(1)?;
        match node {
            Node::Literal(literal) => Value::of_literal(literal)
                .ok_or_else(|| Failure::Foreign("bytes are not compared here".to_owned())),
            Node::Attribute(name) => match self.subject.attribute(name) {
                Some(attribute) => Ok(Value::of_attribute(attribute)),
                None => Err(Failure::NoAttribute(name)),
            },
            Node::Data => Ok(self.subject.data().map_or(Value::Object(&NO_DATA), Value::of_json)),
            Node::Local(at) => Ok(self.locals[*at].clone()),
            Node::Select(of, field) => {
                let of = self.value(of)?;
                self.select(&of, Cow::Borrowed(field))
            }
            Node::Index(of, index) => {
                let (of, index) = (self.value(of)?, self.value(index)?);
                self.index(&of, index)
            }
            Node::HasAttribute(name) => Ok(Value::Boolean(self.subject.attribute(name).is_some())),
            Node::HasData => Ok(Value::Boolean(self.subject.data().is_some())),
            Node::HasField(of, field) => match self.value(of)? {
                Value::Object(members) => Ok(Value::Boolean(members.contains_key(&**field))),
                other => Err(mismatch("has", &[&other])),
            },
            Node::Not(operand) => match self.value(operand)? {
                Value::Boolean(boolean) => Ok(Value::Boolean(!boolean)),
                other => Err(mismatch("!", &[&other])),
            },
            Node::Negate(operand) => match self.value(operand)? {
                Value::Integer(number) => {
                    number.checked_neg().map(Value::Integer).ok_or(Failure::Overflow("-"))
                }
                Value::Double(number) => Ok(Value::Double(-number)),
                other => Err(mismatch("-", &[&other])),
            },
            Node::And(terms) => self.connective(terms, false),
            Node::Or(terms) => self.connective(terms, true),
            Node::Choice(three) => {
                let [condition, then, otherwise] = &**three;
                if self.boolean(condition)? { self.value(then) } else { self.value(otherwise) }
            }
            Node::Equal { left, right, negated } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                Ok(Value::Boolean(value::equal(&left, &right, &mut self.steps)? != *negated))
            }
            Node::Order(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.order(*operator, &left, &right)
            }
            Node::In(item, list) => {
                let (item, list) = (self.value(item)?, self.value(list)?);
                self.contained(&item, &list)
            }
            Node::Arithmetic(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.arithmetic(*operator, left, right)
            }
            Node::Size(of) => self.value(of).and_then(|of| self.size(&of)),
            Node::Text(test, text, part) => {
                let (text, part) = (self.value(text)?, self.value(part)?);
                self.text(*test, &text, &part)
            }
            Node::Matches(text, pattern) => match self.value(text)? {
                Value::Text(text) => {
                    pattern.is_in(&text, &mut self.searches, &mut self.steps).map(Value::Boolean)
                }
                other => Err(mismatch("matches", &[&other])),
            },
            Node::Convert(conversion, value) => {
                let value = self.value(value)?;
                if let Value::Text(text) = &value {
                    self.steps.text(text.len())?;
                }
                convert::convert(*conversion, value)
            }
            Node::List(items) => {
                let items: Result<_, _> = items.iter().map(|item| self.value(item)).collect();
                items.map(Value::List)
            }
            Node::Fold(fold) => self.fold(fold),
        }
    }

    fn select(&self, of: &Value<'a>, field: Cow<'a, str>) -> Evaluated<'a> {
        match of {
            Value::Object(members) => match members.get(&*field) {
                Some(value) => Ok(Value::of_json(value)),
                None if self.subject.data().is_none() => Err(Failure::NoData(field)),
                None => Err(Failure::NoField(field)),
            },
            other => Err(Failure::Mismatch { does: "a field", on: other.kind().to_owned() }),
        }
    }

    fn index(&self, of: &Value<'a>, index: Value<'a>) -> Evaluated<'a> {
        let at = match (of, index) {
            (Value::Object(_), Value::Text(field)) => return self.select(of, field),
            (Value::Object(_), Value::Integer(number)) => return Err(Failure::NoItem(number.to_string())),
            (Value::Array(_) | Value::List(_), Value::Integer(number)) => i128::from(number),
            (Value::Array(_) | Value::List(_), Value::Unsigned(number)) => i128::from(number),
            // Whole, and a saturating cast: what does not fit is out of bounds anyway.
            (Value::Array(_) | Value::List(_), Value::Double(number)) if number.fract() == 0.0 => {
                number as i128
            }
            (of, index) => return Err(mismatch("[ ]", &[of, &index])),
        };
        usize::try_from(at).ok().and_then(|at| of.item(at)).ok_or_else(|| Failure::NoItem(at.to_string()))
    }

    /// `&&` and `||`: a term that decides the whole does so wherever it stands, also beside one that fails.
    fn connective(&mut self, terms: &'a [Node], decides: bool) -> Evaluated<'a> {
        let mut failure = None;
        for term in terms {
            match self.boolean(term) {
                Ok(boolean) if boolean == decides => return Ok(Value::Boolean(decides)),
                Ok(_) => {}
                Err(Failure::Budget) => return Err(Failure::Budget),
                Err(failed) => failure = failure.or(Some(failed)),
            }
        }
        failure.map_or(Ok(Value::Boolean(!decides)), Err)
    }

    fn order(&mut self, operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Evaluated<'a> {
        if let (Value::Text(left), Value::Text(right)) = (left, right) {
            self.steps.text(left.len().min(right.len()))?;
        }
        let order = value::order(left, right).ok_or_else(|| mismatch(operator.sign(), &[left, right]))?;
        Ok(Value::Boolean(match operator {
            Operator::Less => order == Ordering::Less,
            Operator::LessEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            _ => order != Ordering::Less,
        }))
    }

    fn contained(&mut self, item: &Value<'a>, list: &Value<'a>) -> Evaluated<'a> {
        if let Some(length) = list.items() {
            for other in (0..length).filter_map(|at| list.item(at)) {
                if value::equal(&other, item, &mut self.steps)? {
                    return Ok(Value::Boolean(true));
                }
            }
            return Ok(Value::Boolean(false));
        }
        match (list, item) {
            (Value::Object(members), Value::Text(name)) => Ok(Value::Boolean(members.contains_key(&**name))),
            // The members of an object have names, so no number and no boolean is among them.
            (
                Value::Object(_),
                Value::Integer(_) | Value::Unsigned(_) | Value::Double(_) | Value::Boolean(_),
            ) => Ok(Value::Boolean(false)),
            _ => Err(mismatch("in", &[item, list])),
        }
    }

    fn arithmetic(&mut self, operator: Operator, left: Value<'a>, right: Value<'a>) -> Evaluated<'a> {
        use Operator::{Add, Divide, Multiply, Remainder, Subtract};
        let sign = operator.sign();
        let overflow = Failure::Overflow(sign);
        match (operator, left, right) {
            (Divide | Remainder, Value::Integer(_), Value::Integer(0))
            | (Divide | Remainder, Value::Unsigned(_), Value::Unsigned(0)) => Err(Failure::DivisionByZero),
            (operator, Value::Integer(a), Value::Integer(b)) => match operator {
                Add => a.checked_add(b),
                Subtract => a.checked_sub(b),
                Multiply => a.checked_mul(b),
                Divide => a.checked_div(b),
                _ => a.checked_rem(b),
            }
            .map(Value::Integer)
            .ok_or(overflow),
            (operator, Value::Unsigned(a), Value::Unsigned(b)) => match operator {
                Add => a.checked_add(b),
                Subtract => a.checked_sub(b),
                Multiply => a.checked_mul(b),
                Divide => a.checked_div(b),
                _ => a.checked_rem(b),
            }
            .map(Value::Unsigned)
            .ok_or(overflow),
            (Add, Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
            (Subtract, Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
            (Multiply, Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
            (Divide, Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
            (Add, Value::Text(a), Value::Text(b)) => {
                // Copying costs more than looking, and what doubles has to stop soon.
                self.steps.text((a.len() + b.len()).saturating_mul(4))?;
                Ok(Value::Text(Cow::Owned([&*a, &*b].concat())))
            }
            (Add, left, right) => match (left.items(), right.items()) {
                (Some(a), Some(b)) => {
                    self.steps.take(u32::try_from(a + b).unwrap_or(u32::MAX))?;
                    let left_items = (0..a).filter_map(|at| left.item(at));
                    Ok(Value::List(left_items.chain((0..b).filter_map(|at| right.item(at))).collect()))
                }
                _ => Err(mismatch(sign, &[&left, &right])),
            },
            (_, left, right) => Err(mismatch(sign, &[&left, &right])),
        }
    }

    fn size(&mut self, of: &Value<'a>) -> Evaluated<'a> {
        let size = match of {
            Value::Text(text) => {
                self.steps.text(text.len())?;
                text.chars().count()
            }
            Value::Object(members) => members.len(),
            other => other.items().ok_or_else(|| mismatch("size", &[other]))?,
        };
        // Nothing in memory has more than 2^63 items.
        Ok(Value::Integer(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    fn text(&mut self, test: TextTest, text: &Value<'a>, part: &Value<'a>) -> Evaluated<'a> {
        let (Value::Text(text), Value::Text(part)) = (text, part) else {
            return Err(mismatch(test.name(), &[text, part]));
        };
        Ok(Value::Boolean(match test {
            TextTest::Contains => {
                self.steps.text(text.len())?;
                text.contains(&**part)
            }
            TextTest::StartsWith => {
                self.steps.text(part.len().min(text.len()))?;
                text.starts_with(&**part)
            }
            TextTest::EndsWith => {
                self.steps.text(part.len().min(text.len()))?;
                text.ends_with(&**part)
            }
        }))
    }

    fn fold(&mut self, fold: &'a Fold) -> Evaluated<'a> {
        let range = self.value(&fold.range)?;
        if let Value::Object(members) = range {
            return self
                .fold_over(fold, members.keys().map(|name| Value::Text(Cow::Borrowed(name.as_str()))));
        }
        let Some(length) = range.items() else { return Err(mismatch("a comprehension", &[&range])) };
        self.fold_over(fold, (0..length).filter_map(|at| range.item(at)))
    }

    fn fold_over(&mut self, fold: &'a Fold, items: impl Iterator<Item = Value<'a>>) -> Evaluated<'a> {
        let depth = self.locals.len();
        let folded = self.fold_items(fold, items, depth);
        self.locals.truncate(depth);
        folded
    }

    fn fold_items(
        &mut self,
        fold: &'a Fold,
        items: impl Iterator<Item = Value<'a>>,
        depth: usize,
    ) -> Evaluated<'a> {
        let (mut failure, mut found, mut kept) = (None, 0, Vec::new());
        for item in items {
            self.steps.take(1)?;
            self.locals.truncate(depth);
            self.locals.push(item);
            let holds = match &fold.test {
                Some(test) => self.boolean(test),
                None => Ok(true),
            };
            match (fold.kind, holds) {
                (_, Err(Failure::Budget)) => return Err(Failure::Budget),
                (FoldKind::Exists, Ok(true)) => return Ok(Value::Boolean(true)),
                (FoldKind::All, Ok(false)) => return Ok(Value::Boolean(false)),
                // A later item may still decide.
                (FoldKind::Exists | FoldKind::All, Err(failed)) => failure = failure.or(Some(failed)),
                (_, Err(failed)) => return Err(failed),
                (FoldKind::ExistsOne, Ok(true)) => found += 1,
                (FoldKind::Map | FoldKind::Filter, Ok(true)) => kept.push(match &fold.becomes {
                    Some(becomes) => self.value(becomes)?,
                    None => self.locals[depth].clone(),
                }),
                (_, Ok(_)) => {}
            }
        }
        match (failure, fold.kind) {
            (Some(failed), _) => Err(failed),
            (None, FoldKind::Exists) => Ok(Value::Boolean(false)),
            (None, FoldKind::All) => Ok(Value::Boolean(true)),
            (None, FoldKind::ExistsOne) => Ok(Value::Boolean(found == 1)),
            (None, FoldKind::Map | FoldKind::Filter) => Ok(Value::List(kept.into())),
        }
    }
}

fn mismatch<'a>(does: &'static str, on: &[&Value<'_>]) -> Failure<'a> {
    let kinds: Vec<_> = on.iter().map(|value| value.kind()).collect();
    Failure::Mismatch { does, on: kinds.join(" and ") }
}
