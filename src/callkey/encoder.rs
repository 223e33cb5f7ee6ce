//! Keys of values that serde does not see: each is encoded step by step, by the rules of blobs-format.md section 6.2.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::container::Inside;
use super::encode::{self, How};
use super::{KeyBuilder, Rounding};
use crate::digest::Digest;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::body::{Order, byte_len};
use crate::format::canonical::{Canonical, Container, Content, SHORT};
use crate::mem::{Elements, Form, MappedBytes};

/// Takes one value, and yields its canonical encoding: for values of other languages, which serde is not shown.
///
/// Every method takes the value whole and hands back an [`Encoded`], which the function that was lent the encoder
/// returns. Containers lend out an encoder for each of their items.
///
/// ```
/// use ndstash::{Encoded, Encoder, Error, KeyBuilder};
///
/// enum Json {
///     Null,
///     Text(String),
///     List(Vec<Json>),
/// }
///
/// fn walk<'a>(value: &Json, to: Encoder<'a>) -> Result<Encoded<'a>, Error> {
///     match value {
///         Json::Null => Ok(to.nil()),
///         Json::Text(text) => Ok(to.text(text)),
///         Json::List(items) => to.list(|list| items.iter().try_for_each(|item| list.item(|to| walk(item, to)))),
///     }
/// }
///
/// let value = Json::List(vec![Json::Null, Json::Text("a".into())]);
/// let key = KeyBuilder::new("n").encoded("x", None, |to| walk(&value, to))?.finish()?;
/// let same = KeyBuilder::new("n").arg("x", &vec![None, Some("a")]).finish()?;
/// assert_eq!(key.key(), same.key());
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Canonical,
    how: How,
    /// What the value is called, for messages.
    name: &'a str,
}

/// That an [`Encoder`] was given its value.
#[derive(Debug)]
#[must_use = "it is what the function that was lent the encoder returns"]
pub struct Encoded<'a> {
    /// Where the file lies that the value is.
    path: Option<String>,
    of: PhantomData<&'a mut ()>,
}

/// The items of a list, tuple or set that is being filled.
#[derive(Debug)]
pub struct Items<'a> {
    inside: Inside<'a>,
    name: &'a str,
}

/// The pairs of a map that is being filled.
#[derive(Debug)]
pub struct Pairs<'a> {
    inside: Inside<'a>,
    name: &'a str,
}

impl Encoder<'_> {
    /// Encodes one value on its own.
    ///
    /// # Errors
    /// Those of `encode`, and [`Error::Invalid`] as the methods say.
    pub fn standalone<E: From<Error>>(
        rounding: Option<Rounding>,
        encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<Vec<u8>, E> {
        let mut out = Canonical::new();
        lend("value", How::of(rounding), &mut out, encode)?;
        Ok(out.as_bytes().to_vec())
    }
}

