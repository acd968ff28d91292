//! `index.html`: the numbers and the pictures on one page that asks the network for nothing.

use std::fmt::{self, Display, Write};

use ugatit::eval::Summary;
use ugatit::text::escape;

use super::histogram;
use super::results::{Measures, Pair, Results, Side};

/// How many pictures are marked as the best, and as the worst.
const MARKED: usize = 3;
/// Pictures of fewer pixels a side are shown with hard edges.
const SMALL: usize = 128;

/// The page as text.
pub(super) fn render(results: &Results) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, results);
    page
}

fn write_page(out: &mut String, results: &Results) -> fmt::Result {
    let model = results.model.as_ref().map_or_else(String::new, |path| path.display().to_string());
    let title = if model.is_empty() { "Evaluation".into() } else { format!("Evaluation of {model}") };
    let title = escape(&title);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n{}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n",
        include_str!("page.css")
    )?;
    if let (Some(data), Some(size), Some(device)) = (&results.data, results.size, &results.device) {
        let data = data.display().to_string();
        writeln!(
            out,
            "<p class=\"faint\">Pictures of {}, {size}×{size} · {} · {} · {:.1} s</p>",
            escape(&data),
            escape(&results.program),
            escape(device),
            results.seconds
        )?;
    }
    for text in &results.left_out {
        writeln!(out, "<p class=\"note\">{}</p>", escape(text))?;
    }
    if !results.failures.is_empty() {
        writeln!(out, "<div class=\"note\">Not measured:<ul>")?;
        for failure in &results.failures {
            let input = failure.input.display().to_string();
            writeln!(out, "<li>{}: {}</li>", escape(&input), escape(&failure.error))?;
        }
        writeln!(out, "</ul></div>")?;
    }
    if !results.directions.is_empty() {
        write_table(out, &results.directions)?;
    }
    write_distances(out, results)?;
    if !results.directions.is_empty() {
        write_plots(out, &results.directions)?;
    }
    out.push_str(EXPLANATION);
    for side in &results.directions {
        write_pictures(out, side, results.size.is_some_and(|size| size < SMALL))?;
    }
    out.push_str("</body>\n</html>\n");
    Ok(())
}

const EXPLANATION: &str = "<details><summary>What the numbers mean</summary><dl>\
<dt>Cycle L1</dt><dd>A picture translated there and back against itself: the mean absolute difference, as it is trained, in −1..1 and in levels of 0..255. Smaller is better.</dd>\
<dt>Identity L1</dt><dd>A picture translated to the domain that it is of already against itself. Smaller is better.</dd>\
<dt>PSNR, SSIM</dt><dd>A translation against the partner of its source, 8 bits, RGB; larger is better. “Untouched” is the source itself against the partner, “gained” the mean difference of the two. PSNR in decibel; equal pictures, whose PSNR is infinite, are left out of it. SSIM of Wang et al. 2004, a Gaussian window of σ 1.5.</dd>\
<dt>KID</dt><dd>The kernel inception distance of Bińkowski et al. 2018, unbiased, of features that another program has computed. Smaller is better. It is shown times 100, as in the paper of U-GAT-IT.</dd>\
<dt>±</dt><dd>The standard deviation over the pictures, for KID over the subsets.</dd>\
</dl></details>\n";

