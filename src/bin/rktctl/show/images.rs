//! Images, for people: one in a row, or one with everything.

use rkt_api::api::Image;

use super::{
    Look,
    details::Details,
    table::{Cell, Column, Table},
    words::{self, age_of, pairs, size, time_and_age, time_s},
};

const COLUMNS: [Column; 5] = [
    Column::whole("IMAGE ID"),
    Column::elastic("NAME", 12),
    Column::elastic("VERSION", 7),
    Column::whole("SIZE"),
    Column::whole("IMPORTED"),
];

/// What comes after them.
const MORE_COLUMNS: [Column; 3] = [
    Column::whole("FORMAT"),
    Column::elastic("LABELS", 12),
    Column::elastic("ANNOTATIONS", 12),
];

/// The images in a table, what was imported last first: servers have any order.
pub fn table(images: &[Image], look: &Look) -> Table {
    let more = if look.is_wide { &MORE_COLUMNS[..] } else { &[] };
    let mut table = Table::new(&[&COLUMNS, more].concat());
    let mut images: Vec<_> = images.iter().collect();
    images.sort_by_key(|image| (-i128::from(image.import_timestamp), &image.name, &image.id));
    for image in images {
        let mut row = vec![
            Cell::new(look.id(&image.id)),
            Cell::new(&image.name),
            Cell::new(&image.version),
            Cell::new(size(image.size)),
            Cell::new(age_of(time_s(image.import_timestamp), look.now)),
        ];
        if look.is_wide {
            row.extend([
                Cell::new(words::format(image.base_format.as_ref())),
                Cell::new(pairs(&image.labels, ", ")),
                Cell::new(pairs(&image.annotations, ", ")),
            ]);
        }
        table.row(row);
    }
    table
}

/// Everything about one image.
pub fn details(image: &Image, look: &Look) -> String {
    let imported = time_s(image.import_timestamp);
    let mut details = Details::default();
    details.line("ID:", Cell::new(&image.id));
    details.line("Name:", Cell::new(&image.name));
    details.line("Version:", Cell::new(&image.version));
    details.line(
        "Format:",
        Cell::new(words::format(image.base_format.as_ref())),
    );
    details.line(
        "Size:",
        Cell::new(format!("{} ({} B)", size(image.size), image.size)),
    );
    details.line("Imported:", Cell::new(time_and_age(imported, look.now)));
    details.pairs("Labels:", &image.labels);
    details.pairs("Annotations:", &image.annotations);
    details.render(look)
}
