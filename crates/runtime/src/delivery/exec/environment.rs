//! The complete environment of a program: what is listed here, and nothing else.
//!
//! From the server's environment come PATH, HOME, USER, LANG, TMPDIR and what `pass_env` names; from the file, `env`;
//! from the event, only variables whose names begin with `CE_`, so no event can set `LD_PRELOAD` or the like.

use std::collections::BTreeMap;
use std::path::Path;

const INHERITED: [&str; 4] = ["HOME", "USER", "LANG", "TMPDIR"];
const PATH_WHEN_UNSET: &str = "/usr/local/bin:/usr/bin:/bin";
/// Longest value of a variable made from an event; whole events come on stdin.
const VALUE_BYTES_MAX: usize = 32 << 10;
/// Names the coordinator sets itself.
const RESERVED: [&str; 10] = [
    "CANTUS_URL",
    "CANTUS_TOKEN",
    "CANTUS_DELIVERY_ID",
    "CANTUS_ATTEMPT",
    "CANTUS_REDELIVERED",
    "CANTUS_FIRST_DELIVERED_AT",
    "CANTUS_SUBSCRIPTION",
    "CANTUS_AGENT",
    "TRACEPARENT",
    "TRACESTATE",
];

/// What the subscription says about its environment. Checked when it is declared, by [`Configured::check`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Configured<'a> {
    /// Variables with their values.
    pub env: &'a [(String, String)],
    /// Names of variables handed on from the server's environment.
    pub pass_env: &'a [String],
}

/// What the coordinator tells the program about its attempt.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Where the coordinator listens.
    pub url: &'a str,
    /// The token of this attempt, if tokens are in use.
    pub token: Option<&'a str>,
    /// The delivery's id.
    pub delivery_id: &'a str,
    /// The attempt's number, counting from one.
    pub attempt: u32,
    /// Whether the event may have been handled before: an earlier attempt was begun, or this is a replay.
    pub redelivered: bool,
    /// When the delivery was first handed out: RFC 3339, in UTC.
    pub first_delivered_at: &'a str,
    /// The subscription's id, `agent/name`.
    pub subscription: &'a str,
    /// The agent's address.
    pub agent: &'a str,
    /// The W3C trace context of this delivery.
    pub trace_parent: Option<&'a str>,
    /// The W3C trace state of this delivery.
    pub trace_state: Option<&'a str>,
}

/// The finished environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    /// Every variable the program gets.
    pub variables: Vec<(String, String)>,
    /// What was left out, for the attempt's log.
    pub left_out: Vec<LeftOut>,
}

/// Something that could not become a variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftOut {
    /// An attribute whose name has other characters than letters, digits and `_`, or is empty.
    #[error("attribute `{attribute}` is not passed: a variable's name has only A-Z, 0-9 and _")]
    Name {
        /// The attribute's name.
        attribute: String,
    },
    /// A second attribute whose name differs only in case.
    #[error("attribute `{attribute}` is not passed: {variable} is set by another attribute")]
    Twice {
        /// The attribute's name.
        attribute: String,
        /// The variable both would be.
        variable: String,
    },
    /// An attribute's value contains a NUL byte.
    #[error("attribute `{attribute}` is not passed: its value contains a NUL byte")]
    Nul {
        /// The attribute's name.
        attribute: String,
    },
    /// An attribute's value is too long for a variable.
    #[error(
        "attribute `{attribute}` is not passed: its {bytes} bytes are more than {VALUE_BYTES_MAX}; read it on stdin"
    )]
    TooLong {
        /// The attribute's name.
        attribute: String,
        /// How long it is.
        bytes: usize,
    },
    /// A variable of the server's own environment is not UTF-8.
    #[error("variable {name} is not passed: its value is not UTF-8")]
    NotUtf8 {
        /// The variable's name.
        name: String,
    },
}

/// Says why `env` or `pass_env` can not be used as declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnvironment {
    /// The name could not be a variable's.
    #[error("`{name}` can not be the name of a variable: use letters, digits and _, not a digit first")]
    Name {
        /// The name as written.
        name: String,
    },
    /// The coordinator sets this variable itself.
    #[error("{name} is set by the coordinator for every attempt: remove it here")]
    Reserved {
        /// The name as written.
        name: String,
    },
    /// The value contains a NUL byte.
    #[error("the value of {name} contains a NUL byte")]
    Nul {
        /// The variable's name.
        name: String,
    },
}

