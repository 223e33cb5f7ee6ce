//! The canonical encoding of values that keys are made of (blobs-format.md section 6.2): equal values, equal bytes.

use super::wire::Wire;
use crate::digest::Digest;
use crate::dtype::DType;
use crate::error::Fault;

/// What a value's encoding begins with.
mod tag {
    pub(super) const NIL: u8 = 0x00;
    pub(super) const FALSE: u8 = 0x01;
    pub(super) const TRUE: u8 = 0x02;
    pub(super) const INTEGER: u8 = 0x03;
    pub(super) const FLOAT: u8 = 0x04;
    pub(super) const TEXT: u8 = 0x05;
    pub(super) const BYTES: u8 = 0x06;
    pub(super) const LIST: u8 = 0x07;
    pub(super) const TUPLE: u8 = 0x08;
    pub(super) const MAP: u8 = 0x09;
    pub(super) const SET: u8 = 0x0a;
    pub(super) const FROZEN_SET: u8 = 0x0b;
    pub(super) const COMPLEX: u8 = 0x0c;
    pub(super) const ARRAY: u8 = 0x0d;
    pub(super) const FILE: u8 = 0x0e;
    pub(super) const NAMED: u8 = 0x0f;
}

/// Bytes and elements up to this length lie in the encoding themselves; of longer ones it has the digest.
pub(crate) const SHORT: usize = 64;

/// The bits of every NaN outside arrays.
const NAN: u64 = 0x7ff8_0000_0000_0000;

/// The name that an optional value bears where it would else look like an absent one.
pub(crate) const SOME: &str = "some";

/// A kind of value that holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    List,
    Tuple,
    Map,
    Set,
    FrozenSet,
}

impl Container {
    const fn tag(self) -> u8 {
        match self {
            Container::List => tag::LIST,
            Container::Tuple => tag::TUPLE,
            Container::Map => tag::MAP,
            Container::Set => tag::SET,
            Container::FrozenSet => tag::FROZEN_SET,
        }
    }
}

/// Bytes as an encoding has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// At most [`SHORT`] bytes, themselves.
    Short(&'a [u8]),
    /// More bytes than that: how many, and their digest.
    Long(u64, Digest),
}

impl<'a> Content<'a> {
    /// Hashes the bytes, on every core, if they are too many to lie in the encoding.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        if bytes.len() <= SHORT { Content::Short(bytes) } else { Content::Long(bytes.len() as u64, Digest::of(bytes)) }
    }
}

/// Two keys of a map, or two items of a set, have the same encoding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EqualKeys;

/// An encoding in the making: values are appended one after another, what is inside a container after its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canonical(Vec<u8>);

/// Where in an encoding one pair of a map stands, or one item of a set, whose key is all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) key_end: usize,
    pub(crate) end: usize,
}

impl Canonical {
    /// Nothing yet, with room for what most keys take.
    pub(crate) fn new() -> Self {
        Canonical(Vec::with_capacity(128))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How long the encoding is by now: the place of what comes next.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn nil(&mut self) {
        self.0.push(tag::NIL);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.0.push(if value { tag::TRUE } else { tag::FALSE });
    }

    pub(crate) fn integer(&mut self, value: i128) {
        self.integer_bytes(&value.to_le_bytes());
    }

    pub(crate) fn unsigned(&mut self, value: u128) {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&value.to_le_bytes());
        self.integer_bytes(&bytes);
    }

    /// An integer of any size, in two's complement and little-endian: bytes that only repeat the sign are left out.
    pub(crate) fn integer_bytes(&mut self, bytes: &[u8]) {
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let filler = if negative { 0xff } else { 0 };
        let significant = bytes.iter().rposition(|&byte| byte != filler).map_or(0, |at| at + 1);
        // The sign must show in the last byte, and of -1 and of 0 alone nothing may be left but that.
        let shows = match significant {
            0 => !negative,
            len => (bytes[len - 1] & 0x80 != 0) == negative,
        };
        let len = significant + usize::from(!shows);
        self.start(tag::INTEGER, len as u64);
        self.0.extend_from_slice(&bytes[..len]);
    }

