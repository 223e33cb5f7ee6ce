//! Single numbers of types that arrays have, and counts of units of time: NumPy's scalars.

use half::{bf16, f16};

use super::tree::{Tag, Tree};
use crate::dtype::DType;

/// How many of a unit may be taken together, at most.
const MAX_MULTIPLE: u32 = i32::MAX.cast_unsigned();
/// The units of time.
const UNITS: [&str; 13] = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as"];

/// Whether bytes are one element of the type of this name.
pub(super) fn is_scalar(dtype: &str, bytes: &[u8]) -> bool {
    match dtype.parse::<DType>() {
        Ok(DType::Bool) => matches!(bytes, [0 | 1]),
        Ok(dtype) => bytes.len() as u64 == dtype.item_size(),
        Err(_) => false,
    }
}

/// Whether a text is the name of a type that counts units of time: `datetime64[25ns]`, `timedelta64` where no unit is
/// given.
pub(super) fn is_time_unit(dtype: &str) -> bool {
    let Some(unit) = dtype.strip_prefix("datetime64").or_else(|| dtype.strip_prefix("timedelta64")) else {
        return false;
    };
    let Some(unit) = unit.strip_prefix('[').and_then(|unit| unit.strip_suffix(']')) else { return unit.is_empty() };
    let digits = unit.bytes().take_while(u8::is_ascii_digit).count();
    let (multiple, unit) = unit.split_at(digits);
    // One form each: 1 is left out, and no zeros lead.
    let is_multiple = |text: &str| {
        !text.starts_with('0') && text.parse::<u32>().is_ok_and(|number| (2..=MAX_MULTIPLE).contains(&number))
    };
    UNITS.contains(&unit) && (multiple.is_empty() || is_multiple(multiple))
}

/// Elements, which are little-endian bytes, as numbers without a type.
pub(crate) fn numbers(dtype: DType, bytes: &[u8]) -> Vec<Tree> {
    match dtype {
        DType::Bool => each(bytes, |[byte]| Tree::Bool(byte != 0)),
        DType::Int8 => each(bytes, |at| Tree::Int(i8::from_le_bytes(at).into())),
        DType::Int16 => each(bytes, |at| Tree::Int(i16::from_le_bytes(at).into())),
        DType::Int32 => each(bytes, |at| Tree::Int(i32::from_le_bytes(at).into())),
        DType::Int64 => each(bytes, |at| Tree::Int(i64::from_le_bytes(at))),
        DType::UInt8 => each(bytes, |[byte]| Tree::Int(byte.into())),
        DType::UInt16 => each(bytes, |at| Tree::Int(u16::from_le_bytes(at).into())),
        DType::UInt32 => each(bytes, |at| Tree::Int(u32::from_le_bytes(at).into())),
        DType::UInt64 => each(bytes, |at| unsigned(u64::from_le_bytes(at))),
        DType::Float16 => each(bytes, |at| Tree::Float(f16::from_le_bytes(at).to_f64())),
        DType::BFloat16 => each(bytes, |at| Tree::Float(bf16::from_le_bytes(at).to_f64())),
        DType::Float32 => each(bytes, |at| Tree::Float(f32::from_le_bytes(at).into())),
        DType::Float64 => each(bytes, |at| Tree::Float(f64::from_le_bytes(at))),
        DType::Complex64 => pairs(&each(bytes, |at| f32::from_le_bytes(at).into())),
        DType::Complex128 => pairs(&each(bytes, f64::from_le_bytes)),
    }
}

fn each<const N: usize, T>(bytes: &[u8], make: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|at| make(*at)).collect()
}

fn pairs(parts: &[f64]) -> Vec<Tree> {
    parts.as_chunks().0.iter().map(|&[re, im]| complex(re, im)).collect()
}

pub(crate) fn complex(re: f64, im: f64) -> Tree {
    Tree::Tagged(Tag::Complex, vec![Tree::Float(re), Tree::Float(im)])
}

pub(crate) fn unsigned(value: u64) -> Tree {
    i64::try_from(value).map_or(Tree::UInt(value), Tree::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_the_bytes_of_its_type() {
        for dtype in DType::ALL {
            let size = usize::try_from(dtype.item_size()).unwrap();
            assert!(is_scalar(dtype.name(), &vec![1; size]), "{dtype}");
            assert!(!is_scalar(dtype.name(), &vec![1; size + 1]) && !is_scalar(dtype.name(), &vec![1; size - 1]));
        }
        assert!(!is_scalar("bool", &[2]) && is_scalar("bool", &[0]));
        assert!(!is_scalar("float128", &[0; 16]) && !is_scalar("Float32", &[0; 4]) && !is_scalar("", &[]));
    }

    #[test]
    fn each_unit_of_time_has_one_name() {
        for unit in UNITS {
            assert!(is_time_unit(&format!("datetime64[{unit}]")) && is_time_unit(&format!("timedelta64[25{unit}]")));
        }
        for good in ["datetime64", "timedelta64", "timedelta64[2s]", "datetime64[2147483647as]"] {
            assert!(is_time_unit(good), "{good}");
        }
        let bad = [
            "",
            "datetime",
            "datetime64[]",
            "datetime64[generic]",
            "datetime64[1s]",
            "datetime64[0s]",
            "datetime64[02s]",
            "datetime64[2147483648s]",
            "datetime64[99999999999999999999s]",
            "datetime64[s",
            "datetime64s]",
            "datetime64[s]]",
            "datetime64[ s]",
            "datetime64[+2s]",
            "datetime64[S]",
            "datetime64[25]",
            "datetime64[s2]",
            "datetime64[\u{b5}s]",
            "int64",
            "M8[s]",
            "datetime64[s]timedelta64[s]",
        ];
        for bad in bad {
            assert!(!is_time_unit(bad), "{bad}");
        }
    }
}
