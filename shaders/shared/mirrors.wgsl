// What padding copies where. On an axis of `extent` element i is copied to i + pad. If it is among the `pad` elements
// at an end, from the element number `skip` on (reflection: 1, repetition of the border: 0), it is also copied to its
// mirror image beyond that end.

// The three places of element i in the padded axis: itself, its mirror image at the beginning, at the end; -1
// where there is none.
fn places(i: i32, extent: i32, pad: i32, skip: i32) -> array<i32, 3> {
    let last = extent - 1 - skip;
    return array<i32, 3>(
        i + pad,
        select(-1, pad - 1 + skip - i, i >= skip && i < skip + pad),
        select(-1, pad + extent + last - i, i > last - pad && i <= last),
    );
}
