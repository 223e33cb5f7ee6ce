//! Why a call is not stored: which entries come nearest to what was asked, and what differs.

use std::cmp::Reverse;

use crate::error::Result;
use crate::format::tree::{ArrayIndex, Tag, Tree};
use crate::store::{ArrayInfo, EntryInfo, Query, Store};

/// A part of a key that is stored otherwise than it was asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// What the part is called; [`Tree::Nil`] for a key that is no map, and so has only one part.
    pub part: Tree,
    /// What the entry has; `None` if it has no such part.
    pub stored: Option<Tree>,
    /// What was asked for; `None` if this part was not.
    pub asked: Option<Tree>,
}

/// An entry, and in what it differs from what was asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Neighbour {
    /// The entry.
    pub info: EntryInfo,
    /// The parts that differ: those that were asked for, in their order, then others that the entry has.
    pub differences: Vec<Difference>,
}

impl Difference {
    /// The same one level down: what of it differs, if both sides are maps, as structs are, or tuples of one length, whose
    /// parts are called by their places; else nothing.
    pub fn inside(&self) -> Vec<Difference> {
        match (&self.stored, &self.asked) {
            (Some(stored @ Tree::Map(_)), Some(asked @ Tree::Map(_))) => differences(stored, asked),
            (Some(Tree::Tagged(Tag::Tuple, stored)), Some(Tree::Tagged(Tag::Tuple, asked)))
                if stored.len() == asked.len() =>
            {
                differences(&by_place(stored), &by_place(asked))
            }
            _ => Vec::new(),
        }
    }

    /// In how many places the sides differ.
    fn places(&self) -> usize {
        self.inside().iter().map(Difference::places).sum::<usize>().max(1)
    }

    /// Whether the part is in the key: what stands in parentheses is only shown with it.
    fn counts(&self) -> bool {
        !matches!(&self.part, Tree::Str(name) if name.starts_with('('))
    }
}

impl Neighbour {
    /// The fewest places first that differ, then what was put last.
    fn rank(&self) -> (usize, Reverse<u64>) {
        (self.differences.iter().map(Difference::places).sum(), Reverse(self.info.sequence()))
    }
}

impl EntryInfo {
    /// What its key was made of, as far as that is kept; in the place of every array a map of its `dtype`, `shape` and
    /// `digest`, so that keys of different entries can be compared. Equal arrays whose elements lie in different orders
    /// have different digests.
    pub fn plain_key_parts(&self) -> Option<Tree> {
        Some(plain(self.key_parts()?, &|index| self.array(index)))
    }
}

impl Store {
    /// The entries that meet the conditions and whose keys differ from `parts` in the fewest places: `n` at most, the
    /// nearest first. A place is a part, or a field of one that is a struct, map or tuple, however deep. `parts` is a map from the name of each part to its value; see
    /// [`plain_key_parts`](EntryInfo::plain_key_parts) for arrays. Values are the same if they are of one type and every
    /// bit of a float agrees; the order in maps does not count. Ignored parts do not count either.
    ///
    /// Reads every manifest, and passes over entries that keep no parts or are damaged. That there are no differences
    /// does not make an entry a hit: function, version and namespace are part of a key, too.
    ///
    /// # Errors
    /// If an entry cannot be read for another reason than damage.
    pub fn explain(&self, query: &Query, parts: &Tree, n: usize) -> Result<Vec<Neighbour>> {
        let mut nearest: Vec<Neighbour> = Vec::new();
        for info in self.find(query) {
            let info = match info {
                Err(error) if error.is_damage() => continue,
                info => info?,
            };
            let Some(stored) = info.plain_key_parts() else { continue };
            let differences = differences(&stored, parts).into_iter().filter(Difference::counts).collect();
            let found = Neighbour { info, differences };
            let at = nearest.partition_point(|other| other.rank() <= found.rank());
            if at < n {
                nearest.insert(at, found);
                nearest.truncate(n);
            }
        }
        Ok(nearest)
    }
}

