//! The integer expressions of a shader's `#if` lines and `${…}`.

use super::{Constants, MAX_DEPTH};

/// The value of an integer expression; comparisons give 0 or 1.
pub(super) fn evaluate(expr: &str, constants: &Constants) -> Result<i64, String> {
    let mut parser = Parser { rest: expr.trim(), constants, depth: 0 };
    let value = parser.binary(0)?;
    if parser.rest.is_empty() {
        Ok(value)
    } else {
        Err(format!("`{}` is left over in `{expr}`", parser.rest))
    }
}

/// Binary operators, loosest first; longer spellings before their prefixes.
const LEVELS: [&[&str]; 5] =
    [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

struct Parser<'a> {
    rest: &'a str,
    constants: &'a Constants,
    /// Parentheses and negations open around this place.
    depth: usize,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest.strip_prefix(token);
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.atom() };
        let mut left = self.binary(level + 1)?;
        while let Some(op) = operators.iter().copied().find(|op| self.eat(op)) {
            let right = self.binary(level + 1)?;
            left = match op {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "/" | "%" if right == 0 => return Err("division by zero".into()),
                _ => {
                    let value = match op {
                        "+" => left.checked_add(right),
                        "-" => left.checked_sub(right),
                        "*" => left.checked_mul(right),
                        "/" => left.checked_div(right),
                        _ => left.checked_rem(right),
                    };
                    value.ok_or_else(|| format!("`{left} {op} {right}` is too large"))?
                }
            };
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} parentheses in each other"));
        }
        let value = self.value();
        self.depth -= 1;
        value
    }

    fn value(&mut self) -> Result<i64, String> {
        if self.eat("!") {
            return Ok(i64::from(self.atom()? == 0));
        }
        if self.eat("(") {
            let value = self.binary(0)?;
            return if self.eat(")") { Ok(value) } else { Err("`(` without `)`".into()) };
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if let Ok(number) = word.parse() {
            return Ok(number);
        }
        self.constants.get(word).copied().ok_or_else(|| {
            if word.is_empty() { "a value is missing".into() } else { format!("`{word}` is not defined") }
        })
    }
}
