//! Pages of index trees.
//!
//! An index is a B+tree of keys and values, which are both byte strings. A root block that
//! never moves names its top page. A leaf holds items, and is linked with its neighbours; an
//! index page leads from keys to other pages. Building trees and checking them is done
//! elsewhere; here is what a page looks like.

use bytes::Bytes;

use super::{block::Handle, error::Flaw};

/// The most items that a leaf can have.
pub(super) const MAX_LEAF_ITEMS: usize = 512;

/// The most children that an index page has, but for one that the engine is about to split.
pub(super) const MAX_CHILDREN: usize = 513;

/// The length of a handle, in bytes.
const HANDLE: usize = 7;

/// The longest byte string that a leaf holds itself, in bytes.
const MAX_INLINE: usize = 18;

/// How much of a longer byte string is in the leaf, in bytes.
const HEAD: usize = MAX_INLINE - HANDLE;

const FIELD: usize = 1 + MAX_INLINE;
const LEAF_ITEM: usize = 2 * FIELD;
const LEAF_HEADER: usize = 1 + 2 * HANDLE;
const INDEX_ITEM: usize = 2 * HANDLE;

const TAG_INDEX: u8 = 0;
const TAG_LEAF: u8 = 1;
/// Stands where a byte string has its length if the string continues in a block.
const LONG: u8 = 0xFF;

/// A page of an index tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Page {
    Leaf(Leaf),
    Index(IndexPage),
}

/// A page at the bottom of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) previous: Option<Handle>,
    pub(super) next: Option<Handle>,
    /// In the order of the keys.
    pub(super) items: Vec<Item<Field>>,
}

/// What a tree holds for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item<T> {
    pub(super) key: T,
    pub(super) value: T,
}

/// A page above the bottom of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexPage {
    pub(super) first: Handle,
    pub(super) others: Vec<Child>,
}

/// A child of an index page, with what separates it from the child before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Child {
    /// The leftmost leaf under this child. Its first key is the least under the child. Since
    /// the leaf is named and not the key, keys can change without the index pages changing.
    pub(super) leaf: Handle,
    pub(super) page: Handle,
}

/// A byte string in a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// The whole string.
    Short(Bytes),
    /// The first [`HEAD`] bytes, and the block whose content is the rest.
    Long { head: Bytes, rest: Handle },
}

impl Page {
    /// Decodes the content of a page's block.
    pub(super) fn parse(content: &Bytes) -> Result<Self, Flaw> {
        let mut rest = content.clone();
        match take(&mut rest, 1)?[0] {
            TAG_LEAF => Leaf::parse(rest).map(Self::Leaf),
            TAG_INDEX => IndexPage::parse(rest).map(Self::Index),
            _ => Err("the page is neither a leaf nor an index page"),
        }
    }
}

impl Leaf {
    /// The length of the content of a leaf with so many items, in bytes.
    pub(super) fn content_len(items: usize) -> usize {
        LEAF_HEADER + items * LEAF_ITEM
    }

