//! Building the tree of an index from its items, bottom up.

use super::NewFile;
use crate::formats::ql::{
    block::{Handle, atoms_for},
    error::Flaw,
    page::{Child, Field, IndexPage, Item, Leaf, MAX_CHILDREN, MAX_LEAF_ITEMS},
};

/// Writes the pages of a tree with these keys and values, in the order of the keys. Returns
/// the top page, if there is anything in the tree.
pub(super) fn build(items: Vec<Item<Vec<u8>>>, file: &mut NewFile) -> Result<Option<Handle>, Flaw> {
    let mut fields = Vec::with_capacity(items.len());
    for item in items {
        fields.push(Item {
            key: Field::new(item.key, |tail| file.append(tail))?,
            value: Field::new(item.value, |tail| file.append(tail))?,
        });
    }
    let mut level = leaves(&fields, file)?;
    while level.len() > 1 {
        level = evenly(&level, MAX_CHILDREN)
            .map(|children| parent(children, file))
            .collect::<Result<_, _>>()?;
    }
    Ok(level.first().map(|top| top.page))
}

/// Writes the leaves. Returns each as a child for the level above.
fn leaves(fields: &[Item<Field>], file: &mut NewFile) -> Result<Vec<Child>, Flaw> {
    // A leaf names its neighbours on both sides, so all handles have to be known first.
    let mut next = file.next_handle();
    let handles: Vec<Handle> = evenly(fields, MAX_LEAF_ITEMS)
        .map(|items| {
            let handle = next;
            next = handle.after(atoms_for(Leaf::content_len(items.len())));
            handle
        })
        .collect();
    evenly(fields, MAX_LEAF_ITEMS)
        .enumerate()
        .map(|(at, items)| {
            let leaf = Leaf {
                previous: at.checked_sub(1).map(|at| handles[at]),
                next: handles.get(at + 1).copied(),
                items: items.to_vec(),
            };
            let page = file.append(&leaf.encode())?;
            debug_assert_eq!(page, handles[at]);
            Ok(Child { leaf: page, page })
        })
        .collect()
}

/// Writes the index page above these children. Returns it as a child for the level above.
fn parent(children: &[Child], file: &mut NewFile) -> Result<Child, Flaw> {
    let (first, others) = children.split_first().ok_or("an index page has no child")?;
    let page = IndexPage {
        first: first.page,
        others: others.to_vec(),
    };
    Ok(Child {
        leaf: first.leaf,
        page: file.append(&page.encode())?,
    })
}

/// Divides items into as few parts of at most `max` as there can be, all about as long.
///
/// That leaves no part less than half full, unless there is only one.
fn evenly<T>(items: &[T], max: usize) -> impl Iterator<Item = &[T]> {
    let parts = items.len().div_ceil(max);
    (0..parts).map(move |part| {
        let start = part * items.len() / parts;
        let end = (part + 1) * items.len() / parts;
        &items[start..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_even() {
        let lens = |count: usize| -> Vec<usize> {
            let items = vec![(); count];
            evenly(&items, 512).map(<[()]>::len).collect()
        };
        assert!(lens(0).is_empty());
        assert_eq!(lens(1), [1]);
        assert_eq!(lens(512), [512]);
        assert_eq!(lens(513), [256, 257]);
        assert_eq!(lens(1025), [341, 342, 342]);
    }
}
