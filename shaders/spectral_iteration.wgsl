// The end of a power iteration, of COUNT weights of one shape. From p = Wᵀu and q = W p, neither of which is normalised:
//
//   v = p / max(|p|, 1e-12), W v = q / max(|p|, 1e-12), u = W v / max(|W v|, 1e-12), sigma = u . (W v)
//
//   p [COUNT, v_quads], q [COUNT, splits, u_quads] vec4, of which the splits are added;
//   v_k [v_quads], u_k [u_quads], sigma_k [1] in .x
//
// Launch: one workgroup per weight in x.
#import shared/nan.wgsl

struct Params {
    v_quads: u32,
    u_quads: u32,
    splits: u32,
    reserved: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> p: array<vec4f>;
@group(0) @binding(2) var<storage, read> q: array<vec4f>;
#for k in 0..COUNT
@group(0) @binding(${3 + 3 * k}) var<storage, read_write> v_${k}: array<vec4f>;
@group(0) @binding(${4 + 3 * k}) var<storage, read_write> u_${k}: array<vec4f>;
@group(0) @binding(${5 + 3 * k}) var<storage, read_write> sigma_${k}: array<vec4f>;
#endfor

var<workgroup> sums: array<f32, 256>;

// The sum over the workgroup.
fn joined(lane: u32, value: f32) -> f32 {
    sums[lane] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    let sum = sums[0];
    workgroupBarrier();
    return sum;
}

// Not less than 1e-12, and NaN where a value is.
fn length_of(squares: f32) -> f32 {
    return larger(vec4f(sqrt(squares)), vec4f(1e-12)).x;
}

fn of_q(k: u32, i: u32) -> vec4f {
    var sum = q[k * params.splits * params.u_quads + i];
    for (var s = 1u; s < params.splits; s += 1u) {
        sum += q[(k * params.splits + s) * params.u_quads + i];
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let own = group.x;
    var squares = 0.0;
    for (var i = lane; i < params.v_quads; i += 256u) {
        let value = p[own * params.v_quads + i];
        squares += dot(value, value);
    }
    let v_length = length_of(joined(lane, squares));
    squares = 0.0;
    for (var i = lane; i < params.u_quads; i += 256u) {
        let value = of_q(own, i) / v_length;
        squares += dot(value, value);
    }
    let u_length = length_of(joined(lane, squares));
    for (var i = lane; i < params.v_quads; i += 256u) {
        let value = p[own * params.v_quads + i] / v_length;
#for k in 0..COUNT
        if (own == ${k}u) {
            v_${k}[i] = value;
        }
#endfor
    }
    var product = 0.0;
    for (var i = lane; i < params.u_quads; i += 256u) {
        let value = of_q(own, i) / v_length;
        let u = value / u_length;
        product += dot(u, value);
#for k in 0..COUNT
        if (own == ${k}u) {
            u_${k}[i] = u;
        }
#endfor
    }
    let sigma = joined(lane, product);
#for k in 0..COUNT
    if (own == ${k}u && lane == 0u) {
        sigma_${k}[0] = vec4f(sigma, 0.0, 0.0, 0.0);
    }
#endfor
}
