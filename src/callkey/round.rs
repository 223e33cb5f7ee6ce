//! Rounding of floats before they become part of a key (blobs-format.md section 6.4).

use std::sync::LazyLock;

use half::{bf16, f16};

use crate::dtype::DType;

/// Floats of this size and above are whole numbers, or so close to the end of their digits that rounding would only
/// shift them.
const WHOLE: f64 = 4_503_599_627_370_496.0;
/// The powers of ten that a float can hold, the smallest one below the normal numbers.
const POWERS: std::ops::RangeInclusive<i32> = -323..=308;
/// The largest number of decimals.
const MAX_DECIMALS: i32 = 300;
/// As many digits tell every float from its neighbours.
const MAX_SIGNIFICANT: u32 = 17;

/// How floats are rounded before they become part of a key, so that values which differ by noise share one.
///
/// Rounding cuts the numbers into intervals: two values closer than the last digit share a key only if no border lies
/// between them. Integers, texts and everything else stay as they are. -0.0 becomes 0.0. Complex numbers are rounded
/// part by part.
///
/// ```
/// use ndstash::{KeyBuilder, Rounding};
///
/// let key = |x: f64| KeyBuilder::new("f").rounded("x", &x, Rounding::decimals(3)).finish();
/// assert_eq!(key(0.1 + 0.2)?.key(), key(0.3)?.key());
/// assert_ne!(key(0.301)?.key(), key(0.3)?.key());
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounding {
    digits: Digits,
    deep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digits {
    Decimals(i32),
    Significant(i32),
}

impl Rounding {
    /// To so many digits after the decimal point; a negative number counts digits before it. At most 300 either way.
    pub const fn decimals(count: i32) -> Self {
        let count = if count > MAX_DECIMALS { MAX_DECIMALS } else { count };
        let count = if count < -MAX_DECIMALS { -MAX_DECIMALS } else { count };
        Rounding { digits: Digits::Decimals(count), deep: false }
    }

    /// To so many significant digits, from 1 to 17.
    pub const fn significant(count: u32) -> Self {
        let count = if count > MAX_SIGNIFICANT { MAX_SIGNIFICANT } else { count };
        let count = if count == 0 { 1 } else { count };
        Rounding { digits: Digits::Significant(count.cast_signed()), deep: false }
    }

    /// Also the floats in arrays, lists, maps and structs, however deep; without this only a value that is itself one
    /// number is rounded. Keys of maps and items of sets stay as they are.
    #[must_use]
    pub const fn deep(self) -> Self {
        Rounding { deep: true, ..self }
    }

    pub(super) fn is_deep(self) -> bool {
        self.deep
    }

    /// Rounds one number.
    pub(super) fn apply(self, value: f64) -> f64 {
        let rounded = match self.digits {
            Digits::Decimals(count) => to_decimals(value, count),
            Digits::Significant(count) => to_decimals(value, count - 1 - exponent(value)),
        };
        // Adding zero makes 0.0 of -0.0 and changes nothing else.
        if rounded.is_nan() { f64::NAN } else { rounded + 0.0 }
    }

    /// Rounds the elements of an array, which lie there as little-endian bytes. What are no floats stay.
    pub(super) fn apply_to(self, dtype: DType, bytes: &mut [u8]) {
        match dtype {
            DType::Float64 | DType::Complex128 => {
                for_each(bytes, |at| self.apply(f64::from_le_bytes(at)).to_le_bytes());
            }
            DType::Float32 | DType::Complex64 => {
                for_each(bytes, |at| self.apply_f32(f32::from_le_bytes(at)).to_le_bytes());
            }
            DType::Float16 => {
                for_each(bytes, |at| f16::from_f64(self.apply(f16::from_le_bytes(at).to_f64())).to_le_bytes());
            }
            DType::BFloat16 => {
                for_each(bytes, |at| bf16::from_f64(self.apply(bf16::from_le_bytes(at).to_f64())).to_le_bytes());
            }
            _ => {}
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the result is the nearest float of the smaller type")]
    fn apply_f32(self, value: f32) -> f32 {
        self.apply(value.into()) as f32
    }
}

fn for_each<const N: usize>(bytes: &mut [u8], change: impl Fn([u8; N]) -> [u8; N]) {
    let (elements, _) = bytes.as_chunks_mut::<N>();
    elements.iter_mut().for_each(|element| *element = change(*element));
}

fn to_decimals(value: f64, count: i32) -> f64 {
    let Some(scale) = power(count.abs()) else { return value };
    let scaled = if count < 0 { value / scale } else { value * scale };
    let whole = scaled.round_ties_even();
    let rounded = if count < 0 { whole * scale } else { whole / scale };
    if scaled.abs() < WHOLE && rounded.is_finite() { rounded } else { value }
}

/// The largest power of ten that is not greater than the number: that of its first digit.
fn exponent(value: f64) -> i32 {
    let not_greater = powers().partition_point(|power| *power <= value.abs());
    POWERS.start() + i32::try_from(not_greater).expect("there are a few hundred powers") - 1
}

/// The float nearest to a power of ten; `None` if that is out of range.
fn power(exponent: i32) -> Option<f64> {
    let at = usize::try_from(exponent - POWERS.start()).ok()?;
    powers().get(at).copied()
}

fn powers() -> &'static [f64] {
    static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| {
        let nearest = |exponent: i32| format!("1e{exponent}").parse().expect("it is a number");
        POWERS.map(nearest).collect()
    });
    &TABLE
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "keys are made of exact bits")]
mod tests {
    use super::*;

