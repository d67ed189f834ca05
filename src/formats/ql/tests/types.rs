//! All that the engine can store and rkt does not use.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{
    super::{Database, Time, Value, Zone, verify},
    open, read_everything, rows,
};

const TYPES: &[u8] = include_bytes!("../testdata/types.db");

fn db() -> Database {
    open(TYPES).unwrap()
}

fn text(text: &'static str) -> Value {
    Value::Text(Bytes::from_static(text.as_bytes()))
}

/// The values of the rows of a table, newest first.
fn values(table: &str) -> Vec<Vec<Value>> {
    let rows = rows(&db(), table).unwrap();
    rows.into_iter().map(|row| row.values).collect()
}

#[test]
fn values_of_all_types() {
    let [some, none, largest, smallest] = values("types").try_into().unwrap();
    let bigint = smallest[17].clone();
    let bigrat = smallest[18].clone();
    assert_eq!(
        smallest,
        [
            Value::Bool(false),
            Value::Int(-128),
            Value::Int(-257),
            Value::Int(-65_537),
            Value::Int(i64::MIN),
            Value::Uint(0),
            Value::Uint(256),
            Value::Uint(1 << 31),
            Value::Uint(u64::MAX),
            Value::Float(0.5),
            Value::Float(-0.1),
            Value::Complex { re: 1.0, im: -2.0 },
            Value::Complex { re: 0.25, im: 3.0 },
            text(""),
            Value::Blob(Bytes::new()),
            Value::Duration(-3),
            Value::Time(Time {
                unix_s: 0,
                nanos: 1,
                zone: Zone::Utc,
            }),
            bigint.clone(),
            bigrat.clone(),
        ]
    );
    // Gob messages: lengths, types, signs and magnitudes.
    assert!(matches!(bigint, Value::BigInt(gob) if gob.ends_with(&[5])));
    assert!(matches!(bigrat, Value::BigRat(gob) if gob.ends_with(&[1, 3])));
    assert_eq!(
        largest[..17],
        [
            Value::Bool(true),
            Value::Int(127),
            Value::Int(170),
            Value::Int(171),
            Value::Int(i64::MAX),
            Value::Uint(255),
            Value::Uint(1),
            Value::Uint(2),
            Value::Uint(3),
            Value::Float(-1.0),
            Value::Float(1e300),
            Value::Complex { re: 0.0, im: 0.0 },
            Value::Complex { re: -1.0, im: 0.0 },
            Value::Text(Bytes::from_static(b"a|b\0\xFF")),
            Value::Blob(b"ql".repeat(75_000).into()),
            Value::Duration(3_600_000_000_000),
            Value::Time(Time {
                zone: Zone::Offset { east_s: 0 },
                ..Time::ZERO
            }),
        ]
    );
    assert_eq!(none, vec![Value::Null; 19]);
    assert_eq!(
        some[13..17],
        [
            text("0123456789abcdef"),
            Value::Blob(vec![7; 257].into()),
            Value::Duration(1 << 62),
            Value::Time(Time {
                unix_s: 1_500_000_000,
                nanos: 999_999_999,
                zone: Zone::Offset { east_s: -19_800 },
            }),
        ]
    );
}

#[test]
fn rules() {
    let db = db();
    let rules = db.column_rules(db.table("rules").unwrap()).unwrap();
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| (rule.not_null, &rule.constraint[..], &rule.default[..]))
        .collect();
    assert_eq!(rules, [(true, "", ""), (false, "b > 0", "7")]);
    assert_eq!(
        values("rules"),
        [
            [Value::Int(2), Value::Int(3)],
            [Value::Int(1), Value::Int(7)],
        ]
    );
}

#[test]
fn columns_and_indexes_that_came_and_went() {
    assert_eq!(
        values("dropped"),
        [
            [Value::Int(4), Value::Null],
            [Value::Int(3), Value::Null],
            [Value::Int(2), Value::Bool(false)],
            [Value::Int(1), Value::Bool(true)],
        ]
    );
    let db = db();
    let indexes = db.table("dropped").unwrap().indexes();
    let indexes: Vec<_> = indexes
        .iter()
        .map(|index| (index.name(), index.column()))
        .collect();
    assert_eq!(indexes, [("dropped_c", "c")]);
    assert_eq!(
        values("added"),
        [[Value::Int(2), text("new")], [Value::Int(1), Value::Null],]
    );
}

#[test]
fn nothing_is_found_wrong_with_it() {
    assert_eq!(verify(&db()), []);
}

proptest! {
    #[test]
    fn with_bytes_changed(changes in vec((0..TYPES.len(), any::<u8>()), 1..16)) {
        let mut file = TYPES.to_vec();
        for (at, byte) in changes {
            file[at] = byte;
        }
        let _ = read_everything(file.clone().into(), None);
        let _ = open(&file).map(|db| verify(&db));
    }
}
