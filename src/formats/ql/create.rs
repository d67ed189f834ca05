//! Making a database: tables as the engine's statements would leave them, with the row ids
//! and the system tables that go with it, and the file that holds them.
//!
//! What tables rkt has is not known here. A file is written in one go ([`layout`]); nothing
//! here changes one that exists.

mod file;
mod layout;
mod tree;

use super::{
    block::Handle,
    error::Error,
    rule,
    table::{INDEXES, ROW_ID},
    value::{ColumnType, Value},
};

pub(super) use self::file::NewFile;

/// A column of a table to be made.
#[derive(Debug, Clone)]
pub(super) struct NewColumn {
    pub(super) name: &'static str,
    pub(super) kind: ColumnType,
    /// The SQL expression that takes the place of NULL.
    pub(super) default: Option<&'static str>,
}

impl NewColumn {
    /// A column without a default.
    pub(super) fn new(name: &'static str, kind: ColumnType) -> Self {
        Self {
            name,
            kind,
            default: None,
        }
    }
}

/// A table that was created, and can be referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableId(usize);

/// A database in the making.
///
/// The blocks that say where a table's rows and an index's pages begin are set aside at once,
/// for `__Index2` has to name them. Everything else is written when all of it is known.
pub(super) struct NewDatabase {
    file: NewFile,
    /// The first two blocks, which have their handles by law.
    root: Handle,
    counter: Handle,
    /// In the order of their creation.
    tables: Vec<NewTable>,
    /// The row id that was given out last. All tables share the counter.
    last_id: i64,
    /// The tables `__Index2` and `__Index2_Expr`, once there is an index.
    indexes: Option<(TableId, TableId)>,
    /// The table `__Column2`, once there is a default.
    rules: Option<TableId>,
}

struct NewTable {
    name: &'static str,
    columns: Vec<NewColumn>,
    head: Handle,
    indexes: Vec<NewIndex>,
    /// In the order of their insertion.
    rows: Vec<NewRow>,
}

struct NewIndex {
    name: &'static str,
    /// The place of the column that it is on, or none if it is on the row ids.
    column: Option<usize>,
    unique: bool,
    root: Handle,
}

struct NewRow {
    id: i64,
    values: Vec<Value>,
}

impl NewDatabase {
    /// A database without tables.
    pub(super) fn new() -> Self {
        let mut file = NewFile::new();
        Self {
            root: file.reserve(),
            counter: file.reserve(),
            file,
            tables: Vec::new(),
            last_id: 0,
            indexes: None,
            rules: None,
        }
    }

    /// `CREATE TABLE`. The first default brings `__Column2` with it.
    pub(super) fn create_table(&mut self, name: &'static str, columns: Vec<NewColumn>) -> TableId {
        for column in &columns {
            if let Some(default) = column.default {
                let rules = self.rules();
                self.insert(
                    rules,
                    vec![
                        text(name),
                        text(column.name),
                        Value::Bool(false),
                        text(""),
                        text(default),
                    ],
                );
            }
        }
        self.tables.push(NewTable {
            name,
            columns,
            head: self.file.reserve(),
            indexes: Vec::new(),
            rows: Vec::new(),
        });
        TableId(self.tables.len() - 1)
    }

    /// `CREATE INDEX` or `CREATE UNIQUE INDEX`, on the column at a place of the table, or on
    /// the row ids. The first one brings `__Index2` and `__Index2_Expr` with it.
    pub(super) fn create_index(
        &mut self,
        name: &'static str,
        table: TableId,
        column: Option<usize>,
        unique: bool,
    ) {
        let (indexes, expressions) = self.indexes();
        let root = self.file.reserve();
        let table = &mut self.tables[table.0];
        table.indexes.push(NewIndex {
            name,
            column,
            unique,
            root,
        });
        let table_name = text(table.name);
        let expression = text(column.map_or(ROW_ID, |column| table.columns[column].name));
        let id = self.insert(
            indexes,
            vec![
                table_name,
                text(name),
                Value::Bool(unique),
                // That it is on a column or the row ids, not on an expression.
                Value::Bool(true),
                Value::Int(root.to_link()),
            ],
        );
        self.insert(expressions, vec![Value::Int(id), expression]);
    }

    /// `INSERT`. Returns the row's id.
    pub(super) fn insert(&mut self, table: TableId, values: Vec<Value>) -> i64 {
        self.last_id += 1;
        let id = self.last_id;
        self.tables[table.0].rows.push(NewRow { id, values });
        id
    }

    /// The database's file.
    ///
    /// # Errors
    ///
    /// [`Error::Unstorable`] if a row is too long, or has a value that a unique index does not
    /// admit a second time.
    pub(super) fn into_file(self) -> Result<Vec<u8>, Error> {
        layout::finish(self)
    }

    /// The tables that list the indexes.
    fn indexes(&mut self) -> (TableId, TableId) {
        if let Some(tables) = self.indexes {
            return tables;
        }
        let indexes = self.create_table(
            INDEXES,
            vec![
                NewColumn::new("TableName", ColumnType::String),
                NewColumn::new("IndexName", ColumnType::String),
                NewColumn::new("IsUnique", ColumnType::Bool),
                NewColumn::new("IsSimple", ColumnType::Bool),
                NewColumn::new("Root", ColumnType::Int64),
            ],
        );
        let expressions = self.create_table(
            "__Index2_Expr",
            vec![
                NewColumn::new("Index2_ID", ColumnType::Int64),
                NewColumn::new("Expr", ColumnType::String),
            ],
        );
        self.indexes = Some((indexes, expressions));
        // They list their own indexes first.
        self.create_index("__xIndex2_Expr_Index2_ID", expressions, Some(0), false);
        self.create_index("__xIndex2_ID", indexes, None, false);
        self.create_index("__xIndex2_TableName", indexes, Some(0), false);
        self.create_index("__xIndex2_IndexName", indexes, Some(1), true);
        (indexes, expressions)
    }

    /// The table that lists the defaults.
    fn rules(&mut self) -> TableId {
        if let Some(table) = self.rules {
            return table;
        }
        let rules = self.create_table(
            rule::TABLE,
            vec![
                NewColumn::new("TableName", ColumnType::String),
                NewColumn::new("Name", ColumnType::String),
                NewColumn::new("NotNull", ColumnType::Bool),
                NewColumn::new("ConstraintExpr", ColumnType::String),
                NewColumn::new("DefaultExpr", ColumnType::String),
            ],
        );
        self.rules = Some(rules);
        self.create_index("__Column2TableName", rules, Some(0), false);
        rules
    }
}

fn text(text: &'static str) -> Value {
    Value::Text(text.into())
}
