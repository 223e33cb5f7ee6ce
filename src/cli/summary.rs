//! Least, greatest and mean value of an array whose bytes go by piece by piece.

use std::io::{self, Write};

use half::{bf16, f16};
use ndstash::DType;
use serde_json::{Value, json};

use crate::cli::describe::number;

/// What is known when all bytes have gone by. Values are null where there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) min: Value,
    pub(crate) max: Value,
    /// The mean of what is not a NaN.
    pub(crate) mean: Value,
    pub(crate) nan: u64,
}

impl Figures {
    /// As people read them.
    pub(crate) fn cells(&self) -> [String; 4] {
        let cell = |value: &Value| match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        [cell(&self.min), cell(&self.max), cell(&self.mean), self.nan.to_string()]
    }
}

/// Takes the bytes of an array as they are written to it.
#[derive(Debug)]
pub(crate) struct Summary {
    dtype: DType,
    /// The beginning of an element whose rest is to come.
    carry: Vec<u8>,
    totals: Totals,
}

#[derive(Debug)]
enum Totals {
    Ints(Ints),
    Floats(Floats),
}

impl Summary {
    /// `None` for elements that have no order: complex numbers.
    pub(crate) fn new(dtype: DType) -> Option<Self> {
        let totals = match dtype {
            DType::Complex64 | DType::Complex128 => return None,
            DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64 => Totals::Floats(Floats::default()),
            _ => Totals::Ints(Ints::default()),
        };
        Some(Summary { dtype, carry: Vec::new(), totals })
    }

