//! Keys of calls: from what a result depends on to the key it is filed under.

mod builder;
mod container;
mod describe;
mod elements;
mod encode;
mod encoder;
mod file;
mod frame;
mod round;
mod single;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use std::sync::OnceLock;

use serde::Serialize;

pub use builder::KeyBuilder;
use builder::Parts;
pub(crate) use builder::check_namespace;
pub(crate) use encode::{FROZEN_SET, INTEGER, SET};
pub use encoder::{Encoded, Encoder, Items, Pairs};
pub use frame::{Arguments, CallFrame};
pub use round::Rounding;

use crate::error::Result;
use crate::format::tree::Tree;
use crate::key::Key;

/// The key of one call, with what it was made of in a form that people can read.
///
/// Made by a [`KeyBuilder`], or by [`CallKey::of`] where there is one argument. Equal values give equal keys, in every
/// process, on every machine and from every language that follows blobs-format.md section 6; values of different types
/// give different keys.
#[derive(Clone, Debug)]
pub struct CallKey {
    key: Key,
    namespace: String,
    function: Option<String>,
    version: Option<String>,
    parts: Parts,
    /// Described when somebody asks.
    described: OnceLock<Tree>,
}

impl CallKey {
    /// The key of a single value in a namespace.
    ///
    /// ```
    /// use ndstash::CallKey;
    ///
    /// let key = CallKey::of("fft", &vec![1.0, 2.0])?;
    /// assert_eq!(key.key(), CallKey::of("fft", &[1.0, 2.0][..])?.key());
    /// assert_ne!(key.key(), CallKey::of("fft", &vec![1, 2])?.key());
    /// # Ok::<(), ndstash::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if the namespace cannot be one or the value cannot be encoded, as for
    /// [`KeyBuilder::finish`].
    pub fn of<T: Serialize + ?Sized>(namespace: &str, value: &T) -> Result<Self> {
        KeyBuilder::new(namespace).unnamed(value).finish()
    }

    /// A key that is known, and not what it was made of.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if the namespace cannot be one.
    pub fn bare(namespace: &str, key: Key) -> Result<Self> {
        check_namespace(namespace)?;
        let (namespace, parts, described) = (namespace.to_owned(), Parts::default(), OnceLock::from(Tree::Nil));
        Ok(CallKey { key, namespace, function: None, version: None, parts, described })
    }

    /// The key itself.
    pub fn key(&self) -> Key {
        self.key
    }

    /// The namespace: components separated by `/`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the function, if one was given.
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// The version of the function, if one was given.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What the key was made of, for people: a map from the name of each part to its value, with large arrays, texts and
    /// containers cut, and ignored parts in a map of their own under the name `(ignored)`. At most about 4 KiB.
    /// [`Tree::Nil`] of a key that was [known](Self::bare).
    pub fn parts(&self) -> &Tree {
        self.described.get_or_init(|| describe::parts(&self.parts))
    }
}
