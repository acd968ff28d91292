// Winograd's F(4x4, 3x3), last step: pixels of the 36 products (see winograd_pixels.wgsl),
//
//   y[n, 4 ty + r, 4 tx + k, o] = act(bias[o] + (Aᵀ m A)[r, k]),   m[p, q] = m[6 p + q, tile, o]
//
//   m [36, tiles, O/4], bias [O/4], read only if `has_bias`, y [N, OH, OW, O/4]
//
// ADJOINT = 1: without bias and activation, the gradient at a padded picture: what of it is within the picture is stored in y as
// shared/keep_grad.wgsl says, what is around it in `ring` [N, ring, O/4] (shared/ring.wgsl).
//
// Launch: one invocation per tile and vec4 of channels, workgroups in x and y.
#if ADJOINT
#import shared/keep_grad.wgsl
#import shared/ring.wgsl
#else
#import shared/activation.wgsl
#endif
#import shared/spread.wgsl

struct Params {
    height: u32, // of y; of the adjoint, of the padded picture
    width: u32,
    quads: u32,
    across: u32, // tiles in a row
    down: u32,
    tiles: u32,
    total: u32,
    has_bias: u32,
    activation: u32,
    slope: f32,
    pad: u32, // read only by the adjoint
    accumulate: u32, // likewise
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> m: array<vec4f>;
#if ADJOINT
#tensor read result 2
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> ring: array<vec4f>;

fn keep(n: u32, at: vec2u, quad: u32, sum: vec4f) {
    let picture = vec2u(params.height, params.width) - 2u * params.pad;
    let place = place_of(n, at, picture, params.pad);
    let to = place.index * params.quads + quad;
    if (place.is_inside) {
        keep_grad(to, sum);
    } else {
        ring[to] = sum;
    }
}
#else
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
#tensor write y 3
#endif

fn each(at: u32) {
    if (at >= params.total) {
        return;
    }
    let quad = at % params.quads;
    let tile = at / params.quads;
    let column = 4u * (tile % params.across);
    let row = 4u * (tile / params.across % params.down);
#if ADJOINT
    let n = tile / (params.across * params.down);
#else
    let first = tile / (params.across * params.down) * params.height;
#endif
    let matrix = params.tiles * params.quads;
#for q in 0..6
#for p in 0..6
    let m_${p}_${q} = m[at + ${6 * p + q}u * matrix];
#endfor
    let sum_${q} = m_1_${q} + m_2_${q};
    let difference_${q} = m_1_${q} - m_2_${q};
    let far_sum_${q} = m_3_${q} + m_4_${q};
    let far_difference_${q} = m_3_${q} - m_4_${q};
    let t_0_${q} = m_0_${q} + sum_${q} + far_sum_${q};
    let t_1_${q} = 0.75 * difference_${q} + 1.5 * far_difference_${q};
    let t_2_${q} = 0.5625 * sum_${q} + 2.25 * far_sum_${q};
    let t_3_${q} = 0.421875 * difference_${q} + 3.375 * far_difference_${q} + m_5_${q};
#endfor
#if !ADJOINT
    var offset = vec4f(0.0);
    if (params.has_bias != 0u) {
        offset = bias[quad];
    }
#endif
#for r in 0..4
    if (row + ${r}u < params.height) {
#if !ADJOINT
        let to = ((first + row + ${r}u) * params.width + column) * params.quads + quad;
#endif
        let sum = t_${r}_1 + t_${r}_2;
        let difference = t_${r}_1 - t_${r}_2;
        let far_sum = t_${r}_3 + t_${r}_4;
        let far_difference = t_${r}_3 - t_${r}_4;
        let y_0 = t_${r}_0 + sum + far_sum;
        let y_1 = 0.75 * difference + 1.5 * far_difference;
        let y_2 = 0.5625 * sum + 2.25 * far_sum;
        let y_3 = 0.421875 * difference + 3.375 * far_difference + t_${r}_5;
#for k in 0..4
        if (column + ${k}u < params.width) {
#if ADJOINT
            keep(n, vec2u(row + ${r}u, column + ${k}u), quad, y_${k});
#else
            store_y(to + ${k}u * params.quads, activate(y_${k} + offset, params.activation, params.slope));
#endif
        }
#endfor
    }
#endfor
}
