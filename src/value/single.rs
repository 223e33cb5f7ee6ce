//! Single values that Rust has no types for, of a `Value`: numbers that keep their type, moments, spans of time.

use num_complex::Complex64;
use serde::ser::{self, Serialize, SerializeTuple, Serializer};

use super::Value;
use crate::dtype::Element;
use crate::error::{Error, Result};
use crate::format::tag::outline;
use crate::format::tree::{Tag, Tree};
use crate::mem::Shown;

/// The name under which they go through serde.
const SINGLE: &str = "$ndstash::Single";

impl Value {
    /// A number that keeps its type, as NumPy's scalars do.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let store = ndstash::Store::create(dir.path().join("s"))?;
    /// use ndstash::Value;
    ///
    /// store.put("x", &Value::scalar(1.5_f32))?;
    /// assert_eq!(store.get::<f32>("x")?, Some(1.5));
    /// assert_eq!(store.get::<Value>("x")?.and_then(|value| value.as_f64()), Some(1.5));
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    pub fn scalar<A: Element>(value: A) -> Self {
        Value::Scalar { dtype: A::DTYPE, bytes: bytemuck::bytes_of(&value).to_vec() }
    }

    /// The number that a [scalar](Value::Scalar) is, without its type: a truth value, an integer, a float or a complex
    /// number.
    pub fn number(&self) -> Option<Value> {
        let Value::Scalar { .. } = self else { return None };
        tree(self)?.ok()?.number().map(|number| Value::of(&number, &[]))
    }

    /// The text of a moment, in ISO 8601, which most libraries for dates and times take.
    pub fn as_iso(&self) -> Option<&str> {
        match self {
            Value::DateTime { text, .. } | Value::Date(text) | Value::Time { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// The value that a tagged list is, if it is one of these.
pub(super) fn of(tag: Tag, items: &[Tree]) -> Option<Value> {
    Some(match (tag, items) {
        (Tag::Scalar, [Tree::Str(dtype), Tree::Bytes(bytes)]) => {
            Value::Scalar { dtype: dtype.parse().ok()?, bytes: bytes.clone() }
        }
        (Tag::DateTime, [Tree::Str(text), fold @ ..]) => Value::DateTime { text: text.clone(), fold: !fold.is_empty() },
        (Tag::Date, [Tree::Str(text)]) => Value::Date(text.clone()),
        (Tag::Time, [Tree::Str(text), fold @ ..]) => Value::Time { text: text.clone(), fold: !fold.is_empty() },
        (Tag::TimeDelta, &[Tree::Int(days), Tree::Int(seconds), Tree::Int(microseconds)]) => Value::TimeDelta {
            days: days.try_into().ok()?,
            seconds: seconds.try_into().ok()?,
            microseconds: microseconds.try_into().ok()?,
        },
        (Tag::Ticks, [Tree::Str(dtype), Tree::Int(count)]) => Value::Ticks { dtype: dtype.clone(), count: *count },
        _ => return None,
    })
}

/// The tagged list that a value is, if it is one of these.
///
/// # Errors
/// [`Error::Invalid`] if it is out of range, or a text is not in its one form.
pub(super) fn tree(value: &Value) -> Option<Result<Tree>> {
    let moment = |text: &str, fold: bool| {
        let fold = fold.then_some(Tree::Int(1));
        std::iter::once(Tree::from(text)).chain(fold).collect()
    };
    let (tag, items) = match value {
        Value::Scalar { dtype, bytes } => (Tag::Scalar, vec![dtype.name().into(), Tree::Bytes(bytes.clone())]),
        Value::DateTime { text, fold } => (Tag::DateTime, moment(text, *fold)),
        Value::Date(text) => (Tag::Date, moment(text, false)),
        Value::Time { text, fold } => (Tag::Time, moment(text, *fold)),
        Value::TimeDelta { days, seconds, microseconds } => {
            (Tag::TimeDelta, [i64::from(*days), (*seconds).into(), (*microseconds).into()].map(Tree::Int).into())
        }
        Value::Ticks { dtype, count } => (Tag::Ticks, vec![(**dtype).into(), Tree::Int(*count)]),
        _ => return None,
    };
    if !tag.takes(&items) {
        return Some(Err(Error::Invalid { what: "value", given: outline(&items), reason: tag.wants() }));
    }
    Some(Ok(Tree::Tagged(tag, items)))
}

/// Shows such a value to any serializer: that of keys takes it whole.
pub(super) fn serialize<S: Serializer>(value: &Value, to: S) -> Result<S::Ok, S::Error> {
    let tree = tree(value).ok_or_else(|| ser::Error::custom("a single value is expected"))?;
    to.serialize_newtype_struct(SINGLE, &Shown(&tree.map_err(ser::Error::custom)?))
}

/// The plain form.
impl Serialize for Shown<'_, Tree> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.number().as_ref().unwrap_or(self.0) {
            Tree::Bool(value) => to.serialize_bool(*value),
            Tree::Int(value) => to.serialize_i64(*value),
            Tree::UInt(value) => to.serialize_u64(*value),
            Tree::Float(value) => to.serialize_f64(*value),
            Tree::Str(text) => to.serialize_str(text),
            Tree::Tagged(Tag::Complex, items) => match items[..] {
                [Tree::Float(re), Tree::Float(im)] => Complex64::new(re, im).serialize(to),
                _ => Err(ser::Error::custom("two parts of a complex number are expected")),
            },
            Tree::Tagged(Tag::DateTime | Tag::Date | Tag::Time, items) => match &items[..] {
                [text, ..] => Shown(text).serialize(to),
                [] => Err(ser::Error::custom("the text of a moment is expected")),
            },
            Tree::Tagged(_, items) => {
                let mut tuple = to.serialize_tuple(items.len())?;
                items.iter().try_for_each(|item| tuple.serialize_element(&Shown(item)))?;
                tuple.end()
            }
            _ => Err(ser::Error::custom("a single value is expected")),
        }
    }
}
