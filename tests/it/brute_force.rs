//! A brute-force implementation of search, by the rules in `src/search/search.md`. It tries every
//! reading of the query on every lead, and shares only the analyzer with the store's search.

use leadstore::testing::words;
use leadstore::{CustomNumber, CustomValue, Lead, SearchField, TypoTolerance};

/// The rank of a hit; lower is better. Its elements: the number of typos; whether the last word
/// matches only as a prefix; whether no value equals the query; whether the words are not adjacent;
/// the field of the first word.
pub type Rank = (usize, bool, bool, bool, usize);

/// The leads to search, each with its searchable values, in the order that breaks ties.
pub struct BruteForceSearch<'a>(Vec<(&'a Lead, Vec<Value>)>);

struct Value {
    field: usize,
    custom_name: Option<String>,
    words: Vec<String>,
    /// The digits of the number if the value is one number of a phone field.
    digits: Option<String>,
}

impl<'a> BruteForceSearch<'a> {
    pub fn new(newest_first: impl IntoIterator<Item = &'a Lead>) -> Self {
        Self(
            newest_first
                .into_iter()
                .map(|lead| (lead, values(lead)))
                .collect(),
        )
    }

    /// Returns the expected hits of a search, in order.
    pub fn search(
        &self,
        text: &str,
        fields: &[SearchField],
        typos: TypoTolerance,
    ) -> Vec<(&'a Lead, Rank)> {
        let query = Query::parse(text);
        let as_typed = if typos == TypoTolerance::Always {
            Vec::new()
        } else {
            self.find(&query, fields, false)
        };
        if as_typed.is_empty() && typos != TypoTolerance::Never {
            self.find(&query, fields, true)
        } else {
            as_typed
        }
    }

    fn find(
        &self,
        query: &Query,
        fields: &[SearchField],
        forgiving: bool,
    ) -> Vec<(&'a Lead, Rank)> {
        let mut found = Vec::new();
        for (lead, values) in &self.0 {
            let values: Vec<&Value> = values.iter().filter(|value| value.is_in(fields)).collect();
            let candidates = query
                .readings()
                .into_iter()
                .filter_map(|units| best_rank(&units, &values, forgiving));
            found.extend(candidates.min().map(|rank| (*lead, rank)));
        }
        found.sort_by_key(|(_, rank)| *rank);
        found
    }
}

fn values(lead: &Lead) -> Vec<Value> {
    let mut all = Vec::new();
    let mut text = |field, custom_name: Option<&String>, text: &str| {
        all.push(Value {
            field,
            custom_name: custom_name.cloned(),
            words: words(text),
            digits: None,
        });
    };
    text(0, None, &lead.name);
    lead.company
        .iter()
        .for_each(|company| text(1, None, company));
    lead.email.iter().for_each(|email| text(2, None, email));
    lead.tags.iter().for_each(|tag| text(4, None, tag));
    lead.source.iter().for_each(|source| text(5, None, source));
    lead.job_title.iter().for_each(|title| text(6, None, title));
    for (name, value) in &lead.custom_fields {
        let elements = match value {
            CustomValue::List(elements) => elements.as_slice(),
            single => std::slice::from_ref(single),
        };
        for element in elements {
            match element {
                CustomValue::Text(string) => text(7, Some(name), string),
                CustomValue::Bool(truth) => {
                    text(7, Some(name), if *truth { "true" } else { "false" })
                }
                CustomValue::Number(CustomNumber::Integer(number)) => {
                    text(7, Some(name), &format!("{number}"))
                }
                CustomValue::Number(CustomNumber::Float(number)) => {
                    text(7, Some(name), &format!("{number:?}"))
                }
                other => unreachable!("no test creates {other:?}"),
            }
        }
    }
    let phone = lead.phone.as_deref().unwrap_or_default();
    let stored = numbers(phone);
    let several = if stored.len() > 1 { phone } else { "" };
    all.extend(stored.into_iter().map(|number| Value {
        field: 3,
        custom_name: None,
        words: vec![],
        digits: Some(number.digits),
    }));
    // What is more than one number can be found by its words, too.
    all.push(Value {
        field: 3,
        custom_name: None,
        words: words(several),
        digits: None,
    });
    all
}