    pub(crate) fn float(&mut self, value: f64) {
        self.0.push(tag::FLOAT);
        self.float_bits(value);
    }

    pub(crate) fn complex(&mut self, re: f64, im: f64) {
        self.0.push(tag::COMPLEX);
        self.float_bits(re);
        self.float_bits(im);
    }

    fn float_bits(&mut self, value: f64) {
        let bits = if value.is_nan() { NAN } else { value.to_bits() };
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.0.push(tag::TEXT);
        self.short_text(text);
    }

    pub(crate) fn bytes(&mut self, content: Content<'_>) {
        self.0.push(tag::BYTES);
        self.content(content);
    }

    /// An array, by its elements in C order.
    pub(crate) fn array(&mut self, dtype: DType, shape: &[u64], elements: Content<'_>) {
        self.0.push(tag::ARRAY);
        self.short_text(dtype.name());
        self.number(shape.len() as u64);
        shape.iter().for_each(|&extent| self.number(extent));
        self.content(elements);
    }

    /// What stands for a file, or for anything else that is known by the digest of its content.
    pub(crate) fn file(&mut self, content: &Digest) {
        self.0.push(tag::FILE);
        self.0.extend_from_slice(content.as_bytes());
    }

    /// The name that the next value bears.
    pub(crate) fn named(&mut self, name: &str) {
        self.0.push(tag::NAMED);
        self.short_text(name);
    }

    /// Begins a container; what is appended from now on is inside it, until [`end`](Self::end) with what this returns.
    pub(crate) fn begin(&mut self, kind: Container) -> usize {
        let at = self.0.len();
        self.start(kind.tag(), 0);
        at
    }

    /// Ends a list or tuple of so many items.
    pub(crate) fn end(&mut self, at: usize, count: u64) {
        self.0[at + 1..at + 9].copy_from_slice(&count.to_le_bytes());
    }

    /// Ends a map or set, whose pairs or items follow its beginning without a gap: puts them in order.
    pub(crate) fn end_sorted(&mut self, at: usize, mut pieces: Vec<Piece>) -> Result<(), EqualKeys> {
        let bytes = &self.0;
        let key = |piece: &Piece| &bytes[piece.start..piece.key_end];
        // Most maps come in order, and then lie as they should.
        if pieces.is_sorted_by(|one, other| key(one) < key(other)) {
            self.end(at, pieces.len() as u64);
            return Ok(());
        }
        pieces.sort_by(|one, other| key(one).cmp(key(other)));
        if pieces.windows(2).any(|pair| key(&pair[0]) == key(&pair[1])) {
            return Err(EqualKeys);
        }
        let sorted: Vec<u8> = pieces.iter().flat_map(|piece| &bytes[piece.start..piece.end]).copied().collect();
        let first = self.0.len() - sorted.len();
        self.0[first..].copy_from_slice(&sorted);
        self.end(at, pieces.len() as u64);
        Ok(())
    }

    /// Marks the value that was appended from `at` on as present, if it would else look like an absent one.
    pub(crate) fn mark_some(&mut self, at: usize) {
        let mut mark = Canonical::new();
        mark.named(SOME);
        if self.0[at..] == [tag::NIL] || self.0[at..].starts_with(&mark.0) {
            self.0.splice(at..at, mark.0);
        }
    }

