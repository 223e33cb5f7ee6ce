//! What stands between the brackets of the attribute.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, Result, Token, parenthesized};

/// `cache = EXPR, version = EXPR, name = EXPR, tag = EXPR, expires_in = EXPR, ignore(a, b)`.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) cache: Option<Expr>,
    pub(crate) version: Option<Expr>,
    pub(crate) name: Option<Expr>,
    pub(crate) tags: Vec<Expr>,
    pub(crate) expires_in: Option<Expr>,
    pub(crate) ignore: Vec<Ident>,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut arguments = Arguments::default();
        while !input.is_empty() {
            arguments.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        match arguments.cache {
            Some(_) => Ok(arguments),
            None => Err(Error::new(Span::call_site(), "which cache? `cache = EXPR` is expected")),
        }
    }
}

impl Arguments {
    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = input.call(Ident::parse_any)?;
        if name == "ignore" {
            let inside;
            parenthesized!(inside in input);
            let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&inside, Ident::parse_any)?;
            self.ignore.extend(names);
            return Ok(());
        }
        input.parse::<Token![=]>()?;
        let value: Expr = input.parse()?;
        let slot = match name.to_string().as_str() {
            "cache" => &mut self.cache,
            "version" => &mut self.version,
            "name" => &mut self.name,
            "expires_in" => &mut self.expires_in,
            "tag" => {
                self.tags.push(value);
                return Ok(());
            }
            _ => {
                let known = "cache, version, name, tag, expires_in or ignore(...) is expected";
                return Err(Error::new(name.span(), known));
            }
        };
        match slot.replace(value) {
            None => Ok(()),
            Some(_) => Err(Error::new(name.span(), "it is given twice")),
        }
    }
}