/// A phone number in a text.
#[derive(Clone, Debug)]
struct Number {
    digits: String,
    has_plus: bool,
    /// The text from its first to its last digit.
    text: String,
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// Returns the numbers in a text of digits and punctuation. A slash separates numbers of six digits
/// or more.
fn numbers(text: &str) -> Vec<Number> {
    let mut numbers = Vec::new();
    for (index, international) in text.split('+').enumerate() {
        let mut pieces: Vec<String> = Vec::new();
        let mut has_digits = false;
        for piece in international.split('/') {
            match pieces.last_mut() {
                Some(last) if digits(last).len() < 6 || digits(piece).len() < 6 => {
                    last.push('/');
                    last.push_str(piece);
                }
                _ => pieces.push(piece.to_owned()),
            }
        }
        for piece in &pieces {
            let has_plus = index > 0 && !has_digits;
            let code = digits(piece.split("(0)").next().unwrap_or_default());
            let is_code = match code.strip_prefix("00") {
                Some(code) => (1..=3).contains(&code.len()) && !code.starts_with('0'),
                None => has_plus && (1..=3).contains(&code.len()) && !code.starts_with('0'),
            };
            let mut digits = digits(piece);
            if piece.contains("(0)") && is_code {
                digits.remove(code.len());
            }
            if !digits.is_empty() {
                has_digits = true;
                let is_other = |c: char| !c.is_ascii_digit();
                let text = piece.trim_matches(is_other).to_owned();
                numbers.push(Number {
                    digits,
                    has_plus,
                    text,
                });
            }
        }
    }
    numbers
}

impl Value {
    fn is_in(&self, fields: &[SearchField]) -> bool {
        fields.is_empty()
            || fields.iter().any(|field| match field {
                SearchField::Name => self.field == 0,
                SearchField::Company => self.field == 1,
                SearchField::Email => self.field == 2,
                SearchField::Phone => self.field == 3,
                SearchField::Tags => self.field == 4,
                SearchField::Source => self.field == 5,
                SearchField::JobTitle => self.field == 6,
                SearchField::CustomFields => self.field == 7,
                SearchField::CustomField(name) => self.custom_name.as_ref() == Some(name),
                other => unreachable!("{other}"),
            })
    }
}

#[derive(Clone, Debug)]
struct Word {
    text: String,
    is_prefix: bool,
    quoted: bool,
}

/// An indivisible part of a query: adjacent words, or a phone number as typed.
#[derive(Clone, Debug)]
enum Unit {
    Words(Vec<Word>),
    Number(Number),
}

struct Query {
    /// The parts of the query. A part that may be a phone number also has that number.
    parts: Vec<(Vec<Unit>, Option<Number>)>,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        for (index, piece) in text.split('"').enumerate() {
            if index % 2 == 1 {
                let number = match numbers(piece).as_slice() {
                    [number] if is_dialable(piece) => Some(number.clone()),
                    _ => None,
                };
                parts.push((Vec::from_iter(unit(piece, true)), number));
                continue;
            }
            let tokens: Vec<&str> = piece.split_whitespace().collect();
            for run in tokens.chunk_by(|a, b| is_dialable(a) && is_dialable(b)) {
                let units = |text: &str| {
                    let tokens = text.split_whitespace();
                    tokens
                        .filter_map(|token| unit(token, false))
                        .collect::<Vec<_>>()
                };
                let typed = run.join(" ");
                let numbers = if is_dialable(&typed) {
                    numbers(&typed)
                } else {
                    Vec::new()
                };
                match numbers.as_slice() {
                    _ if !numbers.iter().any(|number| significant(number).is_some()) => {
                        parts.extend(units(&typed).into_iter().map(|unit| (vec![unit], None)));
                    }
                    [number] => parts.push((units(&typed), Some(number.clone()))),
                    several => parts.extend(
                        several
                            .iter()
                            .map(|number| (units(&number.text), Some(number.clone()))),
                    ),
                }
            }
        }
        for (_, number) in &mut parts {
            *number = number.take().filter(|number| significant(number).is_some());
        }
        parts.retain(|(units, _): &(Vec<Unit>, _)| !units.is_empty());
        let quotes = text.matches('"').count();
        let ends_in_quotes = quotes % 2 == 1 || text.trim_end().ends_with('"');
        if !ends_in_quotes
            && text.chars().last().is_some_and(char::is_alphanumeric)
            && let Some(Unit::Words(words)) =
                parts.last_mut().and_then(|(units, _)| units.last_mut())
        {
            words.last_mut().unwrap().is_prefix = true;
        }
        Self { parts }
    }