impl<'a> Encoder<'a> {
    /// Nothing: Python's `None`, Rust's `()`.
    pub fn nil(self) -> Encoded<'a> {
        self.put(Canonical::nil)
    }

    /// A truth value.
    pub fn bool(self, value: bool) -> Encoded<'a> {
        self.put(|out| out.bool(value))
    }

    /// An integer.
    pub fn int(self, value: i128) -> Encoded<'a> {
        self.put(|out| out.integer(value))
    }

    /// An integer of any size: two's complement, little-endian, as many bytes as one likes; none for 0.
    pub fn integer(self, bytes: &[u8]) -> Encoded<'a> {
        self.put(|out| out.integer_bytes(bytes))
    }

    /// A float of 64 bits, rounded if that was asked for.
    pub fn float(self, value: f64) -> Encoded<'a> {
        let value = self.how.rounding().map_or(value, |rounding| rounding.apply(value));
        self.put(|out| out.float(value))
    }

    /// A complex number of two floats of 64 bits, rounded part by part if that was asked for.
    pub fn complex(self, re: f64, im: f64) -> Encoded<'a> {
        let rounding = self.how.rounding();
        let round = |part| rounding.map_or(part, |rounding| rounding.apply(part));
        self.put(|out| out.complex(round(re), round(im)))
    }

    /// A single number of another type (a `float32`, say), given by its little-endian bytes: an array of no dimensions,
    /// but rounded like a number.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has more or fewer bytes than its type.
    pub fn scalar(self, dtype: DType, bytes: &[u8]) -> Result<Encoded<'a>> {
        self.check_len(dtype, &[], bytes)?;
        let rounding = self.how.rounding();
        Ok(self.put(|out| encode::scalar(dtype, bytes.to_vec(), rounding, out)))
    }

    /// Text.
    pub fn text(self, text: &str) -> Encoded<'a> {
        self.put(|out| out.text(text))
    }

    /// A byte string. A long one is hashed on all cores.
    pub fn bytes(self, bytes: &[u8]) -> Encoded<'a> {
        self.put_bytes(bytes, None)
    }

    /// The same, not hashed if it is known which blob it is.
    pub fn bytes_known(self, bytes: &MappedBytes) -> Encoded<'a> {
        self.put_bytes(bytes, bytes.blob())
    }

    /// An array, by its little-endian elements as they lie. How they lie does not count. A large one is hashed on all
    /// cores. Its floats are rounded if that was asked for, deep.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the bytes are not as many as dtype and shape take.
    pub fn array(self, dtype: DType, shape: &[u64], order: Order, bytes: &[u8]) -> Result<Encoded<'a>> {
        self.put_array(dtype, shape, order, bytes, None)
    }

    /// The same, not hashed if it is known which blob it is (and it lies in C order, and is not rounded).
    ///
    /// # Errors
    /// As [`array`](Self::array).
    pub fn array_known(self, dtype: DType, shape: &[u64], order: Order, bytes: &MappedBytes) -> Result<Encoded<'a>> {
        self.put_array(dtype, shape, order, bytes, bytes.blob())
    }

    /// What stands for the content of a file: its BLAKE3 digest. The path is shown to people if the value is nothing but
    /// the file, and is no part of the encoding.
    pub fn file(self, content: &Digest, path: Option<&str>) -> Encoded<'a> {
        Encoded { path: path.map(str::to_owned), ..self.put(|out| out.file(content)) }
    }

    /// A value that bears a name: of its type, say.
    ///
    /// # Errors
    /// [`Error::Invalid`] if values hold each other more than 128 deep, and those of `value`.
    pub fn named<E: From<Error>>(
        self,
        name: &str,
        value: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<Encoded<'a>, E> {
        self.out.named(name);
        lend(self.name, self.how.inside(), self.out, value)?;
        Ok(Encoded::new())
    }

    /// A list: `fill` adds its items.
    ///
    /// # Errors
    /// [`Error::Invalid`] if values hold each other more than 128 deep, and those of `fill`.
    pub fn list<E: From<Error>>(self, fill: impl FnOnce(&mut Items<'_>) -> Result<(), E>) -> Result<Encoded<'a>, E> {
        self.items(Container::List, fill)
    }

    /// A tuple: `fill` adds its items.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn tuple<E: From<Error>>(self, fill: impl FnOnce(&mut Items<'_>) -> Result<(), E>) -> Result<Encoded<'a>, E> {
        self.items(Container::Tuple, fill)
    }

    /// A set: `fill` adds its items, in any order. They are not rounded.
    ///
    /// # Errors
    /// As [`list`](Self::list), and [`Error::Invalid`] if two items are equal.
    pub fn set<E: From<Error>>(self, fill: impl FnOnce(&mut Items<'_>) -> Result<(), E>) -> Result<Encoded<'a>, E> {
        self.items(Container::Set, fill)
    }

    /// A set that cannot change; otherwise like [`set`](Self::set).
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn frozenset<E: From<Error>>(
        self,
        fill: impl FnOnce(&mut Items<'_>) -> Result<(), E>,
    ) -> Result<Encoded<'a>, E> {
        self.items(Container::FrozenSet, fill)
    }

    /// A map: `fill` adds its pairs, in any order. Keys are not rounded.
    ///
    /// # Errors
    /// As [`list`](Self::list), and [`Error::Invalid`] if two keys are equal.
    pub fn map<E: From<Error>>(self, fill: impl FnOnce(&mut Pairs<'_>) -> Result<(), E>) -> Result<Encoded<'a>, E> {
        let Encoder { out, how, name } = self;
        let mut pairs = Pairs { inside: Inside::new(out, how, Container::Map), name };
        fill(&mut pairs)?;
        pairs.inside.finish().map_err(|flaw| flaw.of_part(name))?;
        Ok(Encoded::new())
    }

    fn items<E: From<Error>>(
        self,
        kind: Container,
        fill: impl FnOnce(&mut Items<'_>) -> Result<(), E>,
    ) -> Result<Encoded<'a>, E> {
        let Encoder { out, how, name } = self;
        let mut items = Items { inside: Inside::new(out, how, kind), name };
        fill(&mut items)?;
        items.inside.finish().map_err(|flaw| flaw.of_part(name))?;
        Ok(Encoded::new())
    }

    fn put(self, append: impl FnOnce(&mut Canonical)) -> Encoded<'a> {
        append(self.out);
        Encoded::new()
    }

    fn put_bytes(self, bytes: &[u8], blob: Option<Digest>) -> Encoded<'a> {
        let how = self.how;
        self.put(|out| match blob {
            Some(digest) if bytes.len() > SHORT => {
                encode::bytes(bytes.len(), || Content::Long(bytes.len() as u64, digest), how, out);
            }
            _ => encode::bytes(bytes.len(), || Content::of(bytes), how, out),
        })
    }

    fn put_array(
        self,
        dtype: DType,
        shape: &[u64],
        order: Order,
        bytes: &[u8],
        blob: Option<Digest>,
    ) -> Result<Encoded<'a>> {
        self.check_len(dtype, shape, bytes)?;
        let (how, blob) = (self.how, blob.map(|digest| (digest, bytes.len() as u64)));
        let (shape, bytes) = (shape.to_vec(), Cow::Borrowed(bytes));
        let elements = Elements { dtype, shape, order, bytes, form: Form::Array, blob };
        Ok(self.put(|out| encode::array(&elements, how, out)))
    }

    fn check_len(&self, dtype: DType, shape: &[u64], bytes: &[u8]) -> Result<()> {
        if byte_len(dtype, shape) == Some(bytes.len() as u64) {
            return Ok(());
        }
        let reason = "an array has as many bytes as its type and shape take";
        Err(Error::Invalid { what: "key part", given: self.name.to_owned(), reason })
    }
}

impl Encoded<'_> {
    fn new() -> Self {
        Encoded { path: None, of: PhantomData }
    }
}

