//! The paths that source names: written out, imported, renamed, or reached through an import.
//!
//! It reads one file by itself and believes its imports, so a banned item that another module exports again is found
//! where it is exported. What is compiled for tests only is left out.

use std::collections::HashMap;

use super::lexer::{Placed, Token, tokens};
use super::test_items::without_tests;

/// A file as the rules see it.
#[derive(Debug, Default)]
pub struct Source {
    /// Every path it names, outside tests.
    pub paths: Vec<Path>,
    /// The modules it declares for tests only, whose files don't count.
    pub test_modules: Vec<String>,
}

/// A path in full, such as `std::time::Instant`; an import of everything ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The path's segments.
    pub segments: Vec<String>,
    /// The line it is on, counted from 1.
    pub line: usize,
}

impl Path {
    /// Whether the path is `banned` or below it, or imports everything from above it.
    pub fn is_within(&self, banned: &str) -> bool {
        let mut mine = self.segments.iter();
        for wanted in banned.split("::") {
            match mine.next() {
                Some(segment) if segment == wanted => {}
                Some(segment) if segment == "*" => return true,
                _ => return false,
            }
        }
        true
    }
}

/// Reads a file's source.
pub fn read(source: &str) -> Source {
    let (tokens, test_modules) = without_tests(&tokens(source));
    let mut reader = Reader { tokens: &tokens, at: 0, imported: HashMap::new(), paths: Vec::new() };
    reader.read();
    Source { paths: reader.paths, test_modules }
}

struct Reader<'t, 's> {
    tokens: &'t [Placed<'s>],
    at: usize,
    /// What a name stands for in this file.
    imported: HashMap<String, Vec<String>>,
    paths: Vec<Path>,
}

