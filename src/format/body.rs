//! The body of a manifest: what a value is, in MessagePack that describes itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::decode;
use super::tree::{ArrayIndex, Raw, Tree};
use crate::dtype::DType;
use crate::error::{Error, Fault};
use crate::format::head::{BlobRef, Head};
use crate::key::Key;

/// The deepest nesting of a body.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most values in a body, keys counted.
pub(super) const MAX_ITEMS: u64 = 4_000_000;
/// Why a value that is beyond these limits cannot be kept.
pub(crate) const TOO_DEEP: &str =
    "it is nested too deep or has too many parts: blobs-format.md section 7 has the limits";
/// The most dimensions of an array: NumPy's own limit.
pub(crate) const MAX_RANK: usize = 64;

/// All of a manifest but its head. The order of the fields is the order on disk.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Body {
    /// The name the entry was put under; absent if it was put under a key.
    pub(crate) name: Option<String>,
    /// How `value` stands for the value: [`TREE`], or another that only some readers know.
    pub(crate) encoding: String,
    pub(crate) tags: Vec<String>,
    pub(crate) meta: BTreeMap<String, Tree>,
    /// What was asked for when the value was computed; absent if it was just put.
    pub(crate) origin: Option<Origin>,
    pub(crate) arrays: Vec<ArrayRecord>,
    pub(crate) value: Tree,
}

/// The encoding of a value that is the tree itself.
pub(crate) const TREE: &str = "tree";

/// Where a cached value comes from, for people and for queries: nothing of it decides what a key leads to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Origin {
    /// Components separated by `/`.
    pub(crate) namespace: String,
    pub(crate) function: Option<String>,
    /// Of the function's code.
    pub(crate) version: Option<String>,
    /// What the key was made of, as far as it is kept.
    pub(crate) key: Option<Tree>,
    pub(crate) host: Option<String>,
    pub(crate) user: Option<String>,
}

/// Of a body, what loading the value takes.
pub(crate) struct Content {
    pub(crate) encoding: String,
    pub(crate) arrays: Vec<ArrayRecord>,
    pub(crate) value: Tree,
}

impl Content {
    /// As [`Body::parse`], but tags, metadata and origin are passed over.
    pub(crate) fn parse(bytes: &[u8], head: &Head) -> Result<Self, Fault> {
        let body = decode::body(bytes, false)?;
        body.check(head)?;
        Ok(Content { encoding: body.encoding, arrays: body.arrays, value: body.value })
    }
}

/// An array as a manifest knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ArrayRecord {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    pub(crate) order: Order,
    pub(crate) data: Data,
}

/// How the elements lie: the last index fastest (`C`) or the first (`F`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Order {
    /// Row-major: the last index varies fastest.
    C,
    /// Column-major: the first index varies fastest.
    F,
}

/// Where an array's bytes are. Reserved for later: `extents`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Data {
    /// In the manifest.
    Inline(Inline),
    /// In the blob at this place of the head's list.
    Blob(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inline(pub(crate) Vec<u8>);

impl Serialize for Inline {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Raw(&self.0).serialize(to)
    }
}

impl ArrayRecord {
    /// How many bytes the elements take; `None` if that is more than 2^63 - 1.
    pub(crate) fn byte_len(&self) -> Option<u64> {
        byte_len(self.dtype, &self.shape)
    }
}

/// How many bytes an array takes; `None` if that is more than 2^63 - 1, whatever dimensions are zero.
pub(crate) fn byte_len(dtype: DType, shape: &[u64]) -> Option<u64> {
    let non_zero = shape.iter().filter(|&&extent| extent != 0).try_fold(dtype.item_size(), |size, &extent| {
        size.checked_mul(extent).filter(|&size| i64::try_from(size).is_ok())
    })?;
    Some(if shape.contains(&0) { 0 } else { non_zero })
}

impl Body {
    /// Encodes a body, and finds out whether a reader would take it: nesting and number of values have limits.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Fault> {
        let bytes = rmp_serde::to_vec_named(self).expect("a body holds nothing that MessagePack cannot say");
        decode::body(&bytes, true)?;
        Ok(bytes)
    }

    /// Parses a body and checks it against its head.
    pub(crate) fn parse(bytes: &[u8], head: &Head) -> Result<Self, Fault> {
        let body = decode::body(bytes, true)?;
        body.check(head)?;
        Ok(body)
    }

    fn check(&self, head: &Head) -> Result<(), Fault> {
        if let Some(name) = &self.name {
            let key = Key::from_name(name).map_err(|error| Fault::malformed("name", error.to_string()))?;
            if key != head.key {
                let reason = format!("{name:?} is not the name that this key is made from");
                return Err(Fault::malformed("name", reason));
            }
        }
        check_encoding(&self.encoding).map_err(|error| Fault::malformed("encoding", error.to_string()))?;
        self.arrays.iter().try_for_each(|array| check_array(array, &head.blobs))?;
        if self.meta.values().any(has_arrays) {
            return Err(Fault::malformed("meta", "metadata names no arrays"));
        }
        let mut outside = None;
        let mut look = |node: &Tree, ArrayIndex(index): ArrayIndex| {
            if !self.arrays.get(index as usize).is_some_and(|array| fits(node, array)) {
                outside = Some(index);
            }
        };
        self.value.for_each_array(&mut look);
        if let Some(key) = self.origin.as_ref().and_then(|origin| origin.key.as_ref()) {
            key.for_each_array(&mut look);
        }
        match outside {
            None => Ok(()),
            Some(index) => {
                let reason = format!("array {index} of {} is not there, or not of that kind", self.arrays.len());
                Err(Fault::malformed("value", reason))
            }
        }
    }

    /// Bytes of all arrays, as if nothing were shared.
    pub(crate) fn logical_bytes(&self) -> u64 {
        self.arrays.iter().filter_map(ArrayRecord::byte_len).fold(0, u64::saturating_add)
    }

    /// Bytes of the arrays that lie in the manifest.
    pub(crate) fn inline_bytes(&self) -> u64 {
        let inline = |array: &ArrayRecord| if let Data::Inline(Inline(bytes)) = &array.data { bytes.len() } else { 0 };
        self.arrays.iter().map(|array| inline(array) as u64).sum()
    }
}

