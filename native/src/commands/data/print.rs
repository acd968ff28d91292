//! The report as text.

use crate::console::line;

use super::finding::Severity;
use super::report::{FolderReport, Report, Spread};

/// How many cases of a finding are listed.
const LISTED: usize = 5;

pub(super) fn print(report: &Report) {
    line(report.dataset.display());
    line(format_args!(
        "  {:<8}{:>9}{:>8}  {:<17} {:<17} formats",
        "", "pictures", "broken", "width", "height"
    ));
    for folder in &report.folders {
        let formats: Vec<String> = folder.formats.iter().map(|(name, n)| format!("{name} {n}")).collect();
        let text = format!(
            "  {:<8}{:>9}{:>8}  {:<17} {:<17} {}",
            folder.name,
            folder.pictures,
            folder.broken,
            spread(&folder.width),
            spread(&folder.height),
            formats.join(", ")
        );
        line(text.trim_end());
    }
    line("  (widths and heights: smallest, median, largest)");
    report.folders.iter().filter(|folder| folder.distinct_sizes > 1).for_each(sizes);
    for finding in &report.findings {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        line(format_args!("\n{severity}: {}", finding.problem));
        for case in finding.cases.iter().take(LISTED) {
            let files: Vec<String> = case.files.iter().map(|file| file.display().to_string()).collect();
            let note = case.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
            line(format_args!("  {}{note}", files.join(" = ")));
        }
        if finding.cases.len() > LISTED {
            line(format_args!("  and {} more (--json lists all)", finding.cases.len() - LISTED));
        }
        line(format_args!("  -> {}", finding.advice));
    }
    let count = |severity| report.findings.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let verdict = if report.usable { "can be trained on" } else { "should not be trained on as it is" };
    let counted = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    line(format_args!(
        "\n{verdict}: {}, {} at {2}x{2}",
        counted(errors, "error"),
        counted(warnings, "warning"),
        report.img_size
    ));
}

fn spread(spread: &Spread) -> String {
    match spread {
        Spread { max: 0, .. } => "-".into(),
        Spread { min, max, .. } if min == max => min.to_string(),
        Spread { min, median, max } => format!("{min} {median} {max}"),
    }
}

fn sizes(folder: &FolderReport) {
    let sizes: Vec<String> =
        folder.sizes.iter().map(|size| format!("{}x{} ({})", size.width, size.height, size.count)).collect();
    let more = folder.distinct_sizes - sizes.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    line(format_args!("  sizes in {}: {}{more}", folder.name, sizes.join(", ")));
}
