//! Writes checkpoints as `torch.save` does: the zip container and the legacy stream, with
//! any location tag and element type; and pickles that call something.

use ugatit::Tensor;

/// One network: its name in the checkpoint and its `state_dict`.
pub(crate) type Network<'a> = (&'a str, Vec<(String, Tensor)>);

/// How elements are stored.
#[derive(Clone, Copy)]
pub(crate) enum Storage {
    Float,
    Half,
    BFloat16,
    Double,
}

impl Storage {
    fn class(self) -> &'static str {
        match self {
            Self::Float => "FloatStorage",
            Self::Half => "HalfStorage",
            Self::BFloat16 => "BFloat16Storage",
            Self::Double => "DoubleStorage",
        }
    }

    fn bytes(self, values: &[f32]) -> Vec<u8> {
        let each = values.iter();
        match self {
            Self::Float => each.flat_map(|v| v.to_le_bytes()).collect(),
            Self::Half => each.flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect(),
            Self::BFloat16 => each.flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect(),
            Self::Double => each.flat_map(|&v| f64::from(v).to_le_bytes()).collect(),
        }
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

fn global(out: &mut Vec<u8>, module: &str, name: &str) {
    out.extend(format!("c{module}\n{name}\n").as_bytes());
}

fn int(out: &mut Vec<u8>, value: usize) {
    out.push(b'J');
    out.extend((value as i32).to_le_bytes());
}

fn tuple(out: &mut Vec<u8>, values: &[usize]) {
    out.push(b'(');
    values.iter().for_each(|&v| int(out, v));
    out.push(b't');
}

fn ordered_dict(out: &mut Vec<u8>) {
    global(out, "collections", "OrderedDict");
    out.extend(b")R");
}

/// The pickle of `networks`, or of the first one alone where its name is empty. `before_end`
/// is put in as one more value of the outer dictionary.
fn pickle(networks: &[Network<'_>], location: &str, storage: Storage, legacy: bool, extra: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    let bare = networks.first().is_some_and(|(name, _)| name.is_empty());
    if !bare {
        out.extend(b"}(");
    }
    let mut key = 0;
    for (name, tensors) in networks {
        if !bare {
            text(&mut out, name);
        }
        ordered_dict(&mut out);
        out.push(b'(');
        for (name, tensor) in tensors {
            text(&mut out, name);
            global(&mut out, "torch._utils", "_rebuild_tensor_v2");
            out.extend(b"((");
            text(&mut out, "storage");
            global(&mut out, "torch", storage.class());
            text(&mut out, &key.to_string());
            text(&mut out, location);
            int(&mut out, tensor.data().len());
            if legacy {
                out.push(b'N');
            }
            out.extend(b"tQK\0");
            let dims = tensor.shape().dims();
            tuple(&mut out, dims);
            let strides: Vec<usize> = (0..dims.len()).map(|i| dims[i + 1..].iter().product()).collect();
            tuple(&mut out, &strides);
            out.push(0x89);
            ordered_dict(&mut out);
            out.extend(b"tR");
            key += 1;
        }
        out.push(b'u');
    }
    if !bare {
        out.extend(extra);
        out.push(b'u');
    }
    out.push(b'.');
    out
}

fn storages<'a>(
    networks: &'a [Network<'_>],
    storage: Storage,
) -> impl Iterator<Item = (usize, Vec<u8>)> + 'a {
    let tensors = networks.iter().flat_map(|(_, tensors)| tensors);
    tensors.map(move |(_, tensor)| (tensor.data().len(), storage.bytes(tensor.data())))
}

