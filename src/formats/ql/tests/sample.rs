//! The sample database: sound, and with damage of every kind.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    super::{
        Database, Time, Value, Zone,
        block::{ATOM, FIRST_BLOCK},
        log::tests::LOG,
        rkt,
    },
    SAMPLE, open, read_everything, rows,
};

const IMPORTED: Time = Time {
    unix_s: 1_457_067_967,
    nanos: 890,
    zone: Zone::Utc,
};
const USED: Time = Time {
    unix_s: 1_502_266_272,
    nanos: 0,
    zone: Zone::Offset { east_s: 7200 },
};

#[test]
fn tables() {
    let db = open(SAMPLE).unwrap();
    let names: Vec<_> = db.tables().iter().map(|table| table.name()).collect();
    assert_eq!(
        names,
        [
            "aciinfo",
            "__Column2",
            "__Index2_Expr",
            "__Index2",
            "remote",
            "version"
        ]
    );
    let aciinfo = db.table("aciinfo").unwrap();
    let columns: Vec<_> = aciinfo
        .columns()
        .iter()
        .map(|column| format!("{} {}", column.name(), column.kind()))
        .collect();
    assert_eq!(
        columns,
        [
            "blobkey string",
            "name string",
            "importtime time",
            "lastused time",
            "latest bool",
            "size int64",
            "treestoresize int64"
        ]
    );
    let indexes: Vec<_> = aciinfo
        .indexes()
        .iter()
        .map(|index| (index.name(), index.column(), index.unique()))
        .collect();
    assert_eq!(
        indexes,
        [("blobkeyidx", "blobkey", true), ("nameidx", "name", false)]
    );
    let index = &db.table("__Index2").unwrap().indexes()[0];
    assert_eq!((index.name(), index.column()), ("__xIndex2_ID", "id()"));
    assert_eq!(db.table("version").unwrap().indexes(), []);
    assert!(db.table("Version").is_none());
}

#[test]
fn rows_newest_first() {
    let db = open(SAMPLE).unwrap();
    let rows = rows(&db, "aciinfo").unwrap();
    assert_eq!(rows[0].id, 21);
    assert_eq!(rows[1].id, 20);
    assert_eq!(
        rows[1].values,
        [
            Value::Text("sha512-aaaa".into()),
            Value::Text("coreos.com/etcd".into()),
            Value::Time(IMPORTED),
            Value::Time(USED),
            Value::Bool(false),
            Value::Int(170),
            Value::Int(171),
        ]
    );
    assert_eq!(rows.len(), 2);
}

#[test]
fn rules() {
    let db = open(SAMPLE).unwrap();
    let aciinfo = db.table("aciinfo").unwrap();
    let rules = db.column_rules(aciinfo).unwrap();
    let defaults: Vec<_> = rules.iter().map(|rule| rule.default.as_str()).collect();
    assert_eq!(defaults, ["", "", "", "", "", "0", "0"]);
    assert!(
        rules
            .iter()
            .all(|rule| !rule.not_null && rule.constraint.is_empty())
    );
}

#[test]
fn as_rkt_sees_it() {
    let db = open(SAMPLE).unwrap();
    assert_eq!(rkt::schema_version(&db), Ok(Some(7)));
    let images: Vec<_> = rkt::images(&db).unwrap().map(Result::unwrap).collect();
    assert_eq!(images.len(), 2);
    assert_eq!(
        images[0],
        rkt::Image {
            blob_key: "sha512-bbbbbbbbbbbbbbbb".to_owned(),
            name: "example.com/app".to_owned(),
            import_time: USED,
            last_used: IMPORTED,
            latest: true,
            size_bytes: 1_234_567,
            tree_store_size_bytes: -1,
        }
    );
    let remotes: Vec<_> = rkt::remotes(&db).unwrap().map(Result::unwrap).collect();
    assert_eq!(
        remotes,
        [rkt::Remote {
            aci_url: "https://e.com/a.aci".to_owned(),
            signature_url: "https://e.com/a.aci.asc".to_owned(),
            etag: "\"abc\"".to_owned(),
            blob_key: "sha512-aaaa".to_owned(),
            cache_max_age_s: 300,
            download_time: IMPORTED,
        }]
    );
}

#[test]
fn with_a_log() {
    let version = |log| rkt::schema_version(&Database::open(SAMPLE, Some(log)).unwrap());
    assert_eq!(version(&LOG[..]), Ok(Some(8)));
    assert_eq!(version(&LOG[..48]), Ok(Some(7)), "without its commit mark");
    assert_eq!(version(&[]), Ok(Some(7)), "after a clean close");
}

#[test]
fn cut_off_anywhere() {
    for len in (0..SAMPLE.len()).step_by(ATOM) {
        let result = read_everything(Bytes::from_static(&SAMPLE[..len]), None);
        // The last block is a row, so nothing less than the whole is sound.
        let sound = [0, 16, FIRST_BLOCK].contains(&len);
        assert_eq!(result.is_ok(), sound, "{len} bytes: {result:?}");
    }
    for len in 1..ATOM {
        assert!(open(&SAMPLE[..len]).is_err(), "{len} bytes");
    }
}

proptest! {
    #[test]
    fn with_bytes_changed(
        changes in proptest::collection::vec((0..SAMPLE.len(), any::<u8>()), 1..16),
    ) {
        let mut file = SAMPLE.to_vec();
        for (at, byte) in changes {
            file[at] = byte;
        }
        let _ = read_everything(file.into(), None);
    }

    #[test]
    fn with_atoms_exchanged(
        moves in proptest::collection::vec((8..SAMPLE.len() / ATOM, 8..SAMPLE.len() / ATOM), 1..8),
    ) {
        let mut file = SAMPLE.to_vec();
        for (from, to) in moves {
            file.copy_within(from * ATOM..(from + 1) * ATOM, to * ATOM);
        }
        let _ = read_everything(file.into(), None);
    }
}
