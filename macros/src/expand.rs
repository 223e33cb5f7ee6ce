//! What becomes of the function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Error, Expr, FnArg, GenericParam, Ident, ItemFn, Pat, Result, ReturnType, Type};

use crate::arguments::Arguments;
use crate::version;

pub(crate) fn expand(arguments: &Arguments, function: &ItemFn) -> Result<TokenStream> {
    let ItemFn { attrs, vis, sig, block } = function;
    refuse_what_cannot_be_kept(function)?;
    let cache = arguments.cache.as_ref().expect("parsing asks for it");
    let name = sig.ident.to_string();
    let path = quote!(::core::concat!(::core::module_path!(), "::", #name));
    let name = arguments.name.as_ref().map_or(path, ToTokens::to_token_stream);
    let digest = || version::of_code(quote!(#sig #block)).to_token_stream();
    let version = arguments.version.as_ref().map_or_else(digest, ToTokens::to_token_stream);
    let parts = parts(arguments, function)?;
    let tags = &arguments.tags;
    let expires = arguments.expires_in.iter();
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, output) => output.to_token_stream(),
    };
    let get = if returns_result(&sig.output) { quote!(get_or_compute) } else { quote!(get_or_insert_with) };
    Ok(quote! {
        #(#attrs)*
        #vis #sig {
            let __ndstash_cache: &::ndstash::Cache = &(#cache);
            let __ndstash_key = __ndstash_cache.key(#name).version(#version)#(#parts)*;
            __ndstash_cache
                .request(__ndstash_key)
                #(.tag(#tags))*
                #(.expires_in(#expires))*
                .#get(|| -> #output #block)
        }
    })
}

fn refuse_what_cannot_be_kept(function: &ItemFn) -> Result<()> {
    let sig = &function.sig;
    if let Some(asyncness) = &sig.asyncness {
        return Err(Error::new_spanned(asyncness, "an async function cannot be cached; cache what it calls"));
    }
    if let Some(constness) = &sig.constness {
        return Err(Error::new_spanned(constness, "a const function cannot be cached"));
    }
    match &sig.output {
        ReturnType::Type(_, output) if matches!(**output, Type::ImplTrait(_)) => {
            Err(Error::new_spanned(output, "the type of what is kept must be named"))
        }
        _ => Ok(()),
    }
}

/// The calls that add what the result depends on to the key.
fn parts(arguments: &Arguments, function: &ItemFn) -> Result<Vec<TokenStream>> {
    let sig = &function.sig;
    let mut parts: Vec<TokenStream> = sig.generics.params.iter().filter_map(generic_part).collect();
    if arguments.name.is_none() {
        // The type of a closure is named by all that it lies in: functions, types of methods and their parameters.
        parts.push(quote!(.arg("<in>", ::core::any::type_name_of_val(&|| ()))));
    }
    let mut names = Vec::new();
    for input in &sig.inputs {
        let name = name_of(input)?;
        let text = name.to_string();
        // What is ignored may be of any type, so it is not recorded either.
        if !arguments.ignore.contains(&name) && !is_cache(arguments.cache.as_ref(), &name) {
            refuse_if_written(input)?;
            parts.push(quote!(.arg(#text, &#name)));
        }
        names.push(name);
    }
    match arguments.ignore.iter().find(|ignored| !names.contains(ignored)) {
        None => Ok(parts),
        Some(unknown) => Err(Error::new_spanned(unknown, "there is no argument of that name")),
    }
}

fn refuse_if_written(input: &FnArg) -> Result<()> {
    let written = match input {
        FnArg::Receiver(receiver) => receiver.reference.is_some() && receiver.mutability.is_some(),
        FnArg::Typed(typed) => matches!(&*typed.ty, Type::Reference(to) if to.mutability.is_some()),
    };
    if written {
        return Err(Error::new_spanned(
            input,
            "what is written into an argument is not kept: return it, or ignore(...) it",
        ));
    }
    Ok(())
}

fn generic_part(parameter: &GenericParam) -> Option<TokenStream> {
    match parameter {
        GenericParam::Type(parameter) => {
            let (name, text) = (&parameter.ident, format!("<{}>", parameter.ident));
            Some(quote!(.arg(#text, ::core::any::type_name::<#name>())))
        }
        GenericParam::Const(parameter) => {
            let (name, text) = (&parameter.ident, format!("<{}>", parameter.ident));
            Some(quote!(.arg(#text, &#name)))
        }
        GenericParam::Lifetime(_) => None,
    }
}

fn name_of(input: &FnArg) -> Result<Ident> {
    match input {
        FnArg::Receiver(receiver) => Ok(Ident::new("self", receiver.self_token.span)),
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) if pattern.subpat.is_none() => Ok(pattern.ident.clone()),
            other => Err(Error::new_spanned(other, "an argument of a cached function has a plain name")),
        },
    }
}

/// Whether the cache is itself an argument.
fn is_cache(cache: Option<&Expr>, name: &Ident) -> bool {
    matches!(cache, Some(Expr::Path(path)) if path.path.is_ident(name))
}

/// Whether a function returns a `Result` by that name: then what is kept is what is inside `Ok`.
fn returns_result(output: &ReturnType) -> bool {
    match output {
        ReturnType::Type(_, output) => match &**output {
            Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == "Result"),
            _ => false,
        },
        ReturnType::Default => false,
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    fn error(arguments: &str, function: &str) -> String {
        let arguments = match syn::parse_str(arguments) {
            Ok(arguments) => arguments,
            Err(error) => return error.to_string(),
        };
        expand(&arguments, &syn::parse_str(function).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_cached_is_refused_with_a_reason() {
        for (arguments, function, word) in [
            ("", "fn f() {}", "cache = EXPR"),
            ("cache = c, size = 1", "fn f() {}", "is expected"),
            ("cache = c, cache = d", "fn f() {}", "twice"),
            ("cache = c", "async fn f() {}", "async"),
            ("cache = c", "const fn f() {}", "const"),
            ("cache = c", "fn f() -> impl Sized {}", "named"),
            ("cache = c", "fn f((a, b): (u8, u8)) {}", "plain name"),
            ("cache = c, ignore(b)", "fn f(a: u8) {}", "no argument"),
            ("cache = c", "fn f(a: &mut u8) {}", "written"),
            ("cache = c", "fn f(&mut self) {}", "written"),
        ] {
            let error = error(arguments, function);
            assert!(error.contains(word), "{arguments} {function}: {error}");
        }
    }

    #[test]
    fn ignored_arguments_and_the_cache_are_not_in_the_key_generics_are() {
        let arguments = syn::parse_str("cache = c, ignore(self, log)").unwrap();
        let function = "fn f<'a, T: A, const N: usize>(&self, c: &Cache, x: &'a T, mut log: L) -> Result<T, E> { x }";
        let text = expand(&arguments, &syn::parse_str(function).unwrap()).unwrap().to_string();
        let parts: Vec<&str> =
            text.split(". arg (").skip(1).map(|part| part.split(')').next().unwrap().trim()).collect();
        assert_eq!(parts.len(), 4, "{text}");
        assert!(parts[0].starts_with("\"<T>\"") && parts[1].starts_with("\"<N>\"") && parts[3].starts_with("\"x\""));
        assert!(text.contains("get_or_compute"));
    }
}
