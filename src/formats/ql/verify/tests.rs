//! Every kind of fault, put into sound databases.

use proptest::prelude::*;

use super::{MAX_FINDINGS, tree, verify};
use crate::formats::ql::{
    block::{ATOM, Handle},
    create::NewFile,
    database::Database,
    error::Error,
    page::{Child, Field, IndexPage, Item, Leaf, Page, parse_root},
    rkt::{Image, Schema, write},
    time::Time,
    walk::Walk,
};

const SAMPLE: &[u8] = include_bytes!("../testdata/sample.db");

/// What is found in a file.
fn findings(file: &[u8]) -> Vec<String> {
    match Database::open(file.to_vec(), None) {
        Ok(db) => verify(&db).iter().map(Error::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

/// Checks that one of the findings ends with `why`.
#[track_caller]
fn check(file: &[u8], why: &str) {
    let findings = findings(file);
    assert!(
        findings.iter().any(|finding| finding.ends_with(why)),
        "{why:?} is not among {findings:#?}"
    );
}

/// The sample with some bytes changed.
fn sample(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut file = SAMPLE.to_vec();
    for &(at, byte) in changes {
        assert_ne!(file[at], byte);
        file[at] = byte;
    }
    file
}

/// A database with so many images, whose blob keys are the numbers in which they were
/// inserted.
fn images(count: usize) -> Vec<u8> {
    let images: Vec<_> = (0..count)
        .rev()
        .map(|number| Image {
            blob_key: format!("key-{number:04}"),
            name: String::new(),
            import_time: Time::ZERO,
            last_used: Time::ZERO,
            latest: false,
            size_bytes: 0,
            tree_store_size_bytes: 0,
        })
        .collect();
    write(Schema::LATEST, &images, &[]).unwrap()
}

/// Replaces a string wherever it is in a file.
fn replace(mut file: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let places: Vec<_> = (0..=file.len() - old.len())
        .filter(|at| file[*at..].starts_with(old))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        file[at..at + new.len()].copy_from_slice(new);
    }
    file
}

#[test]
fn sound_databases() {
    for len in [0, 16, 128] {
        assert_eq!(findings(&SAMPLE[..len]), [""; 0]);
    }
    assert_eq!(findings(SAMPLE), [""; 0]);
    assert_eq!(findings(&images(3)), [""; 0]);
}

#[test]
fn blocks() {
    check(&sample(&[(0x8D, 1)]), "its padding is not zero");
    check(&sample(&[(0xFE, 1)]), "its padding is not zero");
    check(
        &sample(&[(0x2F7, 0x2A)]),
        "it does not lead to a used block",
    );
    check(
        &sample(&[(0x2F7, 0x83)]),
        "it does not lead to a used block",
    );
    check(&[SAMPLE, &[0; ATOM]].concat(), "nothing leads to it");
    // The last block, made an atom shorter and an atom longer.
    check(
        &sample(&[(0x9C0, 0x4E)]),
        "the block's compression flag is neither 0 nor 1",
    );
    check(
        &sample(&[(0x9C0, 0x6E)]),
        "the block extends beyond the end of the file",
    );
}

#[test]
fn free_blocks() {
    check(&sample(&[(0x10, 1)]), "a handle has more than seven bytes");
    check(&sample(&[(0x17, 0)]), "it is on no list");
    check(&sample(&[(0x1F, 0x83)]), "was on a list before");
    check(
        &sample(&[(0x17, 0x82)]),
        "it is on a list, but is no free block or was on a list before",
    );
    check(
        &sample(&[(0x17, 0), (0x1F, 0x83)]),
        "it is on the wrong list",
    );
    check(
        &sample(&[(0x8A7, 1)]),
        "it does not lead back to the one before it on its list",
    );
    let mut free = [0; ATOM];
    free[0] = 0xFE;
    free[15] = 0xFE;
    check(&[SAMPLE, &free].concat(), "it is the last block");
    check(&[SAMPLE, &free, &free].concat(), "it follows another one");
}

#[test]
fn tables_and_rows() {
    check(&sample(&[(0x90, 7)]), "it is not of eight bytes");
    check(&sample(&[(0x98, 0x15)]), "its id was never given out");
    // The oldest row of `remote` becomes the last row of `version` as well.
    check(
        &sample(&[(0xA1, 0xEA)]),
        "the block was reached a second time",
    );
}

#[test]
fn indexes() {
    let file = images(3);
    check(
        &replace(file.clone(), b"key-0001", b"key-0009"),
        "an item is not the one that the table's rows call for",
    );
    check(
        &replace(file.clone(), b"key-0001", b"key-0000"),
        "a value occurs twice in a unique index",
    );
    // The root of the tree, which is a block of seven bytes, names no page.
    let db = Database::open(file.clone(), None).unwrap();
    let root = offset(db.table("aciinfo").unwrap().indexes()[0].root);
    let mut emptied = file;
    emptied[root + 1..root + 8].fill(0);
    check(
        &emptied,
        "it does not have as many items as the table has rows",
    );
}

#[test]
fn the_list_of_indexes() {
    let file = images(3);
    check(
        &replace(file.clone(), b"blobkeyidx\x02\x02", b"blobkeyidx\x01\x02"),
        "it contradicts the table's record",
    );
    let file = replace(file, b"3blobkeyidx\x02\x02", b"3blobkeyidy\x02\x02");
    check(&file, "there is no such index");
    check(&file, "it is not in the list of indexes");
}

/// Where the top page of the index on blob keys begins in a file, and the page.
fn top_page(file: &[u8]) -> (usize, IndexPage) {
    let db = Database::open(file.to_vec(), None).unwrap();
    let mut walk = Walk::new(db.file().clone(), u64::MAX);
    let root = db.table("aciinfo").unwrap().indexes()[0].root;
    let root = walk.content(root, &"root").unwrap();
    let top = parse_root(&root.bytes).unwrap().unwrap();
    let content = walk.content(top, &"top page").unwrap();
    let Ok(Page::Index(page)) = Page::parse(&content.bytes) else {
        panic!("there is only one page");
    };
    (offset(top), page)
}

fn offset(handle: Handle) -> usize {
    usize::try_from(handle.offset()).unwrap()
}

#[test]
fn trees() {
    // Three leaves below one index page, which is a short block. Leaves are long ones.
    let file = images(1100);
    let (top, page) = top_page(&file);
    let page_start = top + 1;
    let leaf_start = |leaf: Handle| offset(leaf) + 3;
    let change = |at: usize, bytes: &[u8]| {
        let mut file = file.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let [second, third] = &page.others[..] else {
        panic!("{page:?}");
    };
    let third_leaf = Handle::to_be_bytes(Some(third.leaf));

    // A child of the index page is 14 bytes, leaf first, from the eighth.
    check(
        &change(page_start + 8, &third_leaf),
        "a separator is not the first leaf under its child",
    );
    check(
        &change(page_start + 1, &third_leaf),
        "the leaf and the one before it are not linked",
    );
    check(
        &change(page_start + 15, &third_leaf),
        "the leaf and the one before it are not linked",
    );
    check(
        &change(page_start, &[7]),
        "the page is neither a leaf nor an index page",
    );
    // A leaf names its neighbours, and then has items of 38 bytes.
    let second_leaf = leaf_start(second.leaf);
    check(
        &change(second_leaf + 1, &[0; 7]),
        "the leaf and the one before it are not linked",
    );
    check(
        &change(leaf_start(page.first) + 8, &third_leaf),
        "the leaf and the one before it are not linked",
    );
    check(
        &change(leaf_start(third.leaf) + 8, &third_leaf),
        "a leaf follows the last leaf",
    );
    let items = second_leaf + 15;
    let swapped = [&file[items + 38..items + 76], &file[items..items + 38]].concat();
    check(
        &change(items, &swapped),
        "an item is not the one that the table's rows call for",
    );
}

/// A tree made by hand, page by page.
struct Sketch(NewFile);

impl Sketch {
    fn leaf(&mut self, previous: Option<Handle>, next: Option<Handle>, items: usize) -> Handle {
        let field = Field::Short(vec![0x55].into());
        let item = Item {
            key: field.clone(),
            value: field,
        };
        let leaf = Leaf {
            previous,
            next,
            items: vec![item; items],
        };
        self.0.append(&leaf.encode()).unwrap()
    }

    fn index_page(&mut self, first: Handle, others: Vec<Child>) -> Handle {
        let page = IndexPage { first, others };
        self.0.append(&page.encode()).unwrap()
    }

    /// Checks that the tree cannot be read, and why.
    #[track_caller]
    fn check(mut self, top: Handle, why: &str) {
        let top = Handle::to_be_bytes(Some(top));
        let root = self.0.append(&top).unwrap();
        let mut walk = Walk::new(self.0.into_bytes().into(), u64::MAX);
        match tree::read(root, &"tree", &mut walk) {
            Err(error) => assert!(error.to_string().ends_with(why), "{error}"),
            Ok(items) => panic!("{} items", items.len()),
        }
    }
}

#[test]
fn trees_that_cannot_be() {
    let mut sketch = Sketch(NewFile::new());
    let leaf = sketch.leaf(None, None, 0);
    sketch.check(leaf, "the leaf has no items or too many");

    let mut sketch = Sketch(NewFile::new());
    let leaf = sketch.leaf(None, None, 513);
    sketch.check(leaf, "the leaf has no items or too many");

    let mut sketch = Sketch(NewFile::new());
    let leaf = sketch.leaf(None, None, 1);
    let top = sketch.index_page(leaf, vec![]);
    sketch.check(top, "the index page has no separators or too many");

    let mut sketch = Sketch(NewFile::new());
    let [one, two, three] = [1, 2, 3].map(|atom| Handle::ROOT.after(4 * (atom - 1)));
    for (previous, next) in [
        (None, Some(two)),
        (Some(one), Some(three)),
        (Some(two), None),
    ] {
        sketch.leaf(previous, next, 1);
    }
    let right = sketch.index_page(
        two,
        vec![Child {
            leaf: three,
            page: three,
        }],
    );
    let top = sketch.index_page(
        one,
        vec![Child {
            leaf: two,
            page: right,
        }],
    );
    sketch.check(top, "the leaves are not all at one depth");

    let mut sketch = Sketch(NewFile::new());
    let mut page = sketch.leaf(None, None, 1);
    for _ in 0..8 {
        page = sketch.index_page(page, vec![Child { leaf: page, page }]);
    }
    sketch.check(page, "the tree has too many levels");
}

#[test]
fn findings_are_limited() {
    let file = [SAMPLE, &[0; 2 * MAX_FINDINGS * ATOM]].concat();
    assert_eq!(findings(&file).len(), MAX_FINDINGS);
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
        if let Ok(db) = Database::open(file, None) {
            let _ = verify(&db);
        }
    }

    #[test]
    fn cut_off(atoms in 0..SAMPLE.len() / ATOM) {
        if let Ok(db) = Database::open(&SAMPLE[..atoms * ATOM], None) {
            prop_assert_eq!(verify(&db).is_empty(), [0, 1, 8].contains(&atoms));
        }
    }

    #[test]
    fn uncompressed_with_bytes_changed(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..16),
    ) {
        let mut file = images(20);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(db) = Database::open(file, None) {
            let _ = verify(&db);
        }
    }
}
