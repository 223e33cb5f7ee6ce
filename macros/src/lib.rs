//! The attribute `#[ndstash::cached]`: a function whose results are kept. Described where `ndstash` re-exports it.

mod arguments;
mod expand;
mod version;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

use arguments::Arguments;

/// Keeps the results of a function in a cache; see `ndstash::cached`.
#[proc_macro_attribute]
pub fn cached(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as Arguments);
    let function = parse_macro_input!(function as ItemFn);
    expand::expand(&arguments, &function).unwrap_or_else(syn::Error::into_compile_error).into()
}
