//! The table, and what is said on the way.

use std::io::{self, Write as _};
use std::time::Duration;

use comfy_table::Table;

/// Bytes of a MiB.
const MIB: f64 = (1 << 20) as f64;

/// What was measured.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<[String; 4]>,
}

/// Says something while the bench runs.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "bench: {text}");
}

impl Report {
    /// A figure that must be at most this.
    pub fn at_most(&mut self, what: impl Into<String>, figure: f64, target: f64, unit: &str) {
        self.row(what.into(), figure, format!("≤ {target}{unit}"), unit, figure <= target);
    }

    /// A figure that must be at least this.
    pub fn at_least(&mut self, what: impl Into<String>, figure: f64, target: f64, unit: &str) {
        self.row(what.into(), figure, format!("≥ {target}{unit}"), unit, figure >= target);
    }

    /// A figure without a target.
    pub fn note(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        self.rows.push([what.into(), figure.into(), String::new(), String::new()]);
    }

    /// Memory at two sizes: the second within 20 % of the first.
    pub fn memory_growth(&mut self, few: f64, many: f64) {
        let growth = (many / few - 1.0) * 100.0;
        self.at_most("peak memory, larger beside smaller cluster", growth, 20.0, " %");
    }

    /// Memory of one size.
    pub fn memory(&mut self, objects: usize, peak: u64) {
        self.at_most(format!("backup of {objects} objects: peak memory"), peak as f64 / MIB, 64.0, " MiB");
    }

    fn row(&mut self, what: String, figure: f64, target: String, unit: &str, met: bool) {
        let verdict = if met { "met" } else { "NOT MET" };
        say(&format!("{what}: {figure:.2}{unit} ({target}: {verdict})"));
        self.rows.push([what, format!("{figure:.2}{unit}"), target, verdict.to_owned()]);
    }

    /// Prints everything.
    pub fn print(&self) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.set_header(["figure", "measured", "target", ""]);
        table.add_rows(&self.rows);
        writeln!(io::stdout(), "{table}")
    }
}

/// The one in the middle; zero of nothing.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.get(middle) {
        Some(upper) if figures.len().is_multiple_of(2) => (figures[middle - 1] + upper) / 2.0,
        Some(figure) => *figure,
        None => 0.0,
    }
}

/// The median of times, in seconds.
pub fn median_time(times: impl IntoIterator<Item = Duration>) -> f64 {
    median(times.into_iter().map(|time| time.as_secs_f64()).collect())
}
