//! Numbers for the page.

/// Four digits: `0`, `12.35`, `1235`, `1.2e-5`, `NaN`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".into() } else { value.to_string() };
    }
    if !(1e-3..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", trim(digits));
    }
    let places = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
    trim(&format!("{value:.places$}")).into()
}

fn trim(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// A step on an axis: `500`, `2.5k`, `1M`.
pub(super) fn brief(step: f64) -> String {
    match step {
        s if s >= 1e6 => format!("{}M", s / 1e6),
        s if s >= 1e3 => format!("{}k", s / 1e3),
        s => s.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-12.3456, "-12.35"),
            (1234.56, "1235"),
            (0.012_345, "0.01235"),
            (1e-4, "1e-4"),
            (2.5e-5, "2.5e-5"),
            (1.5e7, "1.5e7"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!([0.0, 500.0, 2500.0, 1e6].map(brief), ["0", "500", "2.5k", "1M"]);
    }
}
