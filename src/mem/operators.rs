//! Arithmetic of mapped arrays with ndarray's own: `&mapped + &owned`, `&owned * &mapped`, `&mapped - 1.0`.

use std::ops::{Add, Div, Mul, Sub};

use ndarray::{Array, ArrayBase, Data, DimMax, Dimension};

use super::MappedArray;
use crate::dtype::Element;

macro_rules! operators {
    ($($operator:ident $method:ident),*) => {$(
        impl<A, S, D, E> $operator<&ArrayBase<S, E>> for &MappedArray<A, D>
        where
            A: Element + $operator<A, Output = A>,
            S: Data<Elem = A>,
            D: Dimension + DimMax<E>,
            E: Dimension,
        {
            type Output = Array<A, <D as DimMax<E>>::Output>;

            fn $method(self, other: &ArrayBase<S, E>) -> Self::Output {
                (&self.view()).$method(other)
            }
        }

        impl<A, S, D, E> $operator<&MappedArray<A, E>> for &ArrayBase<S, D>
        where
            A: Element + $operator<A, Output = A>,
            S: Data<Elem = A>,
            D: Dimension + DimMax<E>,
            E: Dimension,
        {
            type Output = Array<A, <D as DimMax<E>>::Output>;

            fn $method(self, other: &MappedArray<A, E>) -> Self::Output {
                self.$method(&other.view())
            }
        }

        impl<A, D, E> $operator<&MappedArray<A, E>> for &MappedArray<A, D>
        where
            A: Element + $operator<A, Output = A>,
            D: Dimension + DimMax<E>,
            E: Dimension,
        {
            type Output = Array<A, <D as DimMax<E>>::Output>;

            fn $method(self, other: &MappedArray<A, E>) -> Self::Output {
                (&self.view()).$method(&other.view())
            }
        }

        impl<A, D> $operator<A> for &MappedArray<A, D>
        where
            A: Element + ndarray::ScalarOperand + $operator<A, Output = A>,
            D: Dimension,
        {
            type Output = Array<A, D>;

            fn $method(self, scalar: A) -> Array<A, D> {
                (&self.view()).$method(scalar)
            }
        }
    )*};
}

operators!(Add add, Sub sub, Mul mul, Div div);

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr1, arr2};

    #[test]
    fn mapped_arrays_take_part_in_arithmetic() {
        let owned = arr2(&[[1.0, 2.0], [3.0, 4.0]]);
        let mapped = MappedArray::from(owned.clone());
        assert_eq!(&mapped + &owned, &owned * 2.0);
        assert_eq!(&owned - &mapped, &owned * 0.0);
        assert_eq!(&mapped * &mapped, &owned * &owned);
        assert_eq!(&mapped / 2.0, &owned / 2.0);
        assert_eq!(&mapped + &arr1(&[10.0, 20.0]), arr2(&[[11.0, 22.0], [13.0, 24.0]]));
    }
}
