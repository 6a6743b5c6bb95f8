//! What the codes of errors mean: `/problems/{slug}`, where the `type` of every problem leads, and a list of all.

use std::fmt::Write as _;

use axum::response::Response;
use cantus_api::error::{Code, Problem};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::problem::nearest;

const MARKDOWN: &str = "text/markdown; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/problems", list)
            .summary("Lists the codes of errors.")
            .gives_other(MARKDOWN)
            .while_stopping(),
        Route::get("/problems/{slug}", one)
            .summary("Explains one code: what it means, why it happens, what to do.")
            .gives_other(MARKDOWN)
            .while_stopping(),
    ]
}

async fn list(call: Call) -> Answered {
    let mut text = "# Problems\n\nWhat the codes of errors mean.\n\n".to_owned();
    for code in Code::ALL {
        // Writing to a String can not fail.
        let _ = writeln!(
            text,
            "- [{code}](/problems/{}) (HTTP {}): {}",
            code.slug(),
            code.status(),
            code.title()
        );
    }
    Ok(page(&call.headers, "Problems", &text))
}

async fn one(call: Call) -> Answered {
    let slug: String = call.param("slug").chars().take(80).collect();
    // Whoever has the code in hand may write it as it is.
    let Some(code) = Code::from_slug(&slug).or_else(|| Code::parse(&slug)) else {
        let slugs: Vec<String> = Code::ALL.iter().map(|code| code.slug()).collect();
        let hint = match nearest(&slug, slugs.iter().map(String::as_str)) {
            Some(near) => format!("did you mean /problems/{near}?"),
            None => "GET /problems lists them".to_owned(),
        };
        let problem = Problem::new(Code::RouteUnknown, format!("there is no problem `{slug}`"));
        return Err(Box::new(problem.hint(hint)));
    };
    Ok(page(&call.headers, code.as_str(), code.page()))
}

/// Answers with Markdown, or with a plain page around it for browsers.
fn page(headers: &HeaderMap, title: &str, markdown: &str) -> Response {
    let mut response = if wants_html(headers) {
        let html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body><pre style=\"white-space: pre-wrap; max-width: 45em; margin: 2em auto\">{}</pre></body>\n</html>\n",
            escaped(title),
            escaped(markdown)
        );
        let mut response = answer::bytes(StatusCode::OK, HTML, html);
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response
    } else {
        answer::bytes(StatusCode::OK, MARKDOWN, markdown.to_owned())
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Tells whether HTML is asked for by name and Markdown is not: that is what browsers do.
fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<String> = accept.flat_map(|value| value.split(',')).map(media).collect();
    let has = |wanted: &str| ranges.iter().any(|range| range == wanted);
    has("text/html") && !has("text/markdown")
}

fn media(range: &str) -> String {
    range.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_everybody_else_markdown() {
        let wants = |accept: &str| {
            wants_html(&HeaderMap::from_iter([(header::ACCEPT, accept.parse::<HeaderValue>().unwrap())]))
        };
        assert!(wants("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        for other in ["*/*", "text/markdown, text/html;q=0.5", "application/json", ""] {
            assert!(!wants(other), "{other}");
        }
        assert!(!wants_html(&HeaderMap::new()));
    }

    #[test]
    fn a_page_can_not_bring_markup_of_its_own() {
        assert_eq!(escaped("<script a=\"b\">&"), "&lt;script a=&quot;b&quot;&gt;&amp;");
    }
}
