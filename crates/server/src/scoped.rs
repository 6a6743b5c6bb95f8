//! The tokens of running attempts. A program that the server runs gets its lease's token as `CANTUS_TOKEN`: while the attempt
//! lasts it may publish and read with it, from this machine, in the name of its agent.

use cantus_core::Text;
use cantus_core::ids::Token;
use cantus_core::subscription::Open;
use cantus_core::subscription::decide::is_pushed;
use http::HeaderMap;

use crate::app::App;
use crate::auth::{Caller, Peer, Right, bearer, is_loopback};

/// Returns who asks, when a program does that the server runs and the right is one that programs have.
pub(crate) async fn admit(app: &App, right: Right, headers: &HeaderMap, peer: Peer) -> Option<Caller> {
    let may = matches!(right, Right::Publish | Right::Consume) && is_loopback(peer.remote.ip());
    let token = bearer(headers).ok().flatten().filter(|_| may).and_then(Token::parse)?;
    let agent = app.handle.read(move |coordinator, _| {
        let run = coordinator.state.subscriptions.values().filter(|it| is_pushed(&it.definition().action));
        let holds = |open: &Open| open.lease().is_some_and(|lease| lease.token == token);
        run.into_iter().find(|it| it.open.values().any(holds)).map(|it| it.id.agent.clone())
    });
    let agent = agent.await.ok().flatten()?;
    Some(Caller { actor: Text::from(format!("agent:{agent}")) })
}
