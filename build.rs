//! Expands every shader variant, validates it under browser rules, reflects it, and writes
//! the typed catalogue that `src/catalogue.rs` includes. Any mistake fails the build with
//! the file, the line and the message.

#[path = "src/shader.rs"]
#[allow(unreachable_pub, reason = "the same file is a public module of the library")]
#[allow(dead_code, reason = "the library's half of the file is not used here")]
mod shader;
#[path = "build/whole_vectors.rs"]
mod whole_vectors;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use shader::{Constants, LOOPS, expand, tensor, with_halves};

/// For each shader file the names of its variants, each with its constants.
type Files = BTreeMap<String, BTreeMap<String, BTreeMap<String, u32>>>;

/// `variants.toml`.
#[derive(Deserialize)]
struct Variants {
    /// For builds with the feature of that name.
    training: Files,
    /// For builds with the feature of that name.
    bench: Files,
    /// For every build.
    #[serde(flatten)]
    always: Files,
}

impl Variants {
    /// Those that this build has.
    fn of_this_build(self) -> Files {
        let mut files = self.always;
        for (feature, more) in [("TRAINING", self.training), ("BENCH", self.bench)] {
            if env::var_os(format!("CARGO_FEATURE_{feature}")).is_some() {
                for (file, variants) in more {
                    files.entry(file).or_default().extend(variants);
                }
            }
        }
        files
    }
}

/// The default limits of WebGPU, which every browser grants.
const MAX_INVOCATIONS: u32 = 256;
const MAX_WORKGROUP_BYTES: u32 = 16 << 10;
const MAX_STORAGE_BUFFERS: usize = 8;

