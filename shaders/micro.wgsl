// The benchmark's two micro kernels.
//
//   COPY 1: to[i] = from[i]                         bandwidth
//   COPY 0: ROUNDS turns of 64 multiply-adds of vec4 on registers    arithmetic peak
//
//   from, to [total] vec4
//
// Launch: one invocation per vec4 of `to`, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    rounds: u32,
    reserved_0: u32,
    reserved_1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> destination: array<vec4f>;

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if COPY
    destination[i] = source[i];
#else
    let factor = source[i];
#for k in 0..8
    var v_${k} = factor + ${k}.0;
#endfor
    for (var round = 0u; round < params.rounds; round += 1u) {
#for turn in 0..8
#for k in 0..8
        v_${k} = fma(v_${k}, factor, factor);
#endfor
#endfor
    }
    destination[i] = v_0 + v_1 + v_2 + v_3 + v_4 + v_5 + v_6 + v_7;
#endif
}
