//! The tree of an index, from its root to its items.

use std::fmt::Display;

use bytes::Bytes;

use crate::formats::ql::{
    block::Handle,
    error::Error,
    page::{Field, IndexPage, Leaf, MAX_CHILDREN, MAX_LEAF_ITEMS, Page, parse_root},
    walk::{Content, Walk, corrupt},
};

/// The most levels that a tree may have. With pages half full, that is room for 2^64 items.
const MAX_LEVELS: usize = 8;

/// An item of a tree, and the place of its leaf.
pub(super) struct Found<'w> {
    pub(super) key: Content<'w>,
    pub(super) value: Bytes,
}

/// Reads all items of a tree in their order, and checks the pages on the way.
pub(super) fn read<'w>(
    root: Handle,
    what: &'w dyn Display,
    walk: &mut Walk,
) -> Result<Vec<Found<'w>>, Error> {
    let root = walk.content(root, what)?;
    let Some(top) = parse_root(&root.bytes).map_err(|why| root.corrupt(why))? else {
        return Ok(Vec::new());
    };
    let mut reader = Reader {
        what,
        walk,
        items: Vec::new(),
        last: None,
    };
    reader.page(top, 1)?;
    match reader.last {
        Some((last, Some(_))) => Err(corrupt(what, last.offset(), "a leaf follows the last leaf")),
        _ => Ok(reader.items),
    }
}

/// A tree that is being read, depth first.
struct Reader<'a, 'w> {
    what: &'w dyn Display,
    walk: &'a mut Walk,
    items: Vec<Found<'w>>,
    /// The leaf that was read last, and the one that is to follow it.
    last: Option<(Handle, Option<Handle>)>,
}

/// What there is to know about a page that was read with all pages below.
struct Subtree {
    leftmost: Handle,
    levels: usize,
}

impl<'w> Reader<'_, 'w> {
    /// Reads a page, which is on this level from the top, and all below it.
    fn page(&mut self, handle: Handle, level: usize) -> Result<Subtree, Error> {
        let content = self.walk.content(handle, self.what)?;
        match Page::parse(&content.bytes).map_err(|why| content.corrupt(why))? {
            Page::Leaf(leaf) => self.leaf(handle, leaf, &content),
            Page::Index(page) => self.index_page(page, level, &content),
        }
    }

    fn leaf(
        &mut self,
        handle: Handle,
        leaf: Leaf,
        content: &Content<'w>,
    ) -> Result<Subtree, Error> {
        if !(1..=MAX_LEAF_ITEMS).contains(&leaf.items.len()) {
            return Err(content.corrupt("the leaf has no items or too many"));
        }
        let linked = match self.last {
            None => leaf.previous.is_none(),
            Some((last, next)) => leaf.previous == Some(last) && next == Some(handle),
        };
        if !linked {
            return Err(content.corrupt("the leaf and the one before it are not linked"));
        }
        self.last = Some((handle, leaf.next));
        for item in leaf.items {
            let key = Content {
                bytes: self.field(item.key)?,
                ..*content
            };
            let value = self.field(item.value)?;
            self.items.push(Found { key, value });
        }
        Ok(Subtree {
            leftmost: handle,
            levels: 1,
        })
    }

    fn index_page(
        &mut self,
        page: IndexPage,
        level: usize,
        content: &Content<'w>,
    ) -> Result<Subtree, Error> {
        if level == MAX_LEVELS {
            return Err(content.corrupt("the tree has too many levels"));
        }
        // The engine splits a page with one child more only when it next passes there.
        if !(1..=MAX_CHILDREN).contains(&page.others.len()) {
            return Err(content.corrupt("the index page has no separators or too many"));
        }
        let first = self.page(page.first, level + 1)?;
        for child in page.others {
            let subtree = self.page(child.page, level + 1)?;
            if subtree.leftmost != child.leaf {
                return Err(content.corrupt("a separator is not the first leaf under its child"));
            }
            if subtree.levels != first.levels {
                return Err(content.corrupt("the leaves are not all at one depth"));
            }
        }
        Ok(Subtree {
            leftmost: first.leftmost,
            levels: first.levels + 1,
        })
    }

    /// The whole of a byte string that a leaf holds in part.
    fn field(&mut self, field: Field) -> Result<Bytes, Error> {
        match field {
            Field::Short(string) => Ok(string),
            Field::Long { head, rest } => {
                let tail = self.walk.content(rest, self.what)?;
                Ok([&head[..], &tail.bytes].concat().into())
            }
        }
    }
}
