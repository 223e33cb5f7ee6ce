//! `Value`: any value of a store without knowing its type, and back.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ndarray::{Array, ArrayRef, Dimension, IxDyn};

use super::split::{deeper, integer, shorten};
use super::{Entry, StoredArray, Writer, single};
use crate::digest::Digest;
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::format::body::{Order, byte_len};
use crate::format::tree::{Tag, Tree};
use crate::mem::{self, MappedArray};

/// A value of any shape: what an entry holds, with its arrays. Nothing is loaded before it is asked for.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("s"))?;
/// use ndstash::Value;
///
/// store.put("run", &("heat", vec![1, 2, 3], ndarray::arr2(&[[1.5, 2.5]])))?;
/// let value: Value = store.get("run")?.expect("it was put");
/// let [name, steps, field] = value.items().expect("a tuple") else { panic!() };
/// assert_eq!((name.as_str(), steps.items().map(<[_]>::len)), (Some("heat"), Some(3)));
/// assert_eq!(field.as_array().expect("an array").to_array::<f64, ndarray::Ix2>()?[[0, 1]], 2.5);
/// store.put("again", &value)?;
/// # Ok::<(), ndstash::Error>(())
/// ```
///
/// It may also be a field of any type that serde takes. Through other formats than a store's, arrays go in ndarray's
/// form and come back as maps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing: `()`, `None`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer from -2^63 to 2^63 - 1.
    Int(i64),
    /// An integer from 2^63 to 2^64 - 1.
    UInt(u64),
    /// An integer of any size: two's complement, little-endian.
    Integer(Vec<u8>),
    /// A float.
    Float(f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// Text.
    Str(String),
    /// A byte string that lies in the manifest.
    Bytes(Vec<u8>),
    /// A list. Tuples and sets of Rust are lists too.
    List(Vec<Value>),
    /// A tuple, of the languages that tell it from a list.
    Tuple(Vec<Value>),
    /// A set.
    Set(Vec<Value>),
    /// A set that cannot change.
    FrozenSet(Vec<Value>),
    /// Pairs in the order they were written. Structs of Rust are maps.
    Map(Vec<(Value, Value)>),
    /// An optional value that is there but looks as if it were not.
    Some(Box<Value>),
    /// An array.
    Array(AnyArray),
    /// A byte string, kept like an array.
    Payload(AnyArray),
    /// A sequence of numbers, kept like an array.
    Sequence(AnyArray),
    /// An array that is not kept, only described.
    Omitted {
        /// The type of its elements.
        dtype: DType,
        /// Its extents.
        shape: Vec<u64>,
        /// The digest of its bytes.
        digest: Digest,
    },
    /// A single number of one of the types of arrays, as NumPy has them. [`Value::number`] is the number without its
    /// type, and a typed load takes any type that can be the number.
    Scalar {
        /// Its type.
        dtype: DType,
        /// The number, little-endian.
        bytes: Vec<u8>,
    },
    /// A date and a time of day, perhaps with an offset from UTC. A typed load gets the text.
    DateTime {
        /// ISO 8601 in one form: `2024-05-06T07:08:09.000010+02:00`. Microseconds and offset only if there are any.
        text: String,
        /// Whether it is the second of two moments that clocks show alike, when they are set back.
        fold: bool,
    },
    /// A date, in ISO 8601: `2024-05-06`. A typed load gets the text.
    Date(String),
    /// A time of day, perhaps with an offset from UTC. A typed load gets the text.
    Time {
        /// ISO 8601 in one form, as that of [`Value::DateTime`] without the date.
        text: String,
        /// As of [`Value::DateTime`].
        fold: bool,
    },
    /// A span of time, the sum of three parts. A typed load gets these, or a [`Duration`](std::time::Duration) if the
    /// span is not negative.
    TimeDelta {
        /// From -999999999 to 999999999.
        days: i32,
        /// Below 86400.
        seconds: u32,
        /// Below 1000000.
        microseconds: u32,
    },
    /// A count of a unit of time, as NumPy has them. A typed load gets both parts.
    Ticks {
        /// The name of its type: `datetime64[ns]`, counted from 1970-01-01, or `timedelta64[25us]`.
        dtype: String,
        /// How many; -2^63 is no time at all.
        count: i64,
    },
}

impl Value {
    /// The value under a text key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.pairs()?.iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The pairs of a map.
    pub fn pairs(&self) -> Option<&[(Value, Value)]> {
        if let Value::Map(pairs) = self { Some(pairs) } else { None }
    }

