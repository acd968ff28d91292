// The index that reflection padding reads for index `i` of an axis of `extent`:
// -1 -> 1, extent -> extent - 2 (nn.ReflectionPad2d). Valid for -extent < i < 2 extent - 1.
fn reflect_index(i: i32, extent: i32) -> i32 {
    return extent - 1 - abs(extent - 1 - abs(i));
}
