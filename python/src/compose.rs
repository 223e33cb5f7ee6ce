//! From trees to Python objects.

use ndstash::{StoredArray, Tag, Tree};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

use crate::error::{Fault, Result};
use crate::home::Home;
use crate::mode::{Mode, bytes};
use crate::moment;
use crate::numpy::NumPy;
use crate::text::integer;

/// What the nodes of a tree refer to.
type Resolve<'a> = &'a dyn Fn(&Tree) -> Option<&'a StoredArray>;

/// The value that a tree is whose arrays are found in this way.
///
/// # Errors
/// `Damaged` if an array is; `Unsupported` for what Python has not.
pub(crate) fn value<'py, 'a>(
    py: Python<'py>,
    tree: &Tree,
    resolve: Resolve<'a>,
    mode: Mode,
    home: &'a Home,
) -> Result<Bound<'py, PyAny>> {
    Composer { arrays: Some(Arrays { resolve, mode, home }) }.value(py, tree)
}

/// The value that a tree is which names no arrays. In the place of one that is only described stands a dict of what is
/// known of it.
pub(crate) fn plain<'py>(py: Python<'py>, tree: &Tree) -> Result<Bound<'py, PyAny>> {
    Composer { arrays: None }.value(py, tree)
}

struct Composer<'a> {
    arrays: Option<Arrays<'a>>,
}

/// Where arrays come from, and how.
struct Arrays<'a> {
    resolve: Resolve<'a>,
    mode: Mode,
    home: &'a Home,
}

impl<'a> Composer<'a> {
    fn value<'py>(&self, py: Python<'py>, tree: &Tree) -> Result<Bound<'py, PyAny>> {
        Ok(match tree {
            Tree::Nil => py.None().into_bound(py),
            Tree::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
            Tree::Int(value) => PyInt::new(py, *value).into_any(),
            Tree::UInt(value) => PyInt::new(py, *value).into_any(),
            Tree::Float(value) => PyFloat::new(py, *value).into_any(),
            Tree::Str(text) => PyString::new(py, text).into_any(),
            Tree::Bytes(bytes) => PyBytes::new(py, bytes).into_any(),
            Tree::List(items) => PyList::new(py, self.all(py, items)?)?.into_any(),
            Tree::Map(pairs) => {
                let dict = PyDict::new(py);
                for (key, value) in pairs {
                    dict.set_item(self.key(py, key)?, self.value(py, value)?)?;
                }
                dict.into_any()
            }
            Tree::Tagged(tag, items) => self.tagged(py, *tag, items)?,
            Tree::Array(_) => {
                let (arrays, stored) = self.stored(tree)?;
                arrays.mode.array(py, stored, arrays.home)?
            }
            Tree::Payload(_) => bytes(py, self.stored(tree)?.1)?.into_any(),
            // Numbers that lie together come out of an array as a list does.
            Tree::Sequence(_) => {
                let (arrays, stored) = self.stored(tree)?;
                Mode::Own.array(py, stored, arrays.home)?.call_method0("tolist")?
            }
            _ => return Err(unsupported("a value of a later version")),
        })
    }

    fn all<'py>(&self, py: Python<'py>, items: &[Tree]) -> Result<Vec<Bound<'py, PyAny>>> {
        items.iter().map(|item| self.value(py, item)).collect()
    }

    fn tagged<'py>(&self, py: Python<'py>, tag: Tag, items: &[Tree]) -> Result<Bound<'py, PyAny>> {
        Ok(match (tag, items) {
            (Tag::Tuple, _) => PyTuple::new(py, self.all(py, items)?)?.into_any(),
            (Tag::Set, _) => PySet::new(py, self.keys(py, items)?)?.into_any(),
            (Tag::FrozenSet, _) => PyFrozenSet::new(py, self.keys(py, items)?)?.into_any(),
            (Tag::Complex, [Tree::Float(re), Tree::Float(im)]) => PyComplex::from_doubles(py, *re, *im).into_any(),
            (Tag::Integer, [Tree::Bytes(bytes)]) => integer(py, bytes)?,
            (Tag::Some, [value]) => self.value(py, value)?,
            (Tag::Scalar, [Tree::Str(dtype), Tree::Bytes(bytes)]) => {
                NumPy::get(py)?.single(py, dtype.parse()?, bytes)?
            }
            (Tag::Ticks, [Tree::Str(dtype), Tree::Int(count)]) => NumPy::get(py)?.ticks(py, dtype, *count)?,
            (Tag::DateTime | Tag::Date | Tag::Time | Tag::TimeDelta, _) => moment::compose(py, tag, items)?,
            (Tag::Omitted, [dtype, shape, Tree::Bytes(digest)]) => {
                let known = PyDict::new(py);
                known.set_item("dtype", self.value(py, dtype)?)?;
                known.set_item("shape", self.value(py, shape)?)?;
                let digest: Option<[u8; 32]> = digest.as_slice().try_into().ok();
                known.set_item("digest", digest.map(|digest| ndstash::Digest::from_bytes(digest).to_string()))?;
                known.into_any()
            }
            _ => return Err(unsupported("a value of a later version")),
        })
    }

    /// A value that can be hashed: other languages have lists for keys, too.
    fn key<'py>(&self, py: Python<'py>, tree: &Tree) -> Result<Bound<'py, PyAny>> {
        Ok(match tree {
            Tree::List(items) | Tree::Tagged(Tag::Tuple, items) => PyTuple::new(py, self.keys(py, items)?)?.into_any(),
            Tree::Tagged(Tag::Set, items) => PyFrozenSet::new(py, self.keys(py, items)?)?.into_any(),
            Tree::Map(_) | Tree::Array(_) | Tree::Sequence(_) => {
                return Err(unsupported("a map or an array as the key of a dict or the item of a set"));
            }
            other => self.value(py, other)?,
        })
    }

    fn keys<'py>(&self, py: Python<'py>, items: &[Tree]) -> Result<Vec<Bound<'py, PyAny>>> {
        items.iter().map(|item| self.key(py, item)).collect()
    }

    fn stored(&self, node: &Tree) -> Result<(&Arrays<'a>, &'a StoredArray)> {
        let arrays = self.arrays.as_ref().ok_or_else(|| unsupported("an array"))?;
        (arrays.resolve)(node).map(|stored| (arrays, stored)).ok_or_else(|| unsupported("an array"))
    }
}

fn unsupported(what: &str) -> Fault {
    ndstash::Error::Unsupported { path: "a value".into(), what: format!("{what} in Python") }.into()
}
