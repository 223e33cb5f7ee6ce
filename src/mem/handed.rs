//! Values that pass through serde as they are: a type of this crate that meets this crate's own serializer hands itself
//! over whole. Any other serializer or deserializer sees the plain form, and none can forge what is handed.

use std::any::Any;

/// What a deserializer hands over, where a visitor asks for just this type.
pub(crate) struct Handed(pub(crate) Box<dyn Any>);

/// Whether a visitor's value is [`Handed`].
pub(crate) fn wants_handed<T>() -> bool {
    typeid::of::<T>() == std::any::TypeId::of::<Handed>()
}

/// Hands a value over, if `T` is [`Handed`].
pub(crate) fn hand<T>(value: impl Any) -> Option<T> {
    if !wants_handed::<T>() {
        return None;
    }
    let handed = std::mem::ManuallyDrop::new(Handed(Box::new(value)));
    // SAFETY: `T` is `Handed`, which has no lifetimes; the original is never dropped.
    Some(unsafe { std::mem::transmute_copy::<Handed, T>(&handed) })
}

/// What a value shows to a serializer instead of itself, so that this crate's own takes it whole.
pub(crate) struct Shown<'a, T: 'static>(pub(crate) &'a T);

/// The value that is shown, if it is one of that type.
pub(crate) fn shown<S: ?Sized, T: 'static>(value: &S) -> Option<&T> {
    if typeid::of::<S>() != std::any::TypeId::of::<Shown<'static, T>>() {
        return None;
    }
    // SAFETY: `S` is a `Shown` of that type, but for its lifetime, which is at least that of the borrow: the result
    // does not outlive it.
    let shown: &Shown<'_, T> = unsafe { &*std::ptr::from_ref(value).cast() };
    Some(shown.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_for_it_is_handed_a_value() {
        let handed: Handed = hand(vec![1u8, 2]).unwrap();
        assert_eq!(*handed.0.downcast::<Vec<u8>>().unwrap(), [1, 2]);
        assert!(hand::<String>(7).is_none() && hand::<Box<dyn Any>>(7).is_none());
    }

    #[test]
    fn only_what_shows_itself_is_seen() {
        let text = String::from("seen");
        assert_eq!(shown::<_, String>(&Shown(&text)), Some(&text));
        assert!(shown::<_, String>(&text).is_none() && shown::<_, u64>(&Shown(&text)).is_none());
    }
}
