//! Building a key part by part.

use std::path::Path;
use std::sync::OnceLock;

use serde::Serialize;

use super::encode::{How, encode};
use super::{CallKey, Rounding, file};
use crate::digest::{Digest, Domain, domain};
use crate::error::{Error, Result};
use crate::format::canonical::{Canonical, Container, Piece};
use crate::key::{Key, MAX_NAME_BYTES};

/// The domain of keys made from calls (blobs-format.md section 6.3).
pub(super) static KEYS: Domain = domain!("ndstash 0 key");

/// The name of the only part of a key that has no named ones.
pub(super) const UNNAMED: &str = "";

/// A part of a key.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) encoding: Canonical,
    /// Where the file lay, of which the encoding has the content.
    pub(super) path: Option<String>,
    pub(super) ignored: bool,
}

/// The parts of a key, ascending by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts(Vec<(String, Part)>);

impl Parts {
    /// Adds a part; `false`, and nothing is added, if there is one of that name.
    fn insert(&mut self, name: &str, part: Part) -> bool {
        match self.0.binary_search_by(|(other, _)| other.as_str().cmp(name)) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, (name.to_owned(), part));
                true
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(String, Part)> {
        self.0.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the one that has no name has company in the key.
    fn are_mixed(&self) -> bool {
        let mut counted = self.iter().filter(|(_, part)| !part.ignored);
        counted.next().is_some_and(|(name, _)| name == UNNAMED) && counted.next().is_some()
    }
}

/// Builds the key of a call from everything its result depends on.
///
/// A part is any type that serde can serialise. Types are told apart (1, 1.0, true and "1" differ), the order of named
/// parts, of map keys and of set items does not count. Arrays and vectors of numbers are recognised by their type and
/// hashed on all cores: their element type, shape and values count, and how they lie in memory does not. An array
/// that was mapped from a store as a whole is not hashed again. Of floats, -0.0 and 0.0 differ; every NaN is
/// one, except inside arrays, whose bits count.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let store = ndstash::Store::create(dir.path().join("results"))?;
/// use ndarray::Array2;
/// use ndstash::{KeyBuilder, Rounding};
///
/// let field = Array2::<f64>::zeros((300, 200));
/// let key = KeyBuilder::new("simulate")
///     .function("step")
///     .version("3")
///     .arg("field", &field)
///     .rounded("dt", &0.010_000_000_001, Rounding::significant(6))
///     .ignored("verbose", &true)
///     .finish()?;
/// store.put(key.key(), &field)?;
///
/// // Another order of the parts, and another layout of the array.
/// let again = KeyBuilder::new("simulate")
///     .function("step")
///     .version("3")
///     .arg("dt", &0.01)
///     .arg("field", &field.t().as_standard_layout().t())
///     .finish()?;
/// assert_eq!(again.key(), key.key());
/// # Ok::<(), ndstash::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a key is made by `finish`"]
pub struct KeyBuilder {
    namespace: String,
    function: Option<String>,
    version: Option<String>,
    parts: Parts,
    /// The first error.
    fault: Option<Error>,
}

impl KeyBuilder {
    /// Starts a key in a namespace: components separated by `/`, none of them empty, no control characters. The empty
    /// namespace has no components: all others are in it.
    pub fn new(namespace: impl Into<String>) -> Self {
        let namespace = namespace.into();
        let fault = check_namespace(&namespace).err();
        KeyBuilder { namespace, function: None, version: None, parts: Parts::default(), fault }
    }

    /// Names the function.
    pub fn function(self, name: impl Into<String>) -> Self {
        KeyBuilder { function: Some(name.into()), ..self }
    }

    /// Names the version of the function: a new one makes new keys, and results of the old one stay under theirs.
    pub fn version(self, version: impl Into<String>) -> Self {
        KeyBuilder { version: Some(version.into()), ..self }
    }

    /// Adds an argument, or anything else that the result depends on.
    pub fn arg<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        self.serialized(name, value, How::PLAIN)
    }

    /// Adds an argument whose floats are rounded first.
    pub fn rounded<T: Serialize + ?Sized>(self, name: &str, value: &T, rounding: Rounding) -> Self {
        self.serialized(name, value, How::of(Some(rounding)))
    }