/// A checkpoint of PyTorch 1.6 and later.
pub(crate) fn zip_checkpoint(networks: &[Network<'_>], location: &str, storage: Storage) -> Vec<u8> {
    let mut entries = vec![("a/data.pkl".to_owned(), pickle(networks, location, storage, false, &[]))];
    let data = storages(networks, storage).enumerate();
    entries.extend(data.map(|(i, (_, bytes))| (format!("a/data/{i}"), bytes)));
    entries.push(("a/version".into(), b"3\n".to_vec()));
    zip(&entries)
}

/// A checkpoint of PyTorch 0.1.10 to 1.5.
pub(crate) fn legacy_checkpoint(networks: &[Network<'_>], location: &str, storage: Storage) -> Vec<u8> {
    legacy(pickle(networks, location, storage, true, &[]), storages(networks, storage))
}

/// A pickle that runs `command` through `os.system` when Python unpickles it, as the value
/// of one key beside `networks`.
pub(crate) fn hostile(networks: &[Network<'_>], command: &str, zipped: bool) -> Vec<u8> {
    let program = hostile_pickle(networks, command, !zipped);
    if zipped { in_zip(program, networks) } else { legacy(program, storages(networks, Storage::Float)) }
}

/// The pickle alone of [`hostile`].
pub(crate) fn hostile_pickle(networks: &[Network<'_>], command: &str, legacy: bool) -> Vec<u8> {
    let mut call = vec![];
    text(&mut call, "note");
    global(&mut call, "posix", "system");
    call.push(b'(');
    text(&mut call, command);
    call.extend(b"tR");
    pickle(networks, "cpu", Storage::Float, legacy, &call)
}

/// A checkpoint with `argparse.Namespace(ch=16)` and a NumPy type beside `networks`, as training programs
/// save their options.
pub(crate) fn with_options(networks: &[Network<'_>]) -> Vec<u8> {
    let mut extra = vec![];
    text(&mut extra, "args");
    global(&mut extra, "argparse", "Namespace");
    extra.extend(b")\x81}(");
    text(&mut extra, "ch");
    int(&mut extra, 16);
    extra.extend(b"ub");
    text(&mut extra, "dtype");
    global(&mut extra, "numpy", "dtype");
    extra.push(b'(');
    text(&mut extra, "f4");
    extra.extend(b"tR");
    text(&mut extra, "iteration");
    int(&mut extra, 100_000);
    in_zip(pickle(networks, "cuda:0", Storage::Float, false, &extra), networks)
}

/// A zip container of a pickle and the storages of `networks`.
fn in_zip(program: Vec<u8>, networks: &[Network<'_>]) -> Vec<u8> {
    let mut entries = vec![("a/data.pkl".to_owned(), program)];
    let data = storages(networks, Storage::Float).enumerate();
    entries.extend(data.map(|(i, (_, bytes))| (format!("a/data/{i}"), bytes)));
    zip(&entries)
}

fn legacy(object: Vec<u8>, storages: impl Iterator<Item = (usize, Vec<u8>)>) -> Vec<u8> {
    let mut out = vec![0x80, 2, 0x8a, 10];
    out.extend([0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.']);
    out.extend([0x80, 2, b'M', 0xe9, 0x03, b'.']);
    out.extend([0x80, 2, b'}', b'(']);
    text(&mut out, "protocol_version");
    out.extend([b'M', 0xe9, 0x03]);
    text(&mut out, "little_endian");
    out.push(0x88);
    out.extend(b"u.");
    out.extend(object);
    let storages: Vec<_> = storages.collect();
    out.extend([0x80, 2, b']', b'(']);
    (0..storages.len()).for_each(|i| text(&mut out, &i.to_string()));
    out.extend(b"e.");
    for (elements, bytes) in storages {
        out.extend((elements as i64).to_le_bytes());
        out.extend(bytes);
    }
    out
}

/// A zip archive of stored entries. Checksums are 0, which `torch.save` may write and
/// readers take as none.
pub(crate) fn zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (vec![], vec![]);
    for (name, bytes) in entries {
        let offset = out.len() as u32;
        let mut common = vec![];
        common.extend([20, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        common.extend(0_u32.to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((bytes.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(bytes);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}