fn main() {
    // A test points this at a copy of the folder with a mistake in it.
    println!("cargo::rerun-if-env-changed=UGATIT_SHADER_DIR");
    let folder = env::var_os("UGATIT_SHADER_DIR").map_or_else(|| PathBuf::from("shaders"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", folder.display());
    for file in ["src/shader.rs", "src/shader", "build"] {
        println!("cargo::rerun-if-changed={file}");
    }

    match catalogue(&folder) {
        Ok(text) => {
            let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("catalogue.rs");
            if let Err(e) = fs::write(&out, text) {
                println!("cargo::error={}: {e}", out.display());
            }
        }
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
        }
    }
}

fn catalogue(folder: &Path) -> Result<String, String> {
    let list = folder.join("variants.toml");
    let text = fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let variants: Variants = toml::from_str(&text).map_err(|e| format!("{}: {e}", list.display()))?;

    let list = folder.join("constants.toml");
    let text = fs::read_to_string(&list).map_err(|e| format!("{}: {e}", list.display()))?;
    let shared: BTreeMap<String, u32> =
        toml::from_str(&text).map_err(|e| format!("{}: {e}", list.display()))?;

    let mut out = constants(&shared);
    let mut all = vec![];
    for (file, variants) in &variants.of_this_build() {
        let mut params: Option<String> = None;
        let _ =
            writeln!(out, "/// The variants of `shaders/{file}.wgsl`.\npub mod {file} {{\n    use super::*;");
        for (name, constants) in variants {
            let shader = Reflected::new(folder, file, [&shared, constants], false)?;
            let loops = Reflected::new(folder, file, [&shared, constants], true)?;
            if params.get_or_insert_with(|| shader.params.clone()) != &shader.params {
                return Err(format!("{file}.wgsl: `Params` differs between variants"));
            }
            let constant = name.to_uppercase();
            let mut twin = "None".to_string();
            if loops.source != shader.source {
                if !loops.fits_as(&shader) {
                    return Err(format!("{file}.wgsl: {name} has another interface with {LOOPS} = 1"));
                }
                let text = loops.literal(&format!("{name}_loops"), constants, "None");
                let _ = writeln!(out, "    static {constant}_LOOPS: Shader = {text};");
                // No browser's compiler needs it, so a page does not load it.
                twin = format!(
                    "if cfg!(target_arch = \"wasm32\") {{ None }} else {{ Some(&{constant}_LOOPS) }}"
                );
            }
            let text = shader.literal(name, constants, &twin);
            let _ = writeln!(out, "    /// Variant `{name}`.\n    pub static {constant}: Shader = {text};");
            all.push(format!("&{file}::{constant}"));
        }
        let _ = writeln!(out, "{}}}", params.unwrap_or_default());
    }
    let _ = writeln!(
        out,
        "/// Every variant of every shader.\npub static ALL: &[&Shader] = &[{}];",
        all.join(", ")
    );
    Ok(out)
}

/// The constants of every shader, as a Rust module.
fn constants(shared: &BTreeMap<String, u32>) -> String {
    let mut out = String::from("/// What `shaders/constants.toml` numbers.\npub mod constants {\n");
    for (name, value) in shared {
        let _ = writeln!(out, "    /// `${{{name}}}` in a shader.\n    pub const {name}: u32 = {value};");
    }
    out.push_str("}\n");
    out
}

/// One validated variant.
struct Reflected {
    source: String,
    workgroup_size: [u32; 3],
    workgroup_bytes: u32,
    bindings: Vec<Bound>,
    /// The twin of its uniforms, as Rust source.
    params: String,
}

/// A variable of group 0.
#[derive(Clone, PartialEq)]
struct Bound {
    name: String,
    /// The name of a `BindingKind`.
    kind: &'static str,
    /// Whether `#tensor` declared it.
    tensor: bool,
}

impl Bound {
    /// A `Binding`, as Rust source.
    fn literal(&self) -> String {
        let Self { name, kind, tensor } = self;
        format!("Binding {{ name: {name:?}, kind: BindingKind::{kind}, tensor: {tensor} }}")
    }
}

/// Parses and validates WGSL under browser rules; `place` says where a line of it comes from.
fn validate(text: &str, place: &dyn Fn(usize) -> String) -> Result<naga::Module, String> {
    let module = naga::front::wgsl::parse_str(text).map_err(|e| {
        let line = e.location(text).map_or(1, |l| l.line_number as usize);
        format!("{}: {}", place(line), one_line(e.message(), &e))
    })?;
    // Browser rules: no capability beyond the core specification, which has `unpack2x16float`.
    let flags = naga::valid::ValidationFlags::all();
    let core = naga::valid::Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = naga::valid::Validator::new(flags, core).validate(&module).map_err(|e| {
        // Of the function, the statement and the expression the one that says most.
        let spans = e.spans().map(|(span, _)| *span).filter(naga::Span::is_defined);
        let narrowest = spans.min_by_key(|span| span.to_range().map_or(usize::MAX, |r| r.len()));
        let line = narrowest.map_or(1, |s| s.location(text).line_number as usize);
        format!("{}: {}", place(line), one_line("", e.as_inner()))
    })?;
    if let Some(span) = whole_vectors::component_stores(&module, &info).first() {
        let line = span.location(text).line_number as usize;
        let why = "a store into a component of a vector that other invocations see; compilers may write the whole vector, so store whole ones";
        return Err(format!("{}: {why}", place(line)));
    }
    Ok(module)
}

impl Reflected {
    fn new(
        folder: &Path,
        file: &str,
        constants: [&BTreeMap<String, u32>; 2],
        loops: bool,
    ) -> Result<Self, String> {
        let all = constants.into_iter().flatten();
        let mut constants: Constants = all.map(|(k, v)| (k.clone(), i64::from(*v))).collect();
        constants.insert(LOOPS.into(), i64::from(loops));
        let show = |file: &str| folder.join(file).display().to_string();
        let expanded =
            expand(&format!("{file}.wgsl"), &constants, &mut |f| fs::read_to_string(folder.join(f)).ok())
                .map_err(|e| format!("{}:{}: {}", show(&e.file), e.line, e.message))?
                .shortened();
        let place = |line: usize| {
            let (file, line) = expanded
                .origin
                .get(line.saturating_sub(1))
                .cloned()
                .unwrap_or_else(|| (format!("{file}.wgsl"), 1));
            format!("{}:{line}", show(&file))
        };

        let module = validate(&expanded.text, &place)?;
        let reflected = reflect(&module, expanded.text.clone())
            .map_err(|m| format!("{}: {m}", show(&format!("{file}.wgsl"))))?;
        // The same with every tensor as f16. No line moves, since each is a line of its own.
        let halves = with_halves(&expanded.text, u32::MAX);
        if halves != expanded.text {
            validate(&halves, &place)?;
        }
        Ok(reflected)
    }

    /// Whether one can stand in for the other.
    fn fits_as(&self, other: &Self) -> bool {
        let interface =
            |s: &Self| (s.workgroup_size, s.workgroup_bytes, s.bindings.clone(), s.params.clone());
        interface(self) == interface(other)
    }

    /// A `Shader`, as Rust source.
    fn literal(&self, name: &str, constants: &BTreeMap<String, u32>, loops: &str) -> String {
        format!(
            "Shader {{ name: {name:?}, source: {:?}, workgroup_size: {:?}, workgroup_bytes: {}, bindings: &{}, constants: &{:?}, loops: {loops} }}",
            self.source,
            self.workgroup_size,
            self.workgroup_bytes,
            format_args!("[{}]", self.bindings.iter().map(Bound::literal).collect::<Vec<_>>().join(", ")),
            constants.iter().collect::<Vec<_>>(),
        )
    }
}

/// A message and the chain of its causes.
fn one_line(first: &str, error: &dyn std::error::Error) -> String {
    let mut text = if first.is_empty() { error.to_string() } else { first.to_string() };
    let mut cause = error.source();
    while let Some(e) = cause {
        let _ = write!(text, ": {e}");
        cause = e.source();
    }
    text.replace('\n', " ")
}

fn reflect(module: &naga::Module, source: String) -> Result<Reflected, String> {
    let entry = match module.entry_points.as_slice() {
        [entry] if entry.name == "main" && entry.stage == naga::ShaderStage::Compute => entry,
        _ => return Err("a shader file has one compute entry point, `main`".into()),
    };
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;

    let (mut bindings, mut workgroup_bytes) = (BTreeMap::new(), 0);
    let mut params = "    /// This shader has no uniforms.\n    pub type Params = ();\n".to_string();
    for (_, var) in module.global_variables.iter() {
        let kind = match var.space {
            naga::AddressSpace::Uniform => "Uniform",
            naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                "ReadWrite"
            }
            naga::AddressSpace::Storage { .. } => "Read",
            naga::AddressSpace::WorkGroup => {
                workgroup_bytes += layouter[var.ty].size.next_multiple_of(16);
                continue;
            }
            _ => continue,
        };
        if kind == "Uniform" {
            params = uniform_struct(module, var.ty)?;
        }
        let name = var.name.clone().unwrap_or_default();
        let at = var.binding.ok_or("a variable without a binding")?;
        bindings.insert((at.group, at.binding), (name, kind));
    }
    for (i, (group, binding)) in bindings.keys().enumerate() {
        if (*group, *binding as usize) != (0, i) {
            return Err(format!(
                "bindings must be 0, 1, 2, … of group 0; found group {group} binding {binding}"
            ));
        }
    }
    let invocations: u32 = entry.workgroup_size.iter().product();
    let storage = bindings.values().filter(|(_, kind)| *kind != "Uniform").count();
    for (what, value, limit) in [
        ("invocations in a workgroup", invocations, MAX_INVOCATIONS),
        ("bytes of workgroup memory", workgroup_bytes, MAX_WORKGROUP_BYTES),
        ("storage buffers", storage as u32, MAX_STORAGE_BUFFERS as u32),
    ] {
        if value > limit {
            return Err(format!("{value} {what}; browsers grant {limit}"));
        }
    }
    let bindings: Vec<Bound> = bindings
        .into_values()
        .enumerate()
        .map(|(i, (name, kind))| {
            let tensor = source.contains(&tensor(&name, i, kind == "ReadWrite", false));
            Bound { name, kind, tensor }
        })
        .collect();
    Ok(Reflected { source, workgroup_size: entry.workgroup_size, workgroup_bytes, bindings, params })
}

