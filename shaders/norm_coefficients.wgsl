// From the partial moments of reduce.wgsl to what normalisation does to each channel:
//
//   y = a (x - shift) + b
//
//   LAYER 0, instance normalisation:  a = 1 / sqrt(var_I + eps), b = 0; biased variance.
//   LAYER 1, (adaptive) layer-instance normalisation (paper, eq. 1; official adaILN, ILN):
//     y = gamma (rho (x - mu_I) s_I + (1 - rho) (x - mu_L) s_L) + beta, s = 1 / sqrt(var + eps),
//     variances unbiased or not, so that
//     a = gamma (rho s_I + (1 - rho) s_L),  b = gamma (1 - rho) s_L (mu_I - mu_L) + beta.
//
//   MOMENTS 1 (with LAYER 0), for the gradient: shift, mu_I - shift, the sum of squared deviations. With `keep` they
//   are written in front of the coefficients, [N, C/4, 3] each.
//
// `shift` is mu_I, roughly; what it lacks of it goes into b, so that a mean of 50 with a deviation of 1e-3 loses
// nothing.
//
//   partials [N, chunks, C/4, 3], rho [C/4], gamma and beta [N or 1, C/4],
//   coefficients [N, C/4, 3]: shift, a, b
//
// Launch: workgroups of COLUMNS vec4s x ROWS chunks; N in y; in x any number for LAYER 0, one
// for LAYER 1 (it needs all channels). With one row, and for LAYER 1 one column, an invocation
// does it alone: see reduce.wgsl.
#import shared/inverse_root.wgsl
#import shared/moments.wgsl

struct Params {
    pixels: u32,
    channels: u32,
    quads: u32,
    chunks: u32,
    chunk: u32,
    gamma_stride: u32, // from one sample's gamma and beta to the next: C/4, or 0 if they share them
    eps: f32,
    unbiased: u32, // 1: LAYER divides squares by one less than their number; 0: by it
    keep: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
#if LAYER
@group(0) @binding(2) var<storage, read> rho: array<vec4f>;
@group(0) @binding(3) var<storage, read> gamma: array<vec4f>;
@group(0) @binding(4) var<storage, read> beta: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> coefficients: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read_write> coefficients: array<vec4f>;
#endif

#if ROWS - 1 + LAYER * (COLUMNS - 1)
var<workgroup> shifts: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> offsets: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> squares: array<vec4f, ${COLUMNS * ROWS}>;
var<workgroup> counts: array<f32, ${COLUMNS * ROWS}>;

fn store(at: u32, m: Moments) {
    shifts[at] = m.shift;
    offsets[at] = m.offset;
    squares[at] = m.squares;
    counts[at] = m.count;
}

fn load(at: u32) -> Moments {
    return Moments(shifts[at], offsets[at], squares[at], counts[at]);
}
#endif

#if !MOMENTS
fn keep(at: u32, shift: vec4f, offset: vec4f, squares: vec4f) {
    coefficients[at] = shift;
    coefficients[at + 1u] = offset;
    coefficients[at + 2u] = squares;
}
#endif

@compute @workgroup_size(${COLUMNS}, ${ROWS})
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) invocation: u32,
) {
    let pixels = f32(params.pixels);
    // Of the coefficients of this sample.
    let start = 3u * (params.keep * groups.y + group.y) * params.quads;
#if LAYER
    // Over all channels that this invocation (of row 0) has seen; one in each component.
    var layer = Moments(vec4f(0.0), vec4f(0.0), vec4f(0.0), 0.0);
#endif
    for (var base = group.x * ${COLUMNS}u; base < params.quads; base += groups.x * ${COLUMNS}u) {
        let quad = base + local.x;
        let column = min(quad, params.quads - 1u);
        var own = Moments(vec4f(0.0), vec4f(0.0), vec4f(0.0), 0.0);
        for (var i = local.y; i < params.chunks; i += ${ROWS}u) {
            let at = 3u * ((group.y * params.chunks + i) * params.quads + column);
            let count = f32(min(params.chunk, params.pixels - i * params.chunk));
            own = merge(own, Moments(partials[at], partials[at + 1u], partials[at + 2u], count));
        }
#if ROWS - 1
        store(invocation, own);
        workgroupBarrier();
        for (var half = ${ROWS / 2}u; half > 0u; half /= 2u) {
            if (local.y < half) {
                store(invocation, merge(load(invocation), load(invocation + half * ${COLUMNS}u)));
            }
            workgroupBarrier();
        }
        own = load(invocation);
#endif
        if (local.y == 0u && quad < params.quads) {
            let m = own;
            let at = start + 3u * quad;
#if LAYER
            coefficients[at] = m.shift;
            coefficients[at + 1u] = m.offset;
            coefficients[at + 2u] = m.squares;
            for (var c = 0u; c < min(4u, params.channels - 4u * quad); c += 1u) {
                layer = merge(layer, Moments(vec4f(m.shift[c]), vec4f(m.offset[c]), vec4f(m.squares[c]), pixels));
            }
#else
            let shift = centre(m);
            coefficients[at] = shift;
#if MOMENTS
            coefficients[at + 1u] = (m.shift - shift) + m.offset;
            coefficients[at + 2u] = m.squares;
#else
            if (params.keep != 0u) {
                keep(3u * (group.y * params.quads + quad), shift, (m.shift - shift) + m.offset, m.squares);
            }
            let a = inverse_root(m.squares / pixels + params.eps);
            coefficients[at + 1u] = a;
            coefficients[at + 2u] = -a * ((m.shift - shift) + m.offset);
#endif
#endif
        }
#if ROWS - 1
        workgroupBarrier();
#endif
    }
#if LAYER
#if ROWS - 1 + LAYER * (COLUMNS - 1)
    if (local.y == 0u) {
        store(invocation, layer);
    }
    workgroupBarrier();
    for (var half = ${COLUMNS / 2}u; half > 0u; half /= 2u) {
        if (local.y == 0u && local.x < half) {
            store(invocation, merge(load(invocation), load(invocation + half)));
        }
        workgroupBarrier();
    }
    let total = load(0u);
#else
    let total = layer;
#endif
    let fewer = f32(params.unbiased);
    let layer_scale = inverse_root(total.squares / (pixels * f32(params.channels) - fewer) + params.eps);
    for (var quad = local.x; local.y == 0u && quad < params.quads; quad += ${COLUMNS}u) {
        let at = start + 3u * quad;
        let m = Moments(coefficients[at], coefficients[at + 1u], coefficients[at + 2u], pixels);
        let r = rho[quad];
        let g = gamma[group.y * params.gamma_stride + quad];
        let shift = centre(m);
        let lost = (m.shift - shift) + m.offset;
        let from_layer = (shift - total.shift) + (lost - total.offset);
        let a = g * (r * inverse_root(m.squares / (pixels - fewer) + params.eps) + (1.0 - r) * layer_scale);
        let b = g * (1.0 - r) * layer_scale * from_layer + beta[group.y * params.gamma_stride + quad];
        if (params.keep != 0u) {
            keep(3u * (group.y * params.quads + quad), shift, lost, m.squares);
        }
        // A channel that only pads the tensor has gamma = beta = 0 and stays zero.
        coefficients[at] = shift;
        coefficients[at + 1u] = a;
        coefficients[at + 2u] = b - a * lost;
    }
#endif
}
