// The weights of the four 2x2 convolutions that together are a 3x3 one behind nearest doubling. Of two
// outputs side by side the first reads the pixel before its own with tap 0 and its own with taps 1 and
// 2, the second its own with 0 and 1 and the next with 2:
//
//   y[2 a + b, ky, kx, i, o] = sum over the taps (p, q) that meet the same pixel of w[p, q, i, o]
//
//   w [3, 3, I, O/4], y [4, 2, 2, I, O/4], I padded to a multiple of 4
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
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn each(i: u32) {
    if (i >= params.tap) {
        return;
    }
#for p in 0..3
#for q in 0..3
    let w_${p}_${q} = w[${3 * p + q}u * params.tap + i];
#endfor
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
}
