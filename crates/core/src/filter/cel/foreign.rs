//! The rest of the language, run by the interpreter of crate `cel`.
//!
//! What it runs is a lowered tree (see [`super::lowering`]), in which everything that may cost much is wrapped into
//! the functions here, which count steps. Names with an `@` cannot be written by people: they are what the lowered
//! tree asks [`Event`] for.
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use cel::common::ast::IdedExpr;
use cel::common::types::{self, CelBool, CelBytes, CelInt, CelList, CelString, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError};

use super::super::subject::{Attribute, Subject};
use super::foreign_values;
use super::pattern::{Pattern, Searches};
use super::value::Steps;

/// What every evaluation costs before its first step, in steps: building a context.
const CONTEXT_STEPS: u32 = 100;
/// What a node costs here, in steps: the interpreter is that much slower than our own nodes.
const NODE_STEPS: u32 = 20;

/// A part of an expression for crate `cel`.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(super) tree: IdedExpr,
    /// The attributes it asks for.
    pub(super) attributes: Vec<Box<str>>,
    pub(super) patterns: Vec<Pattern>,
    /// How many nodes it has: what it costs without its comprehensions.
    pub(super) nodes: u32,
}

impl Foreign {
    /// Evaluates it over an event. `steps` is how many steps may be taken, and becomes how many are left.
    pub(crate) fn run(&self, subject: &dyn Subject, steps: &mut u32) -> Result<bool, ExecutionError> {
        self.evaluate(subject, steps, boolean)
    }

    /// Evaluates it as [`Self::run`] does, and reads from the value what is wanted of it.
    pub(crate) fn evaluate<T>(
        &self,
        subject: &dyn Subject,
        steps: &mut u32,
        read: impl FnOnce(&dyn Val) -> Result<T, ExecutionError>,
    ) -> Result<T, ExecutionError> {
        let meter = Meter(Arc::new(AtomicU32::new(*steps)));
        let event = Event {
            attributes: self
                .attributes
                .iter()
                .filter_map(|name| Some((&**name, subject.attribute(name)?)))
                .collect(),
            data: subject.data(),
            patterns: &self.patterns,
            meter: meter.clone(),
        };
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(&event);
        let result = meter
            .take(u64::from(CONTEXT_STEPS) + u64::from(NODE_STEPS) * u64::from(self.nodes))
            .and_then(|()| read(cel::Value::resolve_val(&self.tree, &context)?.as_ref()));
        *steps = meter.0.load(Ordering::Relaxed);
        // An `||` may have absorbed that the steps were spent; what came out then is not the answer.
        if *steps == 0 { Err(spent()) } else { result }
    }
}

fn boolean(val: &dyn Val) -> Result<bool, ExecutionError> {
    match val.downcast_ref::<CelBool>() {
        Some(boolean) => Ok(*boolean.inner()),
        None => Err(ExecutionError::UnexpectedType {
            got: val.get_type().name().to_owned(),
            want: "bool".to_owned(),
        }),
    }
}

fn spent() -> ExecutionError {
    ExecutionError::function_error("filter", "it takes too long for this event, and was stopped")
}

/// The event as the lowered tree asks for it.
struct Event<'a> {
    attributes: Vec<(&'a str, Attribute<'a>)>,
    data: Option<&'a serde_json::Value>,
    patterns: &'a [Pattern],
    meter: Meter,
}

impl Event<'_> {
    fn attribute(&self, name: &str) -> Option<&Attribute<'_>> {
        self.attributes.iter().find(|(present, _)| *present == name).map(|(_, attribute)| attribute)
    }
}

impl VariableResolver for Event<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (kind, name) = variable.strip_prefix('@')?.split_once(':')?;
        match kind {
            "attribute" => Some(match self.attribute(name)? {
                Attribute::Text(text) => CowVal::owned(CelString::from(&**text)),
                Attribute::Integer(number) => CowVal::owned(CelInt::from(*number)),
                Attribute::Boolean(boolean) => CowVal::owned(CelBool::from(*boolean)),
            }),
            "has" if name == "data" => Some(CowVal::owned(CelBool::from(self.data.is_some()))),
            "has" => Some(CowVal::owned(CelBool::from(self.attribute(name).is_some()))),
            "data" if name.is_empty() => {
                Some(CowVal::Owned(self.data.map_or_else(foreign_values::no_data, foreign_values::of_json)))
            }
            "meter" if name.is_empty() => Some(CowVal::Borrowed(&self.meter)),
            "pattern" => {
                let pattern = self.patterns.get(name.parse::<usize>().ok()?)?;
                Some(CowVal::owned(PatternVal(pattern.clone())))
            }
            _ => None,
        }
    }
}