impl Configured<'_> {
    /// Refuses names that can not be variables, and those that would be overwritten or could pass for an event's.
    ///
    /// `env` may set PATH; our own folder is put before it. `pass_env` need not name it.
    pub fn check(&self) -> Result<(), InvalidEnvironment> {
        for name in self.env.iter().map(|(name, _)| name).chain(self.pass_env) {
            let body = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(body) {
                return Err(InvalidEnvironment::Name { name: name.clone() });
            }
            if name.starts_with("CE_") || RESERVED.contains(&name.as_str()) {
                return Err(InvalidEnvironment::Reserved { name: name.clone() });
            }
        }
        match self.env.iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => Err(InvalidEnvironment::Nul { name: name.clone() }),
            None => Ok(()),
        }
    }
}

/// Builds the environment of one attempt.
///
/// `server` looks a variable up in the server's environment (`|name| std::env::var_os(name)`); `our_folder` holds our
/// binary; `attributes` are the event's, as text, without its data.
pub fn build(
    server: impl Fn(&str) -> Option<std::ffi::OsString>,
    our_folder: Option<&Path>,
    configured: Configured<'_>,
    context: Context<'_>,
    attributes: &[(String, String)],
) -> Environment {
    let mut variables = BTreeMap::new();
    let mut left_out = Vec::new();
    let passed = configured.pass_env.iter().map(String::as_str);
    for name in ["PATH"].into_iter().chain(INHERITED).chain(passed) {
        match server(name).map(std::ffi::OsString::into_string) {
            Some(Ok(value)) => drop(variables.insert(name.to_owned(), value)),
            Some(Err(_)) => left_out.push(LeftOut::NotUtf8 { name: name.to_owned() }),
            None => {}
        }
    }
    variables.extend(configured.env.iter().cloned());
    let path = variables.remove("PATH").filter(|path| !path.is_empty());
    variables.insert("PATH".into(), our_folder_first(our_folder, path.as_deref().unwrap_or(PATH_WHEN_UNSET)));
    // Nobody but the event says what an attribute is.
    variables.retain(|name, _| !name.starts_with("CE_"));
    for (attribute, value) in attributes {
        match attribute_variable(attribute, value, &variables) {
            Ok(Some(variable)) => drop(variables.insert(variable, value.clone())),
            Ok(None) => {}
            Err(reason) => left_out.push(reason),
        }
    }
    let attempt = context.attempt.to_string();
    let ours = [
        ("CANTUS_URL", Some(context.url)),
        ("CANTUS_TOKEN", context.token),
        ("CANTUS_DELIVERY_ID", Some(context.delivery_id)),
        ("CANTUS_ATTEMPT", Some(attempt.as_str())),
        ("CANTUS_REDELIVERED", Some(if context.redelivered { "true" } else { "false" })),
        ("CANTUS_FIRST_DELIVERED_AT", Some(context.first_delivered_at)),
        ("CANTUS_SUBSCRIPTION", Some(context.subscription)),
        ("CANTUS_AGENT", Some(context.agent)),
        ("TRACEPARENT", context.trace_parent),
        ("TRACESTATE", context.trace_state),
    ];
    for (name, value) in ours {
        match value {
            Some(value) => drop(variables.insert(name.to_owned(), value.to_owned())),
            None => drop(variables.remove(name)),
        }
    }
    Environment { variables: variables.into_iter().collect(), left_out }
}

/// Returns the PATH a program gets: our binary's folder, then the one that was given.
pub(crate) fn search_path(given: Option<&str>) -> String {
    let given = given.filter(|path| !path.is_empty()).unwrap_or(PATH_WHEN_UNSET);
    our_folder_first(our_folder().as_deref(), given)
}

/// Returns the folder of our binary.
pub(crate) fn our_folder() -> Option<std::path::PathBuf> {
    std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned))
}

