//! How words are handed to tantivy: as text of one word a line, which this tokenizer takes apart again. tantivy has a type for
//! text that is in tokens already, but writes it to JSON and back for each document, which took half the time of an
//! import.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

pub(super) const SEPARATOR: char = '\n';

/// The name under which the tokenizer is registered.
pub(super) const NAME: &str = "word_lines";

/// One token a line, whose position is the line's number. An empty line is a gap.
#[derive(Clone, Default)]
pub(super) struct WordLines {
    token: Token,
}

pub(super) struct Lines<'a> {
    rest: Option<&'a str>,
    next_position: usize,
    token: &'a mut Token,
}

impl Tokenizer for WordLines {
    type TokenStream<'a> = Lines<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Lines<'a> {
        Lines { rest: Some(text), next_position: 0, token: &mut self.token }
    }
}

impl TokenStream for Lines<'_> {
    fn advance(&mut self) -> bool {
        while let Some(rest) = self.rest {
            let (line, after) = match rest.split_once(SEPARATOR) {
                Some((line, after)) => (line, Some(after)),
                None => (rest, None),
            };
            self.rest = after;
            let position = self.next_position;
            self.next_position += 1;
            if !line.is_empty() {
                self.token.position = position;
                self.token.position_length = 1;
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
    fn lines_are_words_and_empty_ones_gaps() {
        let mut tokenizer = WordLines::default();
        let mut stream = tokenizer.token_stream("jane\ndoe\n\nexample");
        let mut tokens = Vec::new();
        while stream.advance() {
            tokens.push((stream.token().text.clone(), stream.token().position));
        }
        assert_eq!(tokens, [("jane".to_owned(), 0), ("doe".to_owned(), 1), ("example".to_owned(), 3)]);
        assert!(!WordLines::default().token_stream("").advance());
    }
}
