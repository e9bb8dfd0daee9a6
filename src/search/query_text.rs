//! What a person typed, taken apart. It is not a query language: no input is a syntax error.

use crate::analyzer::{self, Word};

/// Words that must stand side by side in one field: a single word, several joined by punctuation as in
/// `jane@example.com`, or what stands in double quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) words: Vec<String>,
    /// Whether the last word is only the beginning of one.
    pub(super) ends_in_prefix: bool,
}

impl Phrase {
    /// The words, each with whether it is only the beginning of one.
    pub(super) fn with_prefixes(&self) -> impl Iterator<Item = (&str, bool)> {
        let last = self.words.len().saturating_sub(1);
        self.words.iter().enumerate().map(move |(index, word)| (word.as_str(), index == last && self.ends_in_prefix))
    }
}

/// The phrases of a query, all of which a lead must have.
pub(super) fn phrases(text: &str) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    // Outside of quotes first, then inside, and so on: a quote that is not closed goes on to the end.
    for (index, part) in text.split('"').enumerate() {
        if index % 2 == 1 {
            phrases.extend(phrase(part, true));
        } else {
            phrases.extend(part.split_whitespace().filter_map(|typed| phrase(typed, false)));
        }
    }
    let quoted_last = text.matches('"').count() % 2 == 1 || text.trim_end().ends_with('"');
    let goes_on = text.chars().last().is_some_and(char::is_alphanumeric);
    if goes_on
        && !quoted_last
        && let Some(last) = phrases.last_mut()
    {
        last.ends_in_prefix = true;
    }
    phrases
}

/// How many words a query has.
pub(super) fn word_count(text: &str) -> usize {
    analyzer::words(text).len()
}

fn phrase(text: &str, quoted: bool) -> Option<Phrase> {
    let words = analyzer::words(text);
    // One Han or kana character stands for every pair that it begins.
    let ends_in_prefix = words.last()?.single_cjk && !quoted;
    Some(Phrase { words: words.into_iter().map(|Word { text, .. }| text).collect(), ends_in_prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Vec<(Vec<String>, bool)> {
        phrases(text).into_iter().map(|phrase| (phrase.words, phrase.ends_in_prefix)).collect()
    }

    fn expected(phrases: &[(&[&str], bool)]) -> Vec<(Vec<String>, bool)> {
        phrases.iter().map(|(words, prefix)| (words.iter().map(|word| (*word).to_owned()).collect(), *prefix)).collect()
    }

    #[test]
    fn words_quotes_and_punctuation_make_phrases() {
        for (text, phrases) in [
            ("jane doe", &[(&["jane"][..], false), (&["doe"][..], true)][..]),
            ("jane doe ", &[(&["jane"], false), (&["doe"], false)]),
            ("jane@example.com", &[(&["jane", "example", "com"], true)]),
            ("example.com.", &[(&["example", "com"], false)]),
            ("\"new york\" bagel", &[(&["new", "york"], false), (&["bagel"], true)]),
            ("\"new york\"", &[(&["new", "york"], false)]),
            ("bagel \"new yo", &[(&["bagel"], false), (&["new", "yo"], false)]),
            ("東", &[(&["東"], true)]),
            ("東京都", &[(&["東京", "京都"], true)]),
            ("... \" \" ?", &[]),
        ] {
            assert_eq!(parsed(text), expected(phrases), "{text}");
        }
    }
}
