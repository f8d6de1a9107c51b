//! Telling the items that are compiled for tests only from the product.

use super::lexer::{Placed, Token};

/// Takes out every item under `#[cfg(test)]`, and names the modules among them that are files of their own.
pub fn without_tests<'s>(tokens: &[Placed<'s>]) -> (Vec<Placed<'s>>, Vec<String>) {
    let mut kept = Vec::new();
    let mut test_modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let attribute_len = attribute_len(&tokens[at..]);
        if attribute_len > 0 && is_for_tests(&tokens[at..at + attribute_len]) {
            at += attribute_len;
            let item = &tokens[at..at + item_len(&tokens[at..])];
            test_modules.extend(module_file(item));
            at += item.len();
        } else {
            let len = attribute_len.max(1);
            kept.extend_from_slice(&tokens[at..at + len]);
            at += len;
        }
    }
    (kept, test_modules)
}

/// The length of the outer attribute, `#[…]`, that the tokens begin with; 0 for none.
fn attribute_len(tokens: &[Placed<'_>]) -> usize {
    let mut marks = tokens.iter().map(|placed| placed.token);
    if marks.next() != Some(Token::Mark('#')) || marks.next() != Some(Token::Mark('[')) {
        return 0;
    }
    1 + group_len(&tokens[1..])
}

/// `cfg(test)` and `cfg(all(test, …))`; with `any` or `not` the item may be part of the product.
fn is_for_tests(attribute: &[Placed<'_>]) -> bool {
    let has = |word| attribute.iter().any(|placed| placed.token == Token::Word(word));
    has("cfg") && has("test") && !has("any") && !has("not")
}

/// The length of an item with its further attributes: up to its `;`, or to the end of its braces.
fn item_len(tokens: &[Placed<'_>]) -> usize {
    let mut at = 0;
    while attribute_len(&tokens[at..]) > 0 {
        at += attribute_len(&tokens[at..]);
    }
    let is_import = is_import(&tokens[at..]);
    while at < tokens.len() {
        match tokens[at].token {
            Token::Mark(';') => return at + 1,
            Token::Mark('{') if !is_import => return at + group_len(&tokens[at..]),
            Token::Mark('(' | '[' | '{') => at += group_len(&tokens[at..]),
            _ => at += 1,
        }
    }
    tokens.len()
}

/// Whether an item is `use …;`, perhaps with a visibility: its braces don't end it.
fn is_import(item: &[Placed<'_>]) -> bool {
    let at = match item {
        [public, open, ..] if public.token == Token::Word("pub") => match open.token {
            Token::Mark('(') => 1 + group_len(&item[1..]),
            _ => 1,
        },
        _ => 0,
    };
    item.get(at).is_some_and(|placed| placed.token == Token::Word("use"))
}

/// The length of a bracketed group, from the opening bracket through the closing one.
fn group_len(tokens: &[Placed<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, placed) in tokens.iter().enumerate() {
        match placed.token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The name in `mod name;`.
fn module_file(item: &[Placed<'_>]) -> Option<String> {
    match item {
        [.., module, name, end] if module.token == Token::Word("mod") && end.token == Token::Mark(';') => {
            match name.token {
                Token::Word(name) => Some(name.to_owned()),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    #[test]
    fn names_the_modules_that_are_files() {
        let source = "mod a; #[cfg(test)] mod b; #[cfg(test)] #[path = \"x\"] pub(crate) mod c; #[cfg(test)] mod d {}";
        assert_eq!(without_tests(&tokens(source)).1, ["b", "c"]);
    }

    #[test]
    fn takes_out_one_item_and_its_attributes() {
        for source in [
            "#[cfg(test)] mod x { fn f() { a[0]; } } keep",
            "#[cfg(all(test, unix))] #[allow(x)] fn f(a: [u8; 2]) -> u8 { 1 } keep",
            "#[cfg(test)] use x::{a, b::{c}}; keep",
            "#[cfg(test)] pub(in crate::x) use x::{a, b}; keep",
            "#[cfg(test)] struct X(u8); keep",
            "#[cfg(test)] const X: [u8; 2] = [0; 2]; keep",
        ] {
            let (kept, _) = without_tests(&tokens(source));
            let kept: Vec<Token<'_>> = kept.iter().map(|placed| placed.token).collect();
            assert_eq!(kept, [Token::Word("keep")], "{source}");
        }
    }

    #[test]
    fn every_source_ends() {
        for source in ["#", "#[", "#[cfg(test)]", "#[cfg(test)] use", "#[cfg(test)] pub(", "#[cfg(test)] mod x {", "}"]
        {
            without_tests(&tokens(source));
        }
    }
}
