//! What a server refuses to start with. Each refusal says how to repair it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use cantus_api::definition::{Action, Definitions, Sandbox, Server};
use cantus_runtime::delivery::exec::sandbox::probe;

use super::options::{StartOptions, socket_address};
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

/// Refuses to serve without tokens.
pub(super) fn serve_is_safe(server: &Server) -> Result<()> {
    if !server.tokens.is_empty() {
        return Ok(());
    }
    let hint = "put this into the file, and a long random text into token.txt:\n    \
                server:\n      tokens: [{ name: ops, token_file: token.txt, may: [publish, consume, operate, define] }]";
    Err(Failure::usage("`serve` needs `server.tokens`, so that not everybody may do everything")
        .hint(hint)
        .into())
}

/// Refuses to start where a program must be confined and the machine does not allow it: it would never run.
pub(super) async fn programs_can_be_confined(options: &StartOptions) -> Result<()> {
    let confined = confined(&options.definitions, options.server.sandbox);
    if confined.is_empty() {
        return Ok(());
    }
    let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
    match probe::probe(folder.path(), |exec| exec).await {
        Ok(layers) => {
            tracing::info!(landlock = layers.landlock, "programs can be confined");
            Ok(())
        }
        Err(unavailable) => {
            let named = confined.into_iter().collect::<Vec<_>>().join(", ");
            let hint = "`cantus doctor` tries it again; `sandbox: none` in an action runs its program unconfined, as this user, with \
                        this user's files and network";
            Err(Failure::failed(format!("{named} must be confined, and {unavailable}")).hint(hint).into())
        }
    }
}

/// Returns the subscriptions whose programs are confined.
fn confined(definitions: &Definitions, default: Option<Sandbox>) -> BTreeSet<String> {
    definitions
        .subscriptions()
        .filter(|(_, one)| match &one.action {
            Action::Exec(exec) => exec.asks_for().or(default) == Some(Sandbox::Strict),
            _ => false,
        })
        .map(|(agent, one)| one.id(agent).unwrap_or_else(|| agent.bare().to_owned()))
        .collect()
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

    #[test]
    fn dev_listens_on_loopback_only() {
        assert!(dev_listens_here_only("127.0.0.1:0").is_ok());
        assert!(dev_listens_here_only("[::1]:0").is_ok());
        assert!(dev_listens_here_only("0.0.0.0:4777").is_err());
    }

    #[test]
    fn serve_without_tokens_is_refused_with_the_lines_that_repair_it() {
        let error = serve_is_safe(&Server::default()).unwrap_err();
        assert!(crate::exit::describe(&error).contains("token_file: token.txt"));
        let tokens = json!({"tokens": [{"name": "ops", "token_file": "t", "may": ["publish"]}]});
        assert!(serve_is_safe(&serde_json::from_value(tokens).unwrap()).is_ok());
    }

    #[test]
    fn programs_are_confined_where_the_action_or_else_the_server_says_so() {
        let unsaid = definitions(json!({"exec": ["./a.sh"]}));
        assert_eq!(confined(&unsaid, Some(Sandbox::Strict)), BTreeSet::from(["coder/tasks".to_owned()]));
        assert!(confined(&unsaid, Some(Sandbox::None)).is_empty());
        let none = definitions(json!({"exec": ["./a.sh"], "sandbox": "none"}));
        assert!(confined(&none, Some(Sandbox::Strict)).is_empty());
        let asks = definitions(json!({"exec": ["./a.sh"], "network": "host"}));
        assert!(!confined(&asks, Some(Sandbox::None)).is_empty());
        assert!(confined(&definitions(json!("inbox")), Some(Sandbox::Strict)).is_empty());
    }
}
