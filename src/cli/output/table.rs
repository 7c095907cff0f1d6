//! Tables as kubectl prints them: capitals, three spaces, no lines.

use comfy_table::{Cell, presets};

/// A table that is filled row by row.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// Creates an empty table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(columns.iter().map(|column| column.to_uppercase()));
        for column in table.column_iter_mut() {
            column.set_padding((0, 3));
        }
        Self(table)
    }

    /// Adds a row.
    pub fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.0.add_row(cells.into_iter().map(Into::into).collect::<Vec<Cell>>());
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        f.write_str(&lines.join("\n"))
    }
}
