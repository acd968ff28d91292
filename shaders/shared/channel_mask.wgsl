// Which channels of a vec4 there are. The file that imports this has `params` with `channels`.
//
// 1 for channels, 0 for what pads the tensor.
fn channel_mask(quad: u32) -> vec4f {
    let c = vec4u(4u * quad) + vec4u(0u, 1u, 2u, 3u);
    return select(vec4f(0.0), vec4f(1.0), c < vec4u(params.channels));
}
