//! One pass over JSON text that checks all of its grammar and keeps where the values are.

use std::borrow::Cow;

use super::escape::{hex4, plain_run, unescape};

/// The deepest nesting any limit may allow: the scanner calls itself once per level.
pub(crate) const DEPTH_CEILING: u32 = 512;

/// What is wrong with JSON text, and at which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) what: What,
    pub(crate) offset: usize,
}

/// What can be wrong with JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum What {
    #[error("the text ends in the middle of a value")]
    Ends,
    #[error("{0} is expected here")]
    Expected(&'static str),
    #[error("a control character in a string must be written as an escape such as \\n or \\u0000")]
    Control,
    #[error("this is not an escape of JSON (they are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)")]
    Escape,
    #[error(
        "\\uD800 to \\uDFFF stand for a character only in pairs, a high one and then a low one; this one is alone"
    )]
    LoneSurrogate,
    #[error("this is not a number of JSON")]
    Number,
    #[error("the value is nested deeper than {0} levels")]
    Deep(u32),
    #[error("there is more text after the value")]
    More,
}

/// A value as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) text: &'a str,
    /// Whether it is a string with at least one escape.
    escaped: bool,
}

/// One member of an object.
#[derive(Debug, Clone)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: Raw<'a>,
}

impl<'a> Raw<'a> {
    pub(crate) fn first(&self) -> u8 {
        self.text.as_bytes()[0]
    }

    pub(crate) fn is_null(&self) -> bool {
        self.text == "null"
    }

    /// Returns the string's content, or none if it is no string.
    pub(crate) fn string(&self) -> Option<Cow<'a, str>> {
        if self.first() != b'"' {
            return None;
        }
        let inner = &self.text[1..self.text.len() - 1];
        Some(if self.escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) })
    }

    /// Returns the kind of value in words, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self.first() {
            b'"' => "a string",
            b'{' => "an object",
            b'[' => "an array",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            _ => "a number",
        }
    }
}

/// Walks over JSON text. Offsets it reports count from the start of the text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth_left: u32,
    depth_max: u32,
}

impl<'a> Scanner<'a> {
    /// Returns a scanner that allows `depth_max` nested arrays and objects.
    pub(crate) fn new(text: &'a str, depth_max: u32) -> Scanner<'a> {
        let depth_max = depth_max.min(DEPTH_CEILING);
        Scanner { text, at: 0, depth_left: depth_max, depth_max }
    }

    /// Reads the one value of the whole text.
    pub(crate) fn whole(mut self) -> Result<Raw<'a>, Wrong> {
        self.space();
        let value = self.value()?;
        self.end()?;
        Ok(value)
    }

    /// Reads the members of the one object of the whole text into `members`, `members_max` at most. Returns whether they fit.
    pub(crate) fn members(
        mut self,
        members: &mut Vec<Member<'a>>,
        members_max: usize,
    ) -> Result<bool, Wrong> {
        self.space();
        let fit = self.object_members(members, members_max)?;
        self.end()?;
        Ok(fit)
    }

    /// Enters the one array of the whole text.
    pub(crate) fn enter_array(&mut self) -> Result<(), Wrong> {
        self.space();
        self.open(b'[', "an array")
    }

    /// Goes to the next item of the entered array. Returns its place, or none when array and text are over.
    pub(crate) fn next_item(&mut self, first: bool) -> Result<Option<usize>, Wrong> {
        self.space();
        if self.take(b']') {
            self.end()?;
            return Ok(None);
        }
        if !first {
            self.comma("a comma or `]`")?;
        }
        Ok(Some(self.at))
    }

    /// Reads the object that begins here, as [`Scanner::members`] does.
    pub(crate) fn object_members(
        &mut self,
        members: &mut Vec<Member<'a>>,
        members_max: usize,
    ) -> Result<bool, Wrong> {
        let mut fit = true;
        self.open(b'{', "an object")?;
        self.space();
        if !self.take(b'}') {
            loop {
                let name_at = self.at;
                if self.peek() != Some(b'"') {
                    return Err(self.expected("the name of a member in double quotes"));
                }
                let escaped = self.string()?;
                let name = Raw { text: &self.text[name_at..self.at], escaped };
                self.colon()?;
                let value = self.value()?;
                if members.len() < members_max {
                    members.push(Member { name: name.string().expect("it begins with a quote"), value });
                } else {
                    fit = false;
                }
                self.space();
                if self.take(b'}') {
                    break;
                }
                self.comma("a comma or `}`")?;
            }
        }
        self.depth_left += 1;
        Ok(fit)
    }

