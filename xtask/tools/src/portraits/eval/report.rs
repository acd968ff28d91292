//! The figures, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::SAME;
use super::colors::Kept;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(in crate::portraits) struct Report {
    /// Width and height of the pictures.
    pub(super) size: usize,
    /// How many of 100 real test pictures of A and of B the classifier takes for what they are.
    pub(super) classifier_of_real: [f64; 2],
    pub(super) sides: Vec<Side>,
}

/// One direction.
#[derive(Debug, Serialize)]
pub(super) struct Side {
    pub(super) direction: String,
    pub(super) pictures: usize,
    pub(super) style: Style,
    pub(super) content: Content,
    /// How many of 100 translations the classifier takes for pictures of the target.
    pub(super) shape: f64,
    /// Mean differences, of 255; the cycle where the other direction is there too.
    pub(super) cycle: Option<f64>,
    pub(super) identity: Option<f64>,
}

/// Kernel inception distances to real test pictures of the target.
#[derive(Debug, Serialize)]
pub(super) struct Style {
    pub(super) translated: f64,
    /// Of the pictures that were translated.
    pub(super) untouched: f64,
    /// Of one half of the real ones to the other.
    pub(super) halves: f64,
}

impl Style {
    /// What is left of the distance.
    fn share(&self) -> f64 {
        self.translated / self.untouched
    }
}

/// What is kept of a portrait.
#[derive(Debug, Serialize)]
pub(super) struct Content {
    pub(super) hair: Kept,
    pub(super) skin: Kept,
    /// What the same search finds in the sources themselves.
    pub(super) hair_of_sources: Kept,
    pub(super) skin_of_sources: Kept,
    /// Different faces among the first translations.
    pub(super) faces: usize,
    pub(super) faces_of: usize,
    /// Different faces among their sources.
    pub(super) faces_of_sources: usize,
    /// How far the two of them that are nearest to each other are apart, of 255.
    pub(super) nearest: f64,
    pub(super) nearest_of_sources: f64,
}

impl Report {
    /// A Markdown table, as a model card has it.
    pub(in crate::portraits) fn table(&self) -> String {
        let mut text = String::new();
        let head: Vec<&str> = self.sides.iter().map(|side| side.direction.as_str()).collect();
        let counts: Vec<String> = self.sides.iter().map(|side| side.pictures.to_string()).collect();
        let [a, b] = self.classifier_of_real;
        let mut row = |what: &str, cells: Vec<String>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {what} | {} |", cells.join(" | "));
        };
        row(&format!("at {0}x{0}", self.size), head.iter().map(|h| (*h).to_owned()).collect());
        row("---", head.iter().map(|_| "---:".to_owned()).collect());
        row("test pictures", counts);
        let sides = |f: &dyn Fn(&Side) -> String| self.sides.iter().map(f).collect::<Vec<_>>();
        row("style: KID to the target", sides(&|s| format!("{:.3}", s.style.translated)));
        row("… of the untouched source", sides(&|s| format!("{:.3}", s.style.untouched)));
        row("… of two halves of the target", sides(&|s| format!("{:.3}", s.style.halves)));
        row("… what is left of the source's", sides(&|s| format!("{:.1} %", 100.0 * s.style.share())));
        let kept = |k: &Kept| format!("{:.1} % / {:.1} %", k.exact, k.near);
        row("hair kept: exact / near", sides(&|s| kept(&s.content.hair)));
        row("… found in the sources", sides(&|s| kept(&s.content.hair_of_sources)));
        row("skin kept: exact / near", sides(&|s| kept(&s.content.skin)));
        row("… found in the sources", sides(&|s| kept(&s.content.skin_of_sources)));
        row(
            &format!("different faces ({SAME} of 255 or more apart)"),
            sides(&|s| format!("{} of {}", s.content.faces, s.content.faces_of)),
        );
        row("… among their sources", sides(&|s| s.content.faces_of_sources.to_string()));
        row("… the nearest two are apart", sides(&|s| format!("{:.1}", s.content.nearest)));
        row("… the nearest two sources", sides(&|s| format!("{:.1}", s.content.nearest_of_sources)));
        row(
            &format!("shape: taken for the target's (of real A and B {a:.1} and {b:.1} %)"),
            sides(&|s| format!("{:.1} %", s.shape)),
        );
        let bytes = |x: Option<f64>| x.map_or("-".to_owned(), |x| format!("{x:.1}"));
        row("cycle, of 255", sides(&|s| bytes(s.cycle)));
        row("identity, of 255", sides(&|s| bytes(s.identity)));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Kept, Report, Side, Style};

    #[test]
    fn a_table_has_a_column_for_each_direction() {
        let kept = Kept { exact: 75.0, near: 95.5 };
        let side = |direction: &str, cycle| Side {
            direction: direction.into(),
            pictures: 500,
            style: Style { translated: 1.0, untouched: 8.0, halves: 0.0 },
            content: Content {
                hair: kept,
                skin: kept,
                hair_of_sources: kept,
                skin_of_sources: kept,
                faces: 23,
                faces_of: 24,
                faces_of_sources: 24,
                nearest: 3.0,
                nearest_of_sources: 9.0,
            },
            shape: 96.0,
            cycle,
            identity: Some(4.25),
        };
        let sides = vec![side("A2B", Some(6.5)), side("B2A", None)];
        let report = Report { size: 64, classifier_of_real: [100.0, 99.5], sides };
        let table = report.table();
        for line in [
            "| at 64x64 | A2B | B2A |",
            "| … what is left of the source's | 12.5 % | 12.5 % |",
            "| hair kept: exact / near | 75.0 % / 95.5 % | 75.0 % / 95.5 % |",
            "| different faces (4 of 255 or more apart) | 23 of 24 | 23 of 24 |",
            "| cycle, of 255 | 6.5 | - |",
        ] {
            assert!(table.lines().any(|l| l == line), "{line}\n{table}");
        }
        assert!(table.lines().all(|line| line.matches('|').count() == 4), "{table}");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["sides"][0]["content"]["hair"]["near"], 95.5);
    }
}
