// c[b, m, n] = sum over k of a[b, m, k] b[b, k, n]: the plain matrix product, register tiles.
//
//   a [B, M, K/4], or with COLUMNS = 1 [B, K, M/4]; b [B, K, N/4], c [B, M, N/4]; M a multiple
//   of PIXELS LANES, N of 4 QUADS ROWS, K of 4.
//
// Launch: M / (PIXELS LANES) workgroups in x, N / (4 QUADS ROWS) in y, B in z. The benchmark's
// practical peak is the best of these variants at 1024 cubed.
struct Params {
    m: u32,
    n_quads: u32,
    k_quads: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;

@compute @workgroup_size(${LANES}, ${ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let first = (group.x * ${LANES}u + local.x) * ${PIXELS}u;
    let column = (group.y * ${ROWS}u + local.y) * ${QUADS}u;
#if COLUMNS
    let a_quads = params.m / 4u;
    var a_at = group.z * 4u * params.k_quads * a_quads + first / 4u;
#else
    let a_start = (group.z * params.m + first) * params.k_quads;
#endif
    var row = group.z * 4u * params.k_quads * params.n_quads + column;
#for q in 0..QUADS
#for p in 0..PIXELS
    var sum_${p}_${q} = vec4f(0.0);
#endfor
#endfor
#if COLUMNS
    for (var k = 0u; k < 4u * params.k_quads; k += 1u) {
#for p in 0..PIXELS / 4
        let a_${p} = a[a_at + ${p}u];
#endfor
#for q in 0..QUADS
        let b_${q} = b[row + ${q}u];
#endfor
#for q in 0..QUADS
#for p in 0..PIXELS
        sum_${p}_${q} = fma(vec4f(a_${p / 4}[${p % 4}]), b_${q}, sum_${p}_${q});
#endfor
#endfor
        a_at += a_quads;
        row += params.n_quads;
    }
#else
    for (var k = 0u; k < params.k_quads; k += 1u) {
#for p in 0..PIXELS
        let a_${p} = a[a_start + ${p}u * params.k_quads + k];
#endfor
#for i in 0..4
        {
#for q in 0..QUADS
            let b_${q} = b[row + ${q}u];
#endfor
#for q in 0..QUADS
#for p in 0..PIXELS
            sum_${p}_${q} = fma(vec4f(a_${p}[${i}]), b_${q}, sum_${p}_${q});
#endfor
#endfor
            row += params.n_quads;
        }
#endfor
    }
#endif
#for q in 0..QUADS
#for p in 0..PIXELS
    c[(group.z * params.m + first + ${p}u) * params.n_quads + column + ${q}u] = sum_${p}_${q};
#endfor
#endfor
}
