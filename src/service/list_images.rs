//! ListImages (clauses IM, F-I).

use bytes::Bytes;
use tonic::Status;

use super::{
    Parts,
    kept::InventoryImage,
    listing::Wanted,
    prepared::{Items, append},
};
use crate::{
    api::{Image, ListImagesRequest},
    filter::image_matches,
};

pub(super) async fn answer(service: &Parts, request: ListImagesRequest) -> Result<Items, Status> {
    let ListImagesRequest { filters, detail } = request;
    service.requests.check_images(&filters)?;
    let view = &service.view;
    let images = service.inventory.images().await?;
    let taken = images.all().iter().filter(|image| {
        filters.is_empty() || image_matches(&filters, image.cache.image(view, &image.facts))
    });
    let taken: Vec<_> = taken.map(Wanted::Item).collect();
    let listing = service.listings.images(detail);
    let listed = listing.answer(
        Some(images.all()),
        &taken,
        |image: &InventoryImage, piece| {
            let mut image: Image = view.image(&image.facts);
            if !detail {
                image.manifest = Bytes::new();
            }
            append(&image, piece);
        },
    );
    Ok(listed)
}