/// The steps of one evaluation, as a value that can be handed to the functions that count.
#[derive(Debug, Clone)]
struct Meter(Arc<AtomicU32>);

impl Meter {
    /// Takes some steps; once there are too few, none are left.
    fn take(&self, steps: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed);
        let rest = u32::try_from(steps).ok().and_then(|steps| left.checked_sub(steps)).unwrap_or(0);
        self.0.store(rest, Ordering::Relaxed);
        if rest == 0 { Err(spent()) } else { Ok(()) }
    }

    fn of<'b>(args: &'b [CowVal<'_, '_>]) -> Result<&'b Self, ExecutionError> {
        let meter = args.first().and_then(|meter| meter.downcast_ref::<Self>());
        meter.ok_or_else(ExecutionError::missing_argument_or_target)
    }
}

/// A compiled pattern as a value.
#[derive(Debug, Clone)]
struct PatternVal(Pattern);

static METER_TYPE: Type = Type::new_unspecified_type("cantus.Meter");
static PATTERN_TYPE: Type = Type::new_unspecified_type("cantus.Pattern");

impl Val for Meter {
    fn get_type(&self) -> &Type {
        &METER_TYPE
    }

    fn cel_type() -> &'static Type {
        &METER_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for Meter {}

impl Val for PatternVal {
    fn get_type(&self) -> &Type {
        &PATTERN_TYPE
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for PatternVal {}

/// The standard library and the functions that count, shared by all filters: building it costs more than a hundred
/// evaluations.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let functions: [(&str, usize, cel::common::functions::Function); 4] =
        [("@charge", 3, charge), ("@equal", 3, equal), ("@in", 3, contained), ("@matches", 3, matches)];
    for (name, arguments, function) in functions {
        env.add_overload(name, name, (0..arguments).map(|_| types::DYN_TYPE).collect(), function)
            .expect("the standard library has no names with an @");
    }
    Arc::new(env)
});

type Called<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// `@charge(meter, nodes, value)`: returns the value, and takes the steps for computing it and looking at it once.
fn charge<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let meter = Meter::of(&args)?;
    let [_, nodes, value] = &*args else { return Err(ExecutionError::missing_argument_or_target()) };
    let nodes = nodes.downcast_ref::<CelInt>().map_or(1, |nodes| nodes.inner().unsigned_abs());
    meter.take((u64::from(NODE_STEPS).saturating_mul(nodes)).saturating_add(size(value.as_ref())))?;
    args.pop().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn size(value: &dyn Val) -> u64 {
    let size = if let Some(text) = value.downcast_ref::<CelString>() {
        text.inner().len() / 64
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        bytes.inner().len() / 64
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().len()
    } else {
        0
    };
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// `@equal(meter, a, b)`.
fn equal<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let meter = Meter::of(&args)?;
    let [_, a, b] = &*args else { return Err(ExecutionError::missing_argument_or_target()) };
    let equal = foreign_values::equal(a.as_ref(), b.as_ref(), &mut |steps| meter.take(steps as u64))?;
    Ok(CowVal::owned(CelBool::from(equal)))
}

/// `@in(meter, item, list)`.
fn contained<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let meter = Meter::of(&args)?;
    let [_, item, list] = &*args else { return Err(ExecutionError::missing_argument_or_target()) };
    let contained =
        foreign_values::contained(item.as_ref(), list.as_ref(), &mut |steps| meter.take(steps as u64))?;
    Ok(CowVal::owned(CelBool::from(contained)))
}

/// `@matches(meter, pattern, text)`.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Called<'b, 'v> {
    let meter = Meter::of(&args)?;
    let [_, pattern, text] = &*args else { return Err(ExecutionError::missing_argument_or_target()) };
    let (Some(PatternVal(pattern)), Some(text)) =
        (pattern.downcast_ref::<PatternVal>(), text.downcast_ref::<CelString>())
    else {
        return Err(ExecutionError::no_such_overload("matches", vec![text.get_type().name().to_owned()]));
    };
    let left = meter.0.load(Ordering::Relaxed);
    let mut steps = Steps::new(left);
    let found = pattern.is_in(text.inner(), &mut Searches::default(), &mut steps);
    meter.take(u64::from(left - steps.left()))?;
    Ok(CowVal::owned(CelBool::from(found.map_err(|_| spent())?)))
}
