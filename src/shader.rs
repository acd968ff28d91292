//! The shader catalogue's types, and the expander that turns a `.wgsl` file and one row of
//! `shaders/variants.toml` into plain WGSL.
//!
//! `build.rs` includes this same file: what is tested here is what runs at build time.
//!
//! A shader file is WGSL plus five kinds of line, each beginning with `#`:
//!
//! ```text
//! #import shared/name.wgsl      the file's text, once
//! #tensor read x 1              binding 1: `load_x(i)` is vec4 number i of a tensor, of f32 or f16
//! #tensor write y 2             binding 2: `store_y(i, v)` writes vec4 number i of one
//! #if EXPR … #else … #endif     text that is kept where EXPR is not zero
//! #for NAME in EXPR..EXPR … #endfor   text repeated (hot loops are unrolled in the text)
//! ```
//!
//! and `${EXPR}`, replaced by its value. An `EXPR` is integer arithmetic over the variant's
//! constants and loop names: `+ - * / % ( ) == != < <= > >= && || !`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

#[path = "shader/expression.rs"]
mod expression;

use expression::evaluate;

/// How a shader uses a binding of group 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingKind {
    /// `var<uniform>`, bound with a dynamic offset.
    Uniform,
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// One variable of group 0; its position in [`Shader::bindings`] is its binding number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The variable's name.
    pub name: &'static str,
    /// How it is used.
    pub kind: BindingKind,
    /// Whether it is a tensor that may lie there as f16 too (`#tensor`).
    pub tensor: bool,
}

/// One variant of a shader file: validated WGSL with what was reflected from it.
#[derive(Debug)]
pub struct Shader {
    /// The variant's name in `variants.toml`.
    pub name: &'static str,
    /// Plain WGSL; the entry point is `main`.
    pub source: &'static str,
    /// Invocations of one workgroup.
    pub workgroup_size: [u32; 3],
    /// Bytes of `var<workgroup>` memory.
    pub workgroup_bytes: u32,
    /// The variables of group 0.
    pub bindings: &'static [Binding],
    /// The variant's constants, as in `variants.toml`.
    pub constants: &'static [(&'static str, u32)],
    /// The same kernel with loops where this one repeats its text ([`LOOPS`]), if it does: for a
    /// compiler that takes minutes for long texts. It computes the same from the same bindings.
    pub loops: Option<&'static Shader>,
}

/// A constant that every shader's text can ask for: 1 in a text that keeps its loops, which not
/// every variant has; else 0.
pub const LOOPS: &str = "LOOPS";

impl Shader {
    /// A constant of the variant; 0 where it sets none of that name.
    pub fn constant(&self, name: &str) -> u32 {
        self.constants.iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| *value)
    }
}

/// A shader, and which of its tensors lie in memory as f16. It computes with f32 all the same.
///
/// A vec4 of f16 is a `vec2u` to the shader: `unpack2x16float` and `pack2x16float` are in every WGSL, the type `f16`
/// is not.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// The shader.
    pub shader: &'static Shader,
    /// By bit the bindings that are tensors of f16; bit 0 is binding 0.
    pub halves: u32,
}

impl Kernel {
    /// What tells kernels of one build apart.
    pub fn key(&self) -> (&'static str, u32) {
        (self.shader.name, self.halves)
    }

    /// The shader's name, and which bindings are tensors of f16.
    pub fn name(&self) -> Cow<'static, str> {
        match self.halves {
            0 => self.shader.name.into(),
            _ => {
                let bindings = self.shader.bindings.iter().enumerate();
                let names: Vec<&str> =
                    bindings.filter(|(i, _)| self.halves >> i & 1 != 0).map(|(_, b)| b.name).collect();
                format!("{} (f16: {})", self.shader.name, names.join(", ")).into()
            }
        }
    }

    /// Plain WGSL.
    pub fn source(&self) -> Cow<'static, str> {
        match self.halves {
            0 => self.shader.source.into(),
            halves => with_halves(self.shader.source, halves).into(),
        }
    }
}

/// A shader's text with those bindings as tensors of f16 whose bits are set in `halves`, as far as `#tensor` declared
/// them.
pub fn with_halves(text: &str, halves: u32) -> String {
    let line = |line: &str| {
        let declared = || {
            let (binding, rest) = line.strip_prefix("@group(0)@binding(")?.split_once(")var<storage,")?;
            let (access, rest) = rest.split_once('>')?;
            let (name, _) = rest.split_once(':')?;
            let (binding, writes) = (binding.parse().ok()?, access == "read_write");
            let asked = halves >> binding & 1 != 0 && line == tensor(name, binding, writes, false);
            asked.then(|| tensor(name, binding, writes, true))
        };
        declared().unwrap_or_else(|| line.to_owned()) + "\n"
    };
    text.lines().map(line).collect()
}

