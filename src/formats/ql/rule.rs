//! Constraints and defaults of columns, which the engine keeps in the table `__Column2`.

use std::collections::HashMap;

use bytes::Bytes;

use super::{database::Database, error::Error, table::Table, value::Value};

/// The system table with one row for each column that has a constraint or a default. It
/// comes into being with the first such column.
pub(super) const TABLE: &str = "__Column2";

/// What the engine enforces when it writes a column. Reading is not affected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnRule {
    /// Whether the column refuses NULL.
    pub not_null: bool,
    /// The SQL expression that has to hold, empty if there is none.
    pub constraint: String,
    /// The SQL expression that takes the place of NULL, empty if there is none.
    pub default: String,
}

/// Finds the rule of each column of `table`.
pub(super) fn read(db: &Database, table: &Table) -> Result<Vec<ColumnRule>, Error> {
    let mut rules = vec![ColumnRule::default(); table.columns().len()];
    let Some(system) = db.table(TABLE) else {
        return Ok(rules);
    };
    let mut places = HashMap::new();
    for (place, column) in table.columns().iter().enumerate() {
        places.entry(column.name().as_bytes()).or_insert(place);
    }
    // Rows outlive the tables and columns that they are about, and can be there twice. The
    // engine reads them in the order of an index, which among equals is that of the handles.
    let mut sources = vec![None; rules.len()];
    for row in db.rows(system) {
        let row = row?;
        let [
            Value::Text(of),
            Value::Text(name),
            Value::Bool(not_null),
            Value::Text(constraint),
            Value::Text(default),
        ] = row.values.as_slice()
        else {
            return Err(Error::Foreign {
                table: TABLE,
                why: format!("row {} is not about a column", row.id),
            });
        };
        if of == table.name()
            && let Some(&place) = places.get(&name[..])
            && sources[place] < Some(row.handle)
        {
            sources[place] = Some(row.handle);
            rules[place] = ColumnRule {
                not_null: *not_null,
                constraint: text(constraint),
                default: text(default),
            };
        }
    }
    Ok(rules)
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
