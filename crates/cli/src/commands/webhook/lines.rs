//! `cantus webhook verify --stdin`: a line in, a line out.

use std::collections::BTreeMap;
use std::io::BufRead;

use anyhow::{Context as _, Result};
use cantus_api::signature::standard::{self, Received};
use cantus_api::signature::{Invalid, VerifyingKey, github};
use serde::Deserialize;
use serde_json::json;

use super::Scheme;
use crate::input::{LINE_BYTES_MAX, Line, Lines};

/// What a line asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default)]
    scheme: Scheme,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    secrets: Vec<String>,
    headers: BTreeMap<String, Value>,
    body: String,
    #[serde(default)]
    now: Option<i64>,
    // What such lines often carry besides; it is not looked at.
    #[serde(default, rename = "id")]
    _id: serde::de::IgnoredAny,
    #[serde(default, rename = "case")]
    _case: serde::de::IgnoredAny,
    #[serde(default, rename = "valid")]
    _valid: serde::de::IgnoredAny,
}

/// The value of a header: one, or several of the same name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    One(String),
    Several(Vec<String>),
}

/// Answers every line that is not empty, in order. What is wrong with one line is its answer, and the next one is read.
pub(super) fn answer(
    from: impl BufRead,
    clock: i64,
    print: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut lines = Lines::new(from, LINE_BYTES_MAX);
    while let Some(line) = lines.next().context("stdin cannot be read")? {
        let judged = match line {
            Line::Text(_, text) if text.trim_ascii().is_empty() => continue,
            Line::Text(number, text) => {
                judge(&text, clock).map_err(|wrong| format!("line {number}: {wrong}"))
            }
            Line::TooLong(number) => {
                Err(format!("line {number}: is longer than {} MiB", LINE_BYTES_MAX >> 20))
            }
        };
        let answer = match judged {
            Ok(Ok(())) => json!({"valid": true, "reason": null}),
            Ok(Err(invalid)) => json!({"valid": false, "reason": invalid.to_string()}),
            Err(wrong) => json!({"valid": false, "reason": wrong}),
        };
        print(&answer.to_string())?;
    }
    Ok(())
}

fn judge(line: &[u8], clock: i64) -> Result<Result<(), Invalid>, String> {
    // Checked first, so that deep nesting is an answer like any other.
    cantus_api::json::read::<serde::de::IgnoredAny>(line, crate::input::JSON_DEPTH_MAX)
        .map_err(|problem| problem.detail.clone())?;
    let question: Question = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let wrong = text.split(" at line ").next().unwrap_or(&text).to_owned();
        format!("{wrong}; a line is {{\"scheme\": …, \"secret\": …, \"headers\": {{…}}, \"body\": …}}")
    })?;
    let secrets: Vec<String> = question.secret.iter().cloned().chain(question.secrets).collect();
    if secrets.is_empty() {
        return Err("there is no `secret`".to_owned());
    }
    check(
        question.scheme,
        &secrets,
        &Given(&question.headers),
        question.body.as_bytes(),
        question.now.unwrap_or(clock),
    )
}

/// Headers by name, whatever the case.
pub(super) trait Headers {
    /// Returns all values of a header.
    fn all(&self, name: &str) -> Vec<&str>;
}

struct Given<'a>(&'a BTreeMap<String, Value>);

impl Headers for Given<'_> {
    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named
            .flat_map(|(_, value)| match value {
                Value::One(one) => std::slice::from_ref(one),
                Value::Several(several) => several.as_slice(),
            })
            .map(String::as_str)
            .collect()
    }
}

/// Checks a webhook. The outer error is one of the question: a secret that is none.
pub(super) fn check(
    scheme: Scheme,
    secrets: &[String],
    headers: &dyn Headers,
    body: &[u8],
    now: i64,
) -> Result<Result<(), Invalid>, String> {
    let single = |name: &'static str| match headers.all(name).as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(Invalid::Doubled(name)),
    };
    let judged = match scheme {
        Scheme::Standard => {
            let keys =
                secrets.iter().map(|secret| VerifyingKey::parse(secret)).collect::<Result<Vec<_>, _>>();
            let keys = keys.map_err(|error| error.to_string())?;
            let received = || {
                let (id, timestamp) = (single(standard::ID)?, single(standard::TIMESTAMP)?);
                Ok(Received { id, timestamp, signature: single(standard::SIGNATURE)?, body })
            };
            received().and_then(|received| standard::verify(&keys, &received, now))
        }
        Scheme::Github => {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            single(github::SIGNATURE).and_then(|signature| github::verify(&secrets, signature, body))
        }
    };
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_614_265_330;
    const LINE: &str = r#"{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw","headers":{"Webhook-Id":"msg_p5jXN8AQM9LWM0D4loKWxJek","webhook-timestamp":"1614265330","webhook-signature":"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},"body":"{\"test\": 2432232314}"}"#;

    fn answers(input: &str) -> Vec<serde_json::Value> {
        let mut said = Vec::new();
        answer(input.as_bytes(), NOW, &mut |line| {
            said.push(serde_json::from_str(line).unwrap());
            Ok(())
        })
        .unwrap();
        said
    }

    #[test]
    fn every_vector_is_judged_line_by_line() {
        let vectors = include_str!("../../../../api/tests/data/standard-webhooks.jsonl");
        let said = answers(vectors);
        for (line, answer) in vectors.lines().zip(&said) {
            let vector: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer["valid"], vector["valid"], "{answer}: {line}");
            assert_eq!(answer["reason"].is_null(), vector["valid"] == true, "{answer}");
        }
        assert_eq!(said.len(), 18);
    }

    #[test]
    fn a_wrong_line_is_answered_and_the_next_one_is_read() {
        let doubled = LINE.replace(
            r#""webhook-timestamp":"1614265330""#,
            r#""webhook-timestamp":["1614265330","1614265330"]"#,
        );
        let twice = LINE.replace(r#""webhook-timestamp":"#, r#""webhook-id":"other","webhook-timestamp":"#);
        let keyless = LINE.replace("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "canary!");
        let stale = LINE.replace(r#""headers""#, r#""now":1614266000,"headers""#);
        let deep = format!("{{\"headers\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
        let input = format!(
            "nonsense\n{{\"headers\":{{}},\"body\":\"\"}}\n[1]\n{doubled}\n{twice}\n{keyless}\n{stale}\n{deep}\n\n{LINE}\n"
        );
        let said = answers(&input);
        assert_eq!(said.len(), 9, "{said:#?}");
        for wrong in &said[..8] {
            assert_eq!(wrong["valid"], false);
            assert!(!wrong["reason"].as_str().unwrap().contains("canary"), "{wrong}");
        }
        assert!(said[3]["reason"].as_str().unwrap().contains("more than once"), "{}", said[3]);
        assert!(said[4]["reason"].as_str().unwrap().contains("more than once"), "{}", said[4]);
        assert!(said[6]["reason"].as_str().unwrap().contains("670 s old"), "{}", said[6]);
        assert_eq!(said[8]["valid"], true);
    }

    #[test]
    fn a_hub_signs_the_body_alone() {
        let line = |signature: &str| {
            json!({"scheme": "github", "secret": "It's a Secret to Everybody", "body": "Hello, World!",
                   "headers": {"X-Hub-Signature-256": signature}})
            .to_string()
        };
        let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let said = answers(&format!("{}\n{}\n", line(right), line("sha256=00")));
        assert_eq!((&said[0]["valid"], &said[1]["valid"]), (&json!(true), &json!(false)));
    }
}
