//! What would spoil a training run on a dataset, and what to do about it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ugatit::io::{PictureFacts, look_alikes, unread_picture};

use super::finding::{Case, Finding, Severity};
use super::scan::{Scanned, progress_bar};

/// Pictures whose small versions differ by no more, of 255, count as copies: saved again,
/// resized, cropped by a little. (In cat2dog, where nothing is the same to the bit, the two pairs
/// below are two photographs cut out twice: 1.8 and 1.9.)
const NEAR: f64 = 2.5;
/// A longer side this many times the shorter one is pressed into a square visibly.
const ODD_ASPECT: f64 = 1.5;
/// Fewer pictures of a domain than this are soon learnt by heart.
const FEW: usize = 200;
/// One domain this many times the other.
const IMBALANCE: usize = 3;

/// A picture and the folder that it is in.
#[derive(Clone, Copy)]
struct Item<'a> {
    folder: &'static str,
    path: &'a PathBuf,
    facts: &'a PictureFacts,
}

/// All that there is to say, errors first; with `show` a progress bar where a person looks on.
pub(super) fn find(folders: &[Scanned], img_size: usize, show: bool) -> Vec<Finding> {
    let items: Vec<Item<'_>> = folders
        .iter()
        .flat_map(|f| f.pictures.iter().map(|(path, facts)| Item { folder: f.name, path, facts }))
        .collect();
    let mut findings = vec![];
    let broken = folders.iter().flat_map(|folder| &folder.broken);
    let broken =
        broken.map(|(path, problem)| Case { files: vec![path.clone()], note: Some(problem.clone()) });
    add(
        &mut findings,
        (Severity::Error, "broken"),
        broken.collect(),
        "that cannot be read",
        "remove these files or fetch them again; a training run leaves a few out, and stops where there are many",
    );
    copies(&mut findings, &items, show);
    oddities(&mut findings, &items, img_size);
    let remarks = items.iter().flat_map(|item| {
        item.facts
            .remarks
            .iter()
            .map(|remark| Case { files: vec![item.path.clone()], note: Some(remark.clone()) })
    });
    add(
        &mut findings,
        (Severity::Warning, "range"),
        remarks.collect(),
        "that use a small part of the range of their values",
        "make them brighter, or the network sees next to nothing",
    );
    let others = folders.iter().flat_map(|folder| &folder.others);
    add(
        &mut findings,
        (Severity::Warning, "other files"),
        others.map(|path| Case { files: vec![path.clone()], note: unread_picture(path) }).collect(),
        "of other kinds, which are not read",
        "convert pictures of other kinds, which are named so; the rest does no harm",
    );
    numbers(&mut findings, folders);
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Adds a finding where there is a case of it.
fn add(
    findings: &mut Vec<Finding>,
    (severity, kind): (Severity, &'static str),
    cases: Vec<Case>,
    what: &str,
    advice: &'static str,
) {
    let files: usize = cases.iter().map(|case| case.files.len()).sum();
    if files > 0 {
        let problem = format!("{files} {} {what}", if files == 1 { "file" } else { "files" });
        findings.push(Finding { severity, kind, problem, advice, cases });
    }
}

/// Pictures that are there more than once.
fn copies(findings: &mut Vec<Finding>, items: &[Item<'_>], show: bool) {
    let mut exact: BTreeMap<u64, Vec<Item<'_>>> = BTreeMap::new();
    for item in items {
        exact.entry(item.facts.hash).or_default().push(*item);
    }
    // One of each, in the order of the dataset, for the comparison of what is not the same.
    let single: Vec<Item<'_>> =
        items.iter().filter(|i| exact[&i.facts.hash][0].path == i.path).copied().collect();
    let exact = exact.into_values().filter(|group| group.len() > 1);
    let mut sorted = Groups::new(exact);
    add(
        findings,
        (Severity::Error, "leak"),
        sorted.take(is_leak),
        "with the same picture in training and in test folders",
        "remove them from one of the two; what was trained on says nothing about new pictures",
    );
    add(
        findings,
        (Severity::Error, "both domains"),
        sorted.take(is_in_both),
        "with the same picture in A and in B",
        "remove them from the domain that they do not belong to",
    );
    add(
        findings,
        (Severity::Warning, "duplicates"),
        sorted.take(|_| true),
        "with the same picture within one folder",
        "keep one of each, unless it is meant to be seen more often",
    );

    let mut sorted = Groups::new(near(&single, show).into_iter());
    add(
        findings,
        (Severity::Warning, "near leak"),
        sorted.take(is_leak),
        "with nearly the same picture in training and in test folders",
        "look at them, and remove copies from one of the two",
    );
    add(
        findings,
        (Severity::Warning, "near in both domains"),
        sorted.take(is_in_both),
        "with nearly the same picture in A and in B",
        "look at them, and remove those that do not belong to their domain",
    );
    add(
        findings,
        (Severity::Warning, "near duplicates"),
        sorted.take(|_| true),
        "with nearly the same picture within one folder",
        "look at them, and keep one of each copy",
    );
}

fn is_leak(group: &[Item<'_>]) -> bool {
    let train = group.iter().filter(|item| item.folder.starts_with("train")).count();
    train != 0 && train != group.len()
}

fn is_in_both(group: &[Item<'_>]) -> bool {
    let a = group.iter().filter(|item| item.folder.ends_with('A')).count();
    a != 0 && a != group.len()
}

/// Groups of pictures, in the order of the dataset.
struct Groups<'a>(Vec<Vec<Item<'a>>>);

impl<'a> Groups<'a> {
    fn new(groups: impl Iterator<Item = Vec<Item<'a>>>) -> Self {
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by_key(|group| group[0].path);
        Self(groups)
    }

    /// Takes out the groups that are wanted.
    fn take(&mut self, wanted: impl Fn(&[Item<'_>]) -> bool) -> Vec<Case> {
        let taken = self.0.extract_if(.., |group| wanted(group));
        taken.map(|g| Case { files: g.iter().map(|item| item.path.clone()).collect(), note: None }).collect()
    }
}

/// Each picture with those that differ little from it, where there are any.
fn near<'a>(items: &[Item<'a>], show: bool) -> Vec<Vec<Item<'a>>> {
    let facts: Vec<&PictureFacts> = items.iter().map(|item| item.facts).collect();
    let bar = progress_bar("comparing", items.len(), show);
    let groups = look_alikes(&facts, NEAR, || bar.inc(1));
    bar.finish_and_clear();
    groups.into_iter().map(|group| group.into_iter().map(|i| items[i]).collect()).collect()
}

/// Pictures of a kind that most others are not.
fn oddities(findings: &mut Vec<Finding>, items: &[Item<'_>], img_size: usize) {
    let mut pick = |kind, what: &str, advice, odd: &dyn Fn(&PictureFacts) -> bool, size: bool| {
        let case = |item: &Item<'_>| Case {
            files: vec![item.path.clone()],
            note: size.then(|| format!("{}x{}", item.facts.width, item.facts.height)),
        };
        let cases = items.iter().filter(|item| odd(item.facts)).map(case).collect();
        add(findings, (Severity::Warning, kind), cases, what, advice);
    };
    pick(
        "small",
        &format!("with a side of less than {img_size} pixels"),
        "they are enlarged and stay blurred, which a model learns too; train at a smaller --img-size or find larger ones",
        &|facts| facts.width.min(facts.height) < img_size,
        true,
    );
    pick(
        "aspect",
        "far from square",
        "they are pressed into a square; cut out what matters beforehand",
        &|facts| {
            let (w, h) = (facts.width as f64, facts.height as f64);
            w.max(h) / w.min(h) > ODD_ASPECT
        },
        true,
    );
    let colours = items.iter().any(|item| !item.facts.grey);
    pick(
        "grey",
        "without colours, while others have some",
        "they are used as grey RGB; remove them where results are to be coloured",
        &|facts| colours && facts.grey,
        false,
    );
    pick(
        "transparent",
        "transparent in part",
        "transparency is ignored, and what lies behind it shows up; put them on a plain ground",
        &|facts| facts.transparent,
        false,
    );
    pick(
        "cmyk",
        "with colours for printing (CMYK)",
        "they are converted without their profile and may look off; convert them to sRGB",
        &|facts| facts.cmyk,
        false,
    );
    pick(
        "16 bit",
        "with 16 bits a channel",
        "they are used with 8; nothing needs to be done",
        &|facts| facts.bits > 8,
        false,
    );
}

/// How many there are.
fn numbers(findings: &mut Vec<Finding>, folders: &[Scanned]) {
    let mut say = |severity, kind, problem: String, advice| {
        findings.push(Finding { severity, kind, problem, advice, cases: vec![] });
    };
    let count = |name: &str| folders.iter().find(|f| f.name == name).map_or(0, |f| f.pictures.len());
    let (a, b) = (count("trainA"), count("trainB"));
    for (name, n) in [("trainA", a), ("trainB", b)] {
        if n == 0 {
            let advice = "put pictures of this domain there";
            say(Severity::Error, "empty", format!("{name} has no picture that can be read"), advice);
        } else if n < FEW {
            let problem = format!("{name} has only {n} pictures");
            let advice = "a model learns so few by heart; some thousands are usual";
            say(Severity::Warning, "few", problem, advice);
        }
    }
    if a.min(b) > 0 && a.max(b) >= IMBALANCE * a.min(b) {
        let problem = format!("trainA has {a} pictures and trainB {b}");
        let advice = "the smaller one is seen more often, each picture of it; fine where it is varied enough";
        say(Severity::Warning, "imbalance", problem, advice);
    }
    for name in ["testA", "testB"] {
        if count(name) == 0 {
            let problem = format!("{name} has no pictures");
            let advice = "put some there that are not trained on, to see how well it does on new ones";
            say(Severity::Warning, "no test", problem, advice);
        }
    }
}