    /// The items of a list, tuple or set.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) | Value::FrozenSet(items) => Some(items),
            _ => None,
        }
    }

    /// The array, also of a byte string or sequence that is kept like one.
    pub fn as_array(&self) -> Option<&AnyArray> {
        match self {
            Value::Array(array) | Value::Payload(array) | Value::Sequence(array) => Some(array),
            _ => None,
        }
    }

    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::Str(text) = self { Some(text) } else { None }
    }

    /// The truth value, also of a scalar.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self { Some(*value) } else { self.number()?.as_bool() }
    }

    /// The integer, also of a scalar, if it lies between -2^63 and 2^63 - 1.
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Int(value) = self { Some(*value) } else { self.number()?.as_i64() }
    }

    /// The integer, also of a scalar, if it lies between 0 and 2^64 - 1.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Int(value) => u64::try_from(*value).ok(),
            Value::UInt(value) => Some(*value),
            _ => self.number()?.as_u64(),
        }
    }

    /// The float, also of a scalar. Integers are none.
    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Float(value) = self { Some(*value) } else { self.number()?.as_f64() }
    }

    /// The bytes of a byte string, loaded if they lie beside the manifest; `None` if this is no byte string.
    pub fn to_bytes(&self) -> Result<Option<Cow<'_, [u8]>>> {
        match self {
            Value::Bytes(bytes) => Ok(Some(Cow::Borrowed(bytes))),
            Value::Payload(array) => array.to_bytes().map(Some),
            _ => Ok(None),
        }
    }

    /// What a node of a tree is, with its arrays. A tree that was parsed names no array that is not there.
    pub(super) fn of(node: &Tree, arrays: &[StoredArray]) -> Self {
        let stored = |at: usize| arrays.get(at).map(|stored| AnyArray(Held::Stored(stored.clone())));
        let all = |items: &[Tree]| items.iter().map(|item| Value::of(item, arrays)).collect();
        match node {
            Tree::Nil => Value::Nil,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Int(value) => Value::Int(*value),
            Tree::UInt(value) => Value::UInt(*value),
            Tree::Float(value) => Value::Float(*value),
            Tree::Str(text) => Value::Str(text.clone()),
            Tree::Bytes(bytes) => Value::Bytes(bytes.clone()),
            Tree::List(items) => Value::List(all(items)),
            Tree::Map(pairs) => Value::Map(
                pairs.iter().map(|(key, value)| (Value::of(key, arrays), Value::of(value, arrays))).collect(),
            ),
            Tree::Array(index) => stored(index.0 as usize).map_or(Value::Nil, Value::Array),
            Tree::Payload(index) => stored(index.0 as usize).map_or(Value::Nil, Value::Payload),
            Tree::Sequence(index) => stored(index.0 as usize).map_or(Value::Nil, Value::Sequence),
            Tree::Tagged(tag, items) => Value::of_tagged(*tag, items, all),
        }
    }

    /// Lists whose items do not go with their tag are refused when a manifest is parsed.
    fn of_tagged(tag: Tag, items: &[Tree], all: impl Fn(&[Tree]) -> Vec<Value>) -> Self {
        match (tag, items) {
            (Tag::Complex, [Tree::Float(re), Tree::Float(im)]) => Value::Complex(*re, *im),
            (Tag::Integer, [Tree::Bytes(bytes)]) => Value::Integer(bytes.clone()),
            (Tag::Some, [_]) => Value::Some(Box::new(all(items).remove(0))),
            (Tag::Omitted, [Tree::Str(dtype), Tree::List(shape), Tree::Bytes(digest)]) => {
                omitted(dtype, shape, digest).unwrap_or(Value::Nil)
            }
            (Tag::Set, _) => Value::Set(all(items)),
            (Tag::FrozenSet, _) => Value::FrozenSet(all(items)),
            _ => single::of(tag, items).unwrap_or_else(|| Value::Tuple(all(items))),
        }
    }

    /// What stands for the value in a tree; its arrays are added to the writer, those of its store without hashing.
    /// `depth` levels may follow.
    pub(super) fn split(&self, writer: &mut Writer, depth: u16) -> Result<Tree> {
        let depth = deeper::<Value>(depth)?;
        let mut all = |items: &[Value]| items.iter().map(|item| item.split(writer, depth)).collect::<Result<Vec<_>>>();
        Ok(match self {
            Value::Nil => Tree::Nil,
            Value::Bool(value) => Tree::Bool(*value),
            Value::Int(value) => Tree::Int(*value),
            Value::UInt(value) => integer((*value).into()),
            Value::Integer(bytes) => shortest(bytes)?,
            Value::Float(value) => Tree::Float(*value),
            Value::Complex(re, im) => Tree::Tagged(Tag::Complex, vec![Tree::Float(*re), Tree::Float(*im)]),
            Value::Str(text) => Tree::Str(text.clone()),
            Value::Bytes(bytes) => Tree::Bytes(bytes.clone()),
            Value::List(items) => Tree::List(all(items)?),
            Value::Tuple(items) => Tree::Tagged(Tag::Tuple, all(items)?),
            Value::Set(items) => Tree::Tagged(Tag::Set, all(items)?),
            Value::FrozenSet(items) => Tree::Tagged(Tag::FrozenSet, all(items)?),
            Value::Map(pairs) => {
                let split =
                    |(key, value): &(Value, Value)| Ok((key.split(writer, depth)?, value.split(writer, depth)?));
                Tree::Map(pairs.iter().map(split).collect::<Result<_>>()?)
            }
            Value::Some(value) => match value.split(writer, depth)? {
                hidden @ (Tree::Nil | Tree::Tagged(Tag::Some, _)) => Tree::Tagged(Tag::Some, vec![hidden]),
                plain => plain,
            },
            Value::Array(array) => Tree::Array(array.add_to(writer)?),
            Value::Payload(array) => Tree::Payload(array.add_to(writer)?),
            Value::Sequence(array) => Tree::Sequence(array.add_to(writer)?),
            Value::Omitted { dtype, shape, digest } => {
                let extents = shape.iter().map(|&extent| integer(extent.into())).collect();
                let digest = Tree::Bytes(digest.as_bytes().to_vec());
                Tree::Tagged(Tag::Omitted, vec![dtype.name().into(), Tree::List(extents), digest])
            }
            Value::Scalar { .. }
            | Value::DateTime { .. }
            | Value::Date(_)
            | Value::Time { .. }
            | Value::TimeDelta { .. }
            | Value::Ticks { .. } => single::tree(self).expect("it is one of these")?,
        })
    }
}

