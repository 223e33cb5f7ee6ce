//! The parts of a key for people: read back from their encoding, and cut where they are long.

use super::builder::{Part, Parts};
use crate::digest::Digest;
use crate::dtype::DType;
use crate::error::Fault;
use crate::format::canonical::{Container, Content, SOME, Token, Tokens};
use crate::format::single::{complex, numbers, unsigned};
use crate::format::tree::{Tag, Tree};

/// How many bytes all parts take together, about.
const PARTS_MAX: usize = 4096;
/// How many bytes of a text are shown.
const TEXT_MAX: usize = 256;
/// How deep containers are shown.
const DEPTH_MAX: u32 = 8;
/// What a node takes at most besides its text, and what it takes to say that something was cut.
const NODE: usize = 10;
const CUT: usize = 40;

/// Where ignored parts are shown, and where is said that parts are not shown.
const IGNORED: &str = "(ignored)";
const MORE: &str = "(more)";
/// Where a container was cut.
const CUT_MARK: &str = "...";

/// Describes all parts of a key, each by its name.
pub(super) fn parts(parts: &Parts) -> Tree {
    let mut left = PARTS_MAX - 2 * CUT;
    let (mut shown, mut ignored) = (Vec::new(), Vec::new());
    for (at, (name, part)) in parts.iter().enumerate() {
        let share = left / (parts.len() - at);
        let Some(room) = share.checked_sub(name.len() + NODE + CUT) else {
            shown.push((Tree::from(MORE), Tree::Str(format!("{} parts", parts.len() - at))));
            break;
        };
        let (tree, used) = describe(part, room);
        left -= (used + name.len() + NODE).min(left);
        if part.ignored { &mut ignored } else { &mut shown }.push((Tree::from(&**name), tree));
    }
    if !ignored.is_empty() {
        shown.push((IGNORED.into(), Tree::Map(ignored)));
    }
    Tree::Map(shown)
}

/// Describes one part, and tells how many bytes that takes, at most.
fn describe(part: &Part, room: usize) -> (Tree, usize) {
    let mut reader = Reader { tokens: Tokens::new(part.encoding.as_bytes()), left: room, depth: 0 };
    let path = part.path.as_ref().map(|path| (Tree::from("path"), reader.text(path)));
    let mut tree = reader.value().expect("the encoding is one that was just made");
    if let (Tree::Map(pairs), Some(path)) = (&mut tree, path) {
        pairs.insert(0, path);
    }
    (tree, room - reader.left)
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    /// How many bytes may still be used. When there are none everything that is open ends.
    left: usize,
    depth: u32,
}