    /// Returns the byte it stands at.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    fn value(&mut self) -> Result<Raw<'a>, Wrong> {
        let offset = self.at;
        let escaped = self.skip()?;
        Ok(Raw { text: &self.text[offset..self.at], escaped })
    }

    // Skips one value; returns whether it is a string with escapes.
    fn skip(&mut self) -> Result<bool, Wrong> {
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(_) => return Err(self.wrong(What::Expected("a JSON value"))),
            None => return Err(self.wrong(What::Ends)),
        }
        Ok(false)
    }

    fn object(&mut self) -> Result<(), Wrong> {
        self.open(b'{', "an object")?;
        self.space();
        if !self.take(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return Err(self.expected("the name of a member in double quotes"));
                }
                self.string()?;
                self.colon()?;
                self.skip()?;
                self.space();
                if self.take(b'}') {
                    break;
                }
                self.comma("a comma or `}`")?;
            }
        }
        self.depth_left += 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), Wrong> {
        self.open(b'[', "an array")?;
        self.space();
        if !self.take(b']') {
            loop {
                self.skip()?;
                self.space();
                if self.take(b']') {
                    break;
                }
                self.comma("a comma or `]`")?;
            }
        }
        self.depth_left += 1;
        Ok(())
    }

    // Skips a string that begins here; returns whether it has escapes.
    fn string(&mut self) -> Result<bool, Wrong> {
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_run(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.wrong(What::Control)),
                None => return Err(self.wrong(What::Ends)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let wrong = |what| Wrong { what, offset: start };
        match self.text.as_bytes().get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let unit = hex4(self.text.as_bytes(), start + 2).ok_or(wrong(What::Escape))?;
                self.at += 6;
                if (0xDC00..0xE000).contains(&unit) {
                    return Err(wrong(What::LoneSurrogate));
                }
                if (0xD800..0xDC00).contains(&unit) {
                    let pair = self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u");
                    let low =
                        hex4(self.text.as_bytes(), self.at + 2).filter(|low| (0xDC00..0xE000).contains(low));
                    if !pair || low.is_none() {
                        return Err(wrong(What::LoneSurrogate));
                    }
                    self.at += 6;
                }
            }
            Some(_) => return Err(wrong(What::Escape)),
            None => return Err(wrong(What::Ends)),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let wrong = Wrong { what: What::Number, offset: start };
        self.take(b'-');
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(wrong),
        }
        if self.take(b'.') {
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(wrong);
            }
            self.digits();
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(wrong);
            }
            self.digits();
        }
        match self.peek() {
            Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'+' | b'-') => Err(wrong),
            _ => Ok(()),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Wrong> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.wrong(What::Expected("a JSON value")))
    }

    fn open(&mut self, bracket: u8, name: &'static str) -> Result<(), Wrong> {
        if self.peek() != Some(bracket) {
            return Err(self.wrong(if self.at == self.text.len() {
                What::Ends
            } else {
                What::Expected(name)
            }));
        }
        if self.depth_left == 0 {
            return Err(self.wrong(What::Deep(self.depth_max)));
        }
        self.depth_left -= 1;
        self.at += 1;
        Ok(())
    }

    fn colon(&mut self) -> Result<(), Wrong> {
        self.space();
        if !self.take(b':') {
            return Err(self.expected("a colon"));
        }
        self.space();
        Ok(())
    }

    fn comma(&mut self, expected: &'static str) -> Result<(), Wrong> {
        if !self.take(b',') {
            return Err(self.expected(expected));
        }
        self.space();
        Ok(())
    }

    fn end(&mut self) -> Result<(), Wrong> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.wrong(What::More)) }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, what: &'static str) -> Wrong {
        self.wrong(if self.at == self.text.len() { What::Ends } else { What::Expected(what) })
    }

    fn wrong(&self, what: What) -> Wrong {
        Wrong { what, offset: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), What> {
        Scanner::new(text, 4).whole().map(|_| ()).map_err(|wrong| wrong.what)
    }

    #[test]
    fn what_is_json_is_read() {
        for text in [
            "null",
            " true ",
            "-0",
            "0",
            "1e400",
            "9007199254740993",
            "-1.5E+3",
            "\"\"",
            "[]",
            "{}",
            "[1,[2,{}]]",
            "\"\\ud83d\\ude00\"",
            "\"\u{2028}é😀\"",
            "{\"a\":1,\"a\":2}",
            "\r\n\t[ 1 , 2 ]\n",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let long = "9".repeat(4000);
        assert_eq!(Scanner::new(&long, 4).whole().unwrap().text, long);
    }

    #[test]
    fn what_is_not_json_is_named() {
        use What::*;
        for (text, what) in [
            ("", Ends),
            ("[1,", Ends),
            ("\"ab", Ends),
            ("{\"a\"", Ends),
            ("\"\\", Ends),
            ("[1 2]", Expected("a comma or `]`")),
            ("{a:1}", Expected("the name of a member in double quotes")),
            ("{\"a\" 1}", Expected("a colon")),
            ("[1,]", Expected("a JSON value")),
            ("nul", Expected("a JSON value")),
            ("NaN", Expected("a JSON value")),
            ("'a'", Expected("a JSON value")),
            ("01", Number),
            ("1.", Number),
            (".5", Expected("a JSON value")),
            ("1e", Number),
            ("-", Number),
            ("+1", Expected("a JSON value")),
            ("0x10", Number),
            ("\"a\nb\"", Control),
            ("\"\u{0}\"", Control),
            ("\"\\x41\"", Escape),
            ("\"\\u12g4\"", Escape),
            ("\"\\u+123\"", Escape),
            ("\"\\ud800\"", LoneSurrogate),
            ("\"\\udc00\"", LoneSurrogate),
            ("\"\\ud800\\ud800\"", LoneSurrogate),
            ("\"\\ud800x\\udc00\"", LoneSurrogate),
            ("1 2", More),
            ("{} x", More),
            ("[[[[[]]]]]", Deep(4)),
        ] {
            assert_eq!(check(text), Err(what), "{text}");
        }
        assert_eq!(check("[[[[1]]]]"), Ok(()));
        assert_eq!(check("[[],[],[],[],[]]"), Ok(()));
    }

    #[test]
    fn escapes_are_undone() {
        let raw = Scanner::new(r#""a\n\u00e9\ud83d\ude00\/\\\"\b\f\r\tz""#, 1).whole().unwrap();
        assert_eq!(raw.string().unwrap(), "aé😀/\\\"\u{8}\u{c}\r\tz".replacen('a', "a\n", 1));
    }
}
