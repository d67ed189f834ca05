//! Small databases made by hand, sound and unsound.

use proptest::prelude::*;

use super::{
    super::{
        ColumnRule, Error, MAX_SCHEMA_BYTES, MIN_ROWS_LIMIT, ROWS_LIMIT_PER_FILE_BYTE, Value,
        block::{self, ATOM, FIRST_BLOCK, Handle},
        create::NewFile,
        rkt,
        scalar::{Scalar, encode},
    },
    SAMPLE, open, read_everything, rows,
};

/// A database of one table `t`, for tests to put into its blocks what they like.
struct Sketch(NewFile);

impl Sketch {
    const HEAD: i64 = 3;

    fn new() -> Self {
        let mut file = NewFile::new();
        for content in [&[][..], &[0; 8], &[]] {
            file.append(content).unwrap();
        }
        Self(file)
    }

    fn block(&mut self, scalars: &[Scalar]) -> i64 {
        self.0.append(&encode(scalars).unwrap()).unwrap().to_link()
    }

    /// A row of a single value.
    fn row(&mut self, next: i64, value: Scalar) -> i64 {
        self.block(&[int(next), int(1), value])
    }

    /// Adds the table, with these columns and its newest row in the block `newest`.
    fn finish(mut self, columns: &str, newest: i64) -> Vec<u8> {
        let record = self.block(&[int(0), text(columns), int(Self::HEAD), text("t")]);
        self.root(record).set(Self::HEAD, newest).0.into_bytes()
    }

    fn root(self, record: i64) -> Self {
        self.set(Handle::ROOT.to_link(), record)
    }

    fn set(mut self, handle: i64, link: i64) -> Self {
        let handle = Handle::from_link(handle).unwrap().unwrap();
        self.0.fill(handle, &encode(&[int(link)]).unwrap()).unwrap();
        self
    }
}

fn int(number: i64) -> Scalar {
    Scalar::Int(number)
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned().into())
}

fn bytes(bytes: &[u8]) -> Scalar {
    Scalar::Bytes(bytes.to_vec().into())
}

/// A payload as a row has it: wrapped in a vector with its type's letter.
fn wrapped(items: &[Scalar]) -> Scalar {
    bytes(&encode(items).unwrap())
}

/// The values of the rows of `t`.
fn values(file: &[u8]) -> Result<Vec<Vec<Value>>, Error> {
    let rows = rows(&open(file)?, "t")?;
    Ok(rows.into_iter().map(|row| row.values).collect())
}

