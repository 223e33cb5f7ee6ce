//! Element types: the closed set of what an array may hold.

use std::fmt;
use std::str::FromStr;

use bytemuck::{CheckedBitPattern, NoUninit, Pod};
use half::{bf16, f16};
use num_complex::{Complex32, Complex64};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;

macro_rules! dtypes {
    ($($variant:ident $name:literal $size:literal $doc:literal;)*) => {
        /// The type of an array's elements. Bytes on disk are little-endian.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum DType { $(#[doc = $doc] $variant,)* }

        impl DType {
            /// Every element type there is.
            pub const ALL: &'static [DType] = &[$(DType::$variant),*];

            /// The name as NumPy spells it (`bfloat16` as `ml_dtypes` does).
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// The size of one element in bytes.
            pub const fn item_size(self) -> u64 {
                match self { $(DType::$variant => $size,)* }
            }
        }
    };
}

dtypes! {
    Bool "bool" 1 "One byte, 0 or 1.";
    Int8 "int8" 1 "Signed, 8 bits.";
    Int16 "int16" 2 "Signed, 16 bits.";
    Int32 "int32" 4 "Signed, 32 bits.";
    Int64 "int64" 8 "Signed, 64 bits.";
    UInt8 "uint8" 1 "Unsigned, 8 bits.";
    UInt16 "uint16" 2 "Unsigned, 16 bits.";
    UInt32 "uint32" 4 "Unsigned, 32 bits.";
    UInt64 "uint64" 8 "Unsigned, 64 bits.";
    Float16 "float16" 2 "IEEE 754 half precision.";
    BFloat16 "bfloat16" 2 "The upper half of a single-precision float.";
    Float32 "float32" 4 "IEEE 754 single precision.";
    Float64 "float64" 8 "IEEE 754 double precision.";
    Complex64 "complex64" 8 "Two `float32`: real, imaginary.";
    Complex128 "complex128" 16 "Two `float64`: real, imaginary.";
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        DType::ALL.iter().copied().find(|dtype| dtype.name() == text).ok_or_else(|| Error::Invalid {
            what: "dtype",
            given: text.to_owned(),
            reason: "bool, int8..int64, uint8..uint64, float16, bfloat16, float32, float64, complex64 or complex128 is expected",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that an array in a store may hold. Sealed: the set is [`DType::ALL`].
///
/// `usize` and `isize` are missing on purpose: their width differs by machine. Values may hold them all the same; on
/// machines of 64 bits they are kept as `uint64` and `int64`.
pub trait Element:
    NoUninit + CheckedBitPattern<Bits = Self::Raw> + Serialize + DeserializeOwned + Send + Sync + sealed::Sealed + 'static
{
    /// The element type's name in manifests.
    const DTYPE: DType;

    /// The same bytes before their values are known to be valid.
    type Raw: Pod + Send + Sync;

    /// Takes bytes whose values were checked as elements, without a copy where the types are the same.
    #[doc(hidden)]
    fn from_checked(raw: Vec<Self::Raw>) -> Vec<Self>;
}

macro_rules! elements {
    ($($type:ty => $dtype:ident;)*) => {$(
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            type Raw = $type;

            fn from_checked(raw: Vec<$type>) -> Vec<$type> {
                raw
            }
        }
    )*};
}

elements! {
    i8 => Int8; i16 => Int16; i32 => Int32; i64 => Int64;
    u8 => UInt8; u16 => UInt16; u32 => UInt32; u64 => UInt64;
    f16 => Float16; bf16 => BFloat16; f32 => Float32; f64 => Float64;
    Complex32 => Complex64; Complex64 => Complex128;
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Raw = u8;

    fn from_checked(raw: Vec<u8>) -> Vec<bool> {
        raw.into_iter().map(|byte| byte != 0).collect()
    }
}

#[cfg(target_endian = "big")]
compile_error!("format version 0 maps little-endian arrays as they lie; this machine is big-endian");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_serde_agrees() {
        for &dtype in DType::ALL {
            assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
            assert_eq!(serde_json::to_string(&dtype).unwrap(), format!("{:?}", dtype.name()));
        }
        assert!("object".parse::<DType>().is_err());
    }

    #[test]
    fn sizes_are_those_of_the_rust_types() {
        fn check<A: Element>() {
            assert_eq!(A::DTYPE.item_size(), size_of::<A>() as u64);
            assert_eq!((size_of::<A>(), align_of::<A>()), (size_of::<A::Raw>(), align_of::<A::Raw>()));
        }
        check::<bool>();
        check::<f16>();
        check::<bf16>();
        check::<u64>();
        check::<Complex32>();
        check::<Complex64>();
    }
}