/// The text of `#tensor`, in the form of [`Expanded::shortened`].
pub fn tensor(name: &str, binding: usize, writes: bool, half: bool) -> String {
    let (access, element) =
        (if writes { "read_write" } else { "read" }, if half { "vec2u" } else { "vec4f" });
    let variable = format!("@group(0)@binding({binding})var<storage,{access}>{name}:array<{element}>;");
    let function = match (writes, half) {
        (false, false) => format!("fn load_{name}(i:u32)->vec4f{{return {name}[i];}}"),
        (false, true) => format!(
            "fn load_{name}(i:u32)->vec4f{{let v={name}[i];return vec4f(unpack2x16float(v.x),unpack2x16float(v.y));}}"
        ),
        (true, false) => format!("fn store_{name}(i:u32,v:vec4f){{{name}[i]=v;}}"),
        (true, true) => format!(
            "fn store_{name}(i:u32,v:vec4f){{{name}[i]=vec2u(pack2x16float(v.xy),pack2x16float(v.zw));}}"
        ),
    };
    variable + &function
}

/// A mistake in a shader file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandError {
    /// The file, relative to `shaders/`.
    pub file: String,
    /// The line in that file, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Plain WGSL, and where each of its lines comes from.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// The WGSL text.
    pub text: String,
    /// For each line of `text`: the file and the line in it, from 1.
    pub origin: Vec<(String, usize)>,
}

impl Expanded {
    /// The text without what only people read, since a page downloads it: comments, indentation, empty
    /// lines, and spaces that part nothing.
    #[must_use]
    pub fn shortened(&self) -> Self {
        let mut short = Self::default();
        for (line, origin) in self.text.lines().zip(&self.origin) {
            let code = line.split("//").next().unwrap_or_default().trim();
            if code.is_empty() {
                continue;
            }
            let mut last = None;
            for part in code.split_whitespace() {
                // Two words would become one, and two operators another one (`a - -b`).
                let kinds = [last, part.chars().next()].map(|letter| letter.map(Kind::of));
                if kinds[0] == kinds[1] && kinds[0] != Some(Kind::Bracket) {
                    short.text.push(' ');
                }
                short.text.push_str(part);
                last = part.chars().next_back();
            }
            short.text.push('\n');
            short.origin.push(origin.clone());
        }
        short
    }
}

/// What a letter of WGSL is part of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name or a number.
    Word,
    /// Brackets, and whatever else stands for itself wherever it is.
    Bracket,
    Operator,
}

impl Kind {
    fn of(letter: char) -> Self {
        match letter {
            '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | ':' | '@' => Self::Bracket,
            '_' | '.' => Self::Word,
            letter if letter.is_alphanumeric() => Self::Word,
            _ => Self::Operator,
        }
    }
}

/// Integer constants by name.
pub type Constants = BTreeMap<String, i64>;

/// Expands `file` (its text is asked of `read`, as are those of its imports).
///
/// # Errors
/// The first mistake, with its file and line.
pub fn expand(
    file: &str,
    constants: &Constants,
    read: &mut dyn FnMut(&str) -> Option<String>,
) -> Result<Expanded, ExpandError> {
    let mut state = Expander { read, imported: vec![], out: Expanded::default(), depth: 0, lines: 0 };
    state.file(file, constants, &|message| ExpandError { file: file.into(), line: 1, message })?;
    Ok(state.out)
}

struct Expander<'a> {
    read: &'a mut dyn FnMut(&str) -> Option<String>,
    imported: Vec<String>,
    out: Expanded,
    /// Blocks and files open around this line.
    depth: usize,
    /// Lines looked at, repeated ones each time.
    lines: usize,
}

/// The deepest that blocks, imports and parentheses nest.
const MAX_DEPTH: usize = 64;
/// The most lines that a shader may have when all is repeated. The longest has some thousand.
const MAX_LINES: usize = 100_000;

