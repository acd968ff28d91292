// The gradient of Winograd's F(4x4, 3x3) at the weights, last step (see winograd_gradients.wgsl): the adjoint of the weights'
// transform (conv2d_fast_weight.wgsl), of sums that were made in parts,
//
//   y[3 p + q, i, o] = (Gᵀ m G)[p, q],   m[r, k] = sum over s of partials[s, 6 r + k, i, o]
//
// added to what y holds if `accumulate` is 1.
//
//   partials [splits, 36, I, O/4], y [9, I, O/4], I padded to a multiple of 4
//
// Launch: one invocation per vec4 of a tap, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    tap: u32, // vec4s of one tap
    splits: u32,
    accumulate: u32,
    reserved_0: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

fn summed(product: u32, at: u32) -> vec4f {
    var sum = partials[product * params.tap + at];
    for (var s = 1u; s < params.splits; s += 1u) {
        sum += partials[(36u * s + product) * params.tap + at];
    }
    return sum;
}

fn keep(to: u32, sum: vec4f) {
    if (params.accumulate != 0u) {
        y[to] += sum;
    } else {
        y[to] = sum;
    }
}

fn each(at: u32) {
    if (at >= params.tap) {
        return;
    }
#for k in 0..6
#for r in 0..6
    let m_${r}_${k} = summed(${6 * r + k}u, at);
#endfor
    let sum_${k} = (m_1_${k} + m_2_${k}) / -1.8984375;
    let difference_${k} = (m_1_${k} - m_2_${k}) / -1.8984375;
    let far_sum_${k} = (m_3_${k} + m_4_${k}) / 7.59375;
    let far_difference_${k} = (m_3_${k} - m_4_${k}) / 7.59375;
    let t_0_${k} = m_0_${k} / 1.265625 + sum_${k} + far_sum_${k};
    let t_1_${k} = 0.75 * difference_${k} + 1.5 * far_difference_${k};
    let t_2_${k} = 0.5625 * sum_${k} + 2.25 * far_sum_${k} + m_5_${k};
#endfor
#for p in 0..3
    {
        let sum = (t_${p}_1 + t_${p}_2) / -1.8984375;
        let difference = (t_${p}_1 - t_${p}_2) / -1.8984375;
        let far_sum = (t_${p}_3 + t_${p}_4) / 7.59375;
        let far_difference = (t_${p}_3 - t_${p}_4) / 7.59375;
        keep(${3 * p}u * params.tap + at, t_${p}_0 / 1.265625 + sum + far_sum);
        keep(${3 * p + 1}u * params.tap + at, 0.75 * difference + 1.5 * far_difference);
        keep(${3 * p + 2}u * params.tap + at, 0.5625 * sum + 2.25 * far_sum + t_${p}_5);
    }
#endfor
}
