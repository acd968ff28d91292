//! Kinds of pictures that are not read, and what to do about each.

use std::path::Path;

/// A kind of picture that people have and that is not read.
struct Kind {
    name: &'static str,
    /// Endings of file names, in small letters.
    endings: &'static [&'static str],
    advice: &'static str,
}

const CONVERT: &str = "convert it to PNG or JPEG first";

const HEIC: Kind = Kind {
    name: "HEIC",
    endings: &["heic", "heif", "hif"],
    advice: "convert it to JPEG first; an iPhone takes JPEG with Settings > Camera > Formats > Most Compatible",
};
const AVIF: Kind = Kind { name: "AVIF", endings: &["avif"], advice: CONVERT };
const TIFF: Kind = Kind { name: "TIFF", endings: &["tif", "tiff"], advice: "convert it to PNG first" };
const JPEG_XL: Kind = Kind { name: "JPEG XL", endings: &["jxl"], advice: CONVERT };
const JPEG_2000: Kind = Kind { name: "JPEG 2000", endings: &["jp2", "j2k", "jpf"], advice: CONVERT };
const PHOTOSHOP: Kind = Kind { name: "Photoshop", endings: &["psd"], advice: "export it as PNG first" };
const PORTABLE: Kind =
    Kind { name: "PPM", endings: &["ppm", "pgm", "pbm", "pnm"], advice: "convert it to PNG first" };
const SVG: Kind =
    Kind { name: "SVG", endings: &["svg"], advice: "draw it as PNG first, at the size that you want" };
const RAW: Kind = Kind {
    name: "camera raw",
    endings: &["dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"],
    advice: "develop it to JPEG or PNG first",
};
const ICON: Kind = Kind { name: "icon", endings: &["ico"], advice: CONVERT };
const TARGA: Kind = Kind { name: "TGA", endings: &["tga"], advice: CONVERT };

const KINDS: [&Kind; 11] =
    [&HEIC, &AVIF, &TIFF, &JPEG_XL, &JPEG_2000, &PHOTOSHOP, &PORTABLE, &SVG, &RAW, &ICON, &TARGA];

impl Kind {
    fn sentence(&self) -> String {
        format!("it is a picture of the kind {}, which is not read; {}", self.name, self.advice)
    }
}

/// What a file of another kind of picture is, by the ending of its name, and what to do about it. `None` where
/// the name is not that of a picture, or that of one that is read.
pub fn unread_picture(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    KINDS.iter().find(|kind| kind.endings.contains(&ending.as_str())).map(|kind| kind.sentence())
}

/// The same, by the file's content, which knows better; the name tells where the content does not.
pub(super) fn unread(path: &Path, bytes: &[u8]) -> Option<String> {
    by_content(bytes).map(Kind::sentence).or_else(|| unread_picture(path))
}

fn by_content(bytes: &[u8]) -> Option<&'static Kind> {
    // The box that MP4's relatives begin with names what they are, and what else they can be read as.
    if bytes.get(4..8) == Some(b"ftyp") {
        let brands = bytes.get(8..bytes.len().min(64)).unwrap_or_default();
        let is = |names: &[&[u8; 4]]| brands.as_chunks::<4>().0.iter().any(|brand| names.contains(&brand));
        if is(&[b"avif", b"avis"]) {
            return Some(&AVIF);
        }
        return is(&[b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"])
            .then_some(&HEIC);
    }
    let starts: [(&[u8], &Kind); 9] = [
        (b"II*\0", &TIFF),
        (b"MM\0*", &TIFF),
        (b"\xff\x0a", &JPEG_XL),
        (b"\0\0\0\x0cJXL ", &JPEG_XL),
        (b"\0\0\0\x0cjP  ", &JPEG_2000),
        (b"\xff\x4f\xff\x51", &JPEG_2000),
        (b"8BPS", &PHOTOSHOP),
        (b"\0\0\x01\0", &ICON),
        (b"<svg", &SVG),
    ];
    if let Some((_, kind)) = starts.into_iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(kind);
    }
    matches!(bytes, [b'P', b'1'..=b'7', space, ..] if space.is_ascii_whitespace()).then_some(&PORTABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_other_kinds_are_named_with_what_to_do() {
        let phone = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
        assert!(
            unread(Path::new("IMG_0002.jpg"), phone).unwrap().contains("HEIC, which is not read; convert")
        );
        let avif = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
        assert!(unread(Path::new("a.heic"), avif).unwrap().contains("AVIF"));
        assert!(unread(Path::new("a"), b"P5 3 4").unwrap().contains("PPM"));
        assert!(unread(Path::new("a.TIF"), b"broken").unwrap().contains("TIFF"));
        assert_eq!(unread(Path::new("a.mp4"), b"\0\0\0\x18ftypisom\0\0\0\0isom"), None);
        assert_eq!(unread_picture(Path::new("a.jpg")), None);
        assert_eq!(unread_picture(Path::new("notes.txt")), None);
    }
}
