//! The shader catalogue: what the expander does, what `build.rs` refuses, and what every
//! variant keeps to.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail like the tests themselves")]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use ugatit::catalogue;
use ugatit::shader::{BindingKind, Constants, ExpandError, expand};

fn expand_text(text: &str, constants: &[(&str, i64)]) -> Result<String, ExpandError> {
    let files: HashMap<&str, &str> =
        [("main.wgsl", text), ("shared/a.wgsl", "a ${N}\n"), ("shared/b.wgsl", "#import shared/a.wgsl\nb\n")]
            .into();
    let constants: Constants = constants.iter().map(|(k, v)| ((*k).to_string(), *v)).collect();
    expand("main.wgsl", &constants, &mut |f| files.get(f).map(ToString::to_string)).map(|e| e.text)
}

#[test]
fn the_expander_imports_once_chooses_and_repeats() {
    let text = "#import shared/b.wgsl\n#import shared/a.wgsl\n#if N == 2 && !(N > 3)\nyes\n#else\nno\n#endif\n#for i in 0..N\nx_${i} = ${2 * i + 1};\n#endfor\nend";
    let expanded = expand_text(text, &[("N", 2)]).unwrap();
    assert_eq!(expanded, "a 2\nb\nyes\nx_0 = 1;\nx_1 = 3;\nend\n");
}

#[test]
fn a_shortened_text_keeps_its_words_operators_and_lines() {
    let text = "// why\n\n    @group(0) @binding(1) var<storage, read> x: array<vec4f>;  // what\n  let a = b - -c * 1.5 + d; return -a;\n";
    let short = expand("main.wgsl", &Constants::new(), &mut |_| Some(text.into())).unwrap().shortened();
    assert_eq!(
        short.text,
        "@group(0)@binding(1)var<storage,read>x:array<vec4f>;\nlet a=b- -c*1.5+d;return-a;\n"
    );
    assert_eq!(short.origin, [("main.wgsl".to_string(), 3), ("main.wgsl".to_string(), 4)]);
}

#[test]
fn blocks_nest_and_what_is_left_out_is_not_evaluated() {
    let text = "#if A\n#for i in 0..B\n#if i == 1\n${i}\n#endif\n#endfor\n#else\n${MISSING}\n#endif";
    assert_eq!(expand_text(text, &[("A", 1), ("B", 3)]).unwrap(), "1\n");
}

#[test]
fn mistakes_are_named_with_file_and_line() {
    for (text, line, message) in [
        ("x\n${N}", 2, "`N` is not defined"),
        ("x\n#if 1\ny", 2, "this block has no `#endif`"),
        ("#for i in 0..2\nx\n#endif", 3, "expected `#endfor`, found `#endif`"),
        ("x\n#endfor", 2, "`#endfor` without a beginning"),
        ("\n\n#import nowhere.wgsl", 3, "there is no shader file `nowhere.wgsl`"),
        ("#define X", 1, "unknown directive `#define`"),
        ("${1 / 0}", 1, "division by zero"),
        ("${(1}", 1, "`(` without `)`"),
        ("${4611686018427387904 * 2}", 1, "`4611686018427387904 * 2` is too large"),
        ("#for i in 0..1000000\n#endfor", 1, "it becomes more than 100000 lines"),
    ] {
        let error = expand_text(text, &[]).unwrap_err();
        assert_eq!(
            (error.file.as_str(), error.line, error.message.as_str()),
            ("main.wgsl", line, message),
            "{text}"
        );
    }
}

#[test]
fn every_variant_has_its_uniform_first_and_one_output() {
    assert!(catalogue::ALL.len() > 20);
    for shader in catalogue::ALL {
        assert!(!shader.source.contains("//"), "{} has a comment", shader.name);
        assert_eq!(shader.bindings[0].kind, BindingKind::Uniform, "{}", shader.name);
        // What is written comes last, and is one tensor (of the optimiser: all that it moves; of a normalisation: the
        // gradients at its parameters; of a power iteration: its vectors and sigma; of a convolution's adjoint: the ring
        // around the picture; of a loss: its gradient; of two batches' sigmas: the gradient at the bias).
        let writes = shader.bindings.iter().filter(|b| b.kind == BindingKind::ReadWrite).count();
        let many = [
            "adam",
            "norm_grad_parameter",
            "spectral_iteration",
            "spectral_totals",
            "loss_and_grad",
            "_transposed",
            "_adjoint",
        ]
        .iter()
        .any(|several| shader.name.contains(several));
        assert!(writes == 1 || many, "{}", shader.name);
        assert!(shader.bindings.is_sorted_by_key(|b| b.kind == BindingKind::ReadWrite), "{}", shader.name);
        assert_eq!(shader.bindings.last().unwrap().kind, BindingKind::ReadWrite, "{}", shader.name);
    }
}

