//! The version of a function's code: a digest of its tokens. Comments and layout are no tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// 16 hex digits that change whenever a token of the code does.
pub(crate) fn of_code(code: TokenStream) -> String {
    let mut hasher = blake3::Hasher::new();
    feed(&mut hasher, code);
    hasher.finalize().to_hex()[..16].to_owned()
}

fn feed(hasher: &mut blake3::Hasher, code: TokenStream) {
    for tree in code {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                word(hasher, open);
                feed(hasher, group.stream());
                word(hasher, close);
            }
            TokenTree::Ident(ident) => word(hasher, &ident.to_string()),
            TokenTree::Punct(punct) => word(hasher, &punct.as_char().to_string()),
            TokenTree::Literal(literal) => word(hasher, &literal.to_string()),
        }
    }
}

/// Words are told apart by their length, so that no two rows of words meet.
fn word(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::of_code;

    #[test]
    fn tokens_count_and_nothing_else() {
        let version = |code: &str| of_code(code.parse().unwrap());
        assert_eq!(version("{ a + 1 }"), version("{a+1 /* more */\n}// end"));
        assert_ne!(version("{ a + 1 }"), version("{ a + 2 }"));
        assert_ne!(version("{ ab }"), version("{ a b }"));
        assert_ne!(version("(a) b"), version("(a b)"));
        assert_ne!(version("f(\"a b\")"), version("f(\"ab\")"));
    }
}
