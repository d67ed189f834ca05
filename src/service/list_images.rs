//! ListImages (clauses IM, F-I).

use std::sync::Arc;

use tonic::Status;

use super::Parts;
use crate::{
    api::{Image, ListImagesRequest, ListImagesResponse},
    filter::image_matches,
    host::ImageFacts,
};

pub(super) async fn answer(
    service: &Arc<Parts>,
    request: ListImagesRequest,
) -> Result<ListImagesResponse, Status> {
    let parts = Arc::clone(service);
    let shape = move |facts: Vec<ImageFacts>| {
        let images = facts
            .into_iter()
            .map(|facts| parts.view.image(facts))
            .filter(|image| image_matches(&request.filters, image))
            .map(|image| match request.detail {
                true => image,
                false => Image {
                    manifest: Default::default(),
                    ..image
                },
            });
        images.collect()
    };
    let images = service.inventory.images(shape).await?;
    Ok(ListImagesResponse { images })
}
