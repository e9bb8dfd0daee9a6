//! Search as section 6 of the design says it, by looking at every lead in every way. It shares nothing with the store's
//! search but the analyser that makes words of text.

use leadstore::testing::words;
use leadstore::{CustomValue, Field, Lead, Number, TypoTolerance};

/// Less is better: typos, last word a beginning, not equal to a value, not side by side, the first word's field.
pub type Rank = (usize, bool, bool, bool, usize);

/// Leads as they are searched, and in the order in which alike ones are shown.
pub struct Searched<'a>(Vec<(&'a Lead, Vec<Value>)>);

struct Value {
    field: usize,
    custom_name: Option<String>,
    words: Vec<String>,
    /// Of a phone.
    digits: Option<String>,
}

impl<'a> Searched<'a> {
    pub fn new(newest_first: impl IntoIterator<Item = &'a Lead>) -> Self {
        Self(
            newest_first
                .into_iter()
                .map(|lead| (lead, values(lead)))
                .collect(),
        )
    }

    /// What a search must find, in order.
    pub fn search(
        &self,
        text: &str,
        fields: &[Field],
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

    fn find(&self, query: &Query, fields: &[Field], forgiving: bool) -> Vec<(&'a Lead, Rank)> {
        let mut found = Vec::new();
        for (lead, values) in &self.0 {
            let values: Vec<&Value> = values
                .iter()
                .filter(|value| value.is_asked(fields))
                .collect();
            let ways = query
                .readings()
                .into_iter()
                .filter_map(|units| best_way(&units, &values, forgiving));
            found.extend(ways.min().map(|rank| (*lead, rank)));
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
    for (name, value) in &lead.custom_fields {
        let elements = match value {
            CustomValue::List(elements) => elements.as_slice(),
            single => std::slice::from_ref(single),
        };
        for element in elements {
            match element {
                CustomValue::Text(string) => text(6, Some(name), string),
                CustomValue::Bool(truth) => {
                    text(6, Some(name), if *truth { "true" } else { "false" })
                }
                CustomValue::Number(Number::Integer(number)) => {
                    text(6, Some(name), &format!("{number}"))
                }
                CustomValue::Number(Number::Float(number)) => {
                    text(6, Some(name), &format!("{number:?}"))
                }
                other => unreachable!("no test makes {other:?}"),
            }
        }
    }
    let digits = lead
        .phone
        .as_ref()
        .map(|phone| phone.chars().filter(char::is_ascii_digit).collect());
    all.extend(digits.map(|digits| Value {
        field: 3,
        custom_name: None,
        words: vec![],
        digits: Some(digits),
    }));
    all
}

impl Value {
    fn is_asked(&self, fields: &[Field]) -> bool {
        fields.is_empty()
            || fields.iter().any(|field| match field {
                Field::Name => self.field == 0,
                Field::Company => self.field == 1,
                Field::Email => self.field == 2,
                Field::Phone => self.field == 3,
                Field::Tags => self.field == 4,
                Field::Source => self.field == 5,
                Field::CustomFields => self.field == 6,
                Field::CustomField(name) => self.custom_name.as_ref() == Some(name),
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

/// What stands together: words side by side, or the digits of a number as they were typed.
#[derive(Clone, Debug)]
enum Unit {
    Words(Vec<Word>),
    Number(String),
}

struct Query {
    /// Parts, and what digits each has if it may be a number.
    parts: Vec<(Vec<Unit>, Option<String>)>,
}

impl Query {
    fn parse(text: &str) -> Self {
        let mut parts: Vec<(Vec<Unit>, Option<String>)> = Vec::new();
        for (index, piece) in text.split('"').enumerate() {
            let quoted = index % 2 == 1;
            // Whether the last part may go on as a number.
            let mut dialling = false;
            for token in if quoted {
                vec![piece]
            } else {
                piece.split_whitespace().collect()
            } {
                let dialled = token
                    .chars()
                    .all(|c| c.is_ascii_digit() || " +().-/".contains(c));
                if !(dialled && dialling) {
                    parts.push((Vec::new(), dialled.then(String::new)));
                }
                let (units, number) = parts.last_mut().unwrap();
                units.extend(unit(token, quoted));
                number
                    .iter_mut()
                    .for_each(|number| number.extend([token, " "]));
                dialling = dialled && !quoted;
            }
        }
        for (_, number) in &mut parts {
            *number = number.take().filter(|typed| readings_of(typed).is_some());
        }
        parts.retain(|(units, _)| !units.is_empty());
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

    /// Every way to read it: each part that may be a number as one, or as words.
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

/// Where a unit is: typos, whether its last word is a beginning, whether it is the whole value, the field.
fn occurrences(unit: &Unit, values: &[&Value], forgiving: bool) -> Vec<(usize, bool, bool, usize)> {
    let mut found = Vec::new();
    for value in values {
        match unit {
            Unit::Words(wanted) => {
                for window in value.words.windows(wanted.len()) {
                    if let Some((typos, partial)) = side_by_side(wanted, window, forgiving) {
                        found.push((
                            typos,
                            partial,
                            !partial && window.len() == value.words.len(),
                            value.field,
                        ));
                    }
                }
            }
            Unit::Number(typed) => {
                let whole = value
                    .digits
                    .as_deref()
                    .and_then(|stored| is_number(typed, stored));
                found.extend(whole.map(|whole| (0, !whole, whole, value.field)));
            }
        }
    }
    found
}

fn side_by_side(wanted: &[Word], window: &[String], forgiving: bool) -> Option<(usize, bool)> {
    let mut all = (0, false);
    for (wanted, stored) in wanted.iter().zip(window) {
        let (typos, partial) = meant(wanted, stored, forgiving)?;
        all = (all.0 + typos, partial);
    }
    Some(all)
}

/// The best way in which a lead has all units.
fn best_way(units: &[Unit], values: &[&Value], forgiving: bool) -> Option<Rank> {
    let everywhere: Vec<_> = units
        .iter()
        .map(|unit| occurrences(unit, values, forgiving))
        .collect();
    if let [single] = everywhere.as_slice() {
        return single
            .iter()
            .map(|(typos, partial, equal, field)| (*typos, *partial, !equal, false, *field))
            .min();
    }
    // Wherever: each unit in its own best way.
    let (first, last) = (everywhere.first()?, everywhere.last()?);
    let mut typos = 0;
    for places in &everywhere {
        typos += places.iter().map(|place| place.0).min()?;
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
    // Side by side.
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

/// How many typos a word has if the stored one was meant, and whether it is a beginning of that.
fn meant(wanted: &Word, stored: &str, forgiving: bool) -> Option<(usize, bool)> {
    let mut ways = Vec::new();
    if wanted.text == stored {
        ways.push((0, false));
    }
    if wanted.is_prefix && stored.starts_with(&wanted.text) {
        ways.push((0, true));
    }
    let (typed, letters): (Vec<char>, Vec<char>) =
        (wanted.text.chars().collect(), stored.chars().collect());
    let most = [0, 1, 2][usize::from(typed.len() >= 4) + usize::from(typed.len() >= 8)];
    let spelled = |letters: &[char]| !letters.iter().any(|c| c.is_numeric() || is_cjk(*c));
    if forgiving
        && !wanted.quoted
        && most > 0
        && spelled(&typed)
        && spelled(&letters)
        && typed[0] == letters[0]
    {
        ways.push((distance(&typed, &letters), false));
        if wanted.is_prefix {
            ways.extend((1..letters.len()).map(|end| (distance(&typed, &letters[..end]), true)));
        }
    }
    ways.into_iter().filter(|(typos, _)| *typos <= most).min()
}

fn is_cjk(c: char) -> bool {
    is_han_or_kana(c) || matches!(c, '\u{ac00}'..='\u{d7af}')
}

/// Optimal string alignment, by the table of all beginnings.
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

/// The digits of a typed number, without its zeros if enough are left; `None` if they are too few.
fn readings_of(typed: &str) -> Option<String> {
    let all: String = typed.chars().filter(char::is_ascii_digit).collect();
    let without = all.trim_start_matches('0');
    [without, &all]
        .into_iter()
        .find(|digits| digits.len() >= 4 && all.len() <= 64)
        .map(str::to_owned)
}

/// Whether a stored phone has a typed number, and if so, whether it is that number.
fn is_number(typed: &str, stored: &str) -> Option<bool> {
    let digits = readings_of(typed)?;
    let significant = stored.trim_start_matches('0');
    let all: String = typed.chars().filter(char::is_ascii_digit).collect();
    let international = typed.trim_start().starts_with('+') || all.starts_with("00");
    let without = all.trim_start_matches('0');
    let is_national = international
        && significant.len() >= 7
        && (1..=3).any(|code| {
            without
                .get(code..)
                .is_some_and(|rest| rest.trim_start_matches('0') == significant)
        });
    if significant == digits || is_national {
        return Some(true);
    }
    stored.contains(&digits).then_some(false)
}
