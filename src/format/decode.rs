//! Decoding a body, strictly: what the text tells a reader to refuse is refused, and nothing is reserved that is not
//! there.

#![expect(clippy::big_endian_bytes, reason = "MessagePack is big-endian")]

use std::collections::BTreeMap;

use rmp::Marker;

use super::body::{ArrayRecord, Body, Data, Inline, MAX_DEPTH, MAX_ITEMS, Order, Origin};
use super::tag::outline;
use super::tree::{Ext, Tree};
use super::wire::Wire;
use crate::dtype::DType;
use crate::error::Fault;

/// Decodes a body that fills `bytes`. What its parts say of one another is not looked at. Tags, metadata and origin
/// are passed over, if they are not wanted.
pub(super) fn body(bytes: &[u8], labels: bool) -> Result<Body, Fault> {
    let mut from = Decoder { wire: Wire::new(bytes), depth: 0, items: 0, labels };
    let body = from.body()?;
    match from.wire.left() {
        0 => Ok(body),
        left => Err(malformed("body", format!("{left} bytes follow the value"))),
    }
}

/// Decodes a tree that fills `bytes`.
#[cfg(test)]
pub(crate) fn tree(bytes: &[u8]) -> Result<Tree, Fault> {
    let mut from = Decoder { wire: Wire::new(bytes), depth: 0, items: 0, labels: true };
    let tree = from.tree()?;
    if from.wire.left() == 0 { Ok(tree) } else { Err(malformed("body", "bytes follow the value")) }
}

struct Decoder<'a> {
    wire: Wire<'a>,
    depth: usize,
    items: u64,
    labels: bool,
}