/// Copies `shaders/`, changes one file, and builds with the copy. The message must name the changed line.
fn build_with(file: &str, from: &str, to: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    std::fs::create_dir(copy.join("shared")).unwrap();
    for part in ["", "shared"] {
        for entry in std::fs::read_dir(source.join(part)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.join(part).join(entry.file_name())).unwrap();
            }
        }
    }
    let text = std::fs::read_to_string(copy.join(file)).unwrap();
    assert!(text.contains(from), "{file} has changed; mend this test");
    std::fs::write(copy.join(file), text.replacen(from, to, 1)).unwrap();

    // With the dependencies that this test was built with, and of this crate another build beside it: the line of the
    // profile changes nothing but where it is kept.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let built = std::env::current_exe().unwrap();
    let kept_in = built.parent().and_then(Path::parent).and_then(Path::file_name).unwrap().to_str().unwrap();
    let profile = if kept_in == "debug" { "dev" } else { kept_in };
    let output = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--lib", "--profile", profile, "--config"])
        .arg(format!("profile.{profile}.package.ugatit.debug=1"))
        .arg("--target-dir")
        .arg(target)
        .env("UGATIT_SHADER_DIR", copy)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(!output.status.success(), "the build must fail");
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = printed.lines().find(|l| l.contains(".wgsl:") || l.contains(".wgsl: "));
    let line = line.unwrap_or_else(|| panic!("no line names the file: {printed}"));
    let changed = 1 + text[..text.find(from).unwrap()].matches('\n').count();
    line.replace(&format!("{file}:{changed}:"), &format!("{file}:changed line:"))
}

/// Builds this crate several times, as far as its build script.
#[test]
fn a_broken_shader_fails_the_build_with_file_line_and_message() {
    // In an import, by a line that comes after an import: the line is that of the file itself.
    let line = build_with("shared/activation.wgsl", "{ return select(slope", "{ return selekt(slope");
    assert!(line.contains("shared/activation.wgsl:changed line: ") && line.contains("selekt"), "{line}");
    let line =
        build_with("pointwise.wgsl", "store_y(i, load_a(i) + load_b(i));", "store_y(i, load_a(i) + 1u);");
    assert!(line.contains("pointwise.wgsl:changed line: "), "{line}");
    let line = build_with("pointwise.wgsl", "#tensor read a 1", "#tensor raed a 1");
    assert!(line.contains("pointwise.wgsl:changed line: expected `#tensor read NAME BINDING`"), "{line}");
    // A component of a vector that other invocations write, too: in workgroup memory by an index that
    // differs between them, in storage memory by a constant.
    let stored = "w_tile[w_to + ${64 * QUADS * j}u] = next_${j};";
    let line = build_with("conv2d_tiled.wgsl", stored, "w_tile[w_to / 4u][w_to % 4u] = next_${j}.x;");
    assert!(line.contains("conv2d_tiled.wgsl:changed line: a store into a component of a vector"), "{line}");
    let line = build_with(
        "sum_channels.wgsl",
        "store_y(p, vec4f(sums[invocation], 0.0, 0.0, 0.0));",
        "y[p].x = sums[invocation];",
    );
    assert!(line.contains("sum_channels.wgsl:changed line: a store into a component of a vector"), "{line}");
    // Valid WGSL that browsers do not grant.
    let line = build_with("norm_apply.wgsl", "@workgroup_size(256)", "@workgroup_size(512)");
    assert!(line.contains("norm_apply.wgsl: 512 invocations in a workgroup; browsers grant 256"), "{line}");
}