/// The variable for an attribute; `None` for the event's data, which is on stdin.
fn attribute_variable(
    attribute: &str,
    value: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Option<String>, LeftOut> {
    if matches!(attribute, "data" | "data_base64") {
        return Ok(None);
    }
    let attribute = attribute.to_owned();
    let variable = format!("CE_{}", attribute.to_ascii_uppercase());
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if attribute.is_empty() || !variable.bytes().all(allowed) {
        return Err(LeftOut::Name { attribute });
    }
    if variables.contains_key(&variable) {
        return Err(LeftOut::Twice { attribute, variable });
    }
    if value.contains('\0') {
        return Err(LeftOut::Nul { attribute });
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(LeftOut::TooLong { attribute, bytes: value.len() });
    }
    Ok(Some(variable))
}

/// A folder with a colon can not be on a PATH; then the program finds us some other way.
fn our_folder_first(our_folder: Option<&Path>, path: &str) -> String {
    match our_folder.and_then(Path::to_str).filter(|folder| !folder.contains(':')) {
        Some(folder) => format!("{folder}:{path}"),
        None => path.to_owned(),
    }
}

/// Shows names only: values may be secret.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.variables.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Environment")
            .field("names", &names)
            .field("left_out", &self.left_out)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Context<'_> = Context {
        url: "http://127.0.0.1:4777",
        token: Some("scoped"),
        delivery_id: "dlv_1",
        attempt: 2,
        redelivered: true,
        first_delivered_at: "2026-01-01T00:00:00.000Z",
        subscription: "coder/tasks",
        agent: "/coder",
        trace_parent: Some("00-a-b-01"),
        trace_state: None,
    };

    fn server(name: &str) -> Option<std::ffi::OsString> {
        let value = match name {
            "PATH" => "/usr/bin",
            "HOME" => "/home/ada",
            "SECRET" | "CANTUS_TOKEN" | "CE_ID" | "LD_PRELOAD" => "the server's",
            "API_KEY" => "key",
            _ => return None,
        };
        Some(value.into())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn built(configured: Configured<'_>, attributes: &[(&str, &str)]) -> Environment {
        build(server, Some(Path::new("/opt/cantus")), configured, CONTEXT, &pairs(attributes))
    }

    #[test]
    fn the_environment_is_what_is_listed_and_nothing_else() {
        let configured = Configured { env: &pairs(&[("MODE", "fast")]), pass_env: &["API_KEY".to_owned()] };
        let environment = built(configured, &[("id", "e-1"), ("type", "T")]);
        let expected = pairs(&[
            ("API_KEY", "key"),
            ("CANTUS_AGENT", "/coder"),
            ("CANTUS_ATTEMPT", "2"),
            ("CANTUS_DELIVERY_ID", "dlv_1"),
            ("CANTUS_FIRST_DELIVERED_AT", "2026-01-01T00:00:00.000Z"),
            ("CANTUS_REDELIVERED", "true"),
            ("CANTUS_SUBSCRIPTION", "coder/tasks"),
            ("CANTUS_TOKEN", "scoped"),
            ("CANTUS_URL", "http://127.0.0.1:4777"),
            ("CE_ID", "e-1"),
            ("CE_TYPE", "T"),
            ("HOME", "/home/ada"),
            ("MODE", "fast"),
            ("PATH", "/opt/cantus:/usr/bin"),
            ("TRACEPARENT", "00-a-b-01"),
        ]);
        assert_eq!(environment.variables, expected);
    }

    #[test]
    fn attributes_of_an_event_can_set_nothing_but_their_own_variables() {
        let hostile =
            [("ld_preload", "x"), ("PATH", "x"), ("IFS", "x"), ("BASH_ENV", "x"), ("PYTHONPATH", "x")];
        let environment = built(Configured::default(), &hostile);
        assert!(environment.variables.contains(&("PATH".into(), "/opt/cantus:/usr/bin".into())));
        for (name, _) in &environment.variables {
            let ours = RESERVED.contains(&name.as_str()) || name == "HOME" || name == "PATH";
            assert!(ours || name.starts_with("CE_"), "{name}");
        }
    }

    #[test]
    fn what_can_not_be_a_variable_is_left_out_and_said() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let attributes =
            [("a=b", "x"), ("é", "x"), ("", "x"), ("nul", "a\0b"), ("id", "1"), ("ID", "2"), ("long", &long)];
        let environment = built(Configured::default(), &attributes);
        assert_eq!(environment.left_out.len(), 6, "{:?}", environment.left_out);
        assert!(environment.variables.contains(&("CE_ID".into(), "1".into())));
        assert!(environment.variables.iter().all(|(_, value)| !value.contains('\0')));
    }

    #[test]
    fn the_file_can_not_claim_what_the_coordinator_says() {
        for name in ["CE_ID", "CANTUS_TOKEN", "TRACEPARENT"] {
            let configured = Configured { env: &pairs(&[(name, "x")]), pass_env: &[] };
            assert_eq!(configured.check(), Err(InvalidEnvironment::Reserved { name: name.into() }));
            let configured = Configured { env: &[], pass_env: &[name.to_owned()] };
            assert_eq!(configured.check(), Err(InvalidEnvironment::Reserved { name: name.into() }));
        }
        for name in ["", "A=B", "1A", "A B", "A\0"] {
            let configured = Configured { env: &pairs(&[(name, "x")]), pass_env: &[] };
            assert_eq!(configured.check(), Err(InvalidEnvironment::Name { name: name.into() }));
        }
    }

    #[test]
    fn a_declared_path_still_finds_our_binary_first() {
        let environment = built(Configured { env: &pairs(&[("PATH", "/only")]), pass_env: &[] }, &[]);
        assert!(environment.variables.contains(&("PATH".into(), "/opt/cantus:/only".into())));
    }
}
