//! The numbers on a terminal.

use ugatit::eval::Summary;

use crate::console::line;

use super::results::{Results, Side};

/// Prints all that was measured.
pub(super) fn print(results: &Results) {
    for side in &results.directions {
        print_side(side);
    }
    if !results.kid.is_empty() {
        line("kernel inception distance, times 100");
        for kid in &results.kid {
            let name = kid.fake.file_name().unwrap_or_default().to_string_lossy();
            let subsets = if kid.subsets == 1 {
                format!("both sets whole, {} features each", kid.subset_size)
            } else {
                format!("{} subsets of {}", kid.subsets, kid.subset_size)
            };
            line(format_args!("  {name:<22}{:>9.4} ± {:.4}   {subsets}", kid.mean * 100.0, kid.std * 100.0));
        }
    }
    for text in &results.left_out {
        line(format_args!("note: {text}"));
    }
    if let (Some(size), Some(device)) = (results.size, &results.device) {
        let measured: usize = results.directions.iter().map(|side| side.pictures.len()).sum();
        let failed = results.failures.len();
        let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        line(format_args!(
            "{measured} measured at {size}x{size}{failures} in {:.1} s ({device})",
            results.seconds
        ));
    }
}

fn print_side(side: &Side) {
    let (from, to) = side.domains();
    line(format_args!("{}: {} pictures of test{from}", side.direction, side.pictures.len()));
    line(format_args!("  {:<22}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "mean", "std", "min", "median", "max"));
    let row = |name: &str, summary: Option<&Summary>, digits: usize| {
        if let Some(s) = summary {
            let number = |v: f64| format!("{v:>9.digits$}");
            let numbers: String = [s.mean, s.std, s.min, s.median, s.max].map(number).concat();
            let equal =
                if s.infinite > 0 { format!("  ({} equal, left out)", s.infinite) } else { String::new() };
            line(format_args!("  {name:<22}{numbers}{equal}"));
        }
    };
    row("cycle L1, -1..1", side.cycle_l1.as_ref(), 4);
    row("cycle L1, 0..255", side.cycle_l1_255.as_ref(), 2);
    row(&format!("identity L1 of {from}"), side.identity_l1.as_ref(), 4);
    row("identity L1, 0..255", side.identity_l1_255.as_ref(), 2);
    if let Some(pairs) = &side.pairs {
        row(&format!("PSNR to {to}, dB"), Some(&pairs.psnr), 2);
        row("  of the untouched", Some(&pairs.psnr_untouched), 2);
        line(format_args!("  {:<22}{:>+9.2}", "  gained", pairs.psnr_gain));
        row(&format!("SSIM to {to}"), Some(&pairs.ssim), 4);
        row("  of the untouched", Some(&pairs.ssim_untouched), 4);
        line(format_args!("  {:<22}{:>+9.4}", "  gained", pairs.ssim_gain));
    }
}
