//! One thing with everything about it: a line for each fact, and what there may be several of
//! indented below its name.

use rkt_api::api::KeyValue;

use super::{
    Look,
    table::{Cell, Column, Table},
    words,
};

/// How far that is indented of which there may be several.
const INDENT: &str = "  ";

/// Facts, in order.
#[derive(Debug, Default)]
pub struct Details {
    lines: Vec<(&'static str, Cell)>,
    sections: Vec<(&'static str, Section)>,
}

#[derive(Debug)]
struct Section {
    table: Table,
    has_headings: bool,
}

impl Details {
    /// Adds a fact that there is one of.
    pub fn line(&mut self, name: &'static str, value: Cell) {
        self.lines.push((name, value));
    }

    /// Adds facts that there are several of.
    pub fn lines(&mut self, name: &'static str, values: impl IntoIterator<Item = String>) {
        let mut table = Table::new(&[Column::elastic("", 1)]);
        for value in values {
            table.row(vec![Cell::new(value)]);
        }
        self.section(name, table, false);
    }

    /// Adds pairs.
    pub fn pairs(&mut self, name: &'static str, pairs: &[KeyValue]) {
        self.lines(name, pairs.iter().map(words::pair));
    }

    /// Adds facts that are tables themselves.
    pub fn table(&mut self, name: &'static str, table: Table) {
        self.section(name, table, true);
    }

    /// Without rows it's a line that says so.
    fn section(&mut self, name: &'static str, table: Table, has_headings: bool) {
        match table.is_empty() {
            true => self.line(name, Cell::new("")),
            false => self.sections.push((
                name,
                Section {
                    table,
                    has_headings,
                },
            )),
        }
    }

    /// All of it.
    pub fn render(self, look: &Look) -> String {
        let mut lines = Table::new(&[Column::whole(""), Column::elastic("", 1)]);
        for (name, value) in self.lines {
            lines.row(vec![Cell::new(name), value]);
        }
        let mut text = lines.rows(&lines.layout(look.width), look.has_colour);
        let width = look.width.map(|width| width.saturating_sub(INDENT.len()));
        for (name, section) in self.sections {
            text += &format!("{name}\n");
            let layout = section.table.layout(width);
            let rows = section.table.rows(&layout, look.has_colour);
            let rows = match section.has_headings {
                true => section.table.headings(&layout) + &rows,
                false => rows,
            };
            for row in rows.lines() {
                text += &format!("{INDENT}{row}\n");
            }
        }
        text
    }
}
