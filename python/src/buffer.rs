//! Memory that Python and Rust look at together: the one file of this crate with unsafe code, and the promise that maps
//! rest on.
#![expect(unsafe_code, reason = "memory goes to Python by its address, and comes from there by its address")]

use std::ffi::{CStr, c_char, c_int};
use std::path::PathBuf;
use std::ptr::NonNull;

use ndstash::{DType, MapPolicy, MappedBytes, Order, PrivateBytes, RawArray, RawMemory};
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{ffi, intern};

use crate::error::{Fault, Result};

/// Blobs are mapped: nobody edits the files of a store by hand.
pub(crate) fn mapped() -> MapPolicy {
    // SAFETY: who opens a store from Python with `memory_map=True`, the default, promises that nothing but ndstash
    // writes to its files; the documentation of the package says so.
    unsafe { MapPolicy::trusted() }
}

/// The bytes of one stored array.
#[pyclass(frozen, weakref, module = "ndstash._core")]
pub(crate) struct Buffer {
    start: Start,
    len: usize,
    memory: Memory,
    store: Option<PathBuf>,
}

/// Where memory begins.
#[derive(Clone, Copy)]
struct Start(*mut u8);

impl Start {
    fn here(self) -> *mut u8 {
        self.0
    }
}

// SAFETY: it is an address. Who reads or writes there says why that is allowed.
unsafe impl Send for Start {}

// SAFETY: as above.
unsafe impl Sync for Start {}

/// What keeps the memory where it is.
enum Memory {
    /// Read-only.
    Shared(MappedBytes),
    /// Writable, and nobody else's.
    Private(PrivateBytes),
    /// The same, in ordinary memory.
    Own { _bytes: Vec<u8> },
    /// Of an array that is produced in place, until it is sealed; after that, still there.
    Canvas { mapped: bool, _memory: RawMemory },
}

impl Buffer {
    /// Read-only memory.
    pub(crate) fn shared(bytes: MappedBytes, store: Option<PathBuf>) -> Self {
        let (start, len) = (Start(bytes.as_ptr().cast_mut()), bytes.len());
        Buffer { start, len, memory: Memory::Shared(bytes), store }
    }

    /// Writable memory.
    pub(crate) fn private(mut bytes: PrivateBytes, store: Option<PathBuf>) -> Self {
        let (start, len) = (Start(bytes.as_mut_ptr()), bytes.len());
        Buffer { start, len, memory: Memory::Private(bytes), store }
    }

    /// Ordinary memory, writable.
    pub(crate) fn own(mut bytes: Vec<u8>) -> Self {
        let (start, len) = (Start(bytes.as_mut_ptr()), bytes.len());
        Buffer { start, len, memory: Memory::Own { _bytes: bytes }, store: None }
    }

