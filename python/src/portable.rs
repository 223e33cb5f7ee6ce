//! From Python objects to trees. What is found is noted down first, with the interpreter lock; arrays are hashed and
//! written after, without it.

use std::collections::HashSet;

use ndstash::{DType, Tag, Tree, Writer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyFloat, PyList, PyString, PyTuple};

use crate::buffer::View;
use crate::dicts::pairs_of;
use crate::error::{Fault, Result};
use crate::kind::Kind;
use crate::moment;
use crate::numpy::NumPy;
use crate::staging::Memory;
use crate::text::integer_bytes;

/// How deep values may hold each other: a manifest has a little more.
const MAX_DEPTH: usize = 60;

/// How many values there may be in one, and how many bytes of text and numbers: a manifest is read as a whole.
const MAX_VALUES: usize = 1 << 20;
const MAX_BYTES: usize = 16 << 20;

/// About how many bytes a tagged list of a few items takes.
const SINGLE: usize = 24;

/// Byte strings from this length on are kept like arrays.
const LONG: usize = 4 << 10;

/// A value, noted down.
pub(crate) enum Node {
    Leaf(Tree),
    List(Vec<Node>),
    Tagged(Tag, Vec<Node>),
    Map(Vec<(Node, Node)>),
    Array(Memory),
    Bytes(Memory),
}

impl Node {
    /// Adds the arrays to a writer; returns the tree that is left.
    pub(crate) fn write(self, writer: &mut Writer) -> ndstash::Result<Tree> {
        Ok(match self {
            Node::Leaf(tree) => tree,
            Node::List(items) => Tree::List(write_all(items, writer)?),
            Node::Tagged(tag, items) => Tree::Tagged(tag, write_all(items, writer)?),
            Node::Map(pairs) => {
                let pair = |(key, value): (Node, Node)| Ok((key.write(writer)?, value.write(writer)?));
                Tree::Map(pairs.into_iter().map(pair).collect::<ndstash::Result<_>>()?)
            }
            Node::Array(memory) => memory.write(writer)?,
            Node::Bytes(memory) => memory.write_bytes(writer)?,
        })
    }

    /// The tree, if there are no arrays.
    fn into_plain(self) -> Option<Tree> {
        Some(match self {
            Node::Leaf(tree) => tree,
            Node::List(items) => Tree::List(items.into_iter().map(Node::into_plain).collect::<Option<_>>()?),
            Node::Tagged(tag, items) => {
                Tree::Tagged(tag, items.into_iter().map(Node::into_plain).collect::<Option<_>>()?)
            }
            Node::Map(pairs) => {
                let pair = |(key, value): (Node, Node)| Some((key.into_plain()?, value.into_plain()?));
                Tree::Map(pairs.into_iter().map(pair).collect::<Option<_>>()?)
            }
            Node::Bytes(memory) => Tree::Bytes(memory.to_bytes()),
            Node::Array(_) => return None,
        })
    }
}

fn write_all(items: Vec<Node>, writer: &mut Writer) -> ndstash::Result<Vec<Tree>> {
    items.into_iter().map(|item| item.write(writer)).collect()
}

/// Why a value is not noted down.
enum Stop {
    NotPortable,
    Fault(Fault),
}

impl<E: Into<Fault>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Fault(error.into())
    }
}

