//! From tokens to the tree. Every nesting is counted before it is entered, so no text can overflow the stack.
use super::super::invalid::InvalidFilter;
use super::super::limits::{DEPTH_MAX, NODES_MAX};
use super::hints;
use super::lexer::{self, Token};
use super::syntax::{Kind, Literal, Operator, Span, Syntax};

/// Parses an expression.
pub(crate) fn parse(text: &str) -> Result<Syntax, InvalidFilter> {
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser { text, tokens, at: 0, nesting: 0, nodes: 0 };
    if *parser.peek() == Token::End {
        return Err(InvalidFilter::at(text, 0, "the expression is empty")
            .hint("leave the filter out to receive everything"));
    }
    let syntax = parser.expression()?;
    match parser.peek() {
        Token::End => Ok(syntax),
        _ => Err(parser.unexpected()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Span)>,
    at: usize,
    nesting: usize,
    nodes: usize,
}

/// Binary operators by how tightly they bind; `&&` and `||` are apart, as chains of them are flat.
fn binary(sign: &str) -> Option<(Operator, u8)> {
    Some(match sign {
        "==" => (Operator::Equal, 1),
        "!=" => (Operator::NotEqual, 1),
        "<" => (Operator::Less, 1),
        "<=" => (Operator::LessEqual, 1),
        ">" => (Operator::Greater, 1),
        ">=" => (Operator::GreaterEqual, 1),
        "in" => (Operator::In, 1),
        "+" => (Operator::Add, 2),
        "-" => (Operator::Subtract, 2),
        "*" => (Operator::Multiply, 3),
        "/" => (Operator::Divide, 3),
        "%" => (Operator::Remainder, 3),
        _ => return None,
    })
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// Returns where the last token that was taken ends.
    fn end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |last| self.tokens[last].1.end)
    }

    fn take(&mut self, sign: &str) -> bool {
        let taken = matches!(self.peek(), Token::Sign(next) if *next == sign);
        // The end is no sign, so there is always a token left to look at.
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, sign: &str) -> Result<(), InvalidFilter> {
        if self.take(sign) {
            return Ok(());
        }
        let invalid = self.unexpected();
        Err(if invalid.hint.is_none() { invalid.hint(format!("`{sign}` is missing")) } else { invalid })
    }

    fn unexpected(&self) -> InvalidFilter {
        let before = self.at.checked_sub(1).map(|before| &self.tokens[before].0);
        hints::unexpected(self.text, before, self.peek(), self.span())
    }

    fn too_deep(&self, at: usize) -> InvalidFilter {
        InvalidFilter::at(
            self.text,
            at,
            format!("the expression is nested more than {DEPTH_MAX} levels deep"),
        )
        .hint("split it into a list of filters")
    }

    fn node(&mut self, kind: Kind, start: usize) -> Result<Syntax, InvalidFilter> {
        let mut syntax = Syntax { kind, span: Span { start, end: self.end() }, depth: 0 };
        syntax.depth = 1 + syntax.children().iter().map(|child| child.depth).max().unwrap_or(0);
        self.nodes += 1;
        if syntax.depth > DEPTH_MAX {
            return Err(self.too_deep(start));
        }
        if self.nodes > NODES_MAX {
            return Err(InvalidFilter::at(
                self.text,
                start,
                format!("the expression has more than {NODES_MAX} parts"),
            ));
        }
        Ok(syntax)
    }

    fn expression(&mut self) -> Result<Syntax, InvalidFilter> {
        let start = self.span().start;
        self.nesting += 1;
        if self.nesting > DEPTH_MAX {
            return Err(self.too_deep(start));
        }
        let condition = self.or()?;
        let syntax = if self.take("?") {
            let then = self.or()?;
            self.expect(":")?;
            let otherwise = self.expression()?;
            self.node(Kind::Choice(Box::new([condition, then, otherwise])), start)?
        } else {
            condition
        };
        self.nesting -= 1;
        Ok(syntax)
    }

    fn or(&mut self) -> Result<Syntax, InvalidFilter> {
        let start = self.span().start;
        let mut terms = vec![self.and()?];
        while self.take("||") {
            terms.push(self.and()?);
        }
        self.flat(terms, Kind::Or, start)
    }

    fn and(&mut self) -> Result<Syntax, InvalidFilter> {
        let start = self.span().start;
        let mut terms = vec![self.operation(1)?];
        while self.take("&&") {
            terms.push(self.operation(1)?);
        }
        self.flat(terms, Kind::And, start)
    }

    fn flat(
        &mut self,
        mut terms: Vec<Syntax>,
        kind: fn(Vec<Syntax>) -> Kind,
        start: usize,
    ) -> Result<Syntax, InvalidFilter> {
        match terms.len() {
            1 => Ok(terms.swap_remove(0)),
            _ => self.node(kind(terms), start),
        }
    }

    fn operation(&mut self, binding: u8) -> Result<Syntax, InvalidFilter> {
        let start = self.span().start;
        let mut left = self.unary()?;
        while let Token::Sign(sign) = self.peek()
            && let Some((operator, binds)) = binary(sign)
            && binds >= binding
        {
            self.at += 1;
            let right = self.operation(binds + 1)?;
            left = self.node(Kind::Binary(operator, Box::new(left), Box::new(right)), start)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Syntax, InvalidFilter> {
        let start = self.span().start;
        let sign = if self.take("!") {
            "!"
        } else if self.take("-") {
            "-"
        } else {
            return self.member();
        };
        let mut times = 1;
        while self.take(sign) {
            times += 1;
        }
        if sign == "-"
            && let Some(number) = self.negative(times, start)?
        {
            return self.postfix(number, start);
        }
        let operand = self.member()?;
        match (times % 2, sign) {
            (0, _) => Ok(operand),
            (_, "!") => self.node(Kind::Not(Box::new(operand)), start),
            _ => self.node(Kind::Negate(Box::new(operand)), start),
        }
    }

    /// Reads a number right behind minus signs, of which the last is part of the number: the smallest integer has
    /// no positive counterpart.
    fn negative(&mut self, times: usize, start: usize) -> Result<Option<Syntax>, InvalidFilter> {
        let literal = match self.peek() {
            Token::Magnitude(magnitude) => match 0_i64.checked_sub_unsigned(*magnitude) {
                Some(number) => Literal::Integer(number),
                None => return Err(self.too_large()),
            },
            Token::Literal(Literal::Double(number)) => Literal::Double(-number),
            _ => return Ok(None),
        };
        self.at += 1;
        let number = self.node(Kind::Literal(literal), start)?;
        match times % 2 {
            1 => Ok(Some(number)),
            _ => self.node(Kind::Negate(Box::new(number)), start).map(Some),
        }
    }

    fn too_large(&self) -> InvalidFilter {
        let Span { start, end } = self.span();
        InvalidFilter::at(self.text, start, format!("the number `{}` is too large", &self.text[start..end]))
            .hint("whole numbers have 64 bits; write a `u` behind it for an unsigned one")
    }

    fn member(&mut self) -> Result<Syntax, InvalidFilter> {
        let start = self.span().start;
        let primary = self.primary()?;
        self.postfix(primary, start)
    }

    fn postfix(&mut self, mut of: Syntax, start: usize) -> Result<Syntax, InvalidFilter> {
        loop {
            if self.take(".") {
                let optional = self.take("?");
                let Token::Name(field) = self.peek().clone() else { return Err(self.unexpected()) };
                self.at += 1;
                let kind = if !optional && self.take("(") {
                    let arguments = self.list(")")?;
                    Kind::Call { target: Some(Box::new(of)), name: field, arguments }
                } else {
                    Kind::Select { of: Box::new(of), field, optional }
                };
                of = self.node(kind, start)?;
            } else if self.take("[") {
                let optional = self.take("?");
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                of = self.node(Kind::Index { of: Box::new(of), index, optional }, start)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn primary(&mut self) -> Result<Syntax, InvalidFilter> {
        let Span { start, .. } = self.span();
        let kind = match self.peek().clone() {
            Token::Literal(literal) => {
                self.at += 1;
                Kind::Literal(literal)
            }
            Token::Magnitude(magnitude) => {
                let Ok(number) = i64::try_from(magnitude) else { return Err(self.too_large()) };
                self.at += 1;
                Kind::Literal(Literal::Integer(number))
            }
            Token::Name(name) => return self.name(name, start),
            Token::Sign("(") => {
                self.at += 1;
                let mut inner = self.expression()?;
                self.expect(")")?;
                inner.span = Span { start, end: self.end() };
                return Ok(inner);
            }
            Token::Sign("[") => {
                self.at += 1;
                Kind::List(self.list("]")?)
            }
            Token::Sign("{") => {
                self.at += 1;
                Kind::Map(self.map()?)
            }
            Token::Sign(_) | Token::End => return Err(self.unexpected()),
        };
        self.node(kind, start)
    }

    fn name(&mut self, name: String, start: usize) -> Result<Syntax, InvalidFilter> {
        if hints::RESERVED.contains(&name.as_str()) {
            return Err(InvalidFilter::at(self.text, start, format!("`{name}` is a reserved word"))
                .hint(format!("write event.{name} for an attribute of that name, \"{name}\" for a text")));
        }
        if name.eq_ignore_ascii_case("not")
            && matches!(
                self.tokens[self.at + 1].0,
                Token::Name(_) | Token::Literal(_) | Token::Sign("(" | "!")
            )
        {
            return Err(
                InvalidFilter::at(self.text, start, format!("`{name}` is no operator")).hint("write `!`")
            );
        }
        self.at += 1;
        if self.take("(") {
            let arguments = self.list(")")?;
            return self.node(Kind::Call { target: None, name, arguments }, start);
        }
        self.node(Kind::Name(name), start)
    }

    /// Reads expressions up to the closing bracket; a comma may stand behind the last one of a list.
    fn list(&mut self, close: &str) -> Result<Vec<Syntax>, InvalidFilter> {
        let mut items = Vec::new();
        loop {
            if (items.is_empty() || close == "]") && self.take(close) {
                return Ok(items);
            }
            items.push(self.expression()?);
            if !self.take(",") {
                self.expect(close)?;
                return Ok(items);
            }
        }
    }

    fn map(&mut self) -> Result<Vec<(Syntax, Syntax)>, InvalidFilter> {
        let mut entries = Vec::new();
        loop {
            if self.take("}") {
                return Ok(entries);
            }
            let key = self.expression()?;
            self.expect(":")?;
            entries.push((key, self.expression()?));
            if !self.take(",") {
                self.expect("}")?;
                return Ok(entries);
            }
        }
    }
}
