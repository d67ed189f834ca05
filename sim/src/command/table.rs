//! Plain text tables: columns as wide as their widest cell, two blanks between them, and cut
//! where the page is narrower.

use std::fmt;

/// What stands between two columns.
pub const GAP: &str = "  ";

/// What a cut text ends in.
const CUT: char = '…';

/// A column is not made narrower than this, however narrow the page is.
const MIN_WIDTH: usize = 4;

/// A table with one line of headings.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table without rows.
    pub fn new(headings: [&str; N]) -> Self {
        Self {
            rows: vec![headings.map(str::to_owned)],
        }
    }

    /// Adds a row. An empty cell is shown as a dash.
    pub fn row(&mut self, cells: [String; N]) {
        let shown = |cell: String| {
            if cell.is_empty() {
                "-".to_owned()
            } else {
                cell
            }
        };
        self.rows.push(cells.map(shown));
    }

    /// The rows, headings first, for a page of so many characters: each cell is as wide as its
    /// column, and the widest columns give way.
    pub fn fit(&self, page_width: usize) -> Vec<[String; N]> {
        let widths = self.widths(page_width);
        let cells = |row: &[String; N]| {
            std::array::from_fn(|column| {
                let width = widths[column];
                format!("{:width$}", cut(&row[column], width))
            })
        };
        self.rows.iter().map(cells).collect()
    }

    fn widths(&self, page_width: usize) -> [usize; N] {
        let widest = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let mut widths: [usize; N] = std::array::from_fn(widest);
        let gaps = GAP.len() * N.saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > page_width {
            match widths.iter_mut().max() {
                Some(width) if *width > MIN_WIDTH => *width -= 1,
                _ => break,
            }
        }
        widths
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.fit(usize::MAX) {
            writeln!(f, "{}", row.join(GAP).trim_end())?;
        }
        Ok(())
    }
}

/// The text, or as much of it as fits.
pub fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => {
            let kept = text.chars().take(width.saturating_sub(1));
            kept.chain([CUT]).take(width).collect()
        }
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<3> {
        let mut table = Table::new(["NAME", "N", "REST"]);
        table.row(["naïve".to_owned(), String::new(), "x".to_owned()]);
        table.row(["a".to_owned(), "100".to_owned(), String::new()]);
        table
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            table().to_string(),
            "NAME   N    REST\n\
             naïve  -    x\n\
             a      100  -\n"
        );
    }

    #[test]
    fn the_widest_column_gives_way() {
        let rows: Vec<_> = table().fit(15).iter().map(|row| row.join(GAP)).collect();
        assert_eq!(
            rows,
            ["NAME  N    REST", "naï…  -    x   ", "a     100  -   "]
        );
        // There is an end to it.
        assert_eq!(table().fit(0), table().fit(15));
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(cut("naïve", 5), "naïve");
        assert_eq!(cut("naïve", 3), "na…");
        assert_eq!(cut("naïve", 1), "…");
        assert_eq!(cut("naïve", 0), "");
    }
}