/// Why a file cannot be read.
fn why(file: &[u8]) -> &'static str {
    match values(file) {
        Err(Error::Corrupt { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_yet() {
    for len in [0, 16, FIRST_BLOCK] {
        let db = open(&SAMPLE[..len]).unwrap();
        assert_eq!(db.tables(), []);
        assert_eq!(rkt::schema_version(&db), Ok(None));
        assert_eq!(rkt::images(&db).unwrap().count(), 0);
        assert_eq!(rkt::remotes(&db).unwrap().count(), 0);
    }
    // The engine's first open makes the second of these out of an empty file.
    for root in [&[][..], &[0x55]] {
        let mut file = NewFile::new();
        file.append(root).unwrap();
        file.append(&[0; 8]).unwrap();
        assert_eq!(open(&file.into_bytes()).unwrap().tables(), []);
    }
}

/// What a file system leaves of a file whose blocks were never written out.
#[test]
fn zeros_are_no_empty_database() {
    let mut file = SAMPLE.to_vec();
    file[16..].fill(0);
    assert!(open(&file).is_err());
}

#[test]
fn not_a_database() {
    let error = open(b"SQLite format 3\0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "damaged database: file header at byte 0: this is no ql database"
    );
}

#[test]
fn an_error_says_where() {
    let mut sketch = Sketch::new();
    let old = sketch.row(0, int(1));
    let new = sketch.row(old, text("two"));
    let file = sketch.finish("lnumber", new);
    let db = open(&file).unwrap();
    let mut rows = db.rows(&db.tables()[0]);
    assert_eq!(
        rows.next().unwrap().unwrap_err().to_string(),
        "damaged database: row of table \"t\" at byte 192: a value is not of its column's type"
    );
    assert!(rows.next().is_none());
}

#[test]
fn values_that_do_not_fit_their_columns() {
    for (column, value) in [
        ("in", int(128)),
        ("jn", int(-32_769)),
        ("kn", int(1 << 31)),
        ("ln", Scalar::Uint(0)),
        ("un", Scalar::Uint(256)),
        ("xn", int(0)),
        ("gn", int(0)),
        ("bn", int(0)),
        ("sn", bytes(b"")),
        ("Bn", text("")),
        ("Bn", bytes(b"")),
        ("Bn", wrapped(&[int(0x54), bytes(b"")])),
        ("Bn", wrapped(&[int(0x42), text("")])),
        ("Bn", wrapped(&[int(0x42), bytes(b""), int(0)])),
        ("Tn", wrapped(&[int(0x54), bytes(b"")])),
    ] {
        let mut sketch = Sketch::new();
        let newest = sketch.row(0, value.clone());
        let file = sketch.finish(column, newest);
        assert!(values(&file).is_err(), "{column} {value:?}");
    }
}

#[test]
fn columns_that_came_and_went() {
    let mut sketch = Sketch::new();
    let short = sketch.block(&[int(0), int(1), int(10), text("gone")]);
    let long = sketch.block(&[int(short), int(2), int(20), Scalar::Null, text("new")]);
    let file = sketch.finish("la|s|sc", long);
    assert_eq!(
        values(&file).unwrap(),
        [
            [Value::Int(20), Value::Text("new".into())],
            [Value::Int(10), Value::Null],
        ]
    );
    let mut sketch = Sketch::new();
    let newest = sketch.block(&[int(0), int(1), int(10), int(20)]);
    assert_eq!(
        why(&sketch.finish("la", newest)),
        "the row has more values than the table has columns"
    );
}

#[test]
fn long_payloads() {
    let long = |next_of_last: &[Scalar]| {
        let mut sketch = Sketch::new();
        let last = sketch.block(&[next_of_last, &[bytes(&[3; 65_536])]].concat());
        let middle = sketch.block(&[int(last), bytes(&[2; 65_536])]);
        let newest = sketch.row(0, wrapped(&[int(0x42), int(middle), bytes(&[1; 200])]));
        sketch.finish("Bpayload", newest)
    };
    let expected = [&[1; 200][..], &[2; 65_536], &[3; 65_536]].concat();
    assert_eq!(
        values(&long(&[])).unwrap(),
        [[Value::Blob(expected.into())]]
    );
    // The first piece of the rest is the last block but one before the row.
    assert_eq!(
        why(&long(&[int(4 + 4097)])),
        "the block was reached a second time"
    );
}

#[test]
fn blocks_that_moved() {
    let moved = |target: [u8; 2]| {
        let mut sketch = Sketch::new();
        let content = sketch.row(0, int(5));
        let mut atom = [0; ATOM];
        atom[0] = 0xFE;
        atom[15] = 0xFE;
        let free = sketch.0.append_atoms(&atom).to_link();
        atom = [0; ATOM];
        atom[0] = 0xFD;
        atom[6..8].copy_from_slice(&target);
        let newest = sketch.0.append_atoms(&atom).to_link();
        assert_eq!((content, free, newest), (4, 5, 6));
        sketch.finish("ln", newest)
    };
    assert_eq!(values(&moved([0, 4])).unwrap(), [[Value::Int(5)]]);
    assert_eq!(why(&moved([0, 0])), "the block has moved to nowhere");
    assert_eq!(why(&moved([0, 5])), "the block it moved to is free");
    assert_eq!(why(&moved([0, 6])), "the block was reached a second time");
    assert_eq!(
        why(&moved([9, 9])),
        "the block lies beyond the end of the file"
    );
}

#[test]
fn circles() {
    let mut sketch = Sketch::new();
    let newest = sketch.row(5, int(1));
    sketch.row(newest, int(2));
    let file = sketch.finish("ln", newest);
    let db = open(&file).unwrap();
    let rows: Vec<_> = db.rows(&db.tables()[0]).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows[2].is_err());

    let mut sketch = Sketch::new();
    let table = |next, name| [int(next), text("ln"), int(Sketch::HEAD), text(name)];
    let first = sketch.block(&table(4 + 1, "a"));
    sketch.block(&table(first, "b"));
    let file = sketch.root(first).0.into_bytes();
    assert_eq!(why(&file), "the block was reached a second time");

    let mut sketch = Sketch::new();
    let second = sketch.block(&table(0, "a"));
    let first = sketch.block(&table(second, "a"));
    let file = sketch.root(first).0.into_bytes();
    assert_eq!(why(&file), "there are two tables of that name");
}

#[test]
fn indexes_follow_their_names() {
    let table = |names: &str, roots: &[Scalar]| {
        let mut sketch = Sketch::new();
        let roots = sketch.block(roots);
        let head = int(Sketch::HEAD);
        let record = sketch.block(&[
            int(0),
            text("la|lb"),
            head,
            text("t"),
            text(names),
            int(roots),
        ]);
        sketch.root(record).0.into_bytes()
    };
    // The root of an index that was dropped is still there.
    let file = table("||ni", &[Scalar::Null, int(9), int(10)]);
    let db = open(&file).unwrap();
    let [index] = db.tables()[0].indexes() else {
        panic!("{db:?}");
    };
    assert_eq!(
        (index.name(), index.column(), index.unique()),
        ("i", "b", false)
    );

    for (names, roots) in [
        ("||ni", &[Scalar::Null, Scalar::Null, Scalar::Null][..]),
        ("||ni", &[Scalar::Null, Scalar::Null, int(0)]),
        ("||ni", &[Scalar::Null, Scalar::Null]),
        ("||ni", &[Scalar::Null, Scalar::Null, int(9), int(9)]),
        ("|ni", &[Scalar::Null, int(9)]),
        ("|||ni", &[Scalar::Null, Scalar::Null, Scalar::Null, int(9)]),
        ("||xi", &[Scalar::Null, Scalar::Null, int(9)]),
    ] {
        assert!(open(&table(names, roots)).is_err(), "{names} {roots:?}");
    }
}

/// A row whose text unpacks to the longest possible, in three atoms.
fn bomb(next: i64) -> Vec<u8> {
    let row = encode(&[int(next), int(1), text(&"x".repeat(65_535))]).unwrap();
    let head = row.len() - 65_534;
    let mut stream = vec![];
    uvarint(row.len(), &mut stream);
    uvarint((head - 1) * 2, &mut stream);
    stream.extend_from_slice(&row[..head]);
    uvarint(65_534 * 2 - 1, &mut stream);
    uvarint(1, &mut stream);
    let mut block = vec![];
    block::encode(&stream, &mut block).unwrap();
    *block.last_mut().unwrap() = 1;
    block
}

fn uvarint(mut number: usize, stream: &mut Vec<u8>) {
    while number > 0x7F {
        stream.push(number as u8 | 0x80);
        number >>= 7;
    }
    stream.push(number as u8);
}

#[test]
fn a_bomb_is_refused_in_proportion_to_the_file() {
    let mut sketch = Sketch::new();
    let mut newest = 0;
    for _ in 0..200 {
        newest = sketch.0.append_atoms(&bomb(newest)).to_link();
    }
    let file = sketch.finish("sx", newest);
    let db = open(&file).unwrap();
    let limit = MIN_ROWS_LIMIT + ROWS_LIMIT_PER_FILE_BYTE * file.len() as u64;
    let rows: Vec<_> = db.rows(&db.tables()[0]).collect();
    assert_eq!(rows.len() as u64, limit / 65_541 + 1);
    let last = rows.last().unwrap();
    assert!(
        matches!(last, Err(Error::TooMuch { limit: l, .. }) if *l == limit),
        "{last:?}"
    );
}

#[test]
fn many_wide_tables_are_refused() {
    let mut sketch = Sketch::new();
    let mut first = 0;
    for name in 0..20 {
        let columns = text(&"|l".repeat(32_000)[1..]);
        first = sketch.block(&[
            int(first),
            columns,
            int(Sketch::HEAD),
            text(&name.to_string()),
        ]);
    }
    let file = sketch.root(first).0.into_bytes();
    let error = open(&file).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooMuch {
                limit: MAX_SCHEMA_BYTES,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn many_short_rows_of_a_wide_table_are_refused() {
    let mut sketch = Sketch::new();
    let mut newest = 0;
    for _ in 0..1000 {
        newest = sketch.block(&[int(newest), int(1)]);
    }
    let file = sketch.finish(&"|lx".repeat(20_000)[1..], newest);
    let error = values(&file).unwrap_err();
    assert!(matches!(error, Error::TooMuch { .. }), "{error}");
}

#[test]
fn of_several_rules_the_last_block_counts() {
    let mut sketch = Sketch::new();
    let rule = |next, table, column, default| {
        let not_null = Scalar::Bool(true);
        [
            int(next),
            int(1),
            text(table),
            text(column),
            not_null,
            text("n > 0"),
            text(default),
        ]
    };
    // The newest row need not be in the last block.
    let older = sketch.0.next_handle().to_link() + 2;
    let newer = sketch.block(&rule(older, "t", "n", "1"));
    let oldest = older + 2;
    assert_eq!(sketch.block(&rule(oldest, "t", "n", "2")), older);
    let others = sketch.block(&rule(0, "t", "gone", "3"));
    assert_eq!(others, oldest);
    let head = sketch.block(&[int(newer)]);
    let columns = text("sTableName|sName|bNotNull|sConstraintExpr|sDefaultExpr");
    let system = sketch.block(&[int(0), columns, int(head), text("__Column2")]);
    let record = sketch.block(&[int(system), text("lm|ln"), int(Sketch::HEAD), text("t")]);
    let db = open(&sketch.root(record).0.into_bytes()).unwrap();
    let expected = ColumnRule {
        not_null: true,
        constraint: "n > 0".to_owned(),
        default: "2".to_owned(),
    };
    let rules = db.column_rules(db.table("t").unwrap());
    assert_eq!(rules, Ok(vec![ColumnRule::default(), expected]));
}

proptest! {
    #[test]
    fn arbitrary_bytes(
        body in proptest::collection::vec(any::<u8>(), 0..2048),
        log in proptest::collection::vec(any::<u8>(), 0..256),
    ) {
        let _ = read_everything(body.clone().into(), Some(&log));
        // The same, but past the header.
        let mut file = body;
        file.resize(file.len().next_multiple_of(ATOM), 0);
        file.splice(0..0, SAMPLE[..FIRST_BLOCK].iter().copied());
        let _ = read_everything(file.into(), Some(&log));
    }
}
