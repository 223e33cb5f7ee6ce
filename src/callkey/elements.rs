//! The digest of an array's elements in C order, however they lie: one key for equal arrays.

use std::ops::Range;

use rayon::prelude::*;

use super::Rounding;
use crate::digest::{Digest, Hasher};
use crate::format::body::Order;
use crate::format::canonical::{Canonical, Content, SHORT};
use crate::mem::Elements;
use crate::threads;

/// How many bytes are put in order at a time: enough rows of a large array for the reads along its columns to be long.
const PIECE: usize = 32 << 20;
/// The largest element, in bytes.
const MAX_ITEM: usize = 16;
/// How many rows and columns are put in order in one go, in the fastest memory.
const TILE: usize = 64;
/// How far apart the rows of a tile lie. A power of two would put all of them into the same few places of that memory.
const TILE_STEP: usize = TILE + 1;

/// Encodes an array. One that is a whole blob of a store in C order is not read: the blob's name is its digest.
pub(super) fn encode(elements: &Elements<'_>, rounding: Option<Rounding>, out: &mut Canonical) {
    let Elements { dtype, shape, bytes, .. } = elements;
    let len = bytes.len() as u64;
    let mut short = Vec::new();
    let content = if bytes.len() <= SHORT {
        for_each_piece(elements, rounding, |piece| short.extend_from_slice(piece));
        Content::Short(&short)
    } else {
        Content::Long(len, digest(elements, rounding))
    };
    out.array(*dtype, shape, content);
}

fn digest(elements: &Elements<'_>, rounding: Option<Rounding>) -> Digest {
    let len = elements.bytes.len() as u64;
    if elements.order == Order::F || rounding.is_some() {
        let mut hasher = Hasher::new();
        for_each_piece(elements, rounding, |piece| hasher.update(piece));
        return hasher.finish();
    }
    match elements.blob {
        Some((name, whole)) if whole == len => name,
        _ => Digest::of(&elements.bytes),
    }
}

/// Calls `take` with all elements in C order, rounded, piece by piece.
fn for_each_piece(elements: &Elements<'_>, rounding: Option<Rounding>, mut take: impl FnMut(&[u8])) {
    let mut finish = |piece: &mut [u8]| {
        if let Some(rounding) = rounding {
            let round = || piece.par_chunks_mut(1 << 16).for_each(|part| rounding.apply_to(elements.dtype, part));
            threads::spread(round);
        }
        take(piece);
    };
    match (elements.order, elements.dtype.item_size()) {
        (Order::C, _) => elements.bytes.chunks(PIECE).for_each(|piece| finish(&mut piece.to_vec())),
        (Order::F, 1) => Columns::<1>::of(elements).for_each_piece(finish),
        (Order::F, 2) => Columns::<2>::of(elements).for_each_piece(finish),
        (Order::F, 4) => Columns::<4>::of(elements).for_each_piece(finish),
        (Order::F, 8) => Columns::<8>::of(elements).for_each_piece(finish),
        (Order::F, _) => Columns::<16>::of(elements).for_each_piece(finish),
    }
}

/// An array in F order seen as a table: its first index counts the rows, which lie beneath each other in memory; all
/// other indices together count the columns.
struct Columns<'a, const N: usize> {
    elements: &'a [[u8; N]],
    rows: usize,
    /// The extents of the indices but the first.
    extents: Vec<usize>,
}

impl<'a, const N: usize> Columns<'a, N> {
    fn of(elements: &'a Elements<'_>) -> Self {
        let extent = |extent: &u64| usize::try_from(*extent).expect("the array is in memory");
        let (rows, extents) = elements
            .shape
            .split_first()
            .map_or((1, Vec::new()), |(first, rest)| (extent(first), rest.iter().map(extent).collect()));
        Columns { elements: elements.bytes.as_chunks().0, rows, extents }
    }

    fn for_each_piece(&self, mut take: impl FnMut(&mut [u8])) {
        if self.elements.is_empty() {
            return;
        }
        let width = self.elements.len() / self.rows;
        let columns = width.min(PIECE / MAX_ITEM);
        // Rows that are cut go one by one, or their halves would mix.
        let rows = if columns < width { 1 } else { (PIECE / N / columns).min(self.rows) };
        let mut piece = vec![[0; N]; rows * columns];
        for row in (0..self.rows).step_by(rows) {
            let rows = rows.min(self.rows - row);
            for column in (0..width).step_by(columns) {
                let columns = columns.min(width - column);
                let piece = &mut piece[..rows * columns];
                self.gather(row, &self.places(column..column + columns), piece);
                take(piece.as_flattened_mut());
            }
        }
    }

