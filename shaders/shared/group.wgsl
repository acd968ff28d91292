// What group normalisation needs of all channels of a group. The file that imports this has `moments`, from
// norm_coefficients.wgsl (MOMENTS), and `params` with `pixels`, `channels`, `quads` and `group`, the channels of a group.
#import shared/channel_mask.wgsl
#import shared/moments.wgsl

// The first channel of the group of a channel; of what pads the tensor, that of the last channel's.
fn first_of_group(channel: u32) -> u32 {
    return min(channel, params.channels - 1u) / params.group * params.group;
}

// Whether all groups are whole vec4s.
fn whole_quads() -> bool {
    return params.group % 4u == 0u;
}

fn of_quad(n: u32, quad: u32) -> Moments {
    let at = 3u * (n * params.quads + quad);
    return Moments(moments[at], moments[at + 1u], moments[at + 2u], f32(params.pixels));
}

// One channel's, in every component.
fn component(m: Moments, c: u32) -> Moments {
    return Moments(vec4f(m.shift[c]), vec4f(m.offset[c]), vec4f(m.squares[c]), m.count);
}

// The moments of the group that begins with channel `first`, in every component.
fn of_group(n: u32, first: u32) -> Moments {
    var total = Moments(vec4f(0.0), vec4f(0.0), vec4f(0.0), 0.0);
    let end = first + params.group;
    if (whole_quads()) {
        for (var quad = first / 4u; quad < end / 4u; quad += 1u) {
            total = merge(total, of_quad(n, quad));
        }
        let halves = merge(component(total, 0u), component(total, 1u));
        return merge(halves, merge(component(total, 2u), component(total, 3u)));
    }
    for (var c = first; c < end; c += 1u) {
        total = merge(total, component(of_quad(n, c / 4u), c % 4u));
    }
    return total;
}

// Of each of the four channels of a vec4 the moments of its group.
fn groups_of_quad(n: u32, quad: u32) -> Moments {
    let first = of_group(n, first_of_group(4u * quad));
    if (whole_quads()) {
        return first;
    }
    var result = first;
    for (var c = 1u; c < 4u; c += 1u) {
        let other = of_group(n, first_of_group(4u * quad + c));
        result.shift[c] = other.shift.x;
        result.offset[c] = other.offset.x;
        result.squares[c] = other.squares.x;
    }
    return result;
}
