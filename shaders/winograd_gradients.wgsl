// The gradient of Winograd's F(4x4, 3x3) at the weights, first step: tiles of 4x4 gradients g at the result, with zeros where a tile
// sticks out, turned by the adjoint of the last step (winograd_outputs.wgsl):
//
//   y[6 r + k, tile, o] = (A t Aᵀ)[r, k],   t[p, q] = g[n, 4 ty + p, 4 tx + q, o]
//
// Then there are 36 matrix products with the tiles of the picture (winograd_pixels.wgsl, conv2d_grad_weight.wgsl), and at last
// winograd_weight_grad.wgsl.
//
//   g [N, H, W, O/4], y [36, tiles, O/4]
//
// Launch: one invocation per tile and vec4 of channels, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    height: u32, // of g
    width: u32,
    quads: u32,
    across: u32, // tiles in a row
    down: u32,
    tiles: u32,
    total: u32,
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(at: u32) {
    if (at >= params.total) {
        return;
    }
    let quad = at % params.quads;
    let tile = at / params.quads;
    let column = 4u * (tile % params.across);
    let row = 4u * (tile / params.across % params.down);
    let first = tile / (params.across * params.down) * params.height;
#for p in 0..4
    let line_${p} = (first + min(row + ${p}u, params.height - 1u)) * params.width;
#endfor
#for q in 0..4
    let column_${q} = min(column + ${q}u, params.width - 1u);
#for p in 0..4
    let is_out_${p}_${q} = row + ${p}u >= params.height || column + ${q}u >= params.width;
    let t_${p}_${q} = select(g[(line_${p} + column_${q}) * params.quads + quad], vec4f(0.0), is_out_${p}_${q});
#endfor
    let even_${q} = t_0_${q} + 0.5625 * t_2_${q};
    let odd_${q} = 0.75 * t_1_${q} + 0.421875 * t_3_${q};
    let far_even_${q} = t_0_${q} + 2.25 * t_2_${q};
    let far_odd_${q} = 1.5 * t_1_${q} + 3.375 * t_3_${q};
    let m_0_${q} = t_0_${q};
    let m_1_${q} = even_${q} + odd_${q};
    let m_2_${q} = even_${q} - odd_${q};
    let m_3_${q} = far_even_${q} + far_odd_${q};
    let m_4_${q} = far_even_${q} - far_odd_${q};
    let m_5_${q} = t_3_${q};
#endfor
    let matrix = params.tiles * params.quads;
#for r in 0..6
    {
        let even = m_${r}_0 + 0.5625 * m_${r}_2;
        let odd = 0.75 * m_${r}_1 + 0.421875 * m_${r}_3;
        let far_even = m_${r}_0 + 2.25 * m_${r}_2;
        let far_odd = 1.5 * m_${r}_1 + 3.375 * m_${r}_3;
        y[at + ${6 * r}u * matrix] = m_${r}_0;
        y[at + ${6 * r + 1}u * matrix] = even + odd;
        y[at + ${6 * r + 2}u * matrix] = even - odd;
        y[at + ${6 * r + 3}u * matrix] = far_even + far_odd;
        y[at + ${6 * r + 4}u * matrix] = far_even - far_odd;
        y[at + ${6 * r + 5}u * matrix] = m_${r}_3;
    }
#endfor
}
