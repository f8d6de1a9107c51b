//! Rust source as words and marks, without comments, literals and lifetimes.
//!
//! Just enough to find paths in it: a name in a comment or a string is not a use.

/// A piece of source that can be part of a path, or end one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// An identifier or keyword.
    Word(&'a str),
    /// `::`
    PathSep,
    /// Any other character of the syntax.
    Mark(char),
}

/// A token and the line it is on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// What it is.
    pub token: Token<'a>,
    /// Where it is.
    pub line: usize,
}

/// Splits source that compiles; on any other the tokens mean nothing, but it ends.
pub fn tokens(source: &str) -> Vec<Placed<'_>> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(c) = rest.chars().next() {
        let (len, token) = piece(rest, c);
        if let Some(token) = token {
            let consumed = &source[..source.len() - rest.len()];
            tokens.push((consumed.len(), token));
        }
        rest = &rest[len..];
    }
    place(source, tokens)
}

/// Turns byte offsets into lines in one pass.
fn place<'a>(source: &str, tokens: Vec<(usize, Token<'a>)>) -> Vec<Placed<'a>> {
    let mut line = 1;
    let mut seen = 0;
    tokens
        .into_iter()
        .map(|(offset, token)| {
            line += source[seen..offset].matches('\n').count();
            seen = offset;
            Placed { token, line }
        })
        .collect()
}

/// The length in bytes of what `rest` begins with (`first` is its first character), and the token if it is one.
fn piece(rest: &str, first: char) -> (usize, Option<Token<'_>>) {
    if rest.starts_with("//") {
        (rest.find('\n').unwrap_or(rest.len()), None)
    } else if rest.starts_with("/*") {
        (block_comment_len(rest), None)
    } else if first == '"' {
        (quoted_len(rest, '"'), None)
    } else if first == '\'' {
        (char_or_lifetime_len(rest), None)
    } else if first == '_' || first.is_alphabetic() {
        word_or_literal(rest)
    } else if first.is_ascii_digit() {
        (word_len(rest), None)
    } else if rest.starts_with("::") {
        (2, Some(Token::PathSep))
    } else if first.is_whitespace() {
        (first.len_utf8(), None)
    } else {
        (first.len_utf8(), Some(Token::Mark(first)))
    }
}

/// A word, unless it is the prefix of a literal: `b'x'`, `b"x"`, `c"x"`, `r"x"`, `r#"x"#`, `br"x"`, `cr"x"`.
fn word_or_literal(rest: &str) -> (usize, Option<Token<'_>>) {
    let len = word_len(rest);
    let (word, after) = rest.split_at(len);
    let is_raw = matches!(word, "r" | "br" | "cr");
    if is_raw && let Some(literal_len) = raw_string_len(after) {
        (len + literal_len, None)
    } else if matches!(word, "b" | "c") && after.starts_with('"') {
        (len + quoted_len(after, '"'), None)
    } else if word == "b" && after.starts_with('\'') {
        (len + quoted_len(after, '\''), None)
    } else if word == "r" && after.starts_with('#') {
        // A raw identifier, r#type: what follows is the word.
        (len + 1, None)
    } else {
        (len, Some(Token::Word(word)))
    }
}

fn word_len(rest: &str) -> usize {
    rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += char_len(&rest[at..]);
        }
    }
    rest.len()
}

/// The length of a literal between two `quote`s, with backslash escapes.
fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    rest.len()
}

/// The length of `#"…"#` with any number of hashes; `None` when it is no raw string.
fn raw_string_len(rest: &str) -> Option<usize> {
    let hashes_len = rest.find(|c| c != '#')?;
    let body = rest[hashes_len..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes_len));
    let body_len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(hashes_len + 1 + body_len)
}

/// `'a'` and `'\n'` are characters, `'a` without a second quote is a lifetime.
fn char_or_lifetime_len(rest: &str) -> usize {
    let after_quote = &rest[1..];
    if after_quote.starts_with('\\') {
        return quoted_len(rest, '\'');
    }
    let len = 1 + char_len(after_quote);
    if rest[len..].starts_with('\'') { len + 1 } else { 1 + word_len(after_quote) }
}

fn char_len(rest: &str) -> usize {
    rest.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source)
            .into_iter()
            .filter_map(|placed| match placed.token {
                Token::Word(word) => Some(word),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn comments_are_no_words() {
        assert_eq!(words("a // b\nc /* d /* e */ f */ g /// h"), ["a", "c", "g"]);
    }

    #[test]
    fn literals_are_no_words() {
        assert_eq!(words(r#"a "b \" c" d"#), ["a", "d"]);
        assert_eq!(words(r##"a r#"b " c"# d br"e" f b"g" h c"i" j"##), ["a", "d", "f", "h", "j"]);
        assert_eq!(words(r"a 'b' c '\'' d b'e' f '\u{1F600}' g 'é' h"), ["a", "c", "d", "f", "g", "h"]);
        assert_eq!(words("a 12u64 b 0xff_u8 c 1.5e3 d"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn lifetimes_are_no_words() {
        assert_eq!(words("fn f<'a>(x: &'a str, y: &'_ u8) {}"), ["fn", "f", "x", "str", "y", "u8"]);
    }

    #[test]
    fn raw_identifiers_are_words() {
        assert_eq!(words("r#type::x"), ["type", "x"]);
    }

    #[test]
    fn tokens_know_their_line() {
        let lines: Vec<usize> = tokens("a\n\n\"b\nb\" c::\nd").iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 4, 4, 5]);
    }

    #[test]
    fn every_source_ends() {
        for source in ["\"", "'", "r#\"", "/*", "'\\", "b'", "é", "r#", "/*/"] {
            tokens(source);
        }
    }
}
