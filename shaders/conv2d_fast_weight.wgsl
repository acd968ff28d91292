// The weights of a 3x3 convolution, transformed for fewer multiplications:
//
//   w [3, 3, I, O/4], y [16 or 36, I, O/4], I padded to a multiple of 4
//
// SUBPIXEL = 1: those of the four 2x2 convolutions that together are one of 3x3 behind nearest doubling.
// Of two outputs side by side the first reads the pixel before its own with tap 0 and its own with taps 1
// and 2, the second its own with 0 and 1 and the next with 2:
//
//   y[4 (2 a + b) + 2 ky + kx, i, o] = sum over the taps (p, q) that meet the same pixel of w[p, q, i, o]
//
// SUBPIXEL = 0: those of Winograd's F(4x4, 3x3) (winograd_pixels.wgsl):
//
//   y[6 r + k, i, o] = (G w Gᵀ)[r, k],   w[p, q] = w[p, q, i, o]
//
// EXCHANGED = 1: those of the adjoint, a convolution of the gradient with what is exchanged and turned round:
//
//   y [36, O, I/4], O padded to a multiple of 4:  y[6 r + k, o, i] likewise,   w[p, q] = w[2 - p, 2 - q, i, o]
//
// Launch: one invocation per vec4 of a tap, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    tap: u32, // vec4s of one tap
    in_quads: u32, // I/4, read only if EXCHANGED
    out_quads: u32, // O/4, likewise
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#tensor read w 1
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.tap) {
        return;
    }
#if EXCHANGED
    let o = i / params.in_quads;
    let first = 4u * (i % params.in_quads) * params.out_quads + o / 4u;
    let component = o % 4u;
#for p in 0..3
#for q in 0..3
    let w_${p}_${q} = vec4f(
#for k in 0..4
        load_w(${8 - 3 * p - q}u * params.tap + first + ${k}u * params.out_quads)[component],
#endfor
    );
#endfor
#endfor
#else
#for p in 0..3
#for q in 0..3
    let w_${p}_${q} = load_w(${3 * p + q}u * params.tap + i);
#endfor
#endfor
#endif
#if SUBPIXEL
#for p in 0..3
    // Columns, for the left and the right output.
    let left_${p}_0 = w_${p}_0;
    let left_${p}_1 = w_${p}_1 + w_${p}_2;
    let right_${p}_0 = w_${p}_0 + w_${p}_1;
    let right_${p}_1 = w_${p}_2;
#endfor
#for k in 0..2
    y[${k}u * params.tap + i] = left_0_${k};
    y[${2 + k}u * params.tap + i] = left_1_${k} + left_2_${k};
    y[${4 + k}u * params.tap + i] = right_0_${k};
    y[${6 + k}u * params.tap + i] = right_1_${k} + right_2_${k};
    y[${8 + k}u * params.tap + i] = left_0_${k} + left_1_${k};
    y[${10 + k}u * params.tap + i] = left_2_${k};
    y[${12 + k}u * params.tap + i] = right_0_${k} + right_1_${k};
    y[${14 + k}u * params.tap + i] = right_2_${k};
#endfor
#else
    // 1.8984375 = -2 a² (a² - b²) and 7.59375 = 2 b² (b² - a²), a = 3/4, b = 3/2.
#for q in 0..3
    let near_${q} = (w_0_${q} + 0.5625 * w_2_${q}) / -1.8984375;
    let middle_${q} = 0.75 * w_1_${q} / -1.8984375;
    let far_${q} = (w_0_${q} + 2.25 * w_2_${q}) / 7.59375;
    let far_middle_${q} = 1.5 * w_1_${q} / 7.59375;
    let t_0_${q} = w_0_${q} / 1.265625;
    let t_1_${q} = near_${q} + middle_${q};
    let t_2_${q} = near_${q} - middle_${q};
    let t_3_${q} = far_${q} + far_middle_${q};
    let t_4_${q} = far_${q} - far_middle_${q};
    let t_5_${q} = w_2_${q};
#endfor
#for r in 0..6
    let across_near_${r} = (t_${r}_0 + 0.5625 * t_${r}_2) / -1.8984375;
    let across_middle_${r} = 0.75 * t_${r}_1 / -1.8984375;
    let across_far_${r} = (t_${r}_0 + 2.25 * t_${r}_2) / 7.59375;
    let across_far_middle_${r} = 1.5 * t_${r}_1 / 7.59375;
    y[${6 * r}u * params.tap + i] = t_${r}_0 / 1.265625;
    y[${6 * r + 1}u * params.tap + i] = across_near_${r} + across_middle_${r};
    y[${6 * r + 2}u * params.tap + i] = across_near_${r} - across_middle_${r};
    y[${6 * r + 3}u * params.tap + i] = across_far_${r} + across_far_middle_${r};
    y[${6 * r + 4}u * params.tap + i] = across_far_${r} - across_far_middle_${r};
    y[${6 * r + 5}u * params.tap + i] = t_${r}_2;
#endfor
#endif
}
