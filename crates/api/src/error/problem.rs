//! The body of every error: RFC 9457 problem details with our members.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::code::{Code, ExitCode};

/// A problem as sent with `application/problem+json`. Unknown members are ignored when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI-reference that names the kind of problem; a page of help is behind it.
    #[serde(rename = "type", default = "about_blank")]
    pub type_uri: Cow<'static, str>,
    /// The kind in words; the same for every problem of one code.
    #[serde(default)]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is wrong this time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The path of the request it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The stable code; see [`Code`]. Newer servers may send codes this version does not know.
    #[serde(default)]
    pub code: Cow<'static, str>,
    /// The places that are wrong, if there are places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// What to do, often the command that does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The trace the request belonged to, 32 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceid: Option<String>,
    /// The rate limit policies that were violated; with `RATE_LIMITED` only.
    #[serde(rename = "violated-policies", default, skip_serializing_if = "Vec::is_empty")]
    pub violated_policies: Vec<String>,
}

/// One place that is wrong. At most one of pointer, header and parameter says where.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fault {
    /// What is wrong there.
    pub detail: String,
    /// A JSON pointer into the body as a URI fragment, such as `#/event/id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The name of a query parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

fn about_blank() -> Cow<'static, str> {
    Cow::Borrowed("about:blank")
}

impl Problem {
    /// The media type of a problem.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// Returns the problem of that code, with this detail.
    pub fn new(code: Code, detail: impl Into<String>) -> Problem {
        Problem {
            type_uri: Cow::Owned(code.type_uri()),
            title: Cow::Borrowed(code.title()),
            status: code.status(),
            detail: detail.into(),
            instance: None,
            code: Cow::Borrowed(code.as_str()),
            errors: Vec::new(),
            hint: None,
            traceid: None,
            violated_policies: Vec::new(),
        }
    }

    /// Returns it with one more place in the body, given as a JSON pointer such as `#/event/id`.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Problem {
        self.errors.push(Fault { detail: detail.into(), pointer: Some(pointer.into()), ..Fault::default() });
        self
    }

    /// Returns it with one more place in the headers.
    #[must_use]
    pub fn at_header(mut self, header: impl Into<String>, detail: impl Into<String>) -> Problem {
        self.errors.push(Fault { detail: detail.into(), header: Some(header.into()), ..Fault::default() });
        self
    }

    /// Returns it with one more place in the query of the URL.
    #[must_use]
    pub fn at_parameter(mut self, parameter: impl Into<String>, detail: impl Into<String>) -> Problem {
        self.errors.push(Fault {
            detail: detail.into(),
            parameter: Some(parameter.into()),
            ..Fault::default()
        });
        self
    }

    /// Returns it with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Returns it with the path of the request it answers.
    #[must_use]
    pub fn instance(mut self, path: impl Into<String>) -> Problem {
        self.instance = Some(path.into());
        self
    }

    /// Returns it with the trace of the request, 32 hex digits.
    #[must_use]
    pub fn traceid(mut self, traceid: impl Into<String>) -> Problem {
        self.traceid = Some(traceid.into());
        self
    }

    /// Returns the code, or none if it is newer than this version.
    pub fn known_code(&self) -> Option<Code> {
        Code::parse(&self.code)
    }

    /// Returns whether it has this code.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.as_str()
    }

    /// Returns the exit code of the command line, by code and else by status.
    pub fn exit_code(&self) -> ExitCode {
        match self.known_code() {
            Some(code) => code.exit_code(),
            None => match self.status {
                404 => ExitCode::NotFound,
                408 => ExitCode::Timeout,
                409 => ExitCode::Conflict,
                400 | 405 | 413 | 415 | 422 => ExitCode::Usage,
                _ => ExitCode::Failed,
            },
        }
    }

    /// Returns it as JSON text.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a problem has only string keys and plain values")
    }

    /// Returns it with every pointer moved below `prefix`, such as `#/publish/0`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Problem {
        for fault in &mut self.errors {
            if let Some(pointer) = &fault.pointer {
                let rest = pointer.strip_prefix('#').unwrap_or(pointer);
                fault.pointer = Some(format!("{prefix}{rest}"));
            }
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.code)?;
        out.write_str(if self.detail.is_empty() { &self.title } else { &self.detail })?;
        for fault in &self.errors {
            let place = fault.pointer.as_ref().or(fault.header.as_ref()).or(fault.parameter.as_ref());
            if fault.detail == self.detail {
                place.map_or(Ok(()), |place| write!(out, " ({place})"))?;
            } else {
                write!(
                    out,
                    "; {}{}",
                    place.map(|place| format!("{place}: ")).unwrap_or_default(),
                    fault.detail
                )?;
            }
        }
        if let Some(hint) = &self.hint {
            write!(out, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}
