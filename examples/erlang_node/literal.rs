//! Literal terms as `file:consult/1` reads them: atoms, strings, integers, lists and tuples, with comments.

/// Bytes of a file.
const MAX_FILE: usize = 64 << 10;
/// Lists and tuples in each other.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Atom(String),
    String(String),
    Integer(i64),
    List(Vec<Literal>),
    Tuple(Vec<Literal>),
}

/// Reads the one term of a file, up to its dot.
///
/// # Errors
/// What is wrong, and in which line.
pub(crate) fn read(text: &str) -> Result<Literal, String> {
    if text.len() > MAX_FILE {
        return Err(format!("it has more than {MAX_FILE} bytes"));
    }
    let mut reader = Reader { rest: text, text };
    let term = reader.term(0);
    let read = term.and_then(|term| {
        reader.expect('.')?;
        reader.blanks();
        match reader.rest {
            "" => Ok(term),
            _ => Err("there is more than one term".to_owned()),
        }
    });
    read.map_err(|why| format!("line {}: {why}", reader.line()))
}

struct Reader<'a> {
    rest: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn line(&self) -> usize {
        let read = self.text.len() - self.rest.len();
        self.text[..read].matches('\n').count() + 1
    }

    fn blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix('%') {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, next)| next),
                None => return,
            }
        }
    }

    fn next_is(&mut self, wanted: char) -> bool {
        self.blanks();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.next_is(wanted) {
            true => Ok(()),
            false => Err(format!("`{wanted}` is missing")),
        }
    }

    fn term(&mut self, depth: usize) -> Result<Literal, String> {
        if depth > MAX_DEPTH {
            return Err(format!("terms are nested more than {MAX_DEPTH} deep"));
        }
        if self.next_is('[') {
            return self.until(']', depth).map(Literal::List);
        }
        if self.next_is('{') {
            return self.until('}', depth).map(Literal::Tuple);
        }
        if self.next_is('"') {
            return self.quoted('"').map(Literal::String);
        }
        if self.next_is('\'') {
            return self.quoted('\'').map(Literal::Atom);
        }
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@');
        let negative = self.next_is('-');
        let end = self.rest.find(|c| !word(c)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        let found = match text.chars().next() {
            Some('0'..='9') => {
                let value: i64 = text
                    .parse()
                    .map_err(|_| format!("`{text}` is no integer"))?;
                Literal::Integer(if negative { -value } else { value })
            }
            Some('a'..='z') if !negative && text == "fun" => {
                return Err("a fun is code, and is not read from a file".to_owned());
            }
            Some('a'..='z') if !negative => Literal::Atom(text.to_owned()),
            _ => return Err("an atom, string, integer, list or tuple is missing".to_owned()),
        };
        self.rest = rest;
        Ok(found)
    }

    /// Terms with commas between them.
    fn until(&mut self, end: char, depth: usize) -> Result<Vec<Literal>, String> {
        let mut terms = Vec::new();
        if self.next_is(end) {
            return Ok(terms);
        }
        loop {
            terms.push(self.term(depth + 1)?);
            if self.next_is(end) {
                return Ok(terms);
            }
            if !self.next_is(',') {
                return Err(format!("`,` or `{end}` is missing"));
            }
        }
    }

    fn quoted(&mut self, end: char) -> Result<String, String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other @ ('\\' | '"' | '\''))) => text.push(other),
                    _ => return Err("an escape that is not read here".to_owned()),
                },
                _ if character == end => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                _ => text.push(character),
            }
        }
        Err(format!("`{end}` is missing"))
    }
}