/// One MessagePack value; of a container, how much is inside.
#[derive(Clone, Copy)]
enum Item<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    /// Not looked at yet whether it is UTF-8.
    Text(&'a [u8]),
    Binary(&'a [u8]),
    List(u64),
    Map(u64),
    Ext(i8, &'a [u8]),
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| malformed("string", error.to_string()))
}

fn malformed(field: &'static str, reason: impl Into<String>) -> Fault {
    Fault::malformed(field, reason)
}

impl<'a> Decoder<'a> {
    fn body(&mut self) -> Result<Body, Fault> {
        const FIELDS: [&str; 7] = ["name", "encoding", "tags", "meta", "origin", "arrays", "value"];
        let mut body = Body {
            name: None,
            encoding: String::new(),
            tags: Vec::new(),
            meta: BTreeMap::new(),
            origin: None,
            arrays: Vec::new(),
            value: Tree::Nil,
        };
        let count = self.map("body")?;
        self.fields("body", &FIELDS, count, |from, field| {
            match field {
                0 => body.name = from.optional_text("name")?,
                1 => from.text("encoding")?.clone_into(&mut body.encoding),
                2..=4 if !from.labels => from.skip()?,
                2 => body.tags = from.list_of("tags", |from| from.text("tags").map(str::to_owned))?,
                3 => body.meta = from.meta()?,
                4 => body.origin = from.origin()?,
                5 => body.arrays = from.list_of("arrays", Self::array)?,
                _ => body.value = from.tree()?,
            }
            Ok(())
        })?;
        Ok(body)
    }

    fn meta(&mut self) -> Result<BTreeMap<String, Tree>, Fault> {
        let count = self.map("meta")?;
        self.nested(|from| (0..count).map(|_| Ok((from.text("meta")?.to_owned(), from.tree()?))).collect())
    }

    fn origin(&mut self) -> Result<Option<Origin>, Fault> {
        const FIELDS: [&str; 6] = ["namespace", "function", "version", "key", "host", "user"];
        let count = match self.item()? {
            Item::Nil => return Ok(None),
            Item::Map(count) => count,
            _ => return Err(malformed("origin", "a map or nil is expected")),
        };
        let mut origin = Origin::default();
        self.fields("origin", &FIELDS, count, |from, field| {
            match field {
                0 => from.text("namespace")?.clone_into(&mut origin.namespace),
                1 => origin.function = from.optional_text("function")?,
                2 => origin.version = from.optional_text("version")?,
                3 => origin.key = Some(from.tree()?).filter(|key| *key != Tree::Nil),
                4 => origin.host = from.optional_text("host")?,
                _ => origin.user = from.optional_text("user")?,
            }
            Ok(())
        })?;
        Ok(Some(origin))
    }

    fn array(&mut self) -> Result<ArrayRecord, Fault> {
        const FIELDS: [&str; 4] = ["dtype", "shape", "order", "data"];
        let data = Data::Inline(Inline(Vec::new()));
        let mut array = ArrayRecord { dtype: DType::UInt8, shape: Vec::new(), order: Order::C, data };
        let count = self.map("array")?;
        self.fields("array", &FIELDS, count, |from, field| {
            match field {
                0 => array.dtype = from.dtype()?,
                1 => array.shape = from.list_of("shape", |from| from.unsigned("shape"))?,
                2 => array.order = from.order()?,
                _ => array.data = from.data()?,
            }
            Ok(())
        })?;
        Ok(array)
    }

    fn dtype(&mut self) -> Result<DType, Fault> {
        self.text("dtype")?.parse().map_err(|error: crate::Error| malformed("dtype", error.to_string()))
    }

    fn order(&mut self) -> Result<Order, Fault> {
        match self.text("order")? {
            "C" => Ok(Order::C),
            "F" => Ok(Order::F),
            other => Err(malformed("order", format!("C or F is expected, found {other:?}"))),
        }
    }

    fn data(&mut self) -> Result<Data, Fault> {
        match self.map("data")? {
            1 => self.nested(|from| match from.text("data")? {
                "inline" => match from.item()? {
                    Item::Binary(bytes) => Ok(Data::Inline(Inline(bytes.to_owned()))),
                    _ => Err(malformed("inline", "bytes are expected")),
                },
                "blob" => {
                    let place = from.unsigned("blob")?;
                    let outside = |_| malformed("blob", format!("{place} is no place in the head's list"));
                    u32::try_from(place).map(Data::Blob).map_err(outside)
                }
                other => Err(malformed("data", format!("inline or blob is expected, found {other:?}"))),
            }),
            pairs => Err(malformed("data", format!("one pair is expected, found {pairs}"))),
        }
    }

    /// Takes the pairs of a map whose keys are all of these names, in any order, each once.
    fn fields(
        &mut self,
        what: &'static str,
        names: &[&str],
        count: u64,
        mut take: impl FnMut(&mut Self, usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if count != names.len() as u64 {
            return Err(malformed(what, format!("{} pairs are expected, found {count}", names.len())));
        }
        let mut seen = 0u32;
        self.nested(|from| {
            for _ in 0..count {
                let key = from.text_bytes(what)?;
                let at = names.iter().position(|name| name.as_bytes() == key);
                let at =
                    at.ok_or_else(|| malformed(what, format!("{:?} is no key of it", String::from_utf8_lossy(key))))?;
                if seen & 1 << at != 0 {
                    return Err(malformed(what, format!("{:?} stands there twice", names[at])));
                }
                seen |= 1 << at;
                take(from, at)?;
            }
            Ok(())
        })
    }

    fn list_of<T>(
        &mut self,
        what: &'static str,
        mut take: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        match self.item()? {
            Item::List(count) => self.nested(|from| (0..count).map(|_| take(from)).collect()),
            _ => Err(malformed(what, "an array is expected")),
        }
    }

    fn map(&mut self, what: &'static str) -> Result<u64, Fault> {
        match self.item()? {
            Item::Map(count) => Ok(count),
            _ => Err(malformed(what, "a map is expected")),
        }
    }

    fn text(&mut self, what: &'static str) -> Result<&'a str, Fault> {
        self.text_bytes(what).and_then(utf8)
    }

    fn text_bytes(&mut self, what: &'static str) -> Result<&'a [u8], Fault> {
        match self.item()? {
            Item::Text(bytes) => Ok(bytes),
            _ => Err(malformed(what, "text is expected")),
        }
    }

    fn optional_text(&mut self, what: &'static str) -> Result<Option<String>, Fault> {
        match self.item()? {
            Item::Text(bytes) => Ok(Some(utf8(bytes)?.to_owned())),
            Item::Nil => Ok(None),
            _ => Err(malformed(what, "text or nil is expected")),
        }
    }

    fn unsigned(&mut self, what: &'static str) -> Result<u64, Fault> {
        match self.item()? {
            Item::Int(value) if value >= 0 => Ok(value.cast_unsigned()),
            Item::UInt(value) => Ok(value),
            _ => Err(malformed(what, "an integer that is not negative is expected")),
        }
    }

    fn tree(&mut self) -> Result<Tree, Fault> {
        let item = self.item()?;
        self.node(item)
    }

    fn node(&mut self, item: Item<'a>) -> Result<Tree, Fault> {
        Ok(match item {
            Item::Nil => Tree::Nil,
            Item::Bool(value) => Tree::Bool(value),
            Item::Int(value) => Tree::Int(value),
            Item::UInt(value) => Tree::UInt(value),
            Item::Float(value) => Tree::Float(value),
            Item::Text(bytes) => Tree::Str(utf8(bytes)?.to_owned()),
            Item::Binary(bytes) => Tree::Bytes(bytes.to_owned()),
            Item::Ext(kind, payload) => match Ext::parse(kind, payload)? {
                Ext::Node(node) => node,
                Ext::Tag(tag) => return Err(malformed("value", format!("the tag {tag:?} stands where none may"))),
            },
            Item::List(count) => self.nested(|from| from.list(count))?,
            Item::Map(count) => self.nested(|from| from.pairs(count))?,
        })
    }

    /// The items of a list, the first of which may be a tag.
    fn list(&mut self, count: u64) -> Result<Tree, Fault> {
        let (mut tag, mut items) = (None, Vec::new());
        for place in 0..count {
            let item = self.item()?;
            if place == 0
                && let Item::Ext(kind, payload) = item
                && let Ext::Tag(found) = Ext::parse(kind, payload)?
            {
                tag = Some(found);
            } else {
                items.push(self.node(item)?);
            }
        }
        match tag {
            None => Ok(Tree::List(items)),
            Some(tag) if tag.takes(&items) => Ok(Tree::Tagged(tag, items)),
            Some(tag) => {
                let (expected, found) = (tag.wants(), outline(&items));
                Err(malformed("value", format!("{tag:?} is {expected}, found {found}")))
            }
        }
    }

    fn pairs(&mut self, count: u64) -> Result<Tree, Fault> {
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push((self.tree()?, self.tree()?));
        }
        Ok(Tree::Map(pairs))
    }

    /// Passes over a value with all that is inside.
    fn skip(&mut self) -> Result<(), Fault> {
        let inside = match self.item()? {
            Item::List(count) => count,
            Item::Map(count) => 2 * count,
            _ => return Ok(()),
        };
        self.nested(|from| (0..inside).try_for_each(|_| from.skip()))
    }

    /// Goes into a container.
    fn nested<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(malformed("body", format!("nested deeper than {MAX_DEPTH}")));
        }
        let taken = take(self);
        self.depth -= 1;
        taken
    }

    fn item(&mut self) -> Result<Item<'a>, Fault> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(malformed("body", format!("more than {MAX_ITEMS} values")));
        }
        let [byte] = self.wire.array("marker")?;
        // Short text is most of a body, and known at a glance.
        if let 0xa0..=0xbf = byte {
            return self.bytes(u64::from(byte & 0x1f)).map(Item::Text);
        }
        Ok(match Marker::from_u8(byte) {
            Marker::Null => Item::Nil,
            Marker::True => Item::Bool(true),
            Marker::False => Item::Bool(false),
            Marker::FixPos(value) => Item::Int(value.into()),
            Marker::FixNeg(value) => Item::Int(value.into()),
            Marker::U8 => Item::Int(i64::from_be_bytes(self.widened::<1>()?)),
            Marker::U16 => Item::Int(i64::from_be_bytes(self.widened::<2>()?)),
            Marker::U32 => Item::Int(i64::from_be_bytes(self.widened::<4>()?)),
            Marker::U64 => {
                let value = u64::from_be_bytes(self.wire.array("integer")?);
                i64::try_from(value).map_or(Item::UInt(value), Item::Int)
            }
            Marker::I8 => Item::Int(i8::from_be_bytes(self.wire.array("integer")?).into()),
            Marker::I16 => Item::Int(i16::from_be_bytes(self.wire.array("integer")?).into()),
            Marker::I32 => Item::Int(i32::from_be_bytes(self.wire.array("integer")?).into()),
            Marker::I64 => Item::Int(i64::from_be_bytes(self.wire.array("integer")?)),
            Marker::F64 => Item::Float(f64::from_be_bytes(self.wire.array("float")?)),
            Marker::F32 => return Err(malformed("marker", "float 32 is never used")),
            Marker::Reserved => return Err(malformed("marker", "0xc1 is never used")),
            other => return self.sized(other),
        })
    }

    /// What a marker says the length of, or a length follows.
    fn sized(&mut self, marker: Marker) -> Result<Item<'a>, Fault> {
        Ok(match marker {
            Marker::Str8 => self.len::<1>().and_then(|len| self.bytes(len)).map(Item::Text)?,
            Marker::Str16 => self.len::<2>().and_then(|len| self.bytes(len)).map(Item::Text)?,
            Marker::Str32 => self.len::<4>().and_then(|len| self.bytes(len)).map(Item::Text)?,
            Marker::Bin8 => self.len::<1>().and_then(|len| self.bytes(len)).map(Item::Binary)?,
            Marker::Bin16 => self.len::<2>().and_then(|len| self.bytes(len)).map(Item::Binary)?,
            Marker::Bin32 => self.len::<4>().and_then(|len| self.bytes(len)).map(Item::Binary)?,
            Marker::FixArray(count) => Item::List(count.into()),
            Marker::Array16 => Item::List(self.len::<2>()?),
            Marker::Array32 => Item::List(self.len::<4>()?),
            Marker::FixMap(count) => Item::Map(count.into()),
            Marker::Map16 => Item::Map(self.len::<2>()?),
            Marker::Map32 => Item::Map(self.len::<4>()?),
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.len::<1>().and_then(|len| self.ext(len))?,
            Marker::Ext16 => self.len::<2>().and_then(|len| self.ext(len))?,
            Marker::Ext32 => self.len::<4>().and_then(|len| self.ext(len))?,
            _ => unreachable!("every other marker was seen before"),
        })
    }

    /// An unsigned integer of so many bytes, as the last of eight.
    fn widened<const N: usize>(&mut self) -> Result<[u8; 8], Fault> {
        let mut wide = [0; 8];
        wide[8 - N..].copy_from_slice(&self.wire.array::<N>("integer")?);
        Ok(wide)
    }

    fn len<const N: usize>(&mut self) -> Result<u64, Fault> {
        self.widened::<N>().map(u64::from_be_bytes)
    }

    fn bytes(&mut self, len: u64) -> Result<&'a [u8], Fault> {
        self.wire.take(usize::try_from(len).unwrap_or(usize::MAX), "content")
    }

    fn ext(&mut self, len: u64) -> Result<Item<'a>, Fault> {
        let kind = i8::from_be_bytes(self.wire.array("extension")?);
        Ok(Item::Ext(kind, self.bytes(len)?))
    }
}