    /// Memory that an array is produced in.
    pub(crate) fn canvas(array: &RawArray, store: PathBuf) -> Self {
        let (memory, mapped) = (array.memory().clone(), array.is_mapped());
        let (start, len) = (Start(memory.as_mut_ptr()), memory.len());
        Buffer { start, len, memory: Memory::Canvas { mapped, _memory: memory }, store: Some(store) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The blob that these bytes of memory are, if they are all of it under a read-only map.
    fn known(&self, address: usize, len: usize) -> Option<&MappedBytes> {
        let Memory::Shared(bytes) = &self.memory else { return None };
        (bytes.blob().is_some() && self.start.0.addr() == address && self.len == len).then_some(bytes)
    }

    /// The same of a view.
    pub(crate) fn blob(&self, view: &View) -> Option<&MappedBytes> {
        self.known(view.address(), view.len())
    }
}

#[pymethods]
impl Buffer {
    /// How many bytes there are.
    #[getter]
    fn nbytes(&self) -> usize {
        self.len
    }

    /// Whether they may be written to. What is written reaches nobody else.
    #[getter]
    fn writable(&self) -> bool {
        !matches!(self.memory, Memory::Shared(_))
    }

    /// Whether they lie in a map of a file of the store.
    #[getter]
    fn mapped(&self) -> bool {
        match &self.memory {
            Memory::Shared(bytes) => bytes.is_mapped(),
            Memory::Private(bytes) => bytes.is_mapped(),
            Memory::Own { .. } => false,
            Memory::Canvas { mapped, .. } => *mapped,
        }
    }

    /// The name of the blob, if this is all of one under a read-only map; else None.
    #[getter]
    fn digest(&self) -> Option<String> {
        let Memory::Shared(bytes) = &self.memory else { return None };
        bytes.blob().map(|digest| digest.to_string())
    }

    /// The path of the store it was loaded from.
    #[getter]
    fn store(&self) -> Option<&std::ffi::OsStr> {
        self.store.as_deref().map(std::path::Path::as_os_str)
    }

    fn __len__(&self) -> usize {
        self.len
    }

    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let buffer = slf.get();
        let (start, readonly) = (buffer.start.0.cast(), c_int::from(!buffer.writable()));
        let Ok(len) = ffi::Py_ssize_t::try_from(buffer.len) else {
            return Err(PyBufferError::new_err("it is too large"));
        };
        // SAFETY: the interpreter is attached, and hands in a view to be filled. The memory is there for as long as the
        // object, to which the view holds a reference: nothing is ever taken out of a frozen class.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, len, readonly, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// The memory that a Python object exports, for as long as this lives.
///
/// Other threads of Python may write to it meanwhile, as they may to whatever NumPy itself works on without the
/// interpreter lock. Here it is only copied and hashed: what is made of torn bytes is of no use, and does no harm.
pub(crate) struct View(Box<ffi::Py_buffer>);

// SAFETY: an exported view may be read from every thread; it is released with the interpreter attached.
unsafe impl Send for View {}

// SAFETY: as above; nothing of it changes while it is shared.
unsafe impl Sync for View {}

impl View {
    /// With shape, strides and format. Whatever the layout.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::get(object, ffi::PyBUF_FULL_RO)
    }

    /// Memory that may be written to.
    fn writable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::get(object, ffi::PyBUF_FULL)
    }

    fn get(object: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the interpreter is attached, and the view is one that has nothing in it, at a place that it keeps.
        let found = unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) };
        if found == 0 { Ok(View(view)) } else { Err(PyErr::fetch(object.py())) }
    }

    /// C order, if the elements lie so without gaps; else Fortran order, if they do so.
    pub(crate) fn order(&self) -> Option<Order> {
        let lies = |order: u8| {
            let order = c_char::from_le_bytes([order]);
            // SAFETY: the view was filled, and is not released.
            unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.0, order) != 0 }
        };
        if lies(b'C') { Some(Order::C) } else { lies(b'F').then_some(Order::F) }
    }

    /// The element type, if it is one of ndstash's, in the byte order of the machine.
    pub(crate) fn dtype(&self) -> Option<DType> {
        if self.0.format.is_null() {
            return (self.0.itemsize == 1).then_some(DType::UInt8);
        }
        // SAFETY: a format is a C string, and lives as long as the view.
        let format = unsafe { CStr::from_ptr(self.0.format) };
        dtype(format.to_bytes(), self.0.itemsize)
    }

    /// The extents.
    pub(crate) fn shape(&self) -> Vec<u64> {
        let rank = usize::try_from(self.0.ndim).unwrap_or(0);
        if rank == 0 || self.0.shape.is_null() {
            return Vec::new();
        }
        // SAFETY: a view that was asked for its shape has as many extents as dimensions.
        let extents = unsafe { std::slice::from_raw_parts(self.0.shape, rank) };
        extents.iter().map(|&extent| u64::try_from(extent).unwrap_or(0)).collect()
    }

    /// The object whose memory it is: of views through other objects, the innermost that told of itself.
    fn exporter<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        // SAFETY: the view holds a reference to it, if there is one.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, self.0.obj) }
    }

    /// The buffer of a whole blob under a read-only map, if this is the memory of just that.
    pub(crate) fn blob<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Buffer>> {
        let buffer = beneath(self.exporter(py)?)?;
        buffer.get().blob(self).is_some().then_some(buffer)
    }

    fn address(&self) -> usize {
        self.0.buf.addr()
    }

    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(0)
    }

    /// All bytes, in the order they lie in; none if they lie with gaps.
    pub(crate) fn bytes(&self) -> &[u8] {
        let start = NonNull::new(self.0.buf.cast::<u8>()).filter(|_| self.order().is_some());
        let Some(start) = start else { return &[] };
        // SAFETY: a view without gaps begins there and has so many bytes, for as long as it is not released; that they
        // may change meanwhile is said above.
        unsafe { std::slice::from_raw_parts(start.as_ptr(), self.len()) }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let released = Python::try_attach(|_| {
            // SAFETY: the interpreter is attached, and this is the only time.
            unsafe { ffi::PyBuffer_Release(&raw mut *self.0) };
        });
        // Of an interpreter that is no more there is nothing to release.
        let _ = released;
    }
}

