//! Keys of many calls of one function, without what people would be shown of them.

use super::Rounding;
use super::builder::{KEYS, UNNAMED, check_namespace, start};
use super::encode::How;
use super::encoder::{Encoded, Encoder, lend};
use crate::digest::Hasher;
use crate::error::{Error, Result};
use crate::format::canonical::{Canonical, Container, Piece};
use crate::key::Key;

/// What the keys of all calls of one function begin with: for who looks for many, and builds a
/// [`CallKey`](super::CallKey) only of what is not there.
///
/// ```
/// use ndstash::{CallFrame, Error, KeyBuilder};
///
/// let frame = CallFrame::new("n", Some("square"), Some("1"))?;
/// let key = frame.key(|args| args.arg("x", None, |to| Ok::<_, Error>(to.int(7))))?;
/// assert_eq!(key, KeyBuilder::new("n").function("square").version("1").arg("x", &7).finish()?.key());
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallFrame(Hasher);

/// The arguments of one call.
#[derive(Debug)]
pub struct Arguments<'a> {
    out: &'a mut Canonical,
    pieces: Vec<Piece>,
}

impl CallFrame {
    /// For the calls of a function and a version of it, in a namespace.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the namespace cannot be one.
    pub fn new(namespace: &str, function: Option<&str>, version: Option<&str>) -> Result<Self> {
        check_namespace(namespace)?;
        Ok(CallFrame(KEYS.begun_with(start(namespace, function, version).as_bytes())))
    }

    /// The key of the call whose arguments `fill` adds, in any order: the one that a [`KeyBuilder`](super::KeyBuilder)
    /// makes of the same.
    ///
    /// # Errors
    /// Those of `fill`; [`Error::Invalid`] if two arguments have one name.
    pub fn key<E: From<Error>>(&self, fill: impl FnOnce(&mut Arguments<'_>) -> Result<(), E>) -> Result<Key, E> {
        let mut out = Canonical::new();
        let at = out.begin(Container::Map);
        let mut arguments = Arguments { out: &mut out, pieces: Vec::new() };
        fill(&mut arguments)?;
        let pieces = arguments.pieces;
        let given_twice =
            |_| Error::Invalid { what: "key part", given: "an argument".to_owned(), reason: "a part is given once" };
        out.end_sorted(at, pieces).map_err(given_twice)?;
        let mut hasher = self.0.clone();
        hasher.update(out.as_bytes());
        Ok(Key::from_bytes(*hasher.finish().as_bytes()))
    }
}

impl Arguments<'_> {
    /// Adds an argument that `encode` describes, its floats rounded if that is asked for.
    ///
    /// # Errors
    /// Those of `encode`; [`Error::Invalid`] for a name that is empty, begins with a parenthesis, and as the methods of
    /// [`Encoder`] say.
    pub fn arg<E: From<Error>>(
        &mut self,
        name: &str,
        rounding: Option<Rounding>,
        encode: impl for<'x> FnOnce(Encoder<'x>) -> Result<Encoded<'x>, E>,
    ) -> Result<(), E> {
        if name == UNNAMED || name.starts_with('(') {
            let reason = "a part has a name, which does not begin with a parenthesis";
            return Err(Error::Invalid { what: "key part", given: name.to_owned(), reason }.into());
        }
        let start = self.out.len();
        self.out.text(name);
        let key_end = self.out.len();
        lend(name, How::of(rounding), self.out, encode)?;
        self.pieces.push(Piece { start, key_end, end: self.out.len() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyBuilder;
    use super::*;

    #[test]
    fn keys_are_those_of_the_builder() {
        let rounding = Some(Rounding::decimals(1));
        let frame = CallFrame::new("a/b", Some("f"), None).unwrap();
        let key = frame.key(|args| {
            args.arg("longer", rounding, |to| Ok::<_, Error>(to.float(0.26)))?;
            args.arg("b", None, |to| to.tuple(|items| items.item(|to| Ok::<_, Error>(to.nil()))))?;
            args.arg("a", None, |to| Ok::<_, Error>(to.text("x")))
        });
        let same = KeyBuilder::new("a/b").function("f").arg("a", "x").arg("b", &((),)).arg("longer", &0.3);
        assert_eq!(key.unwrap(), same.finish().unwrap().key());
        let none = CallFrame::new("", None, Some("v")).unwrap().key(|_| Ok::<_, Error>(()));
        assert_eq!(none.unwrap(), KeyBuilder::new("").version("v").finish().unwrap().key());
    }

    #[test]
    fn names_that_a_builder_refuses_are_refused() {
        assert!(CallFrame::new("a//b", None, None).is_err());
        let frame = CallFrame::new("", None, None).unwrap();
        for name in ["", "(x)"] {
            assert!(frame.key(|args| args.arg(name, None, |to| Ok::<_, Error>(to.nil()))).is_err(), "{name}");
        }
        let twice = frame.key(|args| {
            args.arg("x", None, |to| Ok::<_, Error>(to.int(1)))?;
            args.arg("x", None, |to| Ok::<_, Error>(to.int(2)))
        });
        assert!(twice.is_err());
    }
}