/// The Rust twin of a uniform struct of `u32`, `i32` and `f32` members.
fn uniform_struct(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Result<String, String> {
    let naga::TypeInner::Struct { members, span } = &module.types[ty].inner else {
        return Err("the uniform must be a struct".into());
    };
    let mut text = String::from(
        "    /// The uniforms.\n    #[repr(C)]\n    #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]\n    pub struct Params {\n",
    );
    for (i, member) in members.iter().enumerate() {
        let scalar = match module.types[member.ty].inner {
            naga::TypeInner::Scalar(naga::Scalar::U32) => "u32",
            naga::TypeInner::Scalar(naga::Scalar::I32) => "i32",
            naga::TypeInner::Scalar(naga::Scalar::F32) => "f32",
            _ => return Err("uniforms must be u32, i32 or f32".into()),
        };
        let name = member.name.as_deref().unwrap_or_default();
        if member.offset as usize != 4 * i {
            return Err(format!("uniform `{name}` is not packed"));
        }
        let _ = writeln!(
            text,
            "        #[allow(missing_docs, reason = \"documented in the shader\")]\n        pub {name}: {scalar},"
        );
    }
    if *span as usize != 4 * members.len() {
        return Err("the uniform struct has padding at its end".into());
    }
    text.push_str("    }\n");
    Ok(text)
}