fn omitted(dtype: &str, shape: &[Tree], digest: &[u8]) -> Option<Value> {
    let extent = |tree: &Tree| match tree {
        Tree::Int(extent) => u64::try_from(*extent).ok(),
        Tree::UInt(extent) => Some(*extent),
        _ => None,
    };
    let shape = shape.iter().map(extent).collect::<Option<_>>()?;
    Some(Value::Omitted { dtype: dtype.parse().ok()?, shape, digest: Digest::from_bytes(digest.try_into().ok()?) })
}

/// An integer of any length in the one form that it has in a tree.
fn shortest(bytes: &[u8]) -> Result<Tree> {
    let mut bytes = bytes.to_vec();
    shorten(&mut bytes);
    let Some(last) = bytes.last() else {
        return Err(Error::Invalid { what: "integer", given: String::new(), reason: "it has no bytes" });
    };
    if bytes.len() > 16 {
        return Ok(Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes)]));
    }
    let mut wide = [if last & 0x80 == 0 { 0 } else { 0xff }; 16];
    wide[..bytes.len()].copy_from_slice(&bytes);
    Ok(integer(i128::from_le_bytes(wide)))
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Str(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<AnyArray> for Value {
    fn from(array: AnyArray) -> Self {
        Value::Array(array)
    }
}

impl Entry {
    /// The value without knowing its type; in another [encoding](crate::EntryInfo::encoding) than `tree`, what stands
    /// for it. No array is loaded.
    pub fn to_value(&self) -> Value {
        Value::of(self.tree(), self.stored_arrays())
    }
}

/// An array of any type and rank: one of a store, loaded when asked for, or one in memory.
///
/// Two are equal if dtype, shape, order and bytes are.
#[derive(Clone)]
pub struct AnyArray(Held);

#[derive(Clone)]
enum Held {
    Stored(StoredArray),
    Memory { dtype: DType, shape: Vec<u64>, order: Order, bytes: Arc<[u8]> },
}

impl AnyArray {
    /// An array in memory, from little-endian elements.
    ///
    /// # Errors
    /// [`Error::WrongType`] if the bytes are not as many as dtype and shape take.
    pub fn from_bytes(dtype: DType, shape: &[u64], order: Order, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        let (bytes, shape) = (bytes.into(), shape.to_vec());
        match byte_len(dtype, &shape) {
            Some(len) if len == bytes.len() as u64 => Ok(AnyArray(Held::Memory { dtype, shape, order, bytes })),
            _ => Err(Error::WrongType {
                at: String::new(),
                expected: format!("the bytes of {dtype} of shape {shape:?}"),
                found: format!("{} bytes", bytes.len()),
            }),
        }
    }

    /// A copy of an array in memory. The order is kept if it lies without gaps.
    pub fn of<A: Element, D: Dimension>(array: &ArrayRef<A, D>) -> Self {
        let shape = array.shape().iter().map(|&extent| extent as u64).collect();
        let (order, elements) = mem::lie(&array.view());
        AnyArray(Held::Memory { dtype: A::DTYPE, shape, order, bytes: bytemuck::cast_slice(&elements).into() })
    }

    /// The array of a store, if it is one.
    pub fn stored(&self) -> Option<&StoredArray> {
        if let Held::Stored(stored) = &self.0 { Some(stored) } else { None }
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        match &self.0 {
            Held::Stored(stored) => stored.dtype(),
            Held::Memory { dtype, .. } => *dtype,
        }
    }

    /// The extents; empty for a scalar.
    pub fn shape(&self) -> &[u64] {
        match &self.0 {
            Held::Stored(stored) => stored.shape(),
            Held::Memory { shape, .. } => shape,
        }
    }

    /// How the elements lie.
    pub fn order(&self) -> Order {
        match &self.0 {
            Held::Stored(stored) => stored.order(),
            Held::Memory { order, .. } => *order,
        }
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        match &self.0 {
            Held::Stored(stored) => stored.digest(),
            Held::Memory { bytes, .. } => Digest::of(bytes),
        }
    }

    /// The bytes in the order they lie in. See [`StoredArray::to_bytes`].
    pub fn to_bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.0 {
            Held::Stored(stored) => stored.to_bytes().map(Cow::Owned),
            Held::Memory { bytes, .. } => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// The array in memory of its own. See [`StoredArray::to_array`] for the errors.
    pub fn to_array<A: Element, D: Dimension>(&self) -> Result<Array<A, D>> {
        match &self.0 {
            Held::Stored(stored) => stored.to_array(),
            Held::Memory { .. } => {
                super::stored::check_type(self, A::DTYPE, D::NDIM)?;
                mem::load_array(self)
            }
        }
    }

    /// The array, mapped if it is one of a store that maps. See [`StoredArray::map`].
    pub fn map<A: Element, D: Dimension>(&self) -> Result<MappedArray<A, D>> {
        match &self.0 {
            Held::Stored(stored) => stored.map(),
            Held::Memory { .. } => self.to_array().map(MappedArray::from),
        }
    }

    fn add_to(&self, writer: &mut Writer) -> Result<crate::format::tree::ArrayIndex> {
        match &self.0 {
            Held::Stored(stored) => writer.held(stored),
            Held::Memory { dtype, shape, order, bytes } => writer.checked(*dtype, shape, *order, bytes),
        }
    }

    /// As ndarray has it, whatever its elements: only for formats that are no store.
    pub(super) fn elements<A: Element>(&self) -> Result<Array<A, IxDyn>> {
        self.to_array()
    }
}

impl mem::Source for AnyArray {
    fn dtype(&self) -> DType {
        self.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.shape()
    }

    fn order(&self) -> Order {
        self.order()
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        match &self.0 {
            Held::Stored(stored) => stored.fill(bytes),
            Held::Memory { bytes: from, .. } => {
                bytes.copy_from_slice(from);
                Ok(())
            }
        }
    }

    fn malformed(&self, reason: String) -> Error {
        match &self.0 {
            Held::Stored(stored) => stored.malformed(reason),
            Held::Memory { .. } => Error::WrongType { at: String::new(), expected: "an array".into(), found: reason },
        }
    }
}

impl PartialEq for AnyArray {
    fn eq(&self, other: &Self) -> bool {
        (self.dtype(), self.shape(), self.order()) == (other.dtype(), other.shape(), other.order())
            && self.digest() == other.digest()
    }
}

/// Dtype, shape and order; never the elements.
impl fmt::Debug for AnyArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?}", self.dtype(), self.shape(), self.order())
    }
}