    /// Returns every reading of the query: each part that may be a phone number is read once as
    /// words and once as a number.
    fn readings(&self) -> Vec<Vec<Unit>> {
        let mut readings = vec![Vec::new()];
        for (units, number) in &self.parts {
            let mut next = Vec::new();
            for reading in &readings {
                next.push([reading.as_slice(), units].concat());
                let number = number
                    .iter()
                    .map(|typed| [reading.as_slice(), &[Unit::Number(typed.clone())]].concat());
                next.extend(number);
            }
            readings = next;
        }
        readings.retain(|reading| !reading.is_empty());
        readings
    }
}

fn is_dialable(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_digit() || c.is_whitespace() || "+().-/".contains(c))
}

fn unit(token: &str, quoted: bool) -> Option<Unit> {
    let word = |text: String| Word {
        is_prefix: text.chars().count() == 1 && text.chars().all(is_han_or_kana),
        text,
        quoted,
    };
    let words: Vec<Word> = words(token).into_iter().map(word).collect();
    (!words.is_empty()).then_some(Unit::Words(words))
}

fn is_han_or_kana(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
}

/// Rank of the field phone. A value that equals the query ranks higher only in the fields name,
/// company, e-mail and phone, which have the ranks 0 to 3.
const PHONE_RANK: usize = 3;

/// Returns the matches of a unit as tuples. Their elements: the number of typos; whether the last
/// word matches only as a prefix; whether the unit equals the whole value of a field of rank
/// `PHONE_RANK` or less; the rank of the field.
fn occurrences(unit: &Unit, values: &[&Value], forgiving: bool) -> Vec<(usize, bool, bool, usize)> {
    let mut found = Vec::new();
    for value in values {
        match unit {
            Unit::Words(query) => {
                for window in value.words.windows(query.len()) {
                    if let Some((typos, partial)) = match_phrase(query, window, forgiving) {
                        found.push((
                            typos,
                            partial,
                            !partial
                                && window.len() == value.words.len()
                                && value.field <= PHONE_RANK,
                            value.field,
                        ));
                    }
                }
            }
            Unit::Number(typed) => {
                let complete = value
                    .digits
                    .as_deref()
                    .and_then(|stored| match_number(typed, stored));
                found.extend(complete.map(|complete| (0, !complete, complete, value.field)));
            }
        }
    }
    found
}

fn match_phrase(query: &[Word], window: &[String], forgiving: bool) -> Option<(usize, bool)> {
    let mut all = (0, false);
    for (query, stored) in query.iter().zip(window) {
        let (typos, partial) = match_word(query, stored, forgiving)?;
        all = (all.0 + typos, partial);
    }
    Some(all)
}

