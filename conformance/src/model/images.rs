//! ListImages and InspectImage (IM-*, F-I*).

use rkt_api::api::{self, ImageFilter, ListImagesRequest};
use tonic::Code;

use super::{
    Expected, Refusal, World, brackets::Brackets, expected::ImageTimes, facts::Image, pods,
};
use crate::{
    filters::{ImageFacts, image_meets},
    profile::Profile,
};

/// What the beginning of an image's id needs at least (IM-6).
const MIN_BEGINNING: &str = "sha512-00";

/// What every image's id begins with.
const KEY_PREFIX: &str = "sha512-";

/// Whether there is an answer about images at all.
///
/// # Errors
///
/// UNAVAILABLE while the index cannot be read and was not read before (IM-7, IM-8).
pub fn available(world: &World) -> Result<(), Refusal> {
    match world.is_index_readable() {
        true => Ok(()),
        false => Err(Refusal::new(Code::Unavailable, "")),
    }
}

/// The answer to ListImages where one is [`available`]; the order is free (IM-9), the model's
/// is that of IDs.
pub fn list(
    world: &World,
    profile: Profile,
    request: &ListImagesRequest,
) -> Vec<Expected<api::Image>> {
    let brackets = Brackets::from(profile);
    let is_taken = |image: &Expected<api::Image>| {
        // F-I0
        request.filters.is_empty() || request.filters.iter().any(|f| meets(f, image))
    };
    world
        .images()
        .filter_map(|image| full(world, &brackets, image))
        .filter(is_taken)
        .map(|mut image| {
            // IM-3
            if !request.detail {
                image.message.manifest.clear();
            }
            image
        })
        .collect()
}

/// The answer to InspectImage.
///
/// # Errors
///
/// What W-3 and IM-5 to IM-8 refuse.
pub fn inspect(world: &World, profile: Profile, id: &str) -> Result<Expected<api::Image>, Refusal> {
    if id.is_empty() {
        return Err(Refusal::new(Code::InvalidArgument, id));
    }
    available(world)?;
    let is_whole = |image: &&Image| image.id == id;
    let is_beginning = id.len() >= MIN_BEGINNING.len();
    let begins = |image: &&Image| is_beginning && image.id.starts_with(id);
    let mut beginning = world.images().filter(begins);
    let image = match (world.images().find(is_whole), beginning.next()) {
        (Some(image), _) => image,
        (None, None) => return Err(unknown(id)),
        (None, Some(image)) => match beginning.next() {
            None => image,
            Some(_) => return Err(Refusal::new(Code::InvalidArgument, id)),
        },
    };
    let whole = full(world, &Brackets::from(profile), image);
    // IM-5 wants an error, whichever.
    whole.ok_or_else(|| Refusal::any(Code::DataLoss, id))
}

/// The error for an id that nothing has. What is only too short for a beginning is neither an
/// unknown image nor one of the ids for which W-3 has a code.
fn unknown(id: &str) -> Refusal {
    let is_short = id.len() < MIN_BEGINNING.len();
    let begins_key = id.starts_with(KEY_PREFIX) || KEY_PREFIX.starts_with(id);
    match is_short && begins_key {
        true => Refusal::any(Code::InvalidArgument, id),
        false => Refusal::new(Code::NotFound, id),
    }
}

/// What InspectImage shows of the image; `None` for one whose manifest cannot be read (IM-5).
fn full(world: &World, brackets: &Brackets, image: &Image) -> Option<Expected<api::Image>> {
    let manifest = image.manifest.as_ref()?;
    let message = api::Image {
        base_format: Some(pods::image_format(world, brackets, manifest.format)),
        // IM-1
        id: image.id.clone(),
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        import_timestamp: *image.imported_at_s.start(),
        manifest: manifest.json.clone(),
        size: image.size_bytes,
        // IM-2
        annotations: manifest.annotations.clone(),
        labels: manifest.labels.clone(),
    };
    let times = ImageTimes {
        import_timestamp: Some(image.imported_at_s.clone()),
    };
    Some(Expected { message, times })
}

/// F-I1 to F-I6
fn meets(filter: &ImageFilter, image: &Expected<api::Image>) -> bool {
    image_meets(filter, &ImageFacts::from(&image.message))
}
