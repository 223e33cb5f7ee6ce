//! `.npy`: reading and writing headers.

mod elements;

use std::io::{self, Read};

use ndstash::{DType, Order};
use npyz::{Endianness, NpyHeader, TypeChar, TypeStr};

use crate::cli::failure::{Context, Failure, Result};
use crate::cli::format::{clean, shape as shape_text};

/// What every `.npy` begins with.
pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Magic, version, and the length of the rest of the header in version 1.
const PRELUDE: usize = 10;

/// The longest header that is read: numpy itself refuses more than 10,000 bytes.
const MAX_HEADER: u32 = 1 << 20;

/// How deep a header may nest.
const MAX_NESTING: usize = 32;

const SUPPORTED: &str =
    "bool, int8 to int64, uint8 to uint64, float16, float32, float64, complex64 and complex128 are supported";

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    pub(crate) order: Order,
    pub(crate) big_endian: bool,
    /// The length of the header itself.
    pub(crate) header_len: u64,
    /// The length of the elements.
    pub(crate) data_len: u64,
}

impl Head {
    /// Reads a header, and not one byte more.
    pub(crate) fn read(reader: &mut impl Read) -> Result<Self> {
        let bytes = read_header(reader)?;
        let header = NpyHeader::from_reader(&*bytes).context(|| "its header cannot be read".into())?;
        let (dtype, big_endian) = dtype_of(&header.dtype())?;
        let shape = header.shape().to_vec();
        let data_len = data_len(dtype, &shape)?;
        let order = match header.order() {
            npyz::Order::C => Order::C,
            npyz::Order::Fortran => Order::F,
        };
        Ok(Head { dtype, shape, order, big_endian, header_len: bytes.len() as u64, data_len })
    }

    /// Checks the length of a whole file against what its header promises.
    pub(crate) fn check_file_len(&self, len: u64) -> Result<()> {
        let found = len.saturating_sub(self.header_len);
        if found == self.data_len {
            return Ok(());
        }
        let what = if found < self.data_len { "it is truncated" } else { "something follows the array" };
        Err(Failure::new(format!(
            "{what}: {} of shape {} takes {} bytes after the header, there are {found}",
            self.dtype,
            shape_text(&self.shape),
            self.data_len,
        )))
    }
}

fn read_header(reader: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 8];
    let found = read_full(reader, &mut bytes)?;
    if !bytes[..found].starts_with(MAGIC) {
        return Err(not_npy(&bytes[..found]));
    }
    let width = match bytes[6] {
        1 => 2,
        2 | 3 => 4,
        version => return Err(Failure::new(format!("its version is {version}; 1, 2 and 3 are known"))),
    };
    let mut len = [0; 4];
    let found = read_full(reader, &mut len[..width])?;
    let text_len = u32::from_le_bytes(len);
    if found < width || text_len > MAX_HEADER {
        return Err(Failure::new(format!("its header is truncated, or longer than {MAX_HEADER} bytes")));
    }
    bytes.extend_from_slice(&len[..width]);
    let text_at = bytes.len();
    reader.by_ref().take(u64::from(text_len)).read_to_end(&mut bytes)?;
    check_text(&bytes[text_at..], text_len)?;
    Ok(bytes)
}

fn check_text(text: &[u8], promised: u32) -> Result<()> {
    let found = text.len();
    if found as u64 != u64::from(promised) {
        return Err(Failure::new(format!("it is truncated: its header has {promised} bytes, there are {found}")));
    }
    let outside = outside_strings(text)?;
    check_nesting(&outside)?;
    check_numbers(&outside)
}

/// The text with a blank in place of each string. The checks below protect the parser, so they must not be led astray
/// by what a string holds.
fn outside_strings(text: &[u8]) -> Result<Vec<u8>> {
    if text.windows(3).any(|three| three == b"'''" || three == b"\"\"\"") {
        return Err(Failure::new("its header has a string in three quotes, which numpy does not write"));
    }
    let (mut outside, mut open) = (Vec::new(), None);
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (open, byte) {
            (None, b'\'' | b'"') => open = Some(byte),
            (None, _) => outside.push(byte),
            (Some(_), b'\\') => drop(bytes.next()),
            (Some(quote), _) if quote == byte => {
                open = None;
                outside.push(b' ');
            }
            (Some(_), _) => {}
        }
    }
    Ok(outside)
}

/// The parser descends once a level, and its stack is finite.
fn check_nesting(text: &[u8]) -> Result<()> {
    let mut depth: usize = 0;
    for byte in text {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(Failure::new(format!("its header nests deeper than {MAX_NESTING} levels")));
        }
    }
    Ok(())
}

