// The gradient at a padded picture lies in two places: what is within the picture where it belongs, what is around it in a ring:
// the rows above and below, then of each row between them what is left and right.

struct Place {
    index: u32, // of the pixel in the picture, or in the ring
    is_inside: bool,
}

// Where pixel `at` of padded sample n lies, the picture being of `extent`.
fn place_of(n: u32, at: vec2u, extent: vec2u, pad: u32) -> Place {
    let inside = at - pad; // Above and left of the picture that is a huge number.
    if (all(inside < extent)) {
        return Place((n * extent.x + inside.x) * extent.y + inside.y, true);
    }
    let width = extent.y + 2u * pad;
    var index = 2u * pad * (width + inside.x) + select(inside.y - extent.y + pad, at.y, at.y < pad);
    if (at.x < pad) {
        index = at.x * width + at.y;
    } else if (inside.x >= extent.x) {
        index = (at.x - extent.x) * width + at.y;
    }
    return Place(n * 2u * pad * (width + extent.x) + index, false);
}