fn write_table(out: &mut String, sides: &[Side]) -> fmt::Result {
    writeln!(out, "<h2>Results</h2>\n<div class=\"scroll\"><table><thead><tr><th></th>")?;
    for side in sides {
        let (from, _) = side.domains();
        writeln!(out, "<th>{}<br>{} of test{from}</th>", side.direction, side.pictures.len())?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    let mut row = |class: &str, name: &str, cell: &dyn Fn(&Side) -> Option<String>| {
        let cells: Vec<_> = sides.iter().map(cell).collect();
        if cells.iter().all(Option::is_none) {
            return Ok(());
        }
        write!(out, "<tr class=\"{class}\"><th scope=\"row\">{name}</th>")?;
        for cell in cells {
            write!(out, "<td>{}</td>", cell.unwrap_or_else(|| "–".into()))?;
        }
        writeln!(out, "</tr>")
    };
    row("", "Cycle L1", &|s| s.cycle_l1.map(|v| spread(&v, 4)))?;
    row("part", "in levels of 255", &|s| s.cycle_l1_255.map(|v| spread(&v, 2)))?;
    row("", "Identity L1", &|s| s.identity_l1.map(|v| spread(&v, 4)))?;
    row("part", "in levels of 255", &|s| s.identity_l1_255.map(|v| spread(&v, 2)))?;
    row("", "PSNR to the partner, dB", &|s| s.pairs.as_ref().map(|p| spread(&p.psnr, 2)))?;
    row("part", "untouched", &|s| s.pairs.as_ref().map(|p| spread(&p.psnr_untouched, 2)))?;
    row("part gain", "gained", &|s| s.pairs.as_ref().map(|p| gain(p.psnr_gain, 2)))?;
    row("", "SSIM to the partner", &|s| s.pairs.as_ref().map(|p| spread(&p.ssim, 4)))?;
    row("part", "untouched", &|s| s.pairs.as_ref().map(|p| spread(&p.ssim_untouched, 4)))?;
    row("part gain", "gained", &|s| s.pairs.as_ref().map(|p| gain(p.ssim_gain, 4)))?;
    writeln!(out, "</tbody></table></div>")
}

fn spread(summary: &Summary, digits: usize) -> String {
    if summary.count == 0 {
        return format!("{} equal", summary.infinite);
    }
    let equal = if summary.infinite > 0 { format!(", {} equal", summary.infinite) } else { String::new() };
    format!("{:.digits$} <small>± {:.digits$}{equal}</small>", summary.mean, summary.std)
}

fn gain(value: f64, digits: usize) -> String {
    let class = if value < 0.0 { "down" } else { "up" };
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("<span class=\"{class}\">{sign}{:.digits$}</span>", value.abs())
}

fn write_distances(out: &mut String, results: &Results) -> fmt::Result {
    if results.kid.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Kernel inception distance</h2>\n<div class=\"scroll\"><table><thead><tr><th>Features</th>\
         <th>KID × 100</th><th>subsets</th></tr></thead><tbody>"
    )?;
    for kid in &results.kid {
        let names = [&kid.fake, &kid.real].map(|path| path.display().to_string());
        writeln!(
            out,
            "<tr><th scope=\"row\">{} <span class=\"faint\">against {}</span></th>\
             <td>{:.4} <small>± {:.4}</small></td><td>{} of {}</td></tr>",
            escape(&names[0]),
            escape(&names[1]),
            kid.mean * 100.0,
            kid.std * 100.0,
            kid.subsets,
            kid.subset_size
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

/// One kind of measurement: its name, digits, value, and what it is compared with.
type Kind = (&'static str, usize, fn(&Measures) -> Option<f64>, Option<fn(&Pair) -> f64>);

const KINDS: [Kind; 4] = [
    ("cycle L1", 3, |m| m.cycle_l1, None),
    ("identity L1", 3, |m| m.identity_l1, None),
    ("PSNR, dB", 1, |m| m.pair.map(|p| p.psnr), Some(|p| p.psnr_untouched)),
    ("SSIM", 2, |m| m.pair.map(|p| p.ssim), Some(|p| p.ssim_untouched)),
];

fn write_plots(out: &mut String, sides: &[Side]) -> fmt::Result {
    writeln!(out, "<h2>Distribution</h2>")?;
    if sides.iter().any(|side| side.pairs.is_some()) {
        writeln!(
            out,
            "<p class=\"faint\"><span class=\"key\"></span>translations &nbsp; \
             <span class=\"key line\"></span>untouched pictures, where there are partners</p>"
        )?;
    }
    writeln!(out, "<div class=\"plots\">")?;
    for (name, digits, value, other) in KINDS {
        let values = |side: &Side| side.pictures.iter().filter_map(value).collect::<Vec<_>>();
        let others = |side: &Side| {
            let pairs = side.pictures.iter().filter_map(|m| m.pair);
            other.map(|other| pairs.map(|p| other(&p)).collect::<Vec<_>>()).unwrap_or_default()
        };
        // One scale for both directions, so that they can be compared.
        let range = histogram::range(sides.iter().flat_map(|s| values(s).into_iter().chain(others(s))));
        for side in sides {
            let values = values(side);
            if !values.is_empty() {
                let drawing = histogram::draw(&values, &others(side), range, digits);
                writeln!(
                    out,
                    "<figure><figcaption>{} · {name}</figcaption>{drawing}</figure>",
                    side.direction
                )?;
            }
        }
    }
    writeln!(out, "</div>")
}

fn write_pictures(out: &mut String, side: &Side, small: bool) -> fmt::Result {
    if side.pictures.iter().all(|picture| picture.files.is_empty()) {
        return Ok(());
    }
    let (from, _) = side.domains();
    writeln!(out, "<h2>{}: pictures of test{from}</h2>", side.direction)?;
    let marks = marks(&side.pictures);
    for mark in [Mark::Best, Mark::Worst] {
        let of_mark = marks.iter().filter(|(m, _)| *m == mark).map(|&(_, i)| i);
        let links: Vec<String> = of_mark
            .map(|i| {
                format!("<a href=\"#{}-{}\">{}</a>", side.direction, i + 1, escape(&side.pictures[i].name))
            })
            .collect();
        if !links.is_empty() {
            writeln!(out, "<p class=\"faint\">{mark} by PSNR: {}</p>", links.join(", "))?;
        }
    }
    writeln!(out, "<div class=\"grid{}\">", if small { " small" } else { "" })?;
    for (i, picture) in side.pictures.iter().enumerate() {
        let mark = marks.iter().find(|(_, marked)| *marked == i).map(|(mark, _)| mark);
        write_picture(out, side, i, picture, mark)?;
    }
    writeln!(out, "</div>")
}

fn write_picture(
    out: &mut String,
    side: &Side,
    index: usize,
    picture: &Measures,
    mark: Option<&Mark>,
) -> fmt::Result {
    write!(
        out,
        "<section class=\"picture\" id=\"{}-{}\"><h3>{}",
        side.direction,
        index + 1,
        escape(&picture.name)
    )?;
    if let Some(mark) = mark {
        write!(out, "<span class=\"badge {}\">{mark}</span>", mark.class())?;
    }
    write!(out, "</h3><div class=\"strip\">")?;
    for shown in &picture.files {
        write!(
            out,
            "<figure><a href=\"{0}\"><img src=\"{0}\" alt=\"{1} of {2}\" loading=\"lazy\"></a>\
             <figcaption>{1}</figcaption></figure>",
            shown.file,
            shown.what,
            escape(&picture.name)
        )?;
    }
    write!(out, "</div><div class=\"figures\">")?;
    if let Some(Pair { psnr, psnr_untouched, ssim, ssim_untouched }) = picture.pair {
        write!(
            out,
            "<span>PSNR {} <span class=\"faint\">untouched {}</span></span>\
             <span>SSIM {ssim:.3} <span class=\"faint\">untouched {ssim_untouched:.3}</span></span>",
            decibel(psnr),
            decibel(psnr_untouched)
        )?;
    }
    for (name, value) in [("cycle", picture.cycle_l1), ("identity", picture.identity_l1)] {
        if let Some(value) = value {
            write!(out, "<span>{name} {value:.4}</span>")?;
        }
    }
    writeln!(out, "</div></section>")
}

/// Equal pictures have no noise at all.
fn decibel(psnr: f64) -> String {
    if psnr.is_finite() { format!("{psnr:.2}") } else { "∞".into() }
}

/// A picture that stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Best,
    Worst,
}

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Self::Best => "up",
            Self::Worst => "down",
        }
    }
}

impl Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Best => "Best",
            Self::Worst => "Worst",
        })
    }
}

/// The best and the worst by PSNR, each with its index, the most extreme first. At most half of
/// the pictures are best, so that none is both.
fn marks(pictures: &[Measures]) -> Vec<(Mark, usize)> {
    let of_pair = |(i, m): (usize, &Measures)| m.pair.map(|p| (p.psnr, i));
    let mut order: Vec<(f64, usize)> = pictures.iter().enumerate().filter_map(of_pair).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let count = MARKED.min(order.len() / 2);
    let best = order.iter().take(count).map(|&(_, i)| (Mark::Best, i));
    let worst = order.iter().rev().take(count).map(|&(_, i)| (Mark::Worst, i));
    best.chain(worst).collect()
}
