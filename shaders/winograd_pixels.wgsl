// Winograd's F(4x4, 3x3), first step: what a tile of 4x4 outputs reads, transformed,
//
//   v[6 r + k, tile, i] = (Bᵀ d B)[r, k],   d[p, q] = X[n, 4 ty + p - pad, 4 tx + q - pad, i]
//
// with X as in shared/conv2d.wgsl, not doubled, or with zeros outside of x if `zeros`. Then there are 36 matrix
// products of v with the transformed weights (conv2d_fast_weight.wgsl), and winograd_outputs.wgsl makes pixels of
// them. Lavin and Gray 2016, section 4.3, with the polynomials met at 0, ±3/4, ±3/2 and infinity, which rounds a
// quarter as much as the usual ±1 and ±2 do.
//
//   x [N, H, W, I/4], v [36, tiles, I/4], tiles in the order n, ty, tx
//
// Launch: one invocation per tile and vec4 of channels, workgroups in x and y.
#import shared/reflect.wgsl
#import shared/spread.wgsl

struct Params {
    height: u32, // of x
    width: u32,
    quads: u32,
    pad: u32,
    across: u32, // tiles in a row
    down: u32,
    tiles: u32,
    total: u32,
    zeros: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read x 1
@group(0) @binding(2) var<storage, read_write> v: array<vec4f>;

// What sticks out beyond the padded picture is part of no output: any pixel will do.
fn inside(i: i32, extent: i32) -> u32 {
    if (params.zeros != 0u) {
        return u32(clamp(i, 0, extent - 1));
    }
    return u32(reflect_index(min(i, extent - 1 + i32(params.pad)), extent));
}

fn is_zero(i: i32, extent: i32) -> bool {
    return params.zeros != 0u && (i < 0 || i >= extent);
}

fn each(at: u32) {
    if (at >= params.total) {
        return;
    }
    let quad = at % params.quads;
    let tile = at / params.quads;
    let column = i32(4u * (tile % params.across)) - i32(params.pad);
    let row = i32(4u * (tile / params.across % params.down)) - i32(params.pad);
    let first = tile / (params.across * params.down) * params.height;
#for p in 0..6
    let line_${p} = (first + inside(row + ${p}, i32(params.height))) * params.width;
    let zero_${p} = is_zero(row + ${p}, i32(params.height));
#endfor
#for q in 0..6
    let column_${q} = inside(column + ${q}, i32(params.width));
    let zero_column_${q} = is_zero(column + ${q}, i32(params.width));
#for p in 0..6
    let d_${p}_${q} =
        select(load_x((line_${p} + column_${q}) * params.quads + quad), vec4f(0.0), zero_${p} || zero_column_${q});
#endfor
    let even_${q} = d_4_${q} - 2.25 * d_2_${q};
    let odd_${q} = 0.75 * (d_3_${q} - 2.25 * d_1_${q});
    let far_even_${q} = d_4_${q} - 0.5625 * d_2_${q};
    let far_odd_${q} = 1.5 * (d_3_${q} - 0.5625 * d_1_${q});
    let t_0_${q} = 1.265625 * d_0_${q} - 2.8125 * d_2_${q} + d_4_${q};
    let t_1_${q} = even_${q} + odd_${q};
    let t_2_${q} = even_${q} - odd_${q};
    let t_3_${q} = far_even_${q} + far_odd_${q};
    let t_4_${q} = far_even_${q} - far_odd_${q};
    let t_5_${q} = 1.265625 * d_1_${q} - 2.8125 * d_3_${q} + d_5_${q};
#endfor
    let to = tile * params.quads + quad;
    let matrix = params.tiles * params.quads;
#for r in 0..6
    let across_even_${r} = t_${r}_4 - 2.25 * t_${r}_2;
    let across_odd_${r} = 0.75 * (t_${r}_3 - 2.25 * t_${r}_1);
    let across_far_even_${r} = t_${r}_4 - 0.5625 * t_${r}_2;
    let across_far_odd_${r} = 1.5 * (t_${r}_3 - 0.5625 * t_${r}_1);
    v[to + ${6 * r}u * matrix] = 1.265625 * t_${r}_0 - 2.8125 * t_${r}_2 + t_${r}_4;
    v[to + ${6 * r + 1}u * matrix] = across_even_${r} + across_odd_${r};
    v[to + ${6 * r + 2}u * matrix] = across_even_${r} - across_odd_${r};
    v[to + ${6 * r + 3}u * matrix] = across_far_even_${r} + across_far_odd_${r};
    v[to + ${6 * r + 4}u * matrix] = across_far_even_${r} - across_far_odd_${r};
    v[to + ${6 * r + 5}u * matrix] = 1.265625 * t_${r}_1 - 2.8125 * t_${r}_3 + t_${r}_5;
#endfor
}