/// Returns the best rank of a lead, or `None` if it does not match all units.
fn best_rank(units: &[Unit], values: &[&Value], forgiving: bool) -> Option<Rank> {
    let matches_per_unit: Vec<_> = units
        .iter()
        .map(|unit| occurrences(unit, values, forgiving))
        .collect();
    if let [single] = matches_per_unit.as_slice() {
        return single
            .iter()
            .map(|(typos, partial, equal, field)| (*typos, *partial, !equal, false, *field))
            .min();
    }
    // The units may match anywhere in the lead; the best match of each counts.
    let (first, last) = (matches_per_unit.first()?, matches_per_unit.last()?);
    let mut typos = 0;
    for unit_matches in &matches_per_unit {
        typos += unit_matches.iter().map(|unit_match| unit_match.0).min()?;
    }
    let partial = last
        .iter()
        .map(|(typos, partial, ..)| (*typos, *partial))
        .min()?
        .1;
    let field = first
        .iter()
        .map(|(typos, _, _, field)| (*typos, *field))
        .min()?
        .1;
    let mut best = (typos, partial, true, true, field);
    // The units may also match as adjacent words of one value.
    let words = units.iter().map(|unit| match unit {
        Unit::Words(words) => Some(words.clone()),
        Unit::Number(_) => None,
    });
    if let Some(words) = words.collect::<Option<Vec<_>>>() {
        for (typos, partial, equal, field) in
            occurrences(&Unit::Words(words.concat()), values, forgiving)
        {
            best = best.min((typos, partial, !equal, false, field));
        }
    }
    Some(best)
}

/// Compares a query word with a stored word. Returns the number of typos, and whether the query
/// word matches only as a prefix. Returns `None` if it does not match.
fn match_word(query: &Word, stored: &str, forgiving: bool) -> Option<(usize, bool)> {
    let mut candidates = Vec::new();
    if query.text == stored {
        candidates.push((0, false));
    }
    if query.is_prefix && stored.starts_with(&query.text) {
        candidates.push((0, true));
    }
    let (typed, letters): (Vec<char>, Vec<char>) =
        (query.text.chars().collect(), stored.chars().collect());
    let max_typos = [0, 1, 2][usize::from(typed.len() >= 4) + usize::from(typed.len() >= 8)];
    let can_tolerate_typos =
        |letters: &[char]| !letters.iter().any(|c| c.is_numeric() || is_cjk(*c));
    if forgiving
        && !query.quoted
        && max_typos > 0
        && can_tolerate_typos(&typed)
        && can_tolerate_typos(&letters)
        && typed[0] == letters[0]
    {
        candidates.push((distance(&typed, &letters), false));
        if query.is_prefix {
            candidates
                .extend((1..letters.len()).map(|end| (distance(&typed, &letters[..end]), true)));
        }
    }
    candidates
        .into_iter()
        .filter(|(typos, _)| *typos <= max_typos)
        .min()
}

fn is_cjk(c: char) -> bool {
    is_han_or_kana(c) || matches!(c, '\u{ac00}'..='\u{d7af}')
}

/// Returns the optimal string alignment distance, computed with a table over all pairs of prefixes.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                table[i][j] = i + j;
                continue;
            }
            let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            table[i][j] = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[a.len()][b.len()]
}

/// Returns the digits of a typed number, without leading zeros if at least 4 digits remain. Returns
/// `None` for fewer than 4 or more than 64 digits.
fn significant(typed: &Number) -> Option<&str> {
    let all = typed.digits.as_str();
    let without = all.trim_start_matches('0');
    [without, all]
        .into_iter()
        .find(|digits| digits.len() >= 4 && all.len() <= 64)
}

/// Returns true if the typed number is the complete stored phone number, apart from leading zeros
/// and a typed country code. Returns false if it is only a part of the stored number, and `None` if
/// it does not match.
fn match_number(typed: &Number, stored: &str) -> Option<bool> {
    let digits = significant(typed)?;
    let stored_significant = stored.trim_start_matches('0');
    let all = typed.digits.as_str();
    let code_digits = if typed.has_plus || all.starts_with("00") {
        3
    } else {
        usize::from(all.len() == 11 && all.starts_with('1'))
    };
    let without = all.trim_start_matches('0');
    let is_national = stored_significant.len() >= 7
        && (1..=code_digits).any(|code| {
            without
                .get(code..)
                .is_some_and(|rest| rest.trim_start_matches('0') == stored_significant)
        });
    if stored_significant == digits || is_national {
        return Some(true);
    }
    stored.contains(digits).then_some(false)
}
