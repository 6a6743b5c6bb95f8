//! The payload as values of crate `cel`, converted only where an expression looks.
use std::fmt;
use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{Adder, Container, Indexer, Iterable, Iterator as ValIterator, Sizer};
use cel::common::types::{
    self, CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, Type,
};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Value as Json};

use super::value::{self, Steps, Value};

type Boxed<'v> = Box<dyn Val + 'v>;

/// Returns a JSON value as one of crate `cel`. Only the outermost layer is looked at.
pub(crate) fn of_json<'v>(json: &'v Json) -> Boxed<'v> {
    match Value::of_json(json) {
        Value::Null => Box::new(CelNull),
        Value::Boolean(boolean) => Box::new(CelBool::from(boolean)),
        Value::Integer(number) => Box::new(CelInt::from(number)),
        Value::Unsigned(number) => Box::new(CelUInt::from(number)),
        Value::Double(number) => Box::new(CelDouble::from(number)),
        Value::Text(text) => Box::new(CelString::from(text)),
        Value::Array(items) => Box::new(JsonList { items, values: OnceLock::new() }),
        Value::Object(members) => Box::new(JsonMap { members, names: OnceLock::new() }),
        // JSON has no such list.
        Value::List(_) => Box::new(CelNull),
    }
}

/// Returns an empty map: the data of an event without JSON data.
pub(crate) fn no_data<'v>() -> Boxed<'v> {
    Box::new(CelMap::from(std::collections::HashMap::<CelMapKey<'v>, Boxed<'v>>::new()))
}

/// Returns whether two values are equal, as our own nodes see it: across borrowed and computed lists, and numbers by
/// what they are worth. `step` is called for each pair that is compared.
pub(crate) fn equal(
    a: &dyn Val,
    b: &dyn Val,
    step: &mut dyn FnMut(usize) -> Result<(), ExecutionError>,
) -> Result<bool, ExecutionError> {
    step(1)?;
    if let (Some(a), Some(b)) = (scalar(a), scalar(b)) {
        if let (Value::Text(a), Value::Text(_)) = (&a, &b) {
            step(a.len() / 64)?;
        }
        return Ok(value::equal(&a, &b, &mut Steps::new(u32::MAX)).unwrap_or(false));
    }
    let sizes = (a.as_sizer().map(|a| *a.size().inner()), b.as_sizer().map(|b| *b.size().inner()));
    match (a.get_type().kind(), b.get_type().kind()) {
        (types::Kind::List, types::Kind::List) if sizes.0 == sizes.1 => {
            let (Some(a), Some(b)) = (a.as_iterable(), b.as_iterable()) else { return Ok(false) };
            let (mut a, mut b) = (a.iter(), b.iter());
            while let (Some(a), Some(b)) = (a.next(), b.next()) {
                if !equal(a, b, step)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (types::Kind::Map, types::Kind::Map) if sizes.0 == sizes.1 => {
            let (Some(names), Some(a), Some(b)) = (a.as_iterable(), a.as_indexer(), b.as_indexer()) else {
                return Ok(false);
            };
            let mut names = names.iter();
            while let Some(name) = names.next() {
                match (a.get(name), b.get(name)) {
                    (Ok(a), Ok(b)) if equal(a.as_ref(), b.as_ref(), step)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (types::Kind::List | types::Kind::Map, _) | (_, types::Kind::List | types::Kind::Map) => Ok(false),
        _ => Ok(a.equals(b)),
    }
}

/// Returns whether a value is in a list, or a name in a map.
pub(crate) fn contained(
    item: &dyn Val,
    list: &dyn Val,
    step: &mut dyn FnMut(usize) -> Result<(), ExecutionError>,
) -> Result<bool, ExecutionError> {
    if list.get_type().kind() != types::Kind::List {
        let Some(container) = list.as_container() else {
            let kinds = vec![item.get_type().name().to_owned(), list.get_type().name().to_owned()];
            return Err(ExecutionError::no_such_overload("in", kinds));
        };
        return container.contains(item);
    }
    let Some(items) = list.as_iterable() else { return Ok(false) };
    let mut items = items.iter();
    while let Some(other) = items.next() {
        if equal(other, item, step)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns a value that has no parts as one of ours, or `None` when it is of another kind.
pub(crate) fn scalar<'a>(val: &'a dyn Val) -> Option<Value<'a>> {
    if let Some(text) = val.downcast_ref::<CelString>() {
        Some(Value::Text(text.inner().into()))
    } else if let Some(number) = val.downcast_ref::<CelInt>() {
        Some(Value::Integer(*number.inner()))
    } else if let Some(number) = val.downcast_ref::<CelUInt>() {
        Some(Value::Unsigned(*number.inner()))
    } else if let Some(number) = val.downcast_ref::<CelDouble>() {
        Some(Value::Double(*number.inner()))
    } else if let Some(boolean) = val.downcast_ref::<CelBool>() {
        Some(Value::Boolean(*boolean.inner()))
    } else {
        val.downcast_ref::<CelNull>().map(|_| Value::Null)
    }
}

/// An array of the payload. Its items become values when somebody iterates over it.
struct JsonList<'v> {
    items: &'v [Json],
    values: OnceLock<Vec<Boxed<'v>>>,
}

/// An object of the payload. Its names become values when somebody iterates over it.
struct JsonMap<'v> {
    members: &'v Map<String, Json>,
    names: OnceLock<Vec<Boxed<'v>>>,
}

impl<'v> JsonList<'v> {
    fn values(&self) -> &[Boxed<'v>] {
        self.values.get_or_init(|| self.items.iter().map(of_json).collect())
    }

    fn position(&self, index: &dyn Val) -> Result<usize, ExecutionError> {
        let at = match scalar(index) {
            Some(Value::Integer(number)) => i128::from(number),
            Some(Value::Unsigned(number)) => i128::from(number),
            // Whole, and a saturating cast: what does not fit is out of bounds anyway.
            Some(Value::Double(number)) if number.fract() == 0.0 => number as i128,
            _ => {
                return Err(ExecutionError::UnexpectedType {
                    got: index.get_type().name().to_owned(),
                    want: "int".to_owned(),
                });
            }
        };
        let position = usize::try_from(at).ok().filter(|at| *at < self.items.len());
        position.ok_or_else(|| ExecutionError::IndexOutOfBounds(at.to_string().into()))
    }
}

impl Val for JsonList<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &types::LIST_TYPE
    }

    fn as_adder<'b, 'w>(&'b self) -> Option<&'b (dyn Adder + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        equal(self, other, &mut |_| Ok(())).unwrap_or(false)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(JsonList { items: self.items, values: OnceLock::new() })
    }
}

impl Adder for JsonList<'_> {
    fn add<'b, 'w>(&'b self, rhs: &(dyn Val + 'w)) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let Some(more) = rhs.as_iterable() else {
            let kinds = vec!["list".to_owned(), rhs.get_type().name().to_owned()];
            return Err(ExecutionError::no_such_overload("+", kinds));
        };
        let mut sum: Vec<Box<dyn Val + 'w>> =
            self.values().iter().map(|value| value.clone_as_boxed()).collect();
        let mut more = more.iter();
        while let Some(value) = more.next() {
            sum.push(value.clone_as_boxed());
        }
        Ok(CowVal::owned(CelList::from(sum)))
    }
}

