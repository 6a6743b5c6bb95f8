//! Samples of what came with webhooks: fact 15 with the action `webhook`.

use cantus_core::agent::Origin;
use cantus_core::fact::*;
use cantus_core::subscription::retry::Policy;
use cantus_core::subscription::{
    Action, AfterDeadLetter, Mode, Order, Place, Subscription, SubscriptionId, WebhookAction,
};
use cantus_core::topic::Pattern;
use cantus_core::{Position, Span, Text};

/// Returns the samples: one that says everything that can be said, and one that says the least.
pub fn facts() -> Vec<Fact> {
    let text = Text::from;
    let full = WebhookAction {
        url: text("https://agents.example.com/frontend"),
        secrets: vec![text("env:FRONTEND_SECRET"), text("file:/etc/cantus/frontend.secret")],
        mode: Mode::Structured,
        headers: vec![(text("authorization"), text("Bearer ${FRONTEND_TOKEN}"))],
        timeout: Span::seconds(20),
        allow_private: true,
        handshake: true,
        ca_file: Some(text("/etc/cantus/ca.pem")),
    };
    let least = WebhookAction {
        url: text("https://hooks.example.com/"),
        secrets: Vec::new(),
        mode: Mode::Binary,
        headers: Vec::new(),
        timeout: Span::seconds(30),
        allow_private: false,
        handshake: false,
        ca_file: None,
    };
    vec![declared(5, "full", full), declared(6, "least", least)]
}

fn declared(number: u32, name: &str, action: WebhookAction) -> Fact {
    let definition = Subscription {
        topics: vec![Pattern::parse("orders").expect("the samples' names are legal")],
        filter: None,
        action: Action::Webhook(Box::new(action)),
        retry: Policy::default(),
        concurrency: 32,
        max_in_flight: 32,
        order: Order::Key,
        after_dead_letter: AfterDeadLetter::Continue,
        lease: Span::seconds(30),
        from: Place::End,
        renamed_from: None,
        origin: Origin::File,
        breaker: None,
        rate: None,
        max_lifetime: None,
        on_start: None,
        on_failure: None,
    };
    SubscriptionDeclared {
        number,
        id: SubscriptionId::new("/frontend", name).expect("the samples' names are legal"),
        definition,
        after: Position(u64::from(number)),
        actor: Text::from("file:cantus.yaml"),
    }
    .into()
}