    #[test]
    fn decimals_count_from_the_point() {
        let cases = [(0.15, 1, 0.2), (0.25, 1, 0.2), (-2.5, 0, -2.0), (1234.5, -2, 1200.0), (1e300, 5, 1e300)];
        for (value, count, rounded) in cases {
            assert_eq!(Rounding::decimals(count).apply(value), rounded, "{value} to {count}");
        }
        assert_eq!(Rounding::decimals(400), Rounding::decimals(300));
        assert_eq!(Rounding::decimals(300).apply(0.1), 0.1);
        assert_eq!(Rounding::decimals(i32::MIN).apply(5.0), 0.0);
    }

    #[test]
    fn significant_digits_count_from_the_first() {
        let cases = [
            (123_456.0, 3, 123_000.0),
            (0.001_234_56, 3, 0.001_23),
            (999.96, 4, 1000.0),
            (-1e-200, 2, -1e-200),
            (f64::MAX, 1, f64::MAX),
            (f64::from_bits(1), 3, f64::from_bits(1)),
        ];
        for (value, count, rounded) in cases {
            assert_eq!(Rounding::significant(count).apply(value), rounded, "{value} to {count}");
        }
        assert_eq!(Rounding::significant(0), Rounding::significant(1));
    }

    #[test]
    fn what_has_no_digits_stays_and_zero_loses_its_sign() {
        for rounding in [Rounding::decimals(2), Rounding::decimals(-2), Rounding::significant(2)] {
            assert_eq!(rounding.apply(f64::INFINITY), f64::INFINITY);
            assert_eq!(rounding.apply(f64::NEG_INFINITY), f64::NEG_INFINITY);
            assert!(rounding.apply(f64::NAN).is_nan());
            assert_eq!(rounding.apply(-0.0).to_bits(), 0);
        }
        assert_eq!(Rounding::decimals(2).apply(-0.001).to_bits(), 0);
    }

    #[test]
    fn elements_of_every_float_type_are_rounded_and_others_are_not() {
        let rounding = Rounding::decimals(1);
        let mut singles: Vec<u8> = [0.14_f32, -0.04].iter().flat_map(|value| value.to_le_bytes()).collect();
        rounding.apply_to(DType::Complex64, &mut singles);
        assert_eq!(singles, [0.1_f32, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        let mut half = f16::from_f32(0.26).to_le_bytes();
        rounding.apply_to(DType::Float16, &mut half);
        assert_eq!(f16::from_le_bytes(half), f16::from_f32(0.3));
        let mut integers = 17_u64.to_le_bytes();
        rounding.apply_to(DType::UInt64, &mut integers);
        assert_eq!(integers, 17_u64.to_le_bytes());
    }
}