    /// Fills a piece row by row, from a row on, with the columns that begin at these places.
    fn gather(&self, row: usize, places: &[usize], piece: &mut [[u8; N]]) {
        let gather = |(at, part): (usize, &mut [[u8; N]])| {
            let mut tile = [[0; N]; TILE * TILE_STEP];
            let start = row + at * TILE;
            let rows = part.len() / places.len();
            for (column, places) in (0..).step_by(TILE).zip(places.chunks(TILE)) {
                for (at, place) in places.iter().enumerate() {
                    let source = &self.elements[place + start..place + start + rows];
                    tile[at..].iter_mut().step_by(TILE_STEP).zip(source).for_each(|(to, from)| *to = *from);
                }
                let rows = part.chunks_mut(part.len() / rows).zip(tile.chunks(TILE_STEP));
                rows.for_each(|(to, from)| to[column..column + places.len()].copy_from_slice(&from[..places.len()]));
            }
        };
        threads::spread(|| piece.par_chunks_mut(TILE * places.len()).enumerate().for_each(gather));
    }

    /// Where columns begin in memory, which are counted in C order of the indices.
    fn places(&self, columns: Range<usize>) -> Vec<usize> {
        let mut stride = self.rows;
        let mut axes: Vec<(usize, usize)> = Vec::new();
        for &extent in &self.extents {
            axes.push((extent, stride));
            stride *= extent;
        }
        let step = |(place, left): (usize, usize), (extent, stride): &(usize, usize)| {
            (place + left % extent * stride, left / extent)
        };
        columns.map(|column| axes.iter().rev().fold((0, column), step).0).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::dtype::{DType, Element};
    use crate::mem::Form;

    /// The digest of an array that lies in F order, and of the same in C order.
    fn both<A: Element>(shape: &[usize], element: impl Fn(usize) -> A) -> (Digest, Digest) {
        let len: usize = shape.iter().product();
        let c: Vec<A> = (0..len).map(element).collect();
        let array = ArrayD::from_shape_vec(IxDyn(shape), c.clone()).unwrap();
        let f: Vec<A> = array.t().iter().copied().collect();
        let of = |order, elements: &[A]| {
            let bytes = Cow::Owned(bytemuck::cast_slice(elements).to_vec());
            let shape = shape.iter().map(|&extent| extent as u64).collect();
            digest(&Elements { dtype: A::DTYPE, shape, order, bytes, form: Form::Array, blob: None }, None)
        };
        (of(Order::F, &f), of(Order::C, &c))
    }

    #[test]
    fn the_order_in_memory_does_not_count() {
        for shape in [&[7, 5][..], &[3, 4, 5], &[2, 3, 2, 4], &[1, 9], &[600, 3], &[0, 3], &[1000, 70]] {
            let (f, c) = both(shape, |at| at as u64);
            assert_eq!(f, c, "{shape:?}");
            let (f, c) = both(shape, |at| u8::try_from(at % 251).unwrap());
            assert_eq!(f, c, "{shape:?}");
        }
    }

    #[test]
    fn arrays_larger_than_a_piece_are_put_in_order_piece_by_piece() {
        let elements = PIECE / 8;
        for shape in [[3, elements + 5], [elements + 5, 2], [elements / 1000, 2100]] {
            let (f, c) = both(&shape, |at| at as u64);
            assert_eq!(f, c, "{shape:?}");
        }
    }

    #[test]
    fn a_whole_blob_gives_its_name_and_part_of_one_does_not() {
        let bytes = vec![7; 100];
        let named = |whole, order| Elements {
            dtype: DType::UInt8,
            shape: vec![50, 2],
            order,
            bytes: Cow::Borrowed(&bytes),
            form: Form::Array,
            blob: Some((Digest::from_bytes([1; 32]), whole)),
        };
        assert_eq!(digest(&named(100, Order::C), None), Digest::from_bytes([1; 32]));
        for other in [named(101, Order::C), named(100, Order::F)] {
            assert_eq!(digest(&other, None), Digest::of(&bytes));
        }
        assert_eq!(digest(&named(100, Order::C), Some(Rounding::decimals(1))), Digest::of(&bytes));
    }
}
