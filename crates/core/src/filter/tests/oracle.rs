//! Our own nodes and the lowered tree against crate `cel` itself: its parser and its interpreter, with the event
//! converted the plain way.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use super::*;
use crate::filter::cel::testing;

static ENV: LazyLock<Arc<cel::Env>> = LazyLock::new(|| Arc::new(cel::Env::stdlib()));

/// What crate `cel` says by itself.
fn reference(text: &str, event: &Event) -> Result<bool, String> {
    let program = ENV.compile(text).map_err(|errors| format!("does not parse: {errors}"))?;
    let mut context = cel::Context::with_env(Arc::clone(&ENV));
    for (name, attribute) in &event.attributes {
        match attribute {
            Attribute::Text(text) => context.add_variable_from_value(*name, text.to_string()),
            Attribute::Integer(number) => context.add_variable_from_value(*name, *number),
            Attribute::Boolean(boolean) => context.add_variable_from_value(*name, *boolean),
        }
    }
    context.add_variable_from_value("data", converted(&event.data.clone().unwrap_or(json!({}))));
    match program.execute(&context) {
        Ok(cel::Value::Bool(boolean)) => Ok(boolean),
        Ok(other) => Err(format!("not a boolean: {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

/// A JSON value with all integers that fit as `int`.
fn converted(json: &Value) -> cel::Value {
    match json {
        Value::Null => cel::Value::Null,
        Value::Bool(boolean) => (*boolean).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(integer), _) => integer.into(),
            (_, Some(unsigned)) => unsigned.into(),
            _ => number.as_f64().unwrap().into(),
        },
        Value::String(text) => text.clone().into(),
        Value::Array(items) => items.iter().map(converted).collect::<Vec<_>>().into(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), converted(value)))
            .collect::<std::collections::HashMap<_, _>>()
            .into(),
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("type"),
        Just("data.s"),
        Just("data.obj.s"),
        Just("data['s']"),
        Just("data.list[0]"),
        Just("'a'"),
        Just("'ab'"),
        Just("''"),
        Just("\"b\""),
        Just("'\\x61\\n'"),
        Just("data.missing"),
        Just("subject"),
        Just("data.n"),
    ]
    .prop_map(str::to_owned)
    .prop_recursive(2, 6, 2, |inner| (inner.clone(), inner).prop_map(|(a, b)| format!("({a} + {b})")))
}

fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0"),
        Just("1"),
        Just("2"),
        Just("-1"),
        Just("1.5"),
        Just("2.0"),
        Just("1u"),
        Just("0x2"),
        Just("9223372036854775807"),
        Just("-9223372036854775808"),
        Just("data.n"),
        Just("data.f"),
        Just("hops"),
        Just("data.numbers[1]"),
        Just("data.numbers[7]"),
        Just("data.obj.n"),
        Just("data.s"),
        Just("size(data.s)"),
        Just("size(data.list)"),
        Just("data.list.size()"),
        Just("data.missing"),
        Just("null"),
        Just("--1"),
        Just("data.big"),
    ]
    .prop_map(str::to_owned)
    .prop_recursive(2, 8, 2, |inner| {
        let operator = prop_oneof![Just("+"), Just("-"), Just("*"), Just("/"), Just("%")];
        prop_oneof![
            4 => (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("({a} {o} {b})")),
            1 => inner.prop_map(|a| format!("-({a})")),
        ]
    })
}

fn lists() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop_oneof![Just("data.list"), Just("data.numbers"), Just("[]"), Just("data.mixed"), Just("data.s"), Just("data.obj.l"), Just("['a', 1, null, 2.0]")]
            .prop_map(str::to_owned),
        1 => prop::collection::vec(prop_oneof![texts(), numbers()], 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        1 => Just("data.numbers.map(n, n + 1)".to_owned()),
        1 => Just("data.list.filter(n, n != 'a')".to_owned()),
        1 => Just("data.numbers.map(n, n > 1, n * 2)".to_owned()),
        1 => Just("(data.list + data.numbers)".to_owned()),
    ]
}