    pub(crate) fn finish(self) -> Figures {
        match self.totals {
            Totals::Ints(ints) => ints.finish(),
            Totals::Floats(floats) => floats.finish(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        macro_rules! elements {
            ($type:ty) => {
                bytes.as_chunks::<{ size_of::<$type>() }>().0.iter().map(|&element| <$type>::from_le_bytes(element))
            };
        }
        match (&mut self.totals, self.dtype) {
            (Totals::Ints(ints), DType::Int8) => ints.add(elements!(i8)),
            (Totals::Ints(ints), DType::Int16) => ints.add(elements!(i16)),
            (Totals::Ints(ints), DType::Int32) => ints.add(elements!(i32)),
            (Totals::Ints(ints), DType::Int64) => ints.add(elements!(i64)),
            (Totals::Ints(ints), DType::UInt16) => ints.add(elements!(u16)),
            (Totals::Ints(ints), DType::UInt32) => ints.add(elements!(u32)),
            (Totals::Ints(ints), DType::UInt64) => ints.add(elements!(u64)),
            (Totals::Ints(ints), _) => ints.add(bytes.iter().copied()),
            (Totals::Floats(floats), DType::Float16) => floats.add(elements!(f16)),
            (Totals::Floats(floats), DType::BFloat16) => floats.add(elements!(bf16)),
            (Totals::Floats(floats), DType::Float32) => floats.add(elements!(f32)),
            (Totals::Floats(floats), _) => floats.add(elements!(f64)),
        }
    }
}

impl Write for Summary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let width = usize::try_from(self.dtype.item_size()).expect("an element has at most 16 bytes");
        let mut rest = bytes;
        if !self.carry.is_empty() {
            let (first, after) = bytes.split_at(bytes.len().min(width - self.carry.len()));
            self.carry.extend_from_slice(first);
            rest = after;
            if self.carry.len() == width {
                let whole = std::mem::take(&mut self.carry);
                self.take(&whole);
            }
        }
        let (whole, part) = rest.split_at(rest.len() - rest.len() % width);
        self.take(whole);
        self.carry.extend_from_slice(part);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Integers and truth values. The sum of 2^64 numbers of 64 bits fits.
#[derive(Debug, Default)]
struct Ints {
    range: Option<(i128, i128)>,
    sum: i128,
    count: u64,
}

impl Ints {
    fn add<T: Copy + Ord + Into<i128>>(&mut self, elements: impl Iterator<Item = T> + Clone) {
        let (Some(min), Some(max)) = (elements.clone().min(), elements.clone().max()) else { return };
        let (min, max): (i128, i128) = (min.into(), max.into());
        self.range = Some(self.range.map_or((min, max), |(least, most)| (least.min(min), most.max(max))));
        for element in elements {
            self.sum += element.into();
            self.count += 1;
        }
    }

    fn finish(self) -> Figures {
        // All values come from 64 bits, signed or not.
        let exact =
            |value: i128| u64::try_from(value).map_or_else(|_| json!(i64::try_from(value).ok()), |value| json!(value));
        #[expect(clippy::cast_precision_loss, reason = "a mean is as exact as a float")]
        let mean = self.range.map_or(Value::Null, |_| number(self.sum as f64 / self.count as f64));
        let (min, max) = self.range.map_or((Value::Null, Value::Null), |(min, max)| (exact(min), exact(max)));
        Figures { min, max, mean, nan: 0 }
    }
}

/// Floats. The sum carries its rounding errors along (Neumaier), so the mean of large arrays is right.
#[derive(Debug, Default)]
struct Floats {
    range: Option<(f64, f64)>,
    sum: f64,
    correction: f64,
    /// The sum of the infinities: infinite or NaN if there was one.
    infinite: f64,
    count: u64,
    nan: u64,
}

impl Floats {
    fn add<T: Into<f64>>(&mut self, elements: impl Iterator<Item = T>) {
        elements.for_each(|element| self.add_one(element.into()));
    }

    fn add_one(&mut self, value: f64) {
        if value.is_nan() {
            self.nan += 1;
            return;
        }
        self.count += 1;
        self.range = Some(self.range.map_or((value, value), |(least, most)| (least.min(value), most.max(value))));
        if value.is_infinite() {
            self.infinite += value;
            return;
        }
        let sum = self.sum + value;
        self.correction +=
            if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    fn finish(self) -> Figures {
        let Some((min, max)) = self.range else {
            return Figures { min: Value::Null, max: Value::Null, mean: Value::Null, nan: self.nan };
        };
        #[expect(clippy::cast_precision_loss, reason = "a mean is as exact as a float")]
        let mean = (self.sum + self.correction + self.infinite) / self.count as f64;
        Figures { min: number(min), max: number(max), mean: number(mean), nan: self.nan }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of some bytes, written in pieces of every length up to 20.
    fn figures(dtype: DType, bytes: &[u8]) -> Figures {
        let of = |piece: usize| {
            let mut summary = Summary::new(dtype).unwrap();
            bytes.chunks(piece).for_each(|piece| summary.write_all(piece).unwrap());
            summary.finish()
        };
        let first = of(1);
        assert!((2..20).all(|piece| of(piece) == first), "{dtype}");
        first
    }

    fn expect(min: impl Into<Value>, max: impl Into<Value>, mean: impl Into<Value>, nan: u64) -> Figures {
        Figures { min: min.into(), max: max.into(), mean: mean.into(), nan }
    }

    #[test]
    fn integers_are_exact_to_the_end_of_their_range() {
        let bytes: Vec<u8> = [i64::MIN, i64::MAX, 1].iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(figures(DType::Int64, &bytes), expect(i64::MIN, i64::MAX, 0.0, 0));
        let bytes: Vec<u8> = [u64::MAX, u64::MAX].iter().flat_map(|value| value.to_le_bytes()).collect();
        #[expect(clippy::cast_precision_loss, reason = "that is what is expected")]
        let mean = u64::MAX as f64;
        assert_eq!(figures(DType::UInt64, &bytes), expect(u64::MAX, u64::MAX, mean, 0));
        assert_eq!(figures(DType::Bool, &[1, 0, 1, 1]), expect(0, 1, 0.75, 0));
        assert_eq!(figures(DType::Int8, &[0xff, 1]), expect(-1, 1, 0.0, 0));
    }

    #[test]
    fn nans_are_counted_and_infinities_are_text() {
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        assert_eq!(figures(DType::Float32, &bytes(&[1.5, f32::NAN, -0.5])), expect(-0.5, 1.5, 0.5, 1));
        assert_eq!(figures(DType::Float32, &bytes(&[f32::INFINITY, 1.0])), expect(1.0, "inf", "inf", 0));
        let both = figures(DType::Float32, &bytes(&[f32::INFINITY, f32::NEG_INFINITY]));
        assert_eq!(both, expect("-inf", "inf", "nan", 0));
        assert_eq!(figures(DType::Float32, &bytes(&[f32::NAN])), expect(Value::Null, Value::Null, Value::Null, 1));
        assert_eq!(figures(DType::Float64, &[]), expect(Value::Null, Value::Null, Value::Null, 0));
    }

    #[test]
    fn small_values_are_not_lost_beside_large_ones() {
        let bytes: Vec<u8> = [1.0, 1e100, 1.0, -1e100].iter().flat_map(|value: &f64| value.to_le_bytes()).collect();
        assert_eq!(figures(DType::Float64, &bytes), expect(-1e100, 1e100, 0.5, 0));
        let halves = [f16::from_f32(0.5), f16::from_f32(2.0)];
        let bytes: Vec<u8> = halves.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(figures(DType::Float16, &bytes), expect(0.5, 2.0, 1.25, 0));
        assert!(Summary::new(DType::Complex64).is_none());
    }
}