    /// Appends bytes that are no value yet: [`take_raw`](Self::take_raw) removes them, and makes one of them.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn take_raw(&mut self, at: usize) -> Vec<u8> {
        self.0.split_off(at)
    }

    /// Removes what was appended from `at` on.
    pub(crate) fn truncate(&mut self, at: usize) {
        self.0.truncate(at);
    }

    /// Appends values that are encoded already.
    pub(crate) fn append(&mut self, other: &Canonical) {
        self.0.extend_from_slice(&other.0);
    }

    fn start(&mut self, tag: u8, number: u64) {
        self.0.push(tag);
        self.number(number);
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn short_text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn content(&mut self, content: Content<'_>) {
        match content {
            Content::Short(bytes) => {
                self.number(bytes.len() as u64);
                self.0.extend_from_slice(bytes);
            }
            Content::Long(len, digest) => {
                self.number(len);
                self.0.extend_from_slice(digest.as_bytes());
            }
        }
    }
}

/// What stands at one place of an encoding. The items of a container, and the value that bears a name, come next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    /// Two's complement, little-endian, as short as it can be.
    Integer(&'a [u8]),
    Float(f64),
    Complex(f64, f64),
    Text(&'a str),
    Bytes(Content<'a>),
    /// How many items it has; of a map, how many pairs.
    Container(Container, u64),
    Array {
        dtype: &'a str,
        shape: Vec<u64>,
        elements: Content<'a>,
    },
    File(Digest),
    Named(&'a str),
}

/// Reads an encoding from its beginning.
pub(crate) struct Tokens<'a>(Wire<'a>);

impl<'a> Tokens<'a> {
    pub(crate) fn new(encoding: &'a [u8]) -> Self {
        Tokens(Wire::new(encoding))
    }

    /// How many bytes follow.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.0.left()
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, Fault> {
        let [found] = self.0.array("tag")?;
        Ok(match found {
            tag::NIL => Token::Nil,
            tag::FALSE | tag::TRUE => Token::Bool(found == tag::TRUE),
            tag::INTEGER => Token::Integer(self.counted("integer")?),
            tag::FLOAT => Token::Float(self.float()?),
            tag::COMPLEX => Token::Complex(self.float()?, self.float()?),
            tag::TEXT => Token::Text(self.text()?),
            tag::BYTES => Token::Bytes(self.content()?),
            tag::LIST => self.container(Container::List)?,
            tag::TUPLE => self.container(Container::Tuple)?,
            tag::MAP => self.container(Container::Map)?,
            tag::SET => self.container(Container::Set)?,
            tag::FROZEN_SET => self.container(Container::FrozenSet)?,
            tag::ARRAY => Token::Array { dtype: self.text()?, shape: self.shape()?, elements: self.content()? },
            tag::FILE => Token::File(self.digest()?),
            tag::NAMED => Token::Named(self.text()?),
            _ => return Err(Fault::malformed("tag", format!("{found:02x} is not known"))),
        })
    }

    fn container(&mut self, kind: Container) -> Result<Token<'a>, Fault> {
        Ok(Token::Container(kind, self.0.u64("count")?))
    }

    fn counted(&mut self, field: &'static str) -> Result<&'a [u8], Fault> {
        let len = self.0.u64("length")?;
        self.0.take(usize::try_from(len).unwrap_or(usize::MAX), field)
    }

    fn text(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.counted("text")?).map_err(|error| Fault::malformed("text", error.to_string()))
    }

    fn float(&mut self) -> Result<f64, Fault> {
        self.0.u64("float").map(f64::from_bits)
    }

    fn digest(&mut self) -> Result<Digest, Fault> {
        self.0.array("digest").map(Digest::from_bytes)
    }

    fn shape(&mut self) -> Result<Vec<u64>, Fault> {
        let rank = self.0.u64("rank")?;
        (0..rank).map(|_| self.0.u64("extent")).collect()
    }

    fn content(&mut self) -> Result<Content<'a>, Fault> {
        let len = self.0.u64("length")?;
        match usize::try_from(len) {
            Ok(short) if short <= SHORT => self.0.take(short, "content").map(Content::Short),
            _ => Ok(Content::Long(len, self.digest()?)),
        }
    }
}