/// Fills the memory of an array that was just made, and that nobody else knows of, without the interpreter lock.
pub(crate) fn fill<T: Send>(array: &Bound<'_, PyAny>, fill: impl FnOnce(&mut [u8]) -> T + Send) -> Result<T> {
    let view = View::writable(array)?;
    let (start, len) = (Start(view.0.buf.cast()), view.bytes().len());
    let bytes = if len == 0 {
        &mut []
    } else {
        // SAFETY: the view is writable, has no gaps, as `bytes` has found out, and so many bytes; nobody else has the
        // array.
        unsafe { std::slice::from_raw_parts_mut(start.0, len) }
    };
    Ok(if len < crate::LARGE { fill(bytes) } else { array.py().detach(|| fill(bytes)) })
}

/// The buffer whose memory an object views: itself, or what it was made over, through arrays and memory views.
fn beneath(mut object: Bound<'_, PyAny>) -> Option<Bound<'_, Buffer>> {
    /// Arrays over arrays have the innermost as their base; more steps there are in odd cases only.
    const STEPS: usize = 8;
    let py = object.py();
    for _ in 0..STEPS {
        match object.cast_into::<Buffer>() {
            Ok(buffer) => return Some(buffer),
            Err(error) => object = error.into_inner(),
        }
        let base = object.getattr_opt(intern!(py, "base")).ok().flatten();
        let next = base.or_else(|| object.getattr_opt(intern!(py, "obj")).ok().flatten());
        object = next.filter(|next| !next.is_none())?;
    }
    None
}

/// The element type of a format of the `struct` module, which says whether the byte order is another than the machine's.
fn dtype(format: &[u8], size: isize) -> Option<DType> {
    let letters =
        format.strip_prefix(b"@").or(format.strip_prefix(b"=")).or(format.strip_prefix(b"<")).unwrap_or(format);
    Some(match (letters, size) {
        (b"?", 1) => DType::Bool,
        (b"b", 1) => DType::Int8,
        (b"B", 1) => DType::UInt8,
        (b"h" | b"i" | b"l" | b"q" | b"n", 2) => DType::Int16,
        (b"h" | b"i" | b"l" | b"q" | b"n", 4) => DType::Int32,
        (b"h" | b"i" | b"l" | b"q" | b"n", 8) => DType::Int64,
        (b"H" | b"I" | b"L" | b"Q" | b"N", 2) => DType::UInt16,
        (b"H" | b"I" | b"L" | b"Q" | b"N", 4) => DType::UInt32,
        (b"H" | b"I" | b"L" | b"Q" | b"N", 8) => DType::UInt64,
        (b"e", 2) => DType::Float16,
        (b"f", 4) => DType::Float32,
        (b"d", 8) => DType::Float64,
        (b"Zf", 8) => DType::Complex64,
        (b"Zd", 16) => DType::Complex128,
        _ => return None,
    })
}

/// Copies bytes of a buffer, from a place on, into memory that an object lends; how many.
pub(crate) fn copy_into(from: &Buffer, at: usize, target: &Bound<'_, PyAny>) -> Result<usize> {
    let view = View::writable(target)?;
    let len = view.bytes().len().min(from.len.saturating_sub(at));
    copy(target.py(), from, at, len, Start(view.0.buf.cast()));
    Ok(len)
}

/// A copy of the bytes of a buffer from a place on.
pub(crate) fn rest<'py>(py: Python<'py>, from: &Buffer, at: usize) -> Result<Bound<'py, PyBytes>> {
    let len = from.len.saturating_sub(at);
    let made = PyBytes::new_with(py, len, |to| {
        copy(py, from, at, len, Start(to.as_mut_ptr()));
        Ok(())
    })?;
    Ok(made)
}

/// Copies so many bytes of a buffer, which has them, to memory that has room for them.
fn copy(py: Python<'_>, from: &Buffer, at: usize, len: usize, to: Start) {
    let source = Start(from.start.0.wrapping_add(at));
    let copy = move || {
        let (source, to) = (source.here(), to.here());
        // SAFETY: so many bytes are there on both sides, and are kept there by whoever calls this.
        unsafe { std::ptr::copy(source, to, len) };
    };
    if len < crate::LARGE { copy() } else { py.detach(copy) }
}

/// The digest, if these bytes of memory are all of the blob that the buffer maps read-only.
#[pyfunction]
pub(crate) fn known(buffer: &Bound<'_, Buffer>, address: usize, nbytes: usize) -> Option<String> {
    buffer.get().known(address, nbytes)?.blob().map(|digest| digest.to_string())
}

/// BLAKE3 of bytes, on all cores.
#[pyfunction]
pub(crate) fn digest(data: &Bound<'_, PyAny>) -> Result<String> {
    let view = View::of(data)?;
    if view.order().is_none() {
        return Err(Fault::invalid("data", "", "memory without gaps is expected"));
    }
    let bytes = view.bytes();
    let hash = || ndstash::Digest::of(bytes);
    Ok(if bytes.len() < crate::LARGE { hash() } else { data.py().detach(hash) }.to_string())
}