impl Reader<'_> {
    fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    fn value(&mut self) -> Result<Tree, Fault> {
        self.spend(NODE);
        Ok(match self.tokens.next()? {
            Token::Nil => Tree::Nil,
            Token::Bool(value) => Tree::Bool(value),
            Token::Integer(bytes) => integer(bytes),
            Token::Float(value) => Tree::Float(value),
            Token::Complex(re, im) => self.leaf(2 * NODE, || complex(re, im)),
            Token::Text(text) => self.text(text),
            Token::Bytes(Content::Short(bytes)) => self.leaf(bytes.len(), || Tree::Bytes(bytes.to_vec())),
            Token::Bytes(content @ Content::Long(len, _)) => self.omitted(DType::UInt8.name(), &[len], content),
            Token::Array { dtype, shape, elements } => self.array(dtype, &shape, elements),
            Token::File(digest) => {
                self.leaf(2 * Digest::LEN + NODE, || Tree::Map(vec![("content".into(), Tree::Str(digest.to_string()))]))
            }
            Token::Named(name) => self.named(name)?,
            Token::Container(kind, count) => self.container(kind, count)?,
        })
    }

    /// What cannot be cut is shown as a whole or not at all.
    fn leaf(&mut self, bytes: usize, make: impl FnOnce() -> Tree) -> Tree {
        let fits = bytes <= self.left;
        self.left = if fits { self.left - bytes } else { 0 };
        if fits { make() } else { Tree::from(CUT_MARK) }
    }

    /// A few numbers are shown themselves, as a number or a list; their type is not.
    fn array(&mut self, dtype: &str, shape: &[u64], elements: Content<'_>) -> Tree {
        let Content::Short(bytes) = elements else { return self.omitted(dtype, shape, elements) };
        let numbers = dtype.parse().ok().filter(|_| shape.len() <= 1).map(|dtype| numbers(dtype, bytes));
        match numbers {
            Some(numbers) => self.leaf(NODE * (2 * numbers.len() + 1), || match (shape, &numbers[..]) {
                ([], [number]) => number.clone(),
                _ => Tree::List(numbers),
            }),
            None => self.omitted(dtype, shape, elements),
        }
    }

    fn omitted(&mut self, dtype: &str, shape: &[u64], content: Content<'_>) -> Tree {
        self.leaf(NODE * (shape.len() + 3) + Digest::LEN, || {
            let digest = match content {
                Content::Short(bytes) => Digest::of(bytes),
                Content::Long(_, digest) => digest,
            };
            let shape = Tree::List(shape.iter().map(|&extent| unsigned(extent)).collect());
            Tree::Tagged(Tag::Omitted, vec![dtype.into(), shape, Tree::Bytes(digest.as_bytes().to_vec())])
        })
    }

    fn text(&mut self, text: &str) -> Tree {
        let room = TEXT_MAX.min(self.left);
        if text.len() <= room {
            self.spend(text.len());
            return Tree::from(text);
        }
        let end = (0..=room.saturating_sub(CUT)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        self.spend(end + CUT);
        Tree::Str(format!("{}... ({} bytes)", &text[..end], text.len()))
    }

    fn named(&mut self, name: &str) -> Result<Tree, Fault> {
        let shown = self.text(name);
        Ok(match self.value()? {
            content if name == SOME && Tag::Some.takes(std::slice::from_ref(&content)) => {
                Tree::Tagged(Tag::Some, vec![content])
            }
            Tree::Nil => shown,
            content => Tree::Map(vec![(shown, content)]),
        })
    }

    fn container(&mut self, kind: Container, count: u64) -> Result<Tree, Fault> {
        if self.depth == DEPTH_MAX {
            self.left = 0;
            return Ok(Tree::from(CUT_MARK));
        }
        self.depth += 1;
        self.spend(CUT);
        let tree = match kind {
            Container::Map => self.pairs(count).map(Tree::Map),
            Container::List => self.items(count).map(Tree::List),
            Container::Tuple => Ok(Tree::Tagged(Tag::Tuple, self.items(count)?)),
            Container::Set => Ok(Tree::Tagged(Tag::Set, self.items(count)?)),
            Container::FrozenSet => Ok(Tree::Tagged(Tag::FrozenSet, self.items(count)?)),
        };
        self.depth -= 1;
        tree
    }

    fn items(&mut self, count: u64) -> Result<Vec<Tree>, Fault> {
        let mut items = Vec::new();
        for at in 0..count {
            if self.left == 0 {
                items.push(Tree::Str(more(count - at)));
                break;
            }
            items.push(self.value()?);
        }
        Ok(items)
    }

    fn pairs(&mut self, count: u64) -> Result<Vec<(Tree, Tree)>, Fault> {
        let mut pairs = Vec::new();
        for at in 0..count {
            if self.left == 0 {
                pairs.push((CUT_MARK.into(), Tree::Str(more(count - at))));
                break;
            }
            let key = self.value()?;
            let value = if self.left == 0 { CUT_MARK.into() } else { self.value()? };
            pairs.push((key, value));
        }
        Ok(pairs)
    }
}

fn more(count: u64) -> String {
    format!("{CUT_MARK} {count} more")
}

/// An integer in two's complement, little-endian, as short as it can be.
fn integer(bytes: &[u8]) -> Tree {
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 16] } else { [0; 16] };
    let Some(start) = wide.get_mut(..bytes.len()) else {
        return Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes.to_vec())]);
    };
    start.copy_from_slice(bytes);
    let value = i128::from_le_bytes(wide);
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => Tree::Int(value),
        (_, Ok(value)) => Tree::UInt(value),
        _ => Tree::Tagged(Tag::Integer, vec![Tree::Bytes(bytes.to_vec())]),
    }
}
