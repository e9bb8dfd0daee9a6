//! How terms are handed to tantivy: as text of one term a line, which this tokenizer takes apart again. tantivy has a type for
//! text that is in tokens already, but writes it to JSON and back for each document, which took half the time of an
//! import.
//!
//! An empty line goes on to the next position. Several terms may stand at one.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

pub(super) const SEPARATOR: char = '\n';
/// A line that begins the positions anew.
const RESTART: &str = "\u{0}";

/// The name under which the tokenizer is registered.
pub(super) const NAME: &str = "word_lines";

/// Text for the tokenizer, as it is written.
#[derive(Default)]
pub(super) struct Lines {
    text: String,
    position: u32,
}

impl Lines {
    /// Adds a term at a position, which is not before the last one.
    pub(super) fn push(&mut self, position: u32, term: &str) {
        self.push_after(position, "", term);
    }

    /// Adds the term that consists of these two.
    pub(super) fn push_after(&mut self, position: u32, prefix: &str, rest: &str) {
        while self.position < position {
            self.text.push(SEPARATOR);
            self.position += 1;
        }
        self.text.push_str(prefix);
        self.text.push_str(rest);
        self.text.push(SEPARATOR);
    }

    /// Goes back to the first position. No term may come both before and after.
    pub(super) fn restart(&mut self) {
        if self.position > 0 {
            self.text.push_str(RESTART);
            self.text.push(SEPARATOR);
            self.position = 0;
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Clone, Default)]
pub(super) struct WordLines {
    token: Token,
}

pub(super) struct Terms<'a> {
    rest: &'a str,
    token: &'a mut Token,
}

impl Tokenizer for WordLines {
    type TokenStream<'a> = Terms<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms<'a> {
        self.token.position = 0;
        self.token.position_length = 1;
        Terms { rest: text, token: &mut self.token }
    }
}

impl TokenStream for Terms<'_> {
    fn advance(&mut self) -> bool {
        while let Some((line, rest)) = self.rest.split_once(SEPARATOR) {
            self.rest = rest;
            match line {
                "" => self.token.position += 1,
                RESTART => self.token.position = 0,
                term => {
                    self.token.text.clear();
                    self.token.text.push_str(term);
                    return true;
                }
            }
        }
        false
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_come_back_with_their_positions() {
        let placed = [(0, "jane"), (0, "ja"), (1, "doe"), (3, "example")];
        let mut lines = Lines::default();
        placed.iter().for_each(|(position, term)| lines.push(*position, term));
        lines.restart();
        lines.push_after(1, "com", "pany");
        let mut tokenizer = WordLines::default();
        let mut stream = tokenizer.token_stream(lines.text());
        let mut terms = Vec::new();
        while stream.advance() {
            terms.push((stream.token().position as u32, stream.token().text.clone()));
        }
        let expected: Vec<_> = placed.iter().chain(&[(1, "company")]).map(|(p, t)| (*p, (*t).to_owned())).collect();
        assert_eq!(terms, expected);
        assert!(!WordLines::default().token_stream("").advance());
    }
}
