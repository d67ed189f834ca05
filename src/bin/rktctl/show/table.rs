//! Tables: columns as wide as their widest cell, two blanks between them. Where the page is
//! narrower, the widest columns give way, and then the last ones go.

use std::borrow::Cow;

use anstyle::Style;

use super::text::{cut, printable, width};

/// What stands between two columns.
const GAP: &str = "  ";

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// One piece of a table: text that is fit for a terminal, and its colour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell of this text, from wherever it comes.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self::styled(text, Style::new())
    }

    /// A cell of this text in this style.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        let text = match text.as_ref() {
            "" => NOTHING.to_owned(),
            text => printable(text).into_owned(),
        };
        Self { text, style }
    }
}

/// A column's heading, and what may become of the column where the page is narrow.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    heading: &'static str,
    /// How narrow it may become; `None` if it is shown whole or not at all.
    width_min: Option<usize>,
}

impl Column {
    /// A column whose cells are never cut, unless it's the last one left.
    pub const fn whole(heading: &'static str) -> Self {
        Self {
            heading,
            width_min: None,
        }
    }

    /// A column whose cells may be cut, but not to less than this.
    pub const fn elastic(heading: &'static str, width_min: usize) -> Self {
        Self {
            heading,
            width_min: Some(width_min),
        }
    }
}

/// Rows of cells under headings, in columns the more important of which come first.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

/// How wide the columns are that are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    widths: Vec<usize>,
    /// Whether wider cells are cut. Where there is no page, rows that come later take the room
    /// that they need.
    is_page: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, which has a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there is nothing but headings.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All of it, headings first, on a page of so many columns.
    pub fn render(&self, page_width: Option<usize>, has_colour: bool) -> String {
        let layout = self.layout(page_width);
        self.headings(&layout) + &self.rows(&layout, has_colour)
    }

    /// How wide the columns are on a page of this width.
    pub fn layout(&self, page_width: Option<usize>) -> Layout {
        let mut widths = self.widths();
        let Some(page_width) = page_width else {
            let is_page = false;
            return Layout { widths, is_page };
        };
        let needed = |widths: &[usize]| {
            widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
        };
        while needed(&widths) > page_width {
            let columns = self.columns.iter().zip(&mut widths);
            let elastic = columns.filter_map(|(column, width)| {
                let is_elastic = *width > column.width_min?.max(column.heading.len());
                is_elastic.then_some(width)
            });
            if let Some(widest) = elastic.max() {
                *widest -= 1;
                continue;
            }
            let left = widths.len().saturating_sub(1);
            if left == 0 {
                widths.fill(page_width);
                break;
            }
            // The others may have their room back.
            widths = self.widths();
            widths.truncate(left);
        }
        let is_page = true;
        Layout { widths, is_page }
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().map(|row| width(&row[index].text));
            cells.chain([width(column.heading)]).max().unwrap_or(0)
        };
        self.columns.iter().enumerate().map(widest).collect()
    }

    /// The line of headings.
    pub fn headings(&self, layout: &Layout) -> String {
        let cells = self.columns.iter().map(|column| Cell::new(column.heading));
        line(&cells.collect::<Vec<_>>(), layout, false)
    }

    /// The rows alone.
    pub fn rows(&self, layout: &Layout, has_colour: bool) -> String {
        let rows = self.rows.iter();
        rows.map(|row| line(row, layout, has_colour)).collect()
    }
}

/// Cells beside each other, each as wide as its column.
fn line(cells: &[Cell], layout: &Layout, has_colour: bool) -> String {
    let mut line = String::new();
    let mut blanks = 0;
    for (index, (cell, column_width)) in cells.iter().zip(&layout.widths).enumerate() {
        // Blanks come before what they keep apart: none at the end of a line.
        line.extend(std::iter::repeat_n(' ', blanks));
        if index > 0 {
            line += GAP;
        }
        let text = match layout.is_page {
            true => cut(&cell.text, *column_width).into(),
            false => Cow::from(&cell.text),
        };
        blanks = column_width.saturating_sub(width(&text));
        let style = cell.style;
        match has_colour && style != Style::new() {
            true => line += &format!("{style}{text}{style:#}"),
            false => line += &text,
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use anstyle::AnsiColor;
    use proptest::prelude::*;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[
            Column::whole("ID"),
            Column::elastic("NAME", 4),
            Column::elastic("REST", 4),
        ]);
        let green = AnsiColor::Green.on_default();
        let cells = ["3f0b52c1", "naïve", ""].map(Cell::new);
        table.row(cells.to_vec());
        table.row(vec![
            Cell::styled("1", green),
            Cell::new("日本語"),
            Cell::new("a\nb"),
        ]);
        table
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            table().render(None, false),
            "ID        NAME    REST\n\
             3f0b52c1  naïve   -\n\
             1         日本語  a\\nb\n"
        );
    }

    #[test]
    fn colours_take_no_room() {
        let coloured = table().render(Some(80), true);
        assert!(coloured.contains("\u{1b}[32m1\u{1b}[0m         日本語"));
        let plain = coloured.replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert_eq!(plain, table().render(Some(80), false));
    }

    #[test]
    fn the_widest_column_gives_way() {
        assert_eq!(
            table().render(Some(20), false),
            "ID        NAME  REST\n\
             3f0b52c1  naï…  -\n\
             1         日…   a\\nb\n"
        );
    }

    #[test]
    fn the_last_columns_go() {
        assert_eq!(
            table().render(Some(19), false),
            "ID        NAME\n\
             3f0b52c1  naïve\n\
             1         日本語\n"
        );
        assert_eq!(table().render(Some(5), false), "ID\n3f0b…\n1\n");
    }

    #[test]
    fn rows_that_come_later_keep_to_the_columns() {
        let table = table();
        let mut later = Table::new(&table.columns);
        let cells = ["2", "a longer name", "x"].map(Cell::new);
        later.row(cells.to_vec());
        assert_eq!(
            later.rows(&table.layout(None), false),
            "2         a longer name  x\n"
        );
        assert_eq!(
            later.rows(&table.layout(Some(80)), false),
            "2         a lon…  x\n"
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_page(page_width in 0..60_usize) {
            for line in table().render(Some(page_width), false).lines() {
                prop_assert!(width(line) <= page_width, "{:?}", line);
            }
        }
    }
}
