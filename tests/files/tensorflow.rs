//! A small writer of TensorFlow checkpoints: the index as a table in LevelDB's format, and the data.

/// An entry of a table.
pub(crate) type KeyValue = (Vec<u8>, Vec<u8>);

/// CRC-32C (Castagnoli), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}

/// A checksum as it is stored.
pub(crate) fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A number of seven bits a byte.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = vec![];
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Entries as a block, each key without what it shares with the one before.
pub(crate) fn block(entries: &[KeyValue]) -> Vec<u8> {
    let (mut bytes, mut last) = (vec![], &[][..]);
    for (key, value) in entries {
        let shared = key.iter().zip(last).take_while(|(a, b)| a == b).count();
        for number in [shared, key.len() - shared, value.len()] {
            bytes.extend(varint(number as u64));
        }
        bytes.extend_from_slice(&key[shared..]);
        bytes.extend_from_slice(value);
        last = key;
    }
    // The first entry is the only one with a whole key.
    bytes.extend([0, 0, 0, 0, 1, 0, 0, 0]);
    bytes
}

/// A table of blocks, whatever is in them, with the right checksums.
pub(crate) fn table_of(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![];
    let put = |file: &mut Vec<u8>, content: &[u8]| {
        let place = [varint(file.len() as u64), varint(content.len() as u64)].concat();
        let checked = [content, &[0]].concat();
        file.extend_from_slice(&checked);
        file.extend(masked(&checked).to_le_bytes());
        place
    };
    let places: Vec<Vec<u8>> = blocks.iter().map(|content| put(&mut file, content)).collect();
    let index: Vec<_> =
        places.into_iter().enumerate().map(|(i, place)| (vec![b'z', i as u8], place)).collect();
    let meta = put(&mut file, &block(&[]));
    let index = put(&mut file, &block(&index));
    let mut footer = [meta, index].concat();
    footer.resize(40, 0);
    footer.extend([0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]);
    file.extend(footer);
    file
}

/// A variable: what the index says of it, and its bytes.
#[derive(Clone)]
pub(crate) struct Variable {
    /// Such as `generator_B/conv/conv2d/kernel`.
    pub(crate) name: String,
    /// Its shape.
    pub(crate) dims: Vec<i64>,
    /// `DataType`; 1 is float.
    pub(crate) dtype: u64,
    /// Little-endian.
    pub(crate) bytes: Vec<u8>,
}

impl Variable {
    /// Of floats.
    pub(crate) fn float(name: impl Into<String>, dims: &[i64], values: &[f32]) -> Self {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Self { name: name.into(), dims: dims.to_vec(), dtype: 1, bytes }
    }
}

/// A field of a protobuf message: a number, or bytes with their length.
fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

fn message(field: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(bytes.len() as u64), bytes.to_vec()].concat()
}

/// The entries of the index, the header first, and the files of data, with the variables dealt out among them.
pub(crate) fn entries(variables: &[Variable], shards: usize) -> (Vec<KeyValue>, Vec<Vec<u8>>) {
    let mut sorted = variables.to_vec();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut data = vec![vec![]; shards];
    let mut entries = vec![(vec![], header(shards))];
    for (i, variable) in sorted.iter().enumerate() {
        let shard = i % shards;
        let place = [data[shard].len(), variable.bytes.len()].map(|n| n as u64);
        let entry = entry(variable.dtype, &variable.dims, shard as u64, place, masked(&variable.bytes));
        entries.push((variable.name.clone().into_bytes(), entry));
        data[shard].extend_from_slice(&variable.bytes);
    }
    (entries, data)
}

/// What the index says of all.
pub(crate) fn header(shards: usize) -> Vec<u8> {
    [number(1, shards as u64), message(3, &number(1, 1))].concat()
}

/// What it says of a variable; `place` is the first byte in the data and how many there are.
pub(crate) fn entry(dtype: u64, dims: &[i64], shard: u64, place: [u64; 2], checksum: u32) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| message(2, &number(1, dim as u64))).collect();
    let mut entry = [number(1, dtype), message(2, &dims)].concat();
    if shard > 0 {
        entry.extend(number(3, shard));
    }
    entry.extend(number(4, place[0]));
    entry.extend(number(5, place[1]));
    entry.push(6 << 3 | 5);
    entry.extend(checksum.to_le_bytes());
    entry
}

/// The index, in blocks of so many entries, and the files of data.
pub(crate) fn bundle(variables: &[Variable], shards: usize, per_block: usize) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (entries, data) = entries(variables, shards);
    let blocks: Vec<Vec<u8>> = entries.chunks(per_block).map(block).collect();
    (table_of(&blocks), data)
}

/// The variables of one generator of the authors' program, `ch` wide, with `blocks` blocks, for pictures of
/// `img_ch` channels; a full one has so many `pixels` of features, a light one 1.
pub(crate) fn shapes(scope: &str, [ch, blocks, img_ch, pixels]: [i64; 4]) -> Vec<(String, Vec<i64>)> {
    let mut all = vec![];
    let mut put = |name: String, dims: &[i64]| all.push((format!("{scope}/{name}"), dims.to_vec()));
    let features = 4 * ch;
    let affine = ["beta", "gamma"];
    let mut convs =
        vec![("conv".to_owned(), [7, img_ch, ch]), ("conv_1x1".into(), [1, 2 * features, features])];
    let mut vectors = vec![("ins_norm".to_owned(), &affine[..], ch)];
    for (i, width) in [ch, 2 * ch].into_iter().enumerate() {
        convs.push((format!("conv_{i}"), [3, width, 2 * width]));
        vectors.push((format!("ins_norm_{i}"), &affine, 2 * width));
    }
    for block in 0..blocks {
        for half in 1..=2 {
            let name = format!("resblock_{block}/res{half}");
            convs.push((format!("{name}/conv_0"), [3, features, features]));
            vectors.push((format!("{name}/instance_norm"), &affine, features));
            let name = format!("adaptive_resblock{block}/res{half}");
            convs.push((format!("{name}/conv_0"), [3, features, features]));
            vectors.push((format!("{name}/instance_layer_norm"), &["rho"], features));
        }
    }
    for (i, width) in [2 * ch, ch].into_iter().enumerate() {
        convs.push((format!("up_conv_{i}"), [3, 2 * width, width]));
        vectors.push((format!("layer_ins_norm_{i}"), &["beta", "gamma", "rho"], width));
    }
    convs.push(("G_logit".into(), [7, ch, img_ch]));
    for (name, [k, from, to]) in convs {
        put(format!("{name}/conv2d/kernel"), &[k, k, from, to]);
        put(format!("{name}/conv2d/bias"), &[to]);
    }
    for (name, leaves, c) in vectors {
        leaves.iter().for_each(|leaf| put(format!("{name}/{leaf}"), &[c]));
    }
    put("CAM_logit/kernel".into(), &[features, 1]);
    put("CAM_logit/bias".into(), &[1]);
    for (name, inputs) in
        [("linear_0", pixels * features), ("linear_1", features), ("gamma", features), ("beta", features)]
    {
        put(format!("MLP/{name}/dense/kernel"), &[inputs, features]);
        put(format!("MLP/{name}/dense/bias"), &[features]);
    }
    all
}

/// [`shapes`] with values.
pub(crate) fn generator(scope: &str, sizes: [i64; 4], mut value: impl FnMut() -> f32) -> Vec<Variable> {
    let each = |(name, dims): (String, Vec<i64>)| {
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| value()).collect();
        Variable::float(name, &dims, &values)
    };
    shapes(scope, sizes).into_iter().map(each).collect()
}
