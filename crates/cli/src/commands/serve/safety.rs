//! What a server refuses to start with. Each refusal says how to repair it.

use std::collections::BTreeSet;

use anyhow::Result;
use cantus_api::definition::{Action, Definitions, Server};

use super::options::socket_address;
use crate::exit::Failure;

/// Refuses to let `dev` listen to other machines: whoever reaches it may publish.
pub(super) fn dev_listens_here_only(listen: &str) -> Result<()> {
    if socket_address(listen)?.ip().is_loopback() {
        return Ok(());
    }
    let hint = "listen at 127.0.0.1, or use `cantus serve` with `server.tokens`";
    Err(Failure::usage(format!("`dev` takes events without a token, so it does not listen at {listen}"))
        .hint(hint)
        .into())
}

/// Refuses to serve without tokens, or to run programs without a word about how they are confined.
pub(super) fn serve_is_safe(definitions: &Definitions, server: &Server) -> Result<()> {
    if server.tokens.is_empty() {
        let hint = "put this into the file, and a long random text into token.txt:\n    \
                    server:\n      tokens: [{ name: ops, token_file: token.txt, may: [publish, consume, operate, define] }]";
        return Err(Failure::usage("`serve` needs `server.tokens`, so that not everybody may do everything")
            .hint(hint)
            .into());
    }
    if server.sandbox.is_some() {
        return Ok(());
    }
    let unconfined: BTreeSet<String> = definitions
        .subscriptions()
        .filter(|(_, one)| matches!(&one.action, Action::Exec(exec) if exec.sandbox.is_none()))
        .map(|(agent, one)| one.id(agent).unwrap_or_else(|| agent.bare().to_owned()))
        .collect();
    if unconfined.is_empty() {
        return Ok(());
    }
    let named = unconfined.into_iter().collect::<Vec<_>>().join(", ");
    let hint = "write `sandbox: none` in these actions or under `server`, or give --sandbox none: programs then run as this user, \
                with this user's files and network";
    Err(Failure::usage(format!(
        "`serve` runs no program unconfined unless that is written; not written for {named}"
    ))
    .hint(hint)
    .into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definitions(action: serde_json::Value) -> Definitions {
        serde_json::from_value(
            json!({"agents": {"/coder": {"subscriptions": [{"topic": "tasks", "action": action}]}}}),
        )
        .unwrap()
    }

    fn server(json: serde_json::Value) -> Server {
        serde_json::from_value(json).unwrap()
    }

    fn tokens() -> serde_json::Value {
        json!([{"name": "ops", "token_file": "t", "may": ["publish"]}])
    }

    #[test]
    fn dev_listens_on_loopback_only() {
        assert!(dev_listens_here_only("127.0.0.1:0").is_ok());
        assert!(dev_listens_here_only("[::1]:0").is_ok());
        assert!(dev_listens_here_only("0.0.0.0:4777").is_err());
    }

    #[test]
    fn serve_without_tokens_is_refused_with_the_lines_that_repair_it() {
        let error = serve_is_safe(&Definitions::default(), &Server::default()).unwrap_err();
        assert!(crate::exit::describe(&error).contains("token_file: token.txt"));
    }

    #[test]
    fn serve_runs_programs_only_where_that_is_written() {
        let exec = definitions(json!({"exec": ["./a.sh"]}));
        let error = serve_is_safe(&exec, &server(json!({"tokens": tokens()}))).unwrap_err();
        assert!(crate::exit::describe(&error).contains("coder/tasks"));
        assert!(serve_is_safe(&exec, &server(json!({"tokens": tokens(), "sandbox": "none"}))).is_ok());
        let written = definitions(json!({"exec": ["./a.sh"], "sandbox": "none"}));
        assert!(serve_is_safe(&written, &server(json!({"tokens": tokens()}))).is_ok());
        assert!(serve_is_safe(&definitions(json!("inbox")), &server(json!({"tokens": tokens()}))).is_ok());
    }
}