impl<'s> Reader<'_, 's> {
    fn read(&mut self) {
        // An import may stand below its use, so imports come first.
        while let Some(token) = self.next() {
            if token == Token::Word("use") && self.begins_import() {
                self.import(&[]);
            }
        }
        self.at = 0;
        while let Some(token) = self.next() {
            match token {
                // `+ use<'a>` in a type is none.
                Token::Word("use") if self.begins_import() => self.skip_past(';'),
                Token::Word(first) => self.written_out(first),
                _ => {}
            }
        }
        self.paths.sort_by_key(|path| path.line);
    }

    /// A path in the code, from its first segment on. A single word is none: if it was imported, that was seen.
    fn written_out(&mut self, first: &'s str) {
        let line = self.line();
        let mut segments = vec![first.to_owned()];
        while self.peek() == Some(Token::PathSep)
            && let Some(Token::Word(word)) = self.peek_at(1)
        {
            segments.push(word.to_owned());
            self.at += 2;
        }
        if segments.len() > 1 {
            self.found(segments, line);
        }
    }

    fn begins_import(&self) -> bool {
        self.peek() != Some(Token::Mark('<'))
    }

    /// One branch of a use declaration: `a::b`, `a::b as c`, `a::*`, `a::{…}`, `self`. Stops before `,` `}` or `;`.
    fn import(&mut self, parent: &[String]) {
        let mut segments = parent.to_vec();
        loop {
            match self.peek() {
                Some(Token::Word("as")) => {
                    self.at += 1;
                    if let Some(Token::Word(name)) = self.next() {
                        self.imported_as(name.to_owned(), segments);
                    }
                    return;
                }
                Some(Token::Word("self")) if !parent.is_empty() => self.at += 1,
                Some(Token::Word(word)) => {
                    segments.push(word.to_owned());
                    self.at += 1;
                }
                Some(Token::PathSep) => self.at += 1,
                Some(Token::Mark('*')) => {
                    self.at += 1;
                    let line = self.line();
                    segments.push("*".to_owned());
                    self.found(segments, line);
                    return;
                }
                Some(Token::Mark('{')) => {
                    self.at += 1;
                    self.import_group(&segments);
                    return;
                }
                _ => {
                    if let Some(name) = segments.last() {
                        self.imported_as(name.clone(), segments);
                    }
                    return;
                }
            }
        }
    }

    fn import_group(&mut self, parent: &[String]) {
        loop {
            match self.peek() {
                Some(Token::Mark('}')) => {
                    self.at += 1;
                    return;
                }
                Some(Token::Mark(',')) => self.at += 1,
                Some(Token::Word(_) | Token::PathSep | Token::Mark('*' | '{')) => {
                    self.import(parent);
                }
                _ => return,
            }
        }
    }

    fn imported_as(&mut self, name: String, segments: Vec<String>) {
        let line = self.line();
        let segments = self.found(segments, line);
        self.imported.insert(name, segments);
    }

    /// Notes a path, with an imported first segment written out, and returns it so.
    fn found(&mut self, segments: Vec<String>, line: usize) -> Vec<String> {
        let mut full = self.imported.get(&segments[0]).cloned().unwrap_or_else(|| vec![segments[0].clone()]);
        full.extend_from_slice(&segments[1..]);
        self.paths.push(Path { segments: full.clone(), line });
        full
    }

    fn skip_past(&mut self, mark: char) {
        while let Some(token) = self.next() {
            if token == Token::Mark(mark) {
                return;
            }
        }
    }

    fn next(&mut self) -> Option<Token<'s>> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn peek(&self) -> Option<Token<'s>> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<Token<'s>> {
        self.tokens.get(self.at + ahead).map(|placed| placed.token)
    }

    /// The line of the token read last.
    fn line(&self) -> usize {
        self.tokens[..self.at.min(self.tokens.len())].last().map_or(1, |placed| placed.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines on which `source` uses `banned`.
    fn uses(source: &str, banned: &str) -> Vec<usize> {
        let mut lines: Vec<usize> =
            read(source).paths.iter().filter(|path| path.is_within(banned)).map(|path| path.line).collect();
        lines.dedup();
        lines
    }

    #[test]
    fn finds_a_path_however_it_is_imported() {
        for source in [
            "use std::time::Instant;",
            "use ::std::time::Instant;",
            "pub(crate) use std::time::{Duration, Instant};",
            "use std::{fmt, time::{Duration, Instant as Clock}};",
            "use std::time::*;",
            "use std::*;",
            "fn f() { std::time::Instant::now(); }",
            "use std::time; fn f() { time::Instant::now(); }",
            "fn f() { time::Instant::now(); } use std::time;",
            "use std::time::{self}; fn f() { time::Instant::now(); }",
            "use std as s; use s::time as t; fn f(_: t::Instant) {}",
        ] {
            assert_eq!(uses(source, "std::time::Instant"), [1], "{source}");
        }
    }

    #[test]
    fn finds_a_method_through_its_type() {
        let source =
            "use jiff::{Timestamp, tz::TimeZone};\nfn f() {\n    Timestamp::now();\n    TimeZone::system();\n}";
        assert_eq!(uses(source, "jiff::Timestamp::now"), [3]);
        assert_eq!(uses(source, "jiff::tz::TimeZone::system"), [4]);
    }

    #[test]
    fn leaves_other_paths_alone() {
        for source in [
            "use std::time::Duration; mod time; use crate::time::Instant;",
            "// std::time::Instant\nconst S: &str = \"std::time::Instant\";",
            "/// [`std::time::Instant`]\nfn instant(Instant: u8) {}",
            "fn f() -> impl Fn() + use<'a> { time::Instant::now() }",
        ] {
            assert_eq!(uses(source, "std::time::Instant"), [0_usize; 0], "{source}");
        }
        assert_eq!(uses("const V: &str = env!(\"X\");", "std::env"), [0_usize; 0]);
        assert_eq!(uses("use std::environment::x;", "std::env"), [0_usize; 0]);
    }

    #[test]
    fn everything_below_a_banned_module_is_banned() {
        let source = "use std::fs;\nuse std::path::Path;\nfn f() {\n    fs::read(Path::new(\"x\"));\n}";
        assert_eq!(uses(source, "std::fs"), [1, 4]);
    }

    #[test]
    fn tests_may_use_anything() {
        for source in [
            "#[cfg(test)] mod tests { use std::fs; fn f() { if x { fs::read(1); } } }",
            "#[cfg(all(test, unix))] #[allow(x)] fn f(a: [u8; 2]) { std::fs::read(a); }",
            "#[cfg(test)] use std::{fs, time::Instant};",
            "#[cfg(test)] pub(crate) use std::{fs, time::Instant};",
        ] {
            assert_eq!(uses(source, "std::fs"), [0_usize; 0], "{source}");
            let and_after = format!("{source} fn g() {{ std::fs::read(0) }}");
            assert_eq!(uses(&and_after, "std::fs"), [1], "{and_after}");
        }
        for source in
            ["#[cfg(not(test))] use std::fs;", "#[cfg(any(test, unix))] use std::fs;", "#[test_log] use std::fs;"]
        {
            assert_eq!(uses(source, "std::fs"), [1], "{source}");
        }
    }
}