/// The numbers outside strings are the extents. The parser multiplies them without a check.
fn check_numbers(text: &[u8]) -> Result<()> {
    let numbers = text.split(|byte| !byte.is_ascii_digit()).filter(|digits| digits.iter().any(|&digit| digit != b'0'));
    let product = numbers
        .map(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .try_fold(1, |product: u64, number: Option<u64>| product.checked_mul(number?));
    match product {
        Some(_) => Ok(()),
        None => Err(Failure::new("its shape has more elements than can be counted")),
    }
}

fn not_npy(start: &[u8]) -> Failure {
    if start.is_empty() {
        return Failure::new("it is empty; a .npy begins with \\x93NUMPY");
    }
    Failure::new(format!("it begins with \"{}\"; a .npy begins with \"\\x93NUMPY\"", start.escape_ascii()))
}

/// Reads until the buffer is full or the input ends; returns how much was read.
pub(crate) fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The element type and whether it is big-endian.
fn dtype_of(dtype: &npyz::DType) -> Result<(DType, bool)> {
    let plain = match dtype {
        npyz::DType::Plain(plain) => plain,
        structured => return Err(unsupported(&structured.descr(), "a structured type")),
    };
    match known(plain) {
        Some(dtype) => Ok((dtype, plain.endianness() == Endianness::Big)),
        None => Err(unsupported(&format!("'{plain}'"), what_it_is(plain))),
    }
}

fn known(plain: &TypeStr) -> Option<DType> {
    Some(match (plain.type_char(), plain.size_field()) {
        (TypeChar::Bool, 1) => DType::Bool,
        (TypeChar::Int, 1) => DType::Int8,
        (TypeChar::Int, 2) => DType::Int16,
        (TypeChar::Int, 4) => DType::Int32,
        (TypeChar::Int, 8) => DType::Int64,
        (TypeChar::Uint, 1) => DType::UInt8,
        (TypeChar::Uint, 2) => DType::UInt16,
        (TypeChar::Uint, 4) => DType::UInt32,
        (TypeChar::Uint, 8) => DType::UInt64,
        (TypeChar::Float, 2) => DType::Float16,
        (TypeChar::Float, 4) => DType::Float32,
        (TypeChar::Float, 8) => DType::Float64,
        (TypeChar::Complex, 8) => DType::Complex64,
        (TypeChar::Complex, 16) => DType::Complex128,
        _ => return None,
    })
}

fn what_it_is(plain: &TypeStr) -> &'static str {
    match plain.type_char() {
        TypeChar::Object => "pickled Python objects",
        TypeChar::ByteStr | TypeChar::UnicodeStr => "strings",
        TypeChar::DateTime | TypeChar::TimeDelta => "times; their int64 view can be stored",
        TypeChar::RawData => "raw data",
        _ => "a number of a width that is not stored",
    }
}

fn unsupported(descr: &str, what: &str) -> Failure {
    let short: String = descr.chars().take(60).collect();
    Failure::new(format!("its dtype is {} ({what}); {SUPPORTED}", clean(&short)))
}

fn data_len(dtype: DType, shape: &[u64]) -> Result<u64> {
    let len = shape.iter().try_fold(dtype.item_size(), |len, &extent| len.checked_mul(extent));
    len.ok_or_else(|| Failure::new(format!("its shape {} has more bytes than can be counted", shape_text(shape))))
}

/// A header of version 1 for an array, as long as the next multiple of `align`.
pub(crate) fn header(dtype: DType, shape: &[u64], order: Order, align: usize) -> Vec<u8> {
    let fortran = if order == Order::F { "True" } else { "False" };
    let (descr, shape) = (descr(dtype), shape_text(shape));
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let len = (PRELUDE + text.len() + 1).next_multiple_of(align);
    let text_len = u16::try_from(len - PRELUDE).expect("64 extents of 20 digits are shorter than that");
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&text_len.to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(len - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// How numpy spells an element type. It has no spelling for `bfloat16`, whose bits go out as `uint16`.
fn descr(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "|b1",
        DType::Int8 => "|i1",
        DType::Int16 => "<i2",
        DType::Int32 => "<i4",
        DType::Int64 => "<i8",
        DType::UInt8 => "|u1",
        DType::UInt16 | DType::BFloat16 => "<u2",
        DType::UInt32 => "<u4",
        DType::UInt64 => "<u8",
        DType::Float16 => "<f2",
        DType::Float32 => "<f4",
        DType::Float64 => "<f8",
        DType::Complex64 => "<c8",
        DType::Complex128 => "<c16",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_written_are_read_back() {
        for &dtype in DType::ALL.iter().filter(|&&dtype| dtype != DType::BFloat16) {
            for (shape, order) in [(vec![], Order::C), (vec![7], Order::C), (vec![3, 0, 4], Order::F)] {
                let bytes = header(dtype, &shape, order, 4096);
                let head = Head::read(&mut &*bytes).unwrap();
                let data_len = shape.iter().product::<u64>() * dtype.item_size();
                assert_eq!(head, Head { dtype, shape, order, big_endian: false, header_len: 4096, data_len });
            }
        }
        let widest = header(DType::Complex128, &[u64::MAX; 64], Order::F, 64);
        assert_eq!(widest.len() % 64, 0);
    }

    #[test]
    fn a_header_that_nests_without_end_or_is_cut_is_refused() {
        let deep = [&MAGIC[..], &[1, 0], &60000u16.to_le_bytes(), &vec![b'('; 60000]].concat();
        assert!(Head::read(&mut &*deep).unwrap_err().to_string().contains("nests deeper"));
        let whole = header(DType::Int8, &[1], Order::C, 64);
        for len in 0..whole.len() {
            assert!(Head::read(&mut &whole[..len]).is_err(), "{len}");
        }
    }
}
