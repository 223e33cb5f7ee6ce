//! The calls of one function, named in the shortest way: for a cache that has results in memory.

use ndstash::CallFrame;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::dicts::pairs;
use crate::encode::{Others, Walk};
use crate::error::{Fault, Result};
use crate::kind::Kind;
use crate::mode::Mode;
use crate::rounding::{Rounded, Roundings};
use crate::text::{Text, utf8};

/// How much of the arguments of a call is encoded here: values, and bytes of each text. What has more is worth the long
/// way, and is not to be encoded and hashed twice where nothing is found.
const MAX_VALUES: usize = 64;
const MAX_BYTES: usize = 4 << 10;

/// What the keys of all calls of a function begin with, and how their results come.
#[pyclass(frozen, module = "ndstash._core")]
pub(crate) struct Calls {
    frame: CallFrame,
    rounding: Rounded,
    pub(crate) mode: Mode,
}

#[pymethods]
impl Calls {
    #[new]
    #[pyo3(signature = (namespace, function, version, mode, rounding = None))]
    fn new(
        namespace: Text,
        function: Text,
        version: Option<Text>,
        mode: Mode,
        rounding: Option<Roundings<'_>>,
    ) -> Result<Self> {
        let version = version.as_ref().map(|version| version.0.as_str());
        let frame = CallFrame::new(&namespace.0, Some(&function.0), version)?;
        Ok(Calls { frame, rounding: Rounded::of(rounding)?, mode })
    }
}

impl Calls {
    /// The key of a call by its parts, the same that is made of them in full; `None` if they are not few and plain.
    pub(crate) fn key(&self, parts: &Bound<'_, PyDict>) -> Result<Option<ndstash::Key>> {
        let (parts, mut left) = (pairs(parts)?, MAX_VALUES);
        for (name, value) in &parts {
            // A part without a name is the only one, which is for others to check.
            if !is_short(value, &mut left)? || utf8(name.cast()?)?.is_empty() {
                return Ok(None);
            }
        }
        let key = self.frame.key(|arguments| {
            parts.iter().try_for_each(|(name, value)| {
                let name = utf8(name.cast::<PyString>()?)?;
                arguments
                    .arg::<Fault>(name, self.rounding.of_part(name), |to| Walk::new(Others::Refused).value(value, to))
            })
        });
        key.map(Some)
    }
}

/// Whether a value is one of a few plain ones, which are encoded without a look at anything else.
fn is_short(value: &Bound<'_, PyAny>, left: &mut usize) -> Result<bool> {
    if *left == 0 {
        return Ok(false);
    }
    *left -= 1;
    Ok(match Kind::of(value)? {
        Kind::None | Kind::Bool | Kind::Int | Kind::Float | Kind::Complex | Kind::Scalar(_) => true,
        Kind::Str => utf8(value.cast()?)?.len() <= MAX_BYTES,
        Kind::Bytes => value.cast::<PyBytes>()?.as_bytes().len() <= MAX_BYTES,
        Kind::Tuple => all_short(value.cast::<PyTuple>()?.iter(), left)?,
        Kind::List => all_short(value.cast::<PyList>()?.iter(), left)?,
        Kind::Dict => {
            all_short(pairs(value.cast::<PyDict>()?)?.into_iter().flat_map(|(key, value)| [key, value]), left)?
        }
        _ => false,
    })
}

/// The same of what a container holds. One that holds itself has more than a few.
fn all_short<'py>(items: impl Iterator<Item = Bound<'py, PyAny>>, left: &mut usize) -> Result<bool> {
    for item in items {
        if !is_short(&item, left)? {
            return Ok(false);
        }
    }
    Ok(true)
}
