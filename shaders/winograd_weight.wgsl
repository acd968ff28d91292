// Winograd's F(4x4, 3x3), the weights (see winograd_pixels.wgsl):
//
//   u[6 r + k, i, o] = (G w Gᵀ)[r, k],   w[p, q] = w[p, q, i, o]
//
//   w [3, 3, I, O/4], u [36, I, O/4], I padded to a multiple of 4
//
// Launch: one invocation per vec4 of a tap, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    tap: u32, // vec4s of one tap
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> u: array<vec4f>;

fn each(i: u32) {
    if (i >= params.tap) {
        return;
    }
#for q in 0..3
#for p in 0..3
    let w_${p}_${q} = w[${3 * p + q}u * params.tap + i];
#endfor
    let near_${q} = (w_0_${q} + w_2_${q}) / -6.0;
    let middle_${q} = w_1_${q} / 6.0;
    let far_${q} = w_0_${q} / 24.0 + w_2_${q} / 6.0;
    let far_middle_${q} = w_1_${q} / 12.0;
    let t_0_${q} = 0.25 * w_0_${q};
    let t_1_${q} = near_${q} - middle_${q};
    let t_2_${q} = near_${q} + middle_${q};
    let t_3_${q} = far_${q} + far_middle_${q};
    let t_4_${q} = far_${q} - far_middle_${q};
    let t_5_${q} = w_2_${q};
#endfor
#for r in 0..6
    let across_near_${r} = (t_${r}_0 + t_${r}_2) / -6.0;
    let across_middle_${r} = t_${r}_1 / 6.0;
    let across_far_${r} = t_${r}_0 / 24.0 + t_${r}_2 / 6.0;
    let across_far_middle_${r} = t_${r}_1 / 12.0;
    u[${6 * r}u * params.tap + i] = 0.25 * t_${r}_0;
    u[${6 * r + 1}u * params.tap + i] = across_near_${r} - across_middle_${r};
    u[${6 * r + 2}u * params.tap + i] = across_near_${r} + across_middle_${r};
    u[${6 * r + 3}u * params.tap + i] = across_far_${r} + across_far_middle_${r};
    u[${6 * r + 4}u * params.tap + i] = across_far_${r} - across_far_middle_${r};
    u[${6 * r + 5}u * params.tap + i] = t_${r}_2;
#endfor
}