impl Items<'_> {
    /// Adds an item. If that fails there is one less.
    ///
    /// # Errors
    /// [`Error::Invalid`] if values hold each other more than 128 deep, and those of `item`.
    pub fn item<E: From<Error>>(
        &mut self,
        item: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<(), E> {
        self.inside.item(|out, how| lend(self.name, how, out, item).map(drop))
    }
}

impl Pairs<'_> {
    /// Adds a pair. If that fails there is one less.
    ///
    /// # Errors
    /// [`Error::Invalid`] if values hold each other more than 128 deep, and those of `key` and `value`.
    pub fn pair<E: From<Error>>(
        &mut self,
        key: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
        value: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<(), E> {
        self.inside.key(|out, how| lend(self.name, how, out, key).map(drop))?;
        self.inside.value(|out, how| lend(self.name, how, out, value).map(drop))
    }
}

/// Has a value appended, deeper than what holds it. Returns its path, if it is a file.
pub(super) fn lend<E: From<Error>>(
    name: &str,
    how: How,
    out: &mut Canonical,
    encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
) -> Result<Option<String>, E> {
    let how = how.deeper().map_err(|flaw| flaw.of_part(name))?;
    Ok(encode(Encoder { out, how, name })?.path)
}

impl KeyBuilder {
    /// Adds an argument that `encode` describes; otherwise like [`arg`](Self::arg), or [`rounded`](Self::rounded). Equal
    /// values give equal keys, whichever way they were added.
    ///
    /// # Errors
    /// Those of `encode`, and [`Error::Invalid`] as the methods of [`Encoder`] say. What else is wrong with the key
    /// [`finish`](Self::finish) tells.
    pub fn encoded<E: From<Error>>(
        self,
        name: &str,
        rounding: Option<Rounding>,
        encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<Self, E> {
        let mut encoding = Canonical::new();
        let path = lend(name, How::of(rounding), &mut encoding, encode)?;
        Ok(self.part(name, encoding, path))
    }

    /// Adds the one part of a key that has no others, and no name: the same key as of [`CallKey::of`](crate::CallKey::of),
    /// where function and version are not given.
    ///
    /// # Errors
    /// As [`encoded`](Self::encoded).
    pub fn encoded_alone<E: From<Error>>(
        self,
        rounding: Option<Rounding>,
        encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<Self, E> {
        let mut encoding = Canonical::new();
        let path = lend("value", How::of(rounding), &mut encoding, encode)?;
        Ok(self.alone(encoding, path))
    }

    /// Notes an argument that the result does not depend on, which `encode` describes; otherwise like
    /// [`ignored`](Self::ignored). If that fails the argument is shown as nothing.
    pub fn ignored_encoded<E: From<Error>>(
        self,
        name: &str,
        encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Self {
        let mut encoding = Canonical::new();
        let encoded = lend(name, How::SHOWN_ONLY, &mut encoding, encode);
        self.shown(name, encoded.ok().map(|path| (encoding, path)))
    }
}