/// The word for an encoding is short and plain.
pub(crate) fn check_encoding(word: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if (1..=64).contains(&word.len()) && word.bytes().all(plain) {
        return Ok(());
    }
    let reason = "1 to 64 ASCII letters, digits, '-', '.' or '_' are expected";
    Err(Error::Invalid { what: "encoding", given: word.to_owned(), reason })
}

/// Whether a tree refers to any array.
pub(crate) fn has_arrays(tree: &Tree) -> bool {
    let mut found = false;
    tree.for_each_array(&mut |_, _| found = true);
    found
}

/// Whether a node may refer to an array: a sequence has one dimension, and a payload is such a one of bytes.
pub(crate) fn fits(node: &Tree, array: &ArrayRecord) -> bool {
    match node {
        Tree::Payload(_) => array.dtype == DType::UInt8 && array.shape.len() == 1,
        Tree::Sequence(_) => array.shape.len() == 1,
        _ => true,
    }
}

fn check_array(array: &ArrayRecord, blobs: &[BlobRef]) -> Result<(), Fault> {
    if array.shape.len() > MAX_RANK {
        return Err(Fault::malformed(
            "shape",
            format!("{} dimensions, at most {MAX_RANK} are allowed", array.shape.len()),
        ));
    }
    let expected = array.byte_len().ok_or_else(|| Fault::malformed("shape", format!("{:?} overflows", array.shape)))?;
    let found = match &array.data {
        Data::Inline(Inline(bytes)) => bytes.len() as u64,
        Data::Blob(index) => match blobs.get(*index as usize) {
            Some(blob) => blob.len,
            None => return Err(Fault::malformed("array", format!("blob {index} of {}", blobs.len()))),
        },
    };
    if expected == found {
        Ok(())
    } else {
        let reason = format!("{} {:?} takes {expected} bytes, found {found}", array.dtype, array.shape);
        Err(Fault::malformed("array", reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::format::codec::Packed;
    use crate::format::head::{EntryId, Facts};
    use crate::format::tree::Tag;

    fn head(blobs: Vec<BlobRef>) -> Head {
        let (key, body) = (Key::from_name("a").unwrap(), Packed { codec: 0, bytes: Vec::new() });
        Head::of_body(key, EntryId([0; 16]), [0; 16], Facts::default(), blobs, &body)
    }

    fn sample() -> (Body, Head) {
        let body = Body {
            name: Some("a".into()),
            encoding: TREE.into(),
            tags: vec!["t".into()],
            meta: BTreeMap::from([("k".into(), Tree::from(1.5))]),
            origin: Some(Origin { namespace: "n".into(), key: Some(Tree::Array(ArrayIndex(1))), ..Origin::default() }),
            arrays: vec![
                ArrayRecord { dtype: DType::Float64, shape: vec![2, 3], order: Order::F, data: Data::Blob(0) },
                ArrayRecord {
                    dtype: DType::Bool,
                    shape: vec![2],
                    order: Order::C,
                    data: Data::Inline(Inline(vec![0, 1])),
                },
            ],
            value: Tree::List(vec![
                Tree::Array(ArrayIndex(0)),
                Tree::Tagged(Tag::Tuple, vec![Tree::Array(ArrayIndex(1)), Tree::Sequence(ArrayIndex(1))]),
            ]),
        };
        (body, head(vec![BlobRef { digest: Digest::of(b"x"), len: 48 }]))
    }

    #[test]
    fn what_is_encoded_is_parsed() {
        let (body, head) = sample();
        assert_eq!(Body::parse(&body.encode().unwrap(), &head).unwrap(), body);
    }

    #[test]
    fn the_content_is_parsed_whatever_the_labels_are() {
        let (body, head) = sample();
        let bytes = body.encode().unwrap();
        // A key of the origin that no reader knows, and a list in the place of the metadata.
        for (known, other) in [(&b"\xa4host"[..], &b"\xa4hoax"[..]), (b"\x81\xa1k\xcb", b"\x92\xa1k\xcb")] {
            let at = bytes.windows(known.len()).position(|part| part == known).unwrap();
            let odd = [&bytes[..at], other, &bytes[at + known.len()..]].concat();
            assert!(Body::parse(&odd, &head).is_err());
            let content = Content::parse(&odd, &head).unwrap();
            assert_eq!((content.arrays, content.value), (body.arrays.clone(), body.value.clone()));
        }
    }

    #[test]
    fn labels_that_are_passed_over_obey_the_limits() {
        let (body, head) = sample();
        let deep = |depth| (0..depth).fold(Tree::Nil, |inside, _| Tree::List(vec![inside]));
        let with = |meta: Tree| {
            let meta = BTreeMap::from([("k".into(), meta)]);
            rmp_serde::to_vec_named(&Body { meta, ..body.clone() }).unwrap()
        };
        assert!(Content::parse(&with(deep(MAX_DEPTH - 2)), &head).is_ok());
        assert!(Content::parse(&with(deep(MAX_DEPTH - 1)), &head).is_err());
        let many = usize::try_from(MAX_ITEMS).unwrap();
        assert!(Content::parse(&with(Tree::List(vec![Tree::Nil; many])), &head).is_err());
    }

    #[test]
    fn no_byte_of_a_body_can_make_the_parser_panic() {
        let (body, head) = sample();
        let bytes = body.encode().unwrap();
        for at in 0..bytes.len() {
            assert!(Body::parse(&bytes[..at], &head).is_err(), "length {at}");
            assert!(Content::parse(&bytes[..at], &head).is_err(), "length {at}");
            for value in 0..=255 {
                let mut bad = bytes.clone();
                bad[at] = value;
                let content = Content::parse(&bad, &head);
                if let Ok(parsed) = Body::parse(&bad, &head) {
                    assert!(parsed.check(&head).is_ok());
                    assert_eq!(content.unwrap().arrays, parsed.arrays, "byte {at}");
                }
            }
        }
    }

    #[test]
    fn shapes_lengths_and_references_must_agree() {
        let (body, sound) = sample();
        let refused = |change: &dyn Fn(&mut Body)| {
            let mut bad = body.clone();
            change(&mut bad);
            Body::parse(&bad.encode().unwrap(), &sound).is_err()
        };
        assert!(refused(&|body| body.arrays[0].shape = vec![2, 4]));
        assert!(refused(&|body| body.arrays[0].shape = vec![0, u64::MAX, u64::MAX]));
        assert!(refused(&|body| body.arrays[0].shape = vec![1; MAX_RANK + 1]));
        assert!(refused(&|body| body.arrays[0].data = Data::Blob(1)));
        assert!(refused(&|body| body.value = Tree::Array(ArrayIndex(2))));
        assert!(refused(&|body| body.origin.as_mut().unwrap().key = Some(Tree::Array(ArrayIndex(2)))));
        assert!(refused(&|body| body.value = Tree::Payload(ArrayIndex(0))));
        assert!(refused(&|body| body.value = Tree::Sequence(ArrayIndex(0))));
        assert!(!refused(&|body| body.value = Tree::Sequence(ArrayIndex(1))));
        assert!(refused(&|body| body.name = Some("a\nb".into())));
        assert!(refused(&|body| body.name = Some("b".into())), "another name makes another key");
        assert!(!refused(&|body| body.name = None));
        assert!(refused(&|body| drop(body.meta.insert("a".into(), Tree::Array(ArrayIndex(0))))));
        assert!(Body::parse(&body.encode().unwrap(), &head(Vec::new())).is_err());
    }

    #[test]
    fn hostile_lengths_and_nesting_are_refused_before_decoding() {
        assert!(decode::tree(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err(), "an array of 2^32 values");
        assert!(decode::tree(&[0xc6, 0xff, 0xff, 0xff, 0xff]).is_err(), "a byte string of 2^32 bytes");
        assert!(decode::tree(&vec![0x91; 10_000_000]).is_err(), "nesting");
        assert!(decode::tree(&[0xc0, 0xc0]).is_err(), "two values");
        assert!(decode::tree(&[0xc1]).is_err(), "the marker that is never used");
        assert!(decode::tree(&[0xca, 0, 0, 0, 0]).is_err(), "float 32");
        assert!(decode::tree(&[0xa1, 0xff]).is_err(), "a string that is not UTF-8");
        assert!(decode::tree(&[0x93, 0xc0, 0x91, 0xc0, 0x01]).is_ok());
    }

    #[test]
    fn byte_lengths_do_not_overflow() {
        assert_eq!(byte_len(DType::Float64, &[]), Some(8));
        assert_eq!(byte_len(DType::Float64, &[3, 0]), Some(0));
        assert_eq!(byte_len(DType::UInt8, &[i64::MAX as u64]), Some(i64::MAX as u64));
        assert_eq!(byte_len(DType::UInt16, &[i64::MAX as u64]), None);
        assert_eq!(byte_len(DType::UInt8, &[u64::MAX, 0]), None);
    }
}
