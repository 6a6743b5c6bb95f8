//! The table of errors: stable, complete, and explained.

use std::collections::BTreeSet;
use std::path::Path;

use cantus_api::error::{Advice, ExitCode, Fault};
use cantus_api::{Code, Problem};

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let pages: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the pages are beside the crates")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
    assert_eq!(pages, codes);
}

#[test]
fn every_page_says_what_why_and_what_to_do() {
    for code in Code::ALL {
        let page = code.page();
        assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        assert!(page.contains(&format!("HTTP {}", code.status())), "{code} names its status");
        assert!(
            page.contains(&format!("exit code {}", code.exit_code() as u8)),
            "{code} names its exit code"
        );
        assert!(page.contains(&format!("advice: {}", code.advice().as_str())), "{code} names its advice");
        for heading in ["## What it means", "## Why it happens", "## What to do", "## Example"] {
            assert!(page.contains(heading), "{code} has `{heading}`");
        }
    }
}

#[test]
fn codes_are_told_apart_by_name_and_slug() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{code}");
        assert_eq!(Code::parse(code.as_str()), Some(*code));
        assert_eq!(Code::from_slug(&code.slug()), Some(*code));
        assert!((400..600).contains(&code.status()), "{code}");
    }
    assert_eq!(Code::parse("NO_SUCH_CODE"), None);
}

#[test]
fn exit_codes_and_advice_go_with_the_status() {
    for code in Code::ALL {
        match code.status() {
            404 => assert_eq!(code.exit_code(), ExitCode::NotFound, "{code}"),
            409 => assert_eq!(code.exit_code(), ExitCode::Conflict, "{code}"),
            429 => assert_eq!(code.advice(), Advice::Retry, "{code}"),
            500 => assert_eq!(code.advice(), Advice::Report, "{code}"),
            _ => {}
        }
    }
}

#[test]
fn a_problem_is_written_as_rfc_9457_says() {
    let problem = Problem::new(Code::SubscriptionFilterInvalid, "the filter ends too early")
        .at("#/filter", "column 9: an expression is expected here")
        .hint("cantus filter eval EXPR")
        .instance("/v1/subscriptions");
    let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "type": "/problems/subscription-filter-invalid", "title": "The filter of the subscription is not valid", "status": 400,
            "detail": "the filter ends too early", "instance": "/v1/subscriptions", "code": "SUBSCRIPTION_FILTER_INVALID",
            "errors": [{"detail": "column 9: an expression is expected here", "pointer": "#/filter"}], "hint": "cantus filter eval EXPR",
        })
    );
    let quota = Problem::new(Code::RateLimited, "");
    assert_eq!(quota.type_uri, "https://iana.org/assignments/http-problem-types#quota-exceeded");
}

#[test]
fn a_problem_of_a_newer_server_is_read() {
    let problem: Problem = serde_json::from_str(
        r#"{"status":409,"code":"BRAND_NEW","surprise":[1],"errors":[{"detail":"d","line":3}]}"#,
    )
    .unwrap();
    assert_eq!((problem.known_code(), problem.exit_code()), (None, ExitCode::Conflict));
    assert_eq!(problem.type_uri, "about:blank");
    assert_eq!(problem.errors, [Fault { detail: "d".into(), ..Fault::default() }]);
}

#[test]
fn a_problem_reads_as_one_line() {
    let problem =
        Problem::new(Code::EventInvalid, "`id` is empty").at("#/id", "is empty").hint("leave it out");
    assert_eq!(problem.to_string(), "EVENT_INVALID: `id` is empty; #/id: is empty (leave it out)");
}
