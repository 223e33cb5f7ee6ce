//! NumPy: imported when it is first needed; its types known by their pointers.

use std::collections::HashMap;
use std::ffi::c_void;

use ndstash::{DType, Order};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple, PyType};

use crate::buffer::View;
use crate::error::{Fault, Result};

/// What is used of NumPy.
pub(crate) struct NumPy {
    ndarray: Py<PyType>,
    empty: Py<PyAny>,
    /// The classes of single numbers.
    scalars: HashMap<usize, DType>,
    /// Those of counts of a unit of time.
    ticks: [usize; 2],
    int64: Py<PyAny>,
    dtypes: Vec<(DType, Py<PyAny>)>,
}

static NUMPY: PyOnceLock<NumPy> = PyOnceLock::new();

/// A class, as a number that tells it from others.
fn identity<T>(class: *mut T) -> usize {
    class.cast::<c_void>().addr()
}

impl NumPy {
    pub(crate) fn get(py: Python<'_>) -> PyResult<&Self> {
        NUMPY.get_or_try_init(py, || NumPy::import(py))
    }

    fn import(py: Python<'_>) -> PyResult<Self> {
        let numpy = py.import("numpy")?;
        let dtype = |name: &str| numpy.call_method1("dtype", (name,));
        let mut scalars = HashMap::new();
        let mut dtypes = Vec::new();
        // NumPy has no bfloat16 of its own.
        for &element in DType::ALL.iter().filter(|dtype| **dtype != DType::BFloat16) {
            let found = dtype(element.name())?;
            scalars.insert(identity(found.getattr("type")?.as_ptr()), element);
            dtypes.push((element, found.unbind()));
        }
        // Integers of C that are as wide as another one have a class of their own.
        for name in ["longlong", "ulonglong", "intc", "uintc"] {
            let found = dtype(name)?;
            let class = identity(found.getattr("type")?.as_ptr());
            let element = found.getattr("name")?.extract::<String>()?.parse();
            scalars.insert(class, element.map_err(Fault::from)?);
        }
        let class = |name: &str| numpy.getattr(name);
        let ticks = [identity(class("datetime64")?.as_ptr()), identity(class("timedelta64")?.as_ptr())];
        let (ndarray, empty, int64) =
            (class("ndarray")?.cast_into()?.unbind(), class("empty")?.unbind(), class("int64")?.unbind());
        Ok(NumPy { ndarray, empty, scalars, ticks, int64, dtypes })
    }

    /// Whether a class is `numpy.ndarray` itself.
    pub(crate) fn is_array(&self, class: *mut pyo3::ffi::PyTypeObject) -> bool {
        identity(class) == identity(self.ndarray.as_ptr())
    }

    /// The element type, if a class is that of a single number.
    pub(crate) fn scalar(&self, class: *mut pyo3::ffi::PyTypeObject) -> Option<DType> {
        self.scalars.get(&identity(class)).copied()
    }

    /// Whether a class is that of counts of a unit of time.
    pub(crate) fn is_ticks(&self, class: *mut pyo3::ffi::PyTypeObject) -> bool {
        self.ticks.contains(&identity(class))
    }

    /// The name of the type of such a count, and how many it is.
    pub(crate) fn ticks_of(&self, value: &Bound<'_, PyAny>) -> PyResult<(String, i64)> {
        let py = value.py();
        let dtype = value.getattr(intern!(py, "dtype"))?.getattr(intern!(py, "name"))?;
        let count = value.call_method1(intern!(py, "view"), (self.int64.bind(py),))?;
        Ok((dtype.extract()?, count.extract()?))
    }

    /// So many of the unit of time that a type of this name counts.
    pub(crate) fn ticks<'py>(&self, py: Python<'py>, dtype: &str, count: i64) -> PyResult<Bound<'py, PyAny>> {
        self.int64.bind(py).call1((count,))?.call_method1(intern!(py, "view"), (dtype,))
    }

    /// The single number of these bytes.
    pub(crate) fn single<'py>(&self, py: Python<'py>, dtype: DType, bytes: &[u8]) -> Result<Bound<'py, PyAny>> {
        let array = self.over(PyBytes::new(py, bytes).as_any(), dtype, &[], Order::C)?;
        let array = if dtype == DType::BFloat16 { NumPy::as_bfloat16(&array)? } else { array };
        Ok(array.get_item(PyTuple::empty(py))?)
    }

    /// The type as NumPy has it; of bfloat16, the bits.
    fn dtype<'py>(&self, py: Python<'py>, dtype: DType) -> Result<&Bound<'py, PyAny>> {
        let dtype = if dtype == DType::BFloat16 { DType::UInt16 } else { dtype };
        let found = self.dtypes.iter().find(|(known, _)| *known == dtype).map(|(_, found)| found.bind(py));
        found.ok_or_else(|| unsupported(format!("{dtype} in NumPy")))
    }

    /// An array over memory that some object exports, and that it keeps alive.
    pub(crate) fn over<'py>(
        &self,
        memory: &Bound<'py, PyAny>,
        dtype: DType,
        shape: &[u64],
        order: Order,
    ) -> Result<Bound<'py, PyAny>> {
        let py = memory.py();
        let shape = PyTuple::new(py, shape)?;
        let arguments = (shape, self.dtype(py, dtype)?, memory, 0, py.None(), letter(py, order));
        Ok(self.ndarray.bind(py).call1(arguments)?)
    }

    /// The array that one of the bits of bfloat16 is, of the type that the package `ml_dtypes` has.
    ///
    /// # Errors
    /// `Unsupported` where that is not installed.
    pub(crate) fn as_bfloat16<'py>(bits: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let py = bits.py();
        let foreign = py.import("ml_dtypes").and_then(|package| package.getattr("bfloat16"));
        let foreign = foreign.map_err(|_| unsupported("bfloat16 in NumPy without the package ml_dtypes".into()))?;
        Ok(bits.call_method1(intern!(py, "view"), (foreign,))?)
    }

    /// An array of its own memory, which has anything in it, and that memory.
    pub(crate) fn empty<'py>(
        &self,
        py: Python<'py>,
        dtype: DType,
        shape: &[u64],
        order: Order,
    ) -> Result<Bound<'py, PyAny>> {
        Ok(self.empty.bind(py).call1((PyTuple::new(py, shape)?, self.dtype(py, dtype)?, letter(py, order)))?)
    }
}

fn unsupported(what: String) -> Fault {
    ndstash::Error::Unsupported { path: "an array".into(), what }.into()
}

fn letter(py: Python<'_>, order: Order) -> &Bound<'_, PyString> {
    match order {
        Order::C => intern!(py, "C"),
        Order::F => intern!(py, "F"),
    }
}

/// An array of ndstash's element types, its elements without gaps: where they lie, or copied to C order.
pub(crate) struct Lying {
    pub(crate) view: View,
    pub(crate) dtype: DType,
    pub(crate) order: Order,
}

impl Lying {
    /// `None` if the elements are of another type or byte order.
    pub(crate) fn of(array: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        // Of a type that has no format, as of dates, NumPy exports nothing.
        let Ok(view) = View::of(array) else { return Ok(None) };
        let Some(dtype) = view.dtype() else { return Ok(None) };
        if let Some(order) = view.order() {
            return Ok(Some(Lying { view, dtype, order }));
        }
        let py = array.py();
        let copied = array.call_method1(intern!(py, "copy"), (letter(py, Order::C),))?;
        Ok(Some(Lying { view: View::of(&copied)?, dtype, order: Order::C }))
    }
}
