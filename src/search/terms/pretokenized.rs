//! Passes terms to tantivy as text with one term per line. The tokenizer in this module splits the
//! text back into the terms. tantivy has a type for pre-tokenized text, but it serializes that to
//! JSON and back for each document, which took half the time of an import.
//!
//! Several terms may share a position. An empty line advances to the next position. A NUL followed
//! by a number sets the position to that number.

use std::fmt::{self, Display, Write};

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

pub(crate) const SEPARATOR: char = '\n';
/// First character of a line that sets the position.
const GO_TO: char = '\0';

/// Name under which the tokenizer is registered.
pub(crate) const NAME: &str = "word_lines";

/// Text for the tokenizer, built term by term.
#[derive(Default)]
pub(crate) struct TokenText {
    text: String,
    position: u32,
}

impl TokenText {
    /// Appends a term at a position.
    pub(crate) fn push(&mut self, position: u32, term: impl Display) {
        if position == self.position + 1 {
            self.text.push(SEPARATOR);
        } else if position != self.position {
            self.write(format_args!("{GO_TO}{position}{SEPARATOR}"));
        }
        self.position = position;
        self.write(format_args!("{term}{SEPARATOR}"));
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(text);
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

#[derive(Clone, Default)]
pub(crate) struct PretokenizedText {
    token: Token,
}

pub(crate) struct Terms<'a> {
    rest: &'a str,
    token: &'a mut Token,
}

impl Tokenizer for PretokenizedText {
    type TokenStream<'a> = Terms<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Terms<'a> {
        self.token.position = 0;
        self.token.position_length = 1;
        Terms {
            rest: text,
            token: &mut self.token,
        }
    }
}

impl TokenStream for Terms<'_> {
    fn advance(&mut self) -> bool {
        while let Some((line, rest)) = self.rest.split_once(SEPARATOR) {
            self.rest = rest;
            if line.is_empty() {
                self.token.position += 1;
            } else if let Some(position) = line
                .strip_prefix(GO_TO)
                .and_then(|position| position.parse().ok())
            {
                self.token.position = position;
            } else {
                self.token.text.clear();
                self.token.text.push_str(line);
                return true;
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
    fn tokenizer_restores_terms_and_positions() {
        let placed = [
            (0, "jane"),
            (0, "ja"),
            (1, "doe"),
            (3, "example"),
            (70_000, "far"),
            (1, "company"),
        ];
        let mut lines = TokenText::default();
        placed
            .iter()
            .for_each(|(position, term)| lines.push(*position, term));
        let mut tokenizer = PretokenizedText::default();
        let mut stream = tokenizer.token_stream(lines.text());
        let mut terms = Vec::new();
        while stream.advance() {
            terms.push((stream.token().position as u32, stream.token().text.clone()));
        }
        assert_eq!(
            terms,
            placed.map(|(position, term)| (position, term.to_owned()))
        );
        assert!(!PretokenizedText::default().token_stream("").advance());
    }
}