fn plain(tree: &Tree, array: &impl Fn(ArrayIndex) -> Option<ArrayInfo>) -> Tree {
    match tree {
        Tree::Array(index) | Tree::Payload(index) => array(*index).map_or(Tree::Nil, |info| outline(&info)),
        Tree::List(items) => Tree::List(items.iter().map(|item| plain(item, array)).collect()),
        Tree::Map(pairs) => {
            Tree::Map(pairs.iter().map(|(key, value)| (plain(key, array), plain(value, array))).collect())
        }
        other => other.clone(),
    }
}

fn outline(info: &ArrayInfo) -> Tree {
    let extent = |&extent: &u64| i64::try_from(extent).map_or(Tree::UInt(extent), Tree::Int);
    Tree::Map(vec![
        ("dtype".into(), info.dtype.name().into()),
        ("shape".into(), Tree::List(info.shape.iter().map(extent).collect())),
        ("digest".into(), Tree::Str(info.digest.to_string())),
    ])
}

fn differences(stored: &Tree, asked: &Tree) -> Vec<Difference> {
    let (stored, asked) = (parts_of(stored), parts_of(asked));
    let differs = asked.iter().enumerate().filter_map(|(at, (part, value))| {
        let found = find(&stored, part, at);
        let difference = || Difference { part: (*part).clone(), stored: found.cloned(), asked: Some((*value).clone()) };
        (!found.is_some_and(|found| same(found, value))).then(difference)
    });
    let unasked = stored.iter().enumerate().filter_map(|(at, (part, value))| {
        let difference = || Difference { part: (*part).clone(), stored: Some((*value).clone()), asked: None };
        find(&asked, part, at).is_none().then(difference)
    });
    differs.chain(unasked).collect()
}

fn by_place(items: &[Tree]) -> Tree {
    Tree::Map((0..).map(Tree::Int).zip(items.iter().cloned()).collect())
}

fn parts_of(tree: &Tree) -> Vec<(&Tree, &Tree)> {
    match tree {
        Tree::Nil => Vec::new(),
        Tree::Map(pairs) => pairs.iter().map(|(part, value)| (part, value)).collect(),
        other => vec![(&Tree::Nil, other)],
    }
}

/// The value of a part. Looks at the place `at` first, where it is if both sides were written in the same order.
fn find<'a>(parts: &[(&Tree, &'a Tree)], part: &Tree, at: usize) -> Option<&'a Tree> {
    let there = parts.get(at).filter(|(name, _)| same(name, part));
    there.or_else(|| parts.iter().find(|(name, _)| same(name, part))).map(|(_, value)| *value)
}