/// Notes a value down; `None` if it is not portable.
pub(crate) fn note(value: &Bound<'_, PyAny>) -> Result<Option<Node>> {
    match Notes::default().value(value, 0) {
        Ok(node) => Ok(Some(node)),
        Err(Stop::NotPortable) => Ok(None),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

/// Notes a value down that has no arrays: metadata.
pub(crate) fn note_plain(value: &Bound<'_, PyAny>) -> Result<Tree> {
    let plain = note(value)?.and_then(Node::into_plain);
    let given = || value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    plain.ok_or_else(|| Fault::invalid("metadata", given(), "a plain value without arrays is expected"))
}

/// Whether a value is portable.
#[pyfunction]
pub(crate) fn is_portable(value: &Bound<'_, PyAny>) -> Result<bool> {
    Ok(note(value)?.is_some())
}

#[derive(Default)]
struct Notes {
    /// The objects met so far that can change: met twice, they would be two when they are loaded.
    met: HashSet<usize>,
    values: usize,
    bytes: usize,
}

impl Notes {
    fn value(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Result<Node, Stop> {
        self.spend(0)?;
        let kind = Kind::of(value)?;
        Ok(match kind {
            Kind::None => Node::Leaf(Tree::Nil),
            Kind::Bool => Node::Leaf(Tree::Bool(value.is_truthy()?)),
            Kind::Int => Node::Leaf(self.integer(value)?),
            Kind::Float => Node::Leaf(Tree::Float(value.cast::<PyFloat>().map_err(PyErr::from)?.value())),
            Kind::Complex => {
                let value = value.cast::<PyComplex>().map_err(PyErr::from)?;
                Node::Leaf(Tree::Tagged(Tag::Complex, vec![Tree::Float(value.real()), Tree::Float(value.imag())]))
            }
            Kind::Str => {
                // With lone surrogates it has no UTF-8.
                let text = value.cast::<PyString>().map_err(PyErr::from)?.to_str().map_err(|_| Stop::NotPortable)?;
                self.spend(text.len())?;
                Node::Leaf(Tree::from(text))
            }
            Kind::Bytes => self.byte_string(value.cast::<PyBytes>().map_err(PyErr::from)?)?,
            Kind::List => {
                self.meet(value)?;
                Node::List(self.all(value.cast::<PyList>().map_err(PyErr::from)?.iter().map(Ok), depth)?)
            }
            Kind::Tuple => {
                let items = value.cast::<PyTuple>().map_err(PyErr::from)?.iter().map(Ok);
                Node::Tagged(Tag::Tuple, self.all(items, depth)?)
            }
            Kind::Set => {
                self.meet(value)?;
                Node::Tagged(Tag::Set, self.all(value.try_iter()?, depth)?)
            }
            Kind::FrozenSet => Node::Tagged(Tag::FrozenSet, self.all(value.try_iter()?, depth)?),
            Kind::Dict => {
                self.meet(value)?;
                self.map(value, depth)?
            }
            Kind::Array => {
                self.meet(value)?;
                Node::Array(Memory::array(value)?.ok_or(Stop::NotPortable)?)
            }
            Kind::Scalar(dtype) => self.single(Tag::Scalar, scalar(dtype, value)?)?,
            Kind::Ticks => {
                let (dtype, count) = NumPy::get(value.py())?.ticks_of(value)?;
                self.single(Tag::Ticks, vec![Tree::Str(dtype), Tree::Int(count)])?
            }
            Kind::Time(tag) => self.single(tag, moment::note(tag, value)?.ok_or(Stop::NotPortable)?)?,
            Kind::Other => return Err(Stop::NotPortable),
        })
    }

    fn all<'py>(
        &mut self,
        items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
        depth: usize,
    ) -> Result<Vec<Node>, Stop> {
        let depth = deeper(depth)?;
        items.map(|item| self.value(&item?, depth)).collect()
    }

    fn map(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Result<Node, Stop> {
        let depth = deeper(depth)?;
        let pair = |(key, value)| Ok((self.value(&key, depth)?, self.value(&value, depth)?));
        pairs_of(value)?.into_iter().map(pair).collect::<Result<_, Stop>>().map(Node::Map)
    }

    fn integer(&mut self, value: &Bound<'_, PyAny>) -> Result<Tree, Stop> {
        if let Ok(value) = value.extract::<i64>() {
            return Ok(Tree::Int(value));
        }
        if let Ok(value) = value.extract::<u64>() {
            return Ok(Tree::UInt(value));
        }
        let bytes = integer_bytes(value)?;
        self.spend(bytes.len())?;
        Ok(Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes)]))
    }

    fn byte_string(&mut self, value: &Bound<'_, PyBytes>) -> Result<Node, Stop> {
        let bytes = value.as_bytes();
        if bytes.len() < LONG {
            self.spend(bytes.len())?;
            return Ok(Node::Leaf(Tree::Bytes(bytes.to_vec())));
        }
        Ok(Node::Bytes(Memory::fixed(View::of(value)?)))
    }

    /// A tagged list of a few items that are no values of their own.
    fn single(&mut self, tag: Tag, items: Vec<Tree>) -> Result<Node, Stop> {
        self.spend(SINGLE)?;
        if tag.takes(&items) { Ok(Node::Leaf(Tree::Tagged(tag, items))) } else { Err(Stop::NotPortable) }
    }

    fn meet(&mut self, value: &Bound<'_, PyAny>) -> Result<(), Stop> {
        if self.met.insert(value.as_ptr().addr()) { Ok(()) } else { Err(Stop::NotPortable) }
    }

    /// One more value, of so many bytes.
    fn spend(&mut self, bytes: usize) -> Result<(), Stop> {
        self.values += 1;
        self.bytes += bytes;
        if self.values <= MAX_VALUES && self.bytes <= MAX_BYTES { Ok(()) } else { Err(Stop::NotPortable) }
    }
}

/// Its type and its bytes, which NumPy exports in the order of the machine: little-endian on all that this runs on.
fn scalar(dtype: DType, value: &Bound<'_, PyAny>) -> Result<Vec<Tree>, Stop> {
    Ok(vec![dtype.name().into(), Tree::Bytes(View::of(value)?.bytes().to_vec())])
}

fn deeper(depth: usize) -> Result<usize, Stop> {
    if depth < MAX_DEPTH { Ok(depth + 1) } else { Err(Stop::NotPortable) }
}