impl Expander<'_> {
    fn file(
        &mut self,
        file: &str,
        constants: &Constants,
        missing: &dyn Fn(String) -> ExpandError,
    ) -> Result<(), ExpandError> {
        if self.imported.iter().any(|f| f == file) {
            return Ok(());
        }
        self.imported.push(file.into());
        let text = (self.read)(file).ok_or_else(|| missing(format!("there is no shader file `{file}`")))?;
        let lines: Vec<&str> = text.lines().collect();
        let end = self.block(file, &lines, 0, &mut constants.clone(), true)?;
        if end < lines.len() {
            return Err(at(file, end, format!("`{}` without a beginning", lines[end].trim())));
        }
        Ok(())
    }

    /// Expands lines from `start` up to the `#else`, `#endif` or `#endfor` that ends the
    /// block, and returns that line's index. Where `keep` is false, nothing is emitted.
    fn block(
        &mut self,
        file: &str,
        lines: &[&str],
        start: usize,
        constants: &mut Constants,
        keep: bool,
    ) -> Result<usize, ExpandError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(at(
                file,
                start.min(lines.len()),
                format!("more than {MAX_DEPTH} blocks in each other"),
            ));
        }
        let mut i = start;
        while i < lines.len() {
            let line = lines[i];
            self.count(file, i)?;
            let Some(directive) = line.trim_start().strip_prefix('#') else {
                if keep {
                    let text = substitute(line, constants).map_err(|m| at(file, i, m))?;
                    self.emit(&text, file, i);
                }
                i += 1;
                continue;
            };
            let (word, rest) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
            match word {
                "import" => {
                    if keep {
                        self.file(rest.trim(), constants, &|m| at(file, i, m))?;
                    }
                    i += 1;
                }
                "tensor" => {
                    if keep {
                        let words: Vec<&str> = rest.split_whitespace().collect();
                        let (access, name, binding) = match words[..] {
                            [access @ ("read" | "write"), name, binding] => {
                                (access, name, binding.parse().ok())
                            }
                            _ => ("", "", None),
                        };
                        let binding = binding.ok_or_else(|| {
                            at(
                                file,
                                i,
                                "expected `#tensor read NAME BINDING` or `#tensor write NAME BINDING`".into(),
                            )
                        })?;
                        self.emit(&tensor(name, binding, access == "write", false), file, i);
                    }
                    i += 1;
                }
                "if" => {
                    let holds = keep && evaluate(rest, constants).map_err(|m| at(file, i, m))? != 0;
                    let opened = i;
                    i = self.block(file, lines, i + 1, constants, holds)?;
                    if lines.get(i).is_some_and(|l| l.trim() == "#else") {
                        i = self.block(file, lines, i + 1, constants, keep && !holds)?;
                    }
                    i = expect_end(file, lines, i, "#endif", opened)?;
                }
                "for" => {
                    let (name, range) = rest
                        .split_once(" in ")
                        .and_then(|(name, range)| Some((name.trim(), range.split_once("..")?)))
                        .ok_or_else(|| at(file, i, "expected `#for NAME in FIRST..END`".into()))?;
                    let opened = i;
                    let bound = |e| evaluate(e, constants).map_err(|m| at(file, i, m));
                    let (first, end) = if keep { (bound(range.0)?, bound(range.1)?) } else { (0, 0) };
                    let shadowed = constants.get(name).copied();
                    let body = i + 1;
                    // An empty range still has to find its end.
                    i = self.block(file, lines, body, &mut constants.clone(), false)?;
                    for value in first..end {
                        self.count(file, opened)?;
                        constants.insert(name.into(), value);
                        self.block(file, lines, body, constants, true)?;
                    }
                    match shadowed {
                        Some(value) => constants.insert(name.into(), value),
                        None => constants.remove(name),
                    };
                    i = expect_end(file, lines, i, "#endfor", opened)?;
                }
                "else" | "endif" | "endfor" => break,
                _ => return Err(at(file, i, format!("unknown directive `#{word}`"))),
            }
        }
        self.depth -= 1;
        Ok(i)
    }

    fn emit(&mut self, text: &str, file: &str, index: usize) {
        self.out.text.push_str(text);
        self.out.text.push('\n');
        self.out.origin.push((file.into(), index + 1));
    }

    fn count(&mut self, file: &str, index: usize) -> Result<(), ExpandError> {
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Err(at(file, index, format!("it becomes more than {MAX_LINES} lines")));
        }
        Ok(())
    }
}

fn at(file: &str, index: usize, message: String) -> ExpandError {
    ExpandError { file: file.into(), line: index + 1, message }
}

fn expect_end(file: &str, lines: &[&str], i: usize, end: &str, opened: usize) -> Result<usize, ExpandError> {
    match lines.get(i) {
        Some(line) if line.trim() == end => Ok(i + 1),
        Some(line) => Err(at(file, i, format!("expected `{end}`, found `{}`", line.trim()))),
        None => Err(at(file, opened, format!("this block has no `{end}`"))),
    }
}

/// Replaces each `${EXPR}` in `line`.
fn substitute(line: &str, constants: &Constants) -> Result<String, String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        let (expr, after) = after.split_once('}').ok_or("`${` without `}`")?;
        text.push_str(before);
        text.push_str(&evaluate(expr, constants)?.to_string());
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}
