//! Broken files, each with what is said about it.
//!
//! The expected texts are in `snapshots/`. A case is one mistake, so that its message, its place and its remedy can
//! be read on their own.

use crate::support::Folder;

/// Each group is one test with one snapshot, in which every case stands with its name.
macro_rules! said {
    ($($group:ident { $($name:ident: $text:expr;)* })*) => {$(
        #[test]
        fn $group() {
            let cases = [$((stringify!($name), Folder::with($text).said())),*];
            let page: Vec<String> = cases.iter().map(|(name, said)| format!("── {name}\n{said}\n")).collect();
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(stringify!($group), page.join("\n"));
            });
        }
    )*};
}

/// Puts lines under one subscription.
fn subscription(lines: &str) -> String {
    let lines: String = lines.lines().map(|line| format!("        {line}\n")).collect();
    format!("version: 1\nagents:\n  /reviewer:\n    subscriptions:\n      -\n{lines}")
}

said! {
    faults_of_the_whole {
    an_empty_file: "";
    a_file_of_comments: "# nothing here\n";
    a_list_instead_of_a_map: "- a\n- b\n";
    no_version: "topics: {}\n";
    another_version: "version: 2\n";
    an_unknown_section: "version: 1\ntopcis: {}\n";
    a_section_nobody_could_mean: "version: 1\ndatabase: {}\n";
    a_later_section: "version: 1\naggregators:\n  design-ready: {}\n";
    a_duplicate_key: "version: 1\nname: a\ntopics: {}\nname: b\n";
    a_topic_declared_twice_in_a_list: "version: 1\ntopics:\n  - topic_id: a\n  - topic_id: a\n";
    a_list_item_without_its_id: "version: 1\ntopics:\n  - description: no name\n";
    a_section_that_is_text: "version: 1\ntopics: tasks\n";
    }
    faults_of_topics {
    a_topic_with_a_bad_name: "version: 1\ntopics:\n  project tasks: {}\n";
    a_topic_of_ours: "version: 1\ntopics:\n  $system: {}\n";
    an_unknown_key_of_a_topic: "version: 1\ntopics:\n  a: { descripton: x }\n";
    a_duration_without_unit: "version: 1\ntopics:\n  a: { retain: 30 }\n";
    a_duration_with_an_unknown_unit: "version: 1\ntopics:\n  a: { retain: 3 weeks }\n";
    a_negative_duration: "version: 1\ntopics:\n  a: { retain: -3d }\n";
    an_endless_duration: "version: 1\ntopics:\n  a: { retain: 99999999999999999999d }\n";
    an_unknown_validation: "version: 1\ntopics:\n  a: { validation: enforced }\n";
    a_truth_value_in_quotes: "version: 1\ntopics:\n  a: { compact: \"true\" }\n";
    a_truth_value_of_old_yaml: "version: 1\ntopics:\n  a: { compact: yes }\n";
    a_schema_that_is_none: "version: 1\ntopics:\n  a:\n    schemas:\n      Created:\n        properties:\n          id: { type: strin }\n";
    a_schema_file_that_is_missing: "version: 1\ntopics:\n  a:\n    schemas:\n      Created: { file: created.json }\n";
    }
    faults_of_yaml {
    a_tab_as_indentation: "version: 1\ntopics:\n\ta: {}\n";
    an_unclosed_bracket: "version: 1\ntopics: { a: { description: x }\n";
    an_unclosed_quote: "version: 1\nname: \"feature\n";
    text_with_a_colon: "version: 1\nname: Use this: now\n";
    text_that_begins_with_an_at: "version: 1\nname: @home\n";
    a_star_without_quotes: "version: 1\nagents:\n  /a:\n    subscriptions:\n      - topic: *\n";
    an_unknown_alias: "version: 1\nname: *feature\n";
    a_tag: "version: 1\nname: !secret x\n";
    two_documents: "version: 1\n---\nversion: 1\n";
    a_directive: "%TAG ! tag:example.com,2000:\n---\nversion: 1\n";
    a_map_as_key: "version: 1\n{a: b}: c\n";
    }
    faults_of_agents {
    an_agent_with_a_bad_name: "version: 1\nagents:\n  /a/b: {}\n";
    an_unknown_key_of_an_agent: "version: 1\nagents:\n  /a:\n    subscribtions: []\n";
    subscriptions_as_a_map: "version: 1\nagents:\n  /a:\n    subscriptions: { topic: a }\n";
    }
    faults_of_subscriptions {
    a_subscription_without_topic: subscription("filter: { type: A }");
    a_subscription_with_both: subscription("topic: a\ntopics: [a, b]");
    a_subscription_to_several_topics_without_name: subscription("topics: [a, b]");
    an_unknown_key_of_a_subscription: subscription("topic: a\nfliter: { type: A }");
    a_topic_pattern_that_is_none: subscription("topic: 'a b'");
    a_filter_that_is_no_cel: subscription("topic: a\nfilter: type == 'A' && data.n >");
    a_filter_on_several_lines: subscription("topic: a\nfilter: |\n  type == 'A' &&\n    data.n > > 3");
    a_filter_in_double_quotes: subscription("topic: a\nfilter: \"type == \\\"A\\\" && )\"");
    a_filter_in_a_list: subscription("topic: a\nfilter:\n  - type: A\n  - data.n >");
    a_filter_of_an_unknown_dialect: subscription("topic: a\nfilter: { any: [{ exakt: { type: A } }] }");
    a_filter_of_sql: subscription("topic: a\nfilter: { sql: \"type = 'A'\" }");
    a_filter_of_nothing: subscription("topic: a\nfilter:");
    }
    faults_of_actions {
    an_action_of_nothing: subscription("topic: a\naction:");
    an_action_that_says_nothing: subscription("topic: a\naction: { timeout: 1m }");
    an_action_that_says_two_things: subscription("topic: a\naction: { exec: [sh], inbox: {} }");
    an_unknown_action: subscription("topic: a\naction: { exce: [sh] }");
    an_unknown_word_for_an_action: subscription("topic: a\naction: outbox");
    a_webhook: subscription("topic: a\naction: { webhook: 'https://example.com', secret: '${NOT_SET}' }");
    a_webhook_with_a_secret_as_it_is: subscription("topic: a\naction: { webhook: 'https://example.com', secret: whsec_canary }");
    a_webhook_with_a_password: subscription("topic: a\naction: { webhook: 'https://u:p@example.com' }");
    a_webhook_to_an_odd_address: subscription("topic: a\naction: { webhook: 'http://0x7f000001/' }");
    a_webhook_with_a_token_as_it_is: subscription("topic: a\naction: { webhook: 'https://example.com', headers: { Authorization: Bearer x } }");
    a_webhook_that_waits_for_ever: subscription("topic: a\naction: { webhook: 'https://example.com', timeout: 1h }");
    a_webhook_key_of_an_exec: subscription("topic: a\naction: { exec: [sh], handshake: true }");
    an_exec_that_is_text: subscription("topic: a\naction: { exec: ./run.sh --fast }");
    an_exec_that_is_empty: subscription("topic: a\naction: { exec: [] }");
    an_exec_that_is_missing: subscription("topic: a\naction: { exec: [./run.sh] }");
    an_announcement_without_type: subscription("topic: a\naction: { exec: [sh], on_failure: { topic: b } }");
    an_announcement_with_a_wrong_expression: subscription("topic: a\naction: { exec: [sh], on_start: { type: Started, data: '{' } }");
    an_exec_without_its_prompt: subscription("topic: a\naction: { exec: [sh], stdin: prompt }");
    a_prompt_nobody_reads: subscription("topic: a\naction: { exec: [sh], prompt: hello }");
    a_timeout_of_nothing: subscription("topic: a\naction: { exec: [sh], timeout: 0s }");
    a_network_without_a_sandbox: subscription("topic: a\naction: { exec: [sh], sandbox: none, network: host }");
    a_key_without_a_network: subscription("topic: a\naction: { exec: [sh], sandbox: strict, pass_env: [SOME_API_KEY] }");
    a_limit_out_of_its_bounds: subscription("topic: a\naction: { exec: [sh], limits: { output: 1GiB } }");
    a_sandbox_of_another_kind: subscription("topic: a\naction: { exec: [sh], sandbox: tight }");
    an_on_success_without_type: subscription("topic: a\naction: { exec: [sh], on_success: { data: stdout } }");
    an_unknown_on_success_data: subscription("topic: a\naction: { exec: [sh], on_success: { type: A, data: stdout-json } }");
    a_variable_of_ours: subscription("topic: a\naction: { exec: [sh], env: { CANTUS_URL: x } }");
    an_exec_key_of_an_inbox: subscription("topic: a\naction: { inbox: {}, timeout: 1m }");
    a_publish_that_changes_nothing: subscription("topic: a\naction: { publish: { data: data } }");
    a_publish_with_broken_cel: subscription("topic: a\naction: { publish: { type: B, data: 'data.a +' } }");
    a_publish_with_a_map: subscription("topic: a\naction: { publish: { type: B, data: { a: 1 } } }");
    a_pause_of_nobody: subscription("topic: a\naction: { pause: { agents: [], until: 30m } }");
    a_pause_without_end: subscription("topic: a\naction: { pause: { agents: ['/*'] } }");
    }
    faults_of_retries {
    too_many_retries: subscription("topic: a\nretry: { max_retries: 18446744073709551616 }");
    negative_retries: subscription("topic: a\nretry: { max_retries: -1 }");
    no_backoff: subscription("topic: a\nretry: { initial_delay: 0s }");
    a_negative_jitter: subscription("topic: a\nretry: { jitter: -0.5 }");
    a_longer_first_delay: subscription("topic: a\nretry: { initial_delay: 1m, max_delay: 1s }");
    an_unknown_backoff: subscription("topic: a\nretry: { backoff_type: exponental }");
    an_unknown_failure: subscription("topic: a\nretry: { retry_on: [timeouts, flaky] }");
    a_failure_in_both_lists: subscription("topic: a\nretry: { retry_on: [timeout], no_retry_on: [timeout] }");
    an_unknown_policy: "version: 1\nretry_policies:\n  patient: { max_retries: 9 }\nagents:\n  /a:\n    subscriptions:\n      - { topic: a, retry: patiend }\n";
    }
    faults_of_delivery {
    no_concurrency: subscription("topic: a\nconcurrency: 0");
    concurrency_twice: subscription("topic: a\nconcurrency: 2\naction: { exec: [sh], concurrency: 3 }");
    an_unknown_order: subscription("topic: a\norder: keys");
    an_unknown_fate_of_a_key: subscription("topic: a\nafter_dead_letter: hold_keys");
    an_unknown_start: subscription("topic: a\nfrom: beginning");
    a_broken_time: subscription("topic: a\nfrom: 2025-13-01T00:00:00Z");
    a_rate_without_a_unit: subscription("topic: a\nrate: 10");
    a_rate_of_nothing: subscription("topic: a\nrate: 0/s");
    a_breaker_that_is_no_word: subscription("topic: a\nbreaker: none");
    a_breaker_that_opens_at_once: subscription("topic: a\nbreaker: { failure_threshold: 0 }");
    a_breaker_with_pauses_the_wrong_way_round: subscription("topic: a\nbreaker: { initial_pause: 1m, max_pause: 1s }");
    a_lifetime_of_a_program: subscription("topic: a\nmax_lifetime: 1h\naction: { exec: [sh] }");
    a_second_subscription_to_a_topic: "version: 1\nagents:\n  /a:\n    subscriptions:\n      - { topic: t, filter: { type: A } }\n      - { topic: t, filter: { type: B } }\n";
    two_subscriptions_of_one_name: "version: 1\nagents:\n  /a:\n    subscriptions:\n      - { topic: t, name: x }\n      - { topic: u, name: x }\n";
    an_agent_declared_twice_under_two_spellings: "version: 1\nagents:\n  /a: {}\n  a: {}\n";
    }
    faults_of_variables {
    a_variable_that_is_not_set: "version: 1\nname: ${STAGE}\n";
    a_variable_with_a_message: "version: 1\nname: \"x ${STAGE:?say dev or prod}\"\n";
    an_unclosed_variable: "version: 1\nname: a ${STAGE\n";
    }
    faults_of_the_server {
    an_unknown_listen: "version: 1\nserver: { listen: 4777 }\n";
    a_token_that_may_nothing: "version: 1\nserver:\n  tokens:\n    - { name: a, token_file: ./a, may: [] }\n";
    a_token_with_an_unknown_permission: "version: 1\nserver:\n  tokens:\n    - { name: a, token_file: ./a, may: [admin] }\n";
    a_hook_without_topic: "version: 1\nserver:\n  hooks:\n    main: { secret_file: ./secret }\n";
    a_batch_smaller_than_an_event: "version: 1\nserver:\n  limits: { event_bytes: 2MiB, batch_bytes: 1MiB }\n";
    an_origin_with_a_path: "version: 1\nserver: { allowed_origins: ['https://example.com/app'] }\n";
    }
    faults_of_includes {
    a_missing_include: "version: 1\ninclude: more.yaml\n";
    a_glob_without_files: "version: 1\ninclude: agents/*.md\n";
    an_include_of_another_kind: "version: 1\ninclude: cantus.toml\n";
    }
    faults_across_parts {
    a_topic_nobody_declared: "version: 1\ntopics: { project.tasks: {} }\nagents:\n  /a:\n    subscriptions: [{ topic: project.taks }]\n";
    a_topic_that_is_closed: "version: 1\ntopics: { t: { subscribers: [/b] } }\nagents:\n  /a:\n    subscriptions: [{ topic: t }]\n";
    several_faults_at_once: "version: 1\nnmae: x\ntopics:\n  a: { retain: 5 }\n  b c: {}\nagents:\n  /a:\n    publishs: [A]\n    subscriptions:\n      - { topic: a, filter: 'type ==', retry: { jitter: 2 } }\n";
    a_very_long_line: format!("version: 1\nname: {}\ntopics: {{ {} a: {{ retain: 5 }} }}\n", "x",(0..200).map(|n| format!("t{n}: {{}}, ")).collect::<String>());
    wide_characters_before_the_place: "version: 1\ntopics:\n  \"a\": { description: \"日本語\", retian: 5d }\n";
    }
}