fn scalars() -> impl Strategy<Value = String> {
    prop_oneof![
        texts(),
        numbers(),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("urgent".to_owned()),
        Just("data.nothing".to_owned()),
        Just("data.yes".to_owned())
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    let order = || prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let test = prop_oneof![Just("startsWith"), Just("endsWith"), Just("contains")];
    let fold = prop_oneof![Just("all"), Just("exists"), Just("exists_one")];
    let leaf = prop_oneof![
        4 => (numbers(), order(), numbers()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        3 => (texts(), order(), texts()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        1 => (scalars(), order(), scalars()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        1 => (lists(), prop_oneof![Just("=="), Just("!=")], lists()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
        2 => (scalars(), lists()).prop_map(|(a, b)| format!("{a} in {b}")),
        1 => (scalars()).prop_map(|a| format!("{a} in data.obj")),
        2 => (texts(), test, texts()).prop_map(|(a, t, b)| format!("{a}.{t}({b})")),
        1 => texts().prop_map(|a| format!("{a}.matches('^a.?')")),
        1 => prop_oneof![Just("has(data.s)"), Just("has(data.missing)"), Just("has(data.obj.s)"), Just("has(data.obj.no)"), Just("has(data.missing.x)"), Just("has(data.s.x)"), Just("data.obj == data.obj"), Just("data == data"), Just("data.obj != data"), Just("urgent"), Just("data.yes"), Just("true"), Just("false")].prop_map(str::to_owned),
        2 => (lists(), fold, order(), scalars()).prop_map(|(l, f, o, s)| format!("{l}.{f}(x, x {o} {s})")),
        1 => (lists(), numbers()).prop_map(|(l, n)| format!("{l}[{n}] == {l}[0]")),
    ];
    leaf.prop_recursive(3, 24, 3, |inner| {
        prop_oneof![
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            2 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) || ({b}) || ({c})")),
            1 => inner.clone().prop_map(|a| format!("!({a})")),
            1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            1 => inner.prop_map(|a| format!("data.numbers.exists(n, n == 2 && ({a}))")),
        ]
    })
}

/// What only crate `cel` evaluates: run lowered, it must say what it says by itself.
fn beyond() -> impl Strategy<Value = String> {
    prop_oneof![
        scalars().prop_map(|a| format!("string({a}) == '1'")),
        scalars().prop_map(|a| format!("int({a}) >= 1")),
        scalars().prop_map(|a| format!("uint({a}) >= 1u")),
        scalars().prop_map(|a| format!("bool({a})")),
        scalars().prop_map(|a| format!("double({a}) < 2.0")),
        (scalars(), scalars()).prop_map(|(a, b)| format!("type({a}) == type({b})")),
        (texts(), texts()).prop_map(|(a, b)| format!("bytes({a}) == bytes({b})")),
        (texts(), scalars()).prop_map(|(a, b)| format!("{{'a': {a}, 'b': {b}}}['a'] == {b}")),
        (lists(), scalars()).prop_map(|(a, b)| format!("{{'l': {a}}}.l.exists(x, string(x) == string({b}))")),
        (lists(), lists()).prop_map(|(a, b)| format!("{a}.map(x, dyn(x)) == {b}")),
        (lists(), lists()).prop_map(|(a, b)| format!("({a} + {b}).filter(x, type(x) == int).size() > 1")),
        (scalars(), scalars()).prop_map(|(a, b)| format!("data.?missing.orValue({a}) == {b}")),
        (numbers(), scalars()).prop_map(|(a, b)| format!("data.list[?{a}].orValue(dyn({b})) == {b}")),
        (conditions(), scalars()).prop_map(|(a, b)| format!("({a}) && string({b}) != 'x'")),
        (conditions(), scalars()).prop_map(|(a, b)| format!("string({b}) != 'x' || ({a})")),
        lists().prop_map(|a| format!("{a}.exists_one(x, string(x) == '1')")),
        lists().prop_map(|a| format!("{a}.all(x, string(x) != 'q') && 1 in dyn({a})")),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let number = prop_oneof![
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(2)),
        Just(json!(-1)),
        Just(json!(1.5)),
        Just(json!(2.0)),
        Just(json!("x")),
        Just(json!(null))
    ];
    let text = prop_oneof![Just("a"), Just("ab"), Just("b"), Just(""), Just("1"), Just("é")];
    let items = prop::collection::vec(prop_oneof![text.clone().prop_map(Value::from), number.clone()], 0..4);
    (number.clone(), number, text.clone(), text, items, any::<bool>(), any::<bool>()).prop_map(
        |(n, m, s, t, items, subject, flag)| {
            let event = Event::default().with("type", t).with_number("hops", 2).with_boolean("urgent", flag).data(json!({
                "n": n, "f": m, "s": s, "yes": flag, "nothing": null, "big": u64::MAX, "list": ["a", s], "numbers": [1, 2, n],
                "mixed": items, "obj": {"s": t, "n": m, "l": items},
            }));
            if subject { event.with("subject", s) } else { event }
        },
    )
}

/// Runs a property on a thread whose stack suits the parser of crate `cel`.
fn run<S>(cases: u32, strategy: fn() -> S, property: fn(S::Value) -> Result<(), TestCaseError>)
where
    S: Strategy + 'static,
{
    let body = move || {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner.run(&strategy(), property).unwrap_or_else(|failure| panic!("{failure}"));
    };
    let thread = std::thread::Builder::new().stack_size(256 << 20).spawn(body).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn agree(
    text: &str,
    what: &str,
    ours: &Result<bool, String>,
    theirs: &Result<bool, String>,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        ours.clone().ok(),
        theirs.clone().ok(),
        "{}: {} says {:?}, crate cel {:?}",
        text,
        what,
        ours,
        theirs
    );
    Ok(())
}

fn refused_as_nested(text: &str, invalid: &InvalidFilter) -> Result<(), TestCaseError> {
    prop_assert!(invalid.message.contains("nested"), "{}: {}", text, invalid);
    Ok(())
}

/// How often crate `cel` said true, said false, and failed.
static SAID: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

#[test]
fn our_own_nodes_and_the_lowered_tree_agree_with_crate_cel() {
    run(
        400,
        || (conditions(), events()),
        |(text, event)| {
            let own = match testing::own(&text, &event) {
                Ok(own) => own,
                // The generator nests more than is allowed now and then.
                Err(invalid) => return refused_as_nested(&text, &invalid),
            };
            let own =
                own.ok_or_else(|| TestCaseError::fail(format!("{text} is not covered by our own nodes")))?;
            let theirs = reference(&text, &event);
            SAID[theirs.as_ref().map_or(2, |said| usize::from(!said))].fetch_add(1, Ordering::Relaxed);
            agree(&text, "our own", &own, &theirs)?;
            match testing::foreign(&text, &event) {
                Ok(lowered) => agree(&text, "the lowered tree", &lowered, &theirs),
                Err(invalid) => refused_as_nested(&text, &invalid),
            }
        },
    );
    let said = SAID.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(
        said.iter().all(|count| *count > 20),
        "the expressions are one-sided: {said:?} true, false, failed"
    );
}

#[test]
fn what_goes_beyond_our_own_nodes_agrees_with_crate_cel() {
    run(
        300,
        || (beyond(), events()),
        |(text, event)| {
            let theirs = reference(&text, &event);
            match testing::foreign(&text, &event) {
                Ok(lowered) => agree(&text, "the lowered tree", &lowered, &theirs),
                Err(invalid) => refused_as_nested(&text, &invalid),
            }
        },
    );
}
