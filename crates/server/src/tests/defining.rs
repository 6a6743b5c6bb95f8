//! Definitions at run time: planned, applied, exported, and what a start makes of them.

use http::Method;
use serde_json::{Value, json};

use super::given::{Server, TOKEN};

const PATH: &str = "/v1/definitions";

fn set() -> Value {
    json!({
        "topics": {"tasks": {}},
        "agents": {"/worker": {"subscriptions": [{"topic": "tasks", "from": "start",
            "retry": {"max_retries": 1, "initial_delay": "1ms", "max_delay": "1ms"}}]}}
    })
}

async fn kinds(server: &Server) -> Vec<String> {
    let listed = server.get(PATH).await.is(200);
    let items = listed["items"].as_array().unwrap().clone();
    items
        .iter()
        .map(|it| format!("{} {}", it["kind"].as_str().unwrap(), it["id"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn what_is_exported_changes_nothing_when_it_is_applied_again() {
    let server = Server::with(
        json!({
            "topics": {
                "tasks": {"description": "All tasks", "retain": "30d", "schemas": {"Paid": {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object"}}}},
                          "publishers": ["/shop-*"], "validation": "warn"},
                "logs": {"compact": true, "retain_bytes": "2GiB"}
            },
            "agents": {
                "/worker": {"description": "Works", "prompt": "Do it for ${PRICE}", "publishes": ["Done"], "handles": ["Do"], "subscriptions": [
                    {"topic": "tasks", "filter": {"type": "Paid"}, "order": "topic", "lease": "90s", "max_in_flight": 7},
                    {"topics": ["tasks", "logs*"], "name": "both", "filter": "data.amount > 10", "action": {"exec": ["./a.sh", "-x"],
                        "env": {"TOKEN": "very-secret"}, "pass_env": ["HOME"], "stdin": "data", "timeout": "7m", "sandbox": "none",
                        "on_success": {"type": "Done", "data": "stdout_json"}}},
                    {"topic": "logs", "name": "forward", "action": {"publish": {"type": "Copied", "topic": "tasks"}}}
                ]},
                "/guard": {"subscriptions": [{"topic": "tasks", "action": {"pause": {"agents": ["/worker"], "until": "1h"}}}]}
            }
        }),
        |_| {},
    )
    .await;
    let exported = server.get("/v1/definitions/export").await.is(200);
    let text = exported.to_string();
    assert!(!text.contains("very-secret") && text.contains("\"TOKEN\":\"***\""), "{text}");
    let plan =
        server.operate(&format!("{PATH}?prune=true&dry_run=true"), exported["definitions"].clone()).await;
    assert_eq!(plan.is(200)["changes"], json!([]));
    let applied =
        server.operate(&format!("{PATH}?prune=true"), exported["definitions"].clone()).await.is(200);
    assert_eq!((&applied["changes"], &applied["hash"]), (&json!([]), &exported["hash"]));
    let yaml = cantus_file::to_yaml(&exported["definitions"]);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*bearer), ("content-type", "application/yaml")];
    let again = server.ask(Method::POST, &format!("{PATH}?prune=true"), &headers, yaml.clone()).await;
    assert_eq!(again.is(200)["hash"], exported["hash"], "{yaml}");
    // On another server it means the same.
    let mut shown = exported["definitions"].clone();
    let other = Server::with(json!({}), |options| options.allow_remote_exec = true).await;
    other.operate(PATH, shown.clone()).await.refuses(400, "DEFINITIONS_INVALID");
    shown["agents"]["/worker"]["subscriptions"][0]["action"] = json!({"inbox": {}});
    let list = shown["agents"]["/worker"]["subscriptions"].as_array_mut().unwrap();
    list.retain(|it| it["action"].get("exec").is_none());
    other.operate(PATH, shown.clone()).await.is(200);
    let there = other.get("/v1/definitions/export").await.is(200);
    assert_eq!(there["definitions"]["topics"], shown["topics"]);
}

#[tokio::test]
async fn without_prune_nothing_is_removed_and_with_it_what_the_file_or_an_apply_declared() {
    let server = Server::dev().await;
    server.post("/v1/agents", json!({"agent": "guest"})).await.is(201);
    let added = server.operate(PATH, json!({"topics": {"fresh": {}}})).await.is(200);
    assert_eq!((&added["added"], &added["removed"]), (&json!(1), &json!(0)));
    assert_eq!(
        kinds(&server).await,
        ["topic fresh", "topic tasks", "agent /guest", "agent /worker", "subscription worker/tasks"]
    );
    server.publish("e1", "Paid", json!(1)).await;
    let plan = server.operate(&format!("{PATH}?prune=true&dry_run=true"), json!({})).await.is(200);
    assert_eq!(plan["removed"], 4, "{plan}");
    let told = plan["changes"].to_string();
    assert!(told.contains("its 1 events stay") && told.contains("its place is lost"), "{told}");
    assert_eq!(kinds(&server).await.len(), 5, "a plan changes nothing");
    server.operate(&format!("{PATH}?prune=true"), json!({})).await.is(200);
    assert_eq!(kinds(&server).await, ["agent /guest"], "who registered itself stays");
}

#[tokio::test]
async fn a_plan_says_what_a_change_means_for_what_runs() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!(1)).await;
    server.pull().await;
    let mut changed = set();
    changed["agents"]["/worker"]["subscriptions"][0]["filter"] = json!("type=Paid");
    changed["agents"]["/worker"]["subscriptions"][0]["order"] = json!("none");
    let plan = server.operate(&format!("{PATH}?dry_run=true"), changed).await.is(200);
    assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!(
        plan["changes"][0]["effects"],
        json!([
            "keeps its place",
            "events that were published so far are matched as before",
            "its line is made anew: order key becomes none"
        ])
    );
}

#[tokio::test]
async fn who_looked_at_other_definitions_is_told() {
    let server = Server::dev().await;
    let seen = server.operate(&format!("{PATH}?dry_run=true"), json!({"topics": {"a": {}}})).await.is(200);
    let expected = seen["hash"].as_str().unwrap();
    server.operate(PATH, json!({"topics": {"b": {}}})).await.is(200);
    let path = format!("{PATH}?expected={expected}");
    server.operate(&path, json!({"topics": {"a": {}}})).await.refuses(409, "DEFINITIONS_CHANGED");
    assert!(!kinds(&server).await.contains(&"topic a".to_owned()));
}

#[tokio::test]
async fn programs_do_not_come_over_the_network() {
    let server = Server::dev().await;
    let exec = json!({"agents": {"/worker": {"subscriptions": [
        {"topic": "tasks", "name": "run", "action": {"exec": ["sh", "-c", "id"], "sandbox": "none"}}]}}});
    server.operate(PATH, exec.clone()).await.refuses(403, "EXEC_NOT_ALLOWED");
    let open = Server::with(set(), |options| options.allow_remote_exec = true).await;
    open.operate(PATH, exec).await.is(200);
}

#[tokio::test]
async fn what_is_no_set_of_definitions_is_refused_and_read_from_nowhere() {
    let server = Server::dev().await;
    for body in [
        json!({"topcis": {}}),
        json!({"server": {"listen": "0.0.0.0:1"}}),
        json!({"include": ["/etc/passwd"]}),
        json!({"version": 2}),
        json!({"topics": {"a": {"schemas": 1}}}),
    ] {
        server.operate(PATH, body).await.refuses(400, "DEFINITIONS_INVALID");
    }
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*bearer), ("content-type", "application/yaml")];
    for yaml in ["topics: [", "topics: { a: { description: \"${HOME}\" } }", "include: /etc/passwd"] {
        let answer = server.ask(Method::POST, PATH, &headers, yaml).await;
        answer.refuses(400, "DEFINITIONS_INVALID");
    }
    server.post(PATH, json!({})).await.refuses(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_start_with_an_unchanged_file_keeps_what_was_applied_and_a_changed_file_is_the_newer_word() {
    let server = Server::dev().await;
    assert!(server.start_again_with(set()).await, "nothing was applied yet");
    let mut changed = set();
    changed["topics"]["tasks"]["description"] = json!("applied");
    changed["topics"]["fresh"] = json!({});
    server.operate(PATH, changed).await.is(200);
    let server = server.restarted().await;
    assert!(!server.start_again_with(set()).await, "the file is the one from before");
    let topics = server.get("/v1/definitions/export").await.is(200)["definitions"]["topics"].clone();
    assert_eq!(topics["tasks"]["description"], "applied");
    let mut edited = set();
    edited["topics"]["tasks"]["description"] = json!("edited");
    assert!(server.start_again_with(edited).await, "the file has changed");
    let topics = server.get("/v1/definitions/export").await.is(200)["definitions"]["topics"].clone();
    assert_eq!(topics["tasks"]["description"], "edited");
    assert!(topics.get("fresh").is_some(), "what an apply added is not the file's to remove");
}
