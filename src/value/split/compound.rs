//! Lists, maps and structs on their way into a tree.

use serde::ser::{self, Serialize};

use super::flat::{self, Flat};
use super::{MIN_SEQUENCE, Splitter, variant};
use crate::format::body::Order;
use crate::format::tree::Tree;
use crate::mem::Failure;

/// A sequence: as long as its items are numbers of one type they are kept as such, and if there are enough of them in
/// the end they become an array.
pub(super) struct Items<'a> {
    to: Splitter<'a>,
    numbers: Option<Flat>,
    others: Vec<Tree>,
}

impl<'a> Items<'a> {
    pub(super) fn new(to: Splitter<'a>, len: Option<usize>) -> Self {
        // The widest element has 16 bytes.
        let enough = len.is_none_or(|len| len >= MIN_SEQUENCE / 16);
        Items { to, numbers: enough.then(Flat::default), others: Vec::new() }
    }
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = Tree;
    type Error = Failure;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
        if let Some(numbers) = &mut self.numbers {
            if numbers.push(item) {
                return Ok(());
            }
            self.others = numbers.to_trees();
            self.numbers = None;
        }
        self.others.push(self.to.inner(item)?);
        Ok(())
    }

    fn end(self) -> Result<Tree, Failure> {
        match self.numbers {
            Some(Flat { dtype: Some(dtype), bytes, count }) if bytes.len() >= MIN_SEQUENCE => {
                Ok(Tree::Sequence(self.to.writer.bytes_of(dtype, vec![count], Order::C, &bytes)?))
            }
            Some(numbers) => Ok(Tree::List(numbers.to_trees())),
            None => Ok(Tree::List(self.others)),
        }
    }
}

/// A tuple, in a variant or not.
pub(super) struct Parts<'a> {
    to: Splitter<'a>,
    variant: Option<&'static str>,
    items: Vec<Tree>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(to: Splitter<'a>, variant: Option<&'static str>) -> Self {
        Parts { to, variant, items: Vec::new() }
    }
}

macro_rules! tuples {
    ($($trait:ident $method:ident),*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = Tree;
            type Error = Failure;

            fn $method<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Failure> {
                self.items.push(self.to.inner(item)?);
                Ok(())
            }

            fn end(self) -> Result<Tree, Failure> {
                let list = Tree::List(self.items);
                Ok(match self.variant {
                    Some(name) => variant(name, list),
                    None => list,
                })
            }
        }
    )*};
}

tuples!(SerializeTuple serialize_element, SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);

/// A map.
pub(super) struct Pairs<'a> {
    to: Splitter<'a>,
    key: Option<Tree>,
    done: Vec<(Tree, Tree)>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(to: Splitter<'a>) -> Self {
        Pairs { to, key: None, done: Vec::new() }
    }
}

impl ser::SerializeMap for Pairs<'_> {
    type Ok = Tree;
    type Error = Failure;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Failure> {
        self.key = Some(self.to.inner(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Failure> {
        let key =
            self.key.take().ok_or_else(|| <Failure as ser::Error>::custom("a map's value comes after its key"))?;
        self.done.push((key, self.to.inner(value)?));
        Ok(())
    }

    fn end(self) -> Result<Tree, Failure> {
        Ok(Tree::Map(self.done))
    }
}

/// A struct, in a variant or not. One that looks like ndarray's form of an array, and holds numbers of one type, is
/// kept as an array: so are arrays of any other version of ndarray.
pub(super) struct Fields<'a> {
    to: Splitter<'a>,
    variant: Option<&'static str>,
    /// Whether it may still be the form of an array.
    alike: bool,
    array: Option<Tree>,
    pairs: Vec<(Tree, Tree)>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(to: Splitter<'a>, variant: Option<&'static str>, alike: bool) -> Self {
        Fields { to, variant, alike, array: None, pairs: Vec::new() }
    }

    /// The extents, if the fields so far are those of an array in ndarray's form.
    fn shape(&self) -> Option<Vec<u64>> {
        let [(Tree::Str(v), Tree::Int(1)), (Tree::Str(dim), Tree::List(extents))] = &self.pairs[..] else {
            return None;
        };
        if !self.alike || v != "v" || dim != "dim" {
            return None;
        }
        let extent = |tree: &Tree| if let Tree::Int(extent) = tree { u64::try_from(*extent).ok() } else { None };
        extents.iter().map(extent).collect()
    }

    /// Keeps the elements of an array, if `data` is that.
    fn array<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<Option<Tree>, Failure> {
        let Some(shape) = self.shape() else { return Ok(None) };
        let Ok(Flat { dtype: Some(dtype), bytes, count }) = flat::collect(data) else { return Ok(None) };
        if shape.iter().try_fold(1, |count: u64, &extent| count.checked_mul(extent)) != Some(count) {
            return Ok(None);
        }
        Ok(Some(Tree::Array(self.to.writer.bytes_of(dtype, shape, Order::C, &bytes)?)))
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Failure> {
        if self.array.is_some() {
            return Err(ser::Error::custom("a struct has more fields than it says"));
        }
        if key == "data"
            && let Some(array) = self.array(value)?
        {
            self.array = Some(array);
            return Ok(());
        }
        self.pairs.push((key.into(), self.to.inner(value)?));
        Ok(())
    }

    fn finish(self) -> Tree {
        match (self.array, self.variant) {
            (Some(array), _) => array,
            (None, Some(name)) => variant(name, Tree::Map(self.pairs)),
            (None, None) => Tree::Map(self.pairs),
        }
    }
}

macro_rules! structs {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Fields<'_> {
            type Ok = Tree;
            type Error = Failure;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Failure> {
                self.field(key, value)
            }

            fn end(self) -> Result<Tree, Failure> {
                Ok(self.finish())
            }
        }
    )*};
}

structs!(SerializeStruct, SerializeStructVariant);