    /// Notes an argument that the result does not depend on: shown to people, and no part of the key. Arrays are not
    /// hashed, and a value that cannot be encoded is left out.
    pub fn ignored<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        let mut encoding = Canonical::new();
        let encoded = encode(value, How::SHOWN_ONLY, &mut encoding);
        self.shown(name, encoded.ok().map(|()| (encoding, None)))
    }

    /// Adds the content of a file, which is read and hashed on all cores. Its path and its times do not count.
    pub fn file(mut self, name: &str, path: impl AsRef<Path>) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let path = path.as_ref();
        match file::digest(path) {
            Ok(content) => self.content(name, &content, Some(path.to_string_lossy().into_owned())),
            Err(error) => {
                self.fault = Some(error);
                self
            }
        }
    }

    /// Adds content that is known by its BLAKE3 digest: the same key as of a file with that content.
    pub fn digest(self, name: &str, content: Digest) -> Self {
        self.content(name, &content, None)
    }

    /// Makes the key.
    ///
    /// # Errors
    /// The first error of any step: [`Error::Invalid`] for a namespace or name that cannot be, for a name that was given
    /// twice, and for a value that has no encoding (its own `Serialize` refuses, it has equal keys, or is nested more
    /// than 128 deep); [`Error::Io`] for a file that cannot be read.
    pub fn finish(mut self) -> Result<CallKey> {
        if self.parts.are_mixed() {
            self.refuse(UNNAMED, "a part without a name is the only one");
        }
        let key = self.key();
        let KeyBuilder { namespace, function, version, parts, fault } = self;
        if let Some(fault) = fault {
            return Err(fault);
        }
        Ok(CallKey { key, namespace, function, version, parts, described: OnceLock::new() })
    }

    /// Adds the one part of a key that has no others.
    pub(super) fn unnamed<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        let mut encoding = Canonical::new();
        match encode(value, How::PLAIN, &mut encoding) {
            Ok(()) => self.alone(encoding, None),
            Err(flaw) => {
                self.fault.get_or_insert(flaw.of_part("value"));
                self
            }
        }
    }

    fn serialized<T: Serialize + ?Sized>(mut self, name: &str, value: &T, how: How) -> Self {
        if self.fault.is_some() {
            return self;
        }
        let mut encoding = Canonical::new();
        match encode(value, how, &mut encoding) {
            Ok(()) => self.part(name, encoding, None),
            Err(flaw) => {
                self.fault = Some(flaw.of_part(name));
                self
            }
        }
    }

    /// Adds a part that is encoded; with its path, if it is a file.
    pub(super) fn part(self, name: &str, encoding: Canonical, path: Option<String>) -> Self {
        self.named(name, Part { encoding, path, ignored: false })
    }

    /// Adds the one part of a key that has no others.
    pub(super) fn alone(mut self, encoding: Canonical, path: Option<String>) -> Self {
        if !self.parts.insert(UNNAMED, Part { encoding, path, ignored: false }) {
            self.refuse(UNNAMED, "a part is given once");
        }
        self
    }

    /// Adds a part that is shown, and no part of the key; as nothing, if it could not be encoded.
    pub(super) fn shown(self, name: &str, encoded: Option<(Canonical, Option<String>)>) -> Self {
        let (encoding, path) = encoded.unwrap_or_else(|| {
            let mut nothing = Canonical::new();
            nothing.nil();
            (nothing, None)
        });
        self.named(name, Part { encoding, path, ignored: true })
    }

    fn content(self, name: &str, content: &Digest, path: Option<String>) -> Self {
        let mut encoding = Canonical::new();
        encoding.file(content);
        self.part(name, encoding, path)
    }

    fn named(mut self, name: &str, part: Part) -> Self {
        let reason = if name.is_empty() {
            "a part has a name"
        } else if name.starts_with('(') {
            "the name of a part does not begin with a parenthesis"
        } else if !self.parts.insert(name, part) {
            "a part is given once"
        } else {
            return self;
        };
        self.refuse(name, reason);
        self
    }

    /// Adds a part under a name that nobody has looked at.
    #[cfg(test)]
    pub(super) fn put(mut self, name: &str, part: Part) -> Self {
        assert!(self.parts.insert(name, part));
        self
    }

    fn refuse(&mut self, name: &str, reason: &'static str) {
        self.fault.get_or_insert(Error::Invalid { what: "key part", given: name.to_owned(), reason });
    }

    fn key(&self) -> Key {
        let mut frame = start(&self.namespace, self.function.as_deref(), self.version.as_deref());
        let (at, mut pieces) = (frame.begin(Container::Map), Vec::new());
        for (name, part) in self.parts.iter().filter(|(_, part)| !part.ignored) {
            let start = frame.len();
            frame.text(name);
            let key_end = frame.len();
            frame.append(&part.encoding);
            pieces.push(Piece { start, key_end, end: frame.len() });
        }
        frame.end_sorted(at, pieces).expect("the names of a map differ");
        Key::from_bytes(*KEYS.digest(frame.as_bytes()).as_bytes())
    }
}

/// What the encoding of a call begins with, before the map of its arguments.
pub(super) fn start(namespace: &str, function: Option<&str>, version: Option<&str>) -> Canonical {
    let mut frame = Canonical::new();
    frame.text(namespace);
    for text in [function, version] {
        match text {
            Some(text) => frame.text(text),
            None => frame.nil(),
        }
    }
    frame
}

pub(crate) fn check_namespace(namespace: &str) -> Result<()> {
    let reason = if !namespace.is_empty() && namespace.split('/').any(str::is_empty) {
        "its components, separated by '/', are not empty"
    } else if namespace.len() > MAX_NAME_BYTES {
        "it has at most 1024 bytes"
    } else if namespace.chars().any(char::is_control) {
        "it has no control characters"
    } else {
        return Ok(());
    };
    Err(Error::Invalid { what: "namespace", given: namespace.to_owned(), reason })
}
