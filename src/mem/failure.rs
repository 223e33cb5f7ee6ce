//! The error that goes through serde: an error of the store, or a difference between a value and a type, with its place.

use std::fmt;

use serde::{de, ser};

use crate::error::Error;

/// Boxed, so that the results of small steps stay small.
#[derive(Debug)]
pub(crate) struct Failure(Box<Kind>);

#[derive(Debug)]
enum Kind {
    Error(Error),
    /// What a type's own code, or serde's, has to say.
    Message {
        at: String,
        text: String,
    },
}

impl Failure {
    pub(crate) fn wrong(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Error::WrongType { at: String::new(), expected: expected.into(), found: found.into() }.into()
    }

    /// The same, found one step further down.
    pub(crate) fn below(mut self, step: impl FnOnce() -> String) -> Self {
        if let Kind::Error(Error::WrongType { at, .. }) | Kind::Message { at, .. } = &mut *self.0 {
            at.insert_str(0, &step());
        }
        self
    }

    /// The error of a load, where a `T` was asked for.
    pub(crate) fn of_load<T>(self) -> Error {
        match *self.0 {
            Kind::Error(error) => error,
            Kind::Message { at, text } => {
                Error::WrongType { at, expected: std::any::type_name::<T>().to_owned(), found: text }
            }
        }
    }

    /// The error of a put.
    pub(crate) fn of_put(self) -> Error {
        match *self.0 {
            Kind::Error(error) => error,
            Kind::Message { text, .. } => {
                Error::Invalid { what: "value", given: text, reason: "its type refuses to be serialised" }
            }
        }
    }
}

impl Failure {
    /// As the error of a serializer or deserializer, whole if that is this crate's own.
    pub(crate) fn pass<E>(self, or: impl FnOnce(Failure) -> E) -> E {
        if typeid::of::<E>() != std::any::TypeId::of::<Failure>() {
            return or(self);
        }
        let failure = std::mem::ManuallyDrop::new(self);
        // SAFETY: `E` is `Failure`, which has no lifetimes; the original is never dropped.
        unsafe { std::mem::transmute_copy::<Failure, E>(&failure) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure(Box::new(Kind::Error(error)))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Error(error) => error.fmt(f),
            Kind::Message { text, .. } => f.write_str(text),
        }
    }
}

impl std::error::Error for Failure {}

impl ser::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Failure(Box::new(Kind::Message { at: String::new(), text: text.to_string() }))
    }
}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(text: T) -> Self {
        ser::Error::custom(text)
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Failure::wrong(expected.to_string(), found.to_string())
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Failure::wrong(expected.to_string(), found.to_string())
    }

    fn invalid_length(len: usize, expected: &dyn de::Expected) -> Self {
        Failure::wrong(expected.to_string(), format!("{len} items"))
    }

    fn missing_field(field: &'static str) -> Self {
        Failure::wrong(format!("a field `{field}`"), "none of that name")
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Failure::wrong(format!("one of the variants {expected:?}"), format!("variant {variant:?}"))
    }
}