    fn parse(mut rest: Bytes) -> Result<Self, Flaw> {
        let previous = take_handle(&mut rest)?;
        let next = take_handle(&mut rest)?;
        let mut items = Vec::with_capacity(rest.len() / LEAF_ITEM);
        while !rest.is_empty() {
            items.push(Item {
                key: Field::parse(&mut rest)?,
                value: Field::parse(&mut rest)?,
            });
        }
        Ok(Self {
            previous,
            next,
            items,
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(Self::content_len(self.items.len()));
        content.push(TAG_LEAF);
        content.extend(Handle::to_be_bytes(self.previous));
        content.extend(Handle::to_be_bytes(self.next));
        for item in &self.items {
            item.key.encode(&mut content);
            item.value.encode(&mut content);
        }
        content
    }
}

impl IndexPage {
    fn parse(mut rest: Bytes) -> Result<Self, Flaw> {
        const NOWHERE: Flaw = "the index page leads to no page";

        let first = take_handle(&mut rest)?.ok_or(NOWHERE)?;
        let mut others = Vec::with_capacity(rest.len() / INDEX_ITEM);
        while !rest.is_empty() {
            others.push(Child {
                leaf: take_handle(&mut rest)?.ok_or(NOWHERE)?,
                page: take_handle(&mut rest)?.ok_or(NOWHERE)?,
            });
        }
        Ok(Self { first, others })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = vec![TAG_INDEX];
        content.extend(Handle::to_be_bytes(Some(self.first)));
        for child in &self.others {
            content.extend(Handle::to_be_bytes(Some(child.leaf)));
            content.extend(Handle::to_be_bytes(Some(child.page)));
        }
        content
    }
}

impl Field {
    /// A byte string, of which `put` puts into a block what does not fit into a leaf.
    pub(super) fn new(
        string: Vec<u8>,
        put: impl FnOnce(&[u8]) -> Result<Handle, Flaw>,
    ) -> Result<Self, Flaw> {
        if string.len() <= MAX_INLINE {
            return Ok(Self::Short(string.into()));
        }
        let rest = put(&string[HEAD..])?;
        let head = Bytes::copy_from_slice(&string[..HEAD]);
        Ok(Self::Long { head, rest })
    }

    fn parse(rest: &mut Bytes) -> Result<Self, Flaw> {
        let mut field = take(rest, FIELD)?;
        let len = usize::from(take(&mut field, 1)?[0]);
        // The engine writes one particular length for a long string, and takes any.
        if len <= MAX_INLINE {
            Ok(Self::Short(take(&mut field, len)?))
        } else {
            Ok(Self::Long {
                head: take(&mut field, HEAD)?,
                rest: take_handle(&mut field)?.ok_or("a key in a leaf lacks its tail")?,
            })
        }
    }

    fn encode(&self, content: &mut Vec<u8>) {
        let end = content.len() + FIELD;
        match self {
            Self::Short(string) => {
                content.push(string.len() as u8);
                content.extend_from_slice(string);
            }
            Self::Long { head, rest } => {
                content.push(LONG);
                content.extend_from_slice(head);
                content.extend(Handle::to_be_bytes(Some(*rest)));
            }
        }
        content.resize(end, 0);
    }
}

/// Decodes the content of a tree's root block: the handle of the top page, if there is one.
pub(super) fn parse_root(content: &[u8]) -> Result<Option<Handle>, Flaw> {
    match content.try_into() {
        Ok(handle) => Ok(Handle::from_be_bytes(handle)),
        Err(_) => Err("the root of an index is not of seven bytes"),
    }
}

/// The handles that accompany an indexed value, in the key and in the value of its item.
///
/// A unique index has the row in the value, so that equal keys mean equal values; any other
/// has it in the key. NULLs, of which there may be several even in a unique index, are never
/// unique.
pub(super) fn item_links(
    unique: bool,
    null: bool,
    row: Handle,
) -> (Option<Handle>, Option<Handle>) {
    if unique && !null {
        (None, Some(row))
    } else {
        (Some(row), None)
    }
}

fn take(rest: &mut Bytes, len: usize) -> Result<Bytes, Flaw> {
    if len > rest.len() {
        return Err("the page ends in the middle of an item");
    }
    Ok(rest.split_to(len))
}

fn take_handle(rest: &mut Bytes) -> Result<Option<Handle>, Flaw> {
    parse_root(&take(rest, HANDLE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(link: i64) -> Handle {
        Handle::from_link(link).unwrap().unwrap()
    }

    fn no_tail(_: &[u8]) -> Result<Handle, Flaw> {
        Err("a tail")
    }

    /// The leaf of `aciurlidx` in the sample database.
    const LEAF: [u8; 53] = [
        0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // no neighbours
        0xFF, 0x3B, 0x13, b'h', b't', b't', b'p', b's', b':', b'/', b'/', b'e', // key
        0, 0, 0, 0, 0, 0, 0x71, // its tail
        0x01, 0xEA, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // value
    ];

    #[test]
    fn a_leaf_both_ways() {
        let leaf = Leaf {
            previous: None,
            next: None,
            items: vec![Item {
                key: Field::Long {
                    head: Bytes::from_static(b"\x3B\x13https://e"),
                    rest: handle(113),
                },
                value: Field::Short(Bytes::from_static(&[0xEA])),
            }],
        };
        assert_eq!(leaf.encode(), LEAF);
        assert_eq!(Leaf::content_len(1), LEAF.len());
        let parsed = Page::parse(&Bytes::from_static(&LEAF));
        assert_eq!(parsed, Ok(Page::Leaf(leaf)));
    }

    #[test]
    fn an_index_page_both_ways() {
        let page = IndexPage {
            first: handle(1),
            others: vec![Child {
                leaf: handle(2),
                page: handle(0x0300),
            }],
        };
        let content = [
            0x00, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0,
        ];
        assert_eq!(page.encode(), content);
        let parsed = Page::parse(&Bytes::copy_from_slice(&content));
        assert_eq!(parsed, Ok(Page::Index(page)));
    }

    #[test]
    fn strings_are_divided_from_19_bytes_on() {
        let short = Field::new(vec![7; 18], no_tail).unwrap();
        assert_eq!(short, Field::Short(vec![7; 18].into()));
        let mut tail = Vec::new();
        let long = Field::new(vec![7; 19], |bytes| {
            tail = bytes.to_vec();
            Ok(handle(9))
        });
        let head = vec![7; 11].into();
        let rest = handle(9);
        assert_eq!(long, Ok(Field::Long { head, rest }));
        assert_eq!(tail, [7; 8]);
    }

    #[test]
    fn any_length_beyond_18_means_a_tail() {
        let mut content = LEAF;
        content[15] = 19;
        assert_eq!(
            Page::parse(&Bytes::copy_from_slice(&content)),
            Page::parse(&Bytes::from_static(&LEAF))
        );
    }

    #[test]
    fn damage_is_an_error() {
        for len in (0..LEAF.len()).filter(|len| *len != 15) {
            assert!(
                Page::parse(&Bytes::from_static(&LEAF[..len])).is_err(),
                "{len}"
            );
        }
        let mut content = LEAF;
        content[0] = 2;
        assert!(Page::parse(&Bytes::copy_from_slice(&content)).is_err());
        let mut content = LEAF;
        content[33] = 0;
        assert!(
            Page::parse(&Bytes::copy_from_slice(&content)).is_err(),
            "no tail"
        );
        assert!(
            Page::parse(&Bytes::from_static(&[0; 8])).is_err(),
            "no child"
        );
        assert!(parse_root(&[0; 6]).is_err());
    }
}
