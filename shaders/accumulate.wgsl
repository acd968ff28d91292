// MODE 0: y = x    MODE 1: y += x    MODE 2: y = x, but not where the report says that the run
// has halted (see step_report.wgsl; the other modes do not read it)
//
//   x, y [total] vec4
//
// Launch: one invocation per vec4, workgroups in x and y.
#import shared/spread.wgsl

struct Params {
    total: u32,
    reserved_0: u32,
    reserved_1: u32,
    reserved_2: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
#if MODE == 2
@group(0) @binding(2) var<storage, read> report: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
#else
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
#endif

fn each(i: u32) {
    if (i >= params.total) {
        return;
    }
#if MODE == 0
    y[i] = x[i];
#endif
#if MODE == 1
    y[i] += x[i];
#endif
#if MODE == 2
    if (report[0].x == 0.0) {
        y[i] = x[i];
    }
#endif
}