impl Container for JsonList<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        contained(value, self, &mut |_| Ok(()))
    }
}

impl Indexer for JsonList<'_> {
    fn get<'b, 'w>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(CowVal::Owned(of_json(&self.items[self.position(index)?])))
    }

    fn steal<'w>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        Ok(of_json(&self.items[self.position(index)?]))
    }
}

impl Iterable for JsonList<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn ValIterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Values(self.values().iter()))
    }
}

impl Sizer for JsonList<'_> {
    fn size(&self) -> CelInt {
        size(self.items.len())
    }
}

impl fmt::Debug for JsonList<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list of {} items", self.items.len())
    }
}

impl<'v> JsonMap<'v> {
    fn names(&self) -> &[Boxed<'v>] {
        let name = |name: &'v String| -> Boxed<'v> { Box::new(CelString::from(name.as_str())) };
        self.names.get_or_init(|| self.members.keys().map(name).collect())
    }

    fn member(&self, key: &dyn Val) -> Result<&'v Json, ExecutionError> {
        match scalar(key) {
            Some(Value::Text(name)) => {
                self.members.get(&*name).ok_or_else(|| ExecutionError::no_such_key(&name))
            }
            Some(Value::Integer(_) | Value::Unsigned(_) | Value::Double(_) | Value::Boolean(_)) => {
                Err(ExecutionError::no_such_key(key.get_type().name()))
            }
            _ => Err(ExecutionError::UnexpectedType {
                got: key.get_type().name().to_owned(),
                want: "string".to_owned(),
            }),
        }
    }
}

impl Val for JsonMap<'_> {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &types::MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        equal(self, other, &mut |_| Ok(())).unwrap_or(false)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(JsonMap { members: self.members, names: OnceLock::new() })
    }
}

impl Container for JsonMap<'_> {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        match self.member(key) {
            Ok(_) => Ok(true),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Indexer for JsonMap<'_> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.member(key).map(|json| CowVal::Owned(of_json(json)))
    }

    fn steal<'w>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
    where
        Self: 'w,
    {
        self.member(key).map(of_json)
    }
}

impl Iterable for JsonMap<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn ValIterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Values(self.names().iter()))
    }
}

impl Sizer for JsonMap<'_> {
    fn size(&self) -> CelInt {
        size(self.members.len())
    }
}

impl fmt::Debug for JsonMap<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an object of {} members", self.members.len())
    }
}

fn size(items: usize) -> CelInt {
    // Nothing in memory has more than 2^63 items.
    CelInt::from(i64::try_from(items).unwrap_or(i64::MAX))
}

/// Walks over values that are kept by what they were taken from.
struct Values<'b, 'v>(std::slice::Iter<'b, Boxed<'v>>);

impl<'b, 'v: 'w, 'w> ValIterator<'b, 'w> for Values<'b, 'v> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.0.next().map(|value| &**value as &(dyn Val + 'w))
    }
}
