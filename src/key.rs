//! Keys: what an entry is filed under.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, Domain, domain};
use crate::error::{Error, Result};

/// The domain of keys made from names (blobs-format.md section 6).
static NAMES: Domain = domain!("ndstash 0 entry name");

/// The longest name of an entry, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 1024;

/// The 32 bytes an entry is filed under: computed by the caller, or made from a name.
///
/// Printed and parsed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Digest);

impl Key {
    /// The key of an entry that was put under a name.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the name is empty, longer than [`MAX_NAME_BYTES`], or has control characters.
    pub fn from_name(name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Key(NAMES.digest(name.as_bytes())))
    }

    /// Takes 32 bytes of the caller's own as a key: they should be a digest of everything the result depends on.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Key(Digest::from_bytes(bytes))
    }

    /// The key as raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(crate) const fn digest(&self) -> &Digest {
        &self.0
    }

    pub(crate) const fn shard(&self) -> u8 {
        self.0.shard()
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(self) } else { to.serialize_bytes(self.as_bytes()) }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes, or 64 hex digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Key, E> {
                bytes.try_into().map(Key::from_bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }
        if from.is_human_readable() { from.deserialize_str(KeyVisitor) } else { from.deserialize_bytes(KeyVisitor) }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Key)
    }
}

/// How a caller addresses an entry: by a name, or by a key of its own.
///
/// Made from `&str`, `&String` or [`Key`], so that every method takes whichever is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// A name that people read: UTF-8, no control characters, at most [`MAX_NAME_BYTES`] bytes.
    Name(&'a str),
    /// A key computed by the caller.
    Key(Key),
}

impl<'a> Address<'a> {
    pub(crate) fn key(self) -> Result<Key> {
        match self {
            Address::Name(name) => Key::from_name(name),
            Address::Key(key) => Ok(key),
        }
    }

    pub(crate) fn name(self) -> Option<&'a str> {
        match self {
            Address::Name(name) => Some(name),
            Address::Key(_) => None,
        }
    }

    /// The name, or the key in hex.
    pub(crate) fn label(self) -> String {
        match self {
            Address::Name(name) => name.to_owned(),
            Address::Key(key) => key.to_string(),
        }
    }
}

impl<'a> From<&'a str> for Address<'a> {
    fn from(name: &'a str) -> Self {
        Address::Name(name)
    }
}

impl<'a> From<&'a String> for Address<'a> {
    fn from(name: &'a String) -> Self {
        Address::Name(name)
    }
}

impl From<Key> for Address<'_> {
    fn from(key: Key) -> Self {
        Address::Key(key)
    }
}

fn check_name(name: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "a name has at least one character"
    } else if name.len() > MAX_NAME_BYTES {
        "a name has at most 1024 bytes"
    } else if name.chars().any(char::is_control) {
        "a name has no control characters"
    } else {
        return Ok(());
    };
    Err(Error::Invalid { what: "name", given: name.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_keys_in_a_domain_of_their_own() {
        assert_ne!(Key::from_name("abc").unwrap().as_bytes(), Digest::of(b"abc").as_bytes());
        assert_ne!(Key::from_name("a").unwrap(), Key::from_name("b").unwrap());
    }

    #[test]
    fn bad_names_are_refused_with_a_reason() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for (name, word) in [("", "one character"), ("a\nb", "control"), ("\u{85}", "control"), (&*long, "1024")] {
            let error = Key::from_name(name).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(Key::from_name(&long[1..]).is_ok());
        assert!(Key::from_name("runs/2024 \u{e9}t\u{e9}/a.npy").is_ok());
    }
}