fn same(a: &Tree, b: &Tree) -> bool {
    match (a, b) {
        (Tree::Float(a), Tree::Float(b)) => a.to_bits() == b.to_bits(),
        (Tree::List(a), Tree::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Tree::Map(pairs), Tree::Map(others)) if pairs.len() == others.len() => {
            let others = parts_of(b);
            let mut numbered = pairs.iter().enumerate();
            numbered.all(|(at, (key, value))| find(&others, key, at).is_some_and(|other| same(value, other)))
        }
        (Tree::Map(_), Tree::Map(_)) => false,
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::dtype::DType;
    use crate::format::body::Order;

    fn map<const N: usize>(pairs: [(&str, Tree); N]) -> Tree {
        Tree::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    fn difference(part: &str, stored: Option<Tree>, asked: Option<Tree>) -> Difference {
        Difference { part: part.into(), stored, asked }
    }

    #[test]
    fn equal_parts_do_not_differ_whatever_their_order() {
        let stored = map([("a", 1.into()), ("b", map([("x", 0.5.into()), ("y", Tree::Nil)]))]);
        let asked = map([("b", map([("y", Tree::Nil), ("x", 0.5.into())])), ("a", 1.into())]);
        assert_eq!(differences(&stored, &asked), []);
        assert_eq!(differences(&Tree::Nil, &map([])), []);
    }

    #[test]
    fn parts_that_changed_came_or_went_are_told_in_the_order_asked() {
        let stored = map([("old", true.into()), ("rate", 0.1.into()), ("same", "x".into())]);
        let asked = map([("same", "x".into()), ("new", 2.into()), ("rate", 0.2.into())]);
        let expected = [
            difference("new", None, Some(2.into())),
            difference("rate", Some(0.1.into()), Some(0.2.into())),
            difference("old", Some(true.into()), None),
        ];
        assert_eq!(differences(&stored, &asked), expected);
    }

    #[test]
    fn what_differs_inside_is_told_place_by_place() {
        let tuple = |items: [Tree; 2]| Tree::Tagged(Tag::Tuple, items.into());
        let stored = map([("same", 1.into()), ("at", tuple([1.into(), 2.into()])), ("old", Tree::Nil)]);
        let asked = map([("same", 1.into()), ("at", tuple([1.into(), 3.into()]))]);
        let whole = difference("p", Some(stored), Some(asked));
        let at = Tree::Int(1);
        let second = Difference { part: at, stored: Some(2.into()), asked: Some(3.into()) };
        let [in_tuple, old] = &whole.inside()[..] else { panic!("{:?}", whole.inside()) };
        assert_eq!((in_tuple.inside(), old), (vec![second], &difference("old", Some(Tree::Nil), None)));
        assert_eq!((whole.places(), old.places(), old.inside()), (2, 1, vec![]));
        let longer = Tree::Tagged(Tag::Tuple, vec![1.into()]);
        let other = difference("p", Some(longer), Some(tuple([1.into(), 2.into()])));
        assert_eq!((other.inside(), other.places()), (vec![], 1));
    }

    #[test]
    fn what_is_only_noted_with_a_key_does_not_count() {
        let noted = difference("(ignored)", Some(map([("verbose", true.into())])), None);
        assert!(!noted.counts() && difference("ignored", None, None).counts());
        assert!(Difference { part: Tree::Nil, stored: None, asked: None }.counts());
    }

    #[test]
    fn values_of_different_types_or_bits_differ() {
        let nan = Tree::Float(f64::NAN);
        assert!(same(&nan, &nan.clone()) && same(&Tree::List(vec![nan.clone()]), &Tree::List(vec![nan])));
        let pairs: [(Tree, Tree); 6] = [
            (1.into(), 1.0.into()),
            (1.into(), true.into()),
            (0.0.into(), (-0.0).into()),
            (Tree::List(vec![]), map([])),
            (Tree::List(vec![1.into()]), Tree::List(vec![1.into(), 2.into()])),
            (map([("a", 1.into())]), map([("a", 1.into()), ("b", 1.into())])),
        ];
        for (a, b) in pairs {
            assert!(!same(&a, &b) && !same(&b, &a), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_key_that_is_no_map_has_one_part() {
        let expected = Difference { part: Tree::Nil, stored: Some(1.into()), asked: Some(2.into()) };
        assert_eq!(differences(&1.into(), &2.into()), [expected]);
        assert_eq!(differences(&1.into(), &1.into()), []);
    }

    #[test]
    fn arrays_are_told_apart_by_what_they_hold_not_by_their_place() {
        let info = |shape: &[u64]| ArrayInfo {
            dtype: DType::UInt8,
            shape: shape.to_vec(),
            order: Order::C,
            bytes: 2,
            digest: Digest::of(b"ab"),
            inline: true,
        };
        let key = |at: u32| Tree::List(vec![Tree::Array(ArrayIndex(at))]);
        let here = plain(&key(0), &|_| Some(info(&[2])));
        assert!(same(&here, &plain(&key(7), &|_| Some(info(&[2])))));
        assert!(!same(&here, &plain(&key(0), &|_| Some(info(&[1, 2])))));
        let Tree::List(items) = here else { panic!("{here:?}") };
        assert_eq!(items[0].get("digest"), Some(&Tree::Str(Digest::of(b"ab").to_string())));
    }
}
