//! Short ids made whole: people paste what tables show, and filters of the API want whole ids.
//! Calls about one thing take beginnings themselves; there, nothing is looked up.

use std::collections::BTreeSet;

use rkt_api::api::{EventFilter, PodFilter};
use tonic::Status;
use uuid::Uuid;

use crate::{client::Client, error::Error};

/// What ids of images begin with.
const IMAGE_PREFIX: &str = "sha512-";

/// The digits of an image's whole id.
const IMAGE_DIGITS: usize = 64;

/// The length of a UUID as pods have it, with hyphens.
const POD_ID_LEN: usize = 36;

/// The characters of a pod's id that tables show.
const POD_SHORT_LEN: usize = 8;

/// The characters of an image's id that tables show: twelve digits, as rkt does.
const IMAGE_SHORT_LEN: usize = IMAGE_PREFIX.len() + 12;

/// How many filters a request has at most: as many as servers take if they are not told otherwise.
const FILTERS_MAX: usize = 1000;

/// As much of an id as tables show: of a pod's, or of an image's.
pub fn short(id: &str) -> &str {
    let len = match is_image(id) {
        true => IMAGE_SHORT_LEN,
        false => POD_SHORT_LEN,
    };
    id.get(..len).unwrap_or(id)
}

/// An image's id as calls want it: the prefix may have been left out.
pub fn image(text: &str) -> String {
    let digits = text.strip_prefix(IMAGE_PREFIX).unwrap_or(text);
    match is_hex(digits) && !digits.is_empty() {
        true => format!("{IMAGE_PREFIX}{}", digits.to_ascii_lowercase()),
        false => text.to_owned(),
    }
}

/// The filters that take what a filter with beginnings of ids means. There is more than one when
/// the beginning of an image's id fits several: a pod must have all images of a filter. A beginning
/// that is nobody's stays in the filter, which then takes no pod.
///
/// # Errors
///
/// The server's, when it has to be asked; [`Error::Usage`] when the beginnings of images' ids fit
/// so many that there would be more filters than servers take.
pub async fn whole_in_pods(
    client: &mut Client,
    filter: PodFilter,
) -> Result<Vec<PodFilter>, Error> {
    // Whole ids of images are looked up, too: what pods call an image may be shorter.
    let has_image = !filter.image_ids.is_empty();
    if !has_image && filter.ids.iter().all(|id| is_whole_pod(id)) {
        let ids = filter.ids.iter().map(|id| id.to_ascii_lowercase());
        let ids = ids.collect();
        return Ok(vec![PodFilter { ids, ..filter }]);
    }
    // Apps are a detail.
    let pods = client.pods(Vec::new(), has_image).await?.pods;
    let ids: BTreeSet<_> = pods.iter().map(|pod| pod.id.as_str()).collect();
    let images = pods.iter().flat_map(|pod| &pod.apps);
    let images = images.filter_map(|app| app.image.as_ref());
    let images: BTreeSet<_> = images.map(|image| image.id.as_str()).collect();
    whole(filter, &ids, &images)
}

/// The same, when these are the ids that pods have, and the ids of their images.
fn whole(
    filter: PodFilter,
    ids: &BTreeSet<&str>,
    images: &BTreeSet<&str>,
) -> Result<Vec<PodFilter>, Error> {
    let images_given = filter.image_ids.clone();
    let mut choices = vec![PodFilter {
        ids: filter.ids.iter().flat_map(|id| pods(id, ids)).collect(),
        image_ids: Vec::new(),
        ..filter
    }];
    for id in &images_given {
        let found = images_of_apps(id, images);
        if choices.len() * found.len() > FILTERS_MAX {
            return Err(Error::Usage(format!(
                "--image {id:?} fits {} images: say more of the id",
                found.len()
            )));
        }
        let with = |image: String| {
            choices.iter().cloned().map(move |mut choice| {
                choice.image_ids.push(image.clone());
                choice
            })
        };
        choices = found.into_iter().flat_map(with).collect();
    }
    Ok(choices)
}

/// The pods whose ids begin so; where there are none, the text itself, which no pod has.
fn pods(text: &str, ids: &BTreeSet<&str>) -> Vec<String> {
    let text = text.to_ascii_lowercase();
    beginning_with(&text, ids).unwrap_or_else(|| vec![text])
}

/// The images whose ids begin so, in a pod's words: manifests may have shortened them further than
/// the text is.
fn images_of_apps(text: &str, images: &BTreeSet<&str>) -> Vec<String> {
    let text = image(text);
    let fits = |id: &&&str| id.starts_with(&text) || is_image(id) && text.starts_with(**id);
    let found: Vec<_> = images
        .iter()
        .filter(fits)
        .map(|id| (*id).to_owned())
        .collect();
    match found.is_empty() {
        true => vec![text],
        false => found,
    }
}

/// The whole ids of images that begin so; where there are none, the texts themselves, which no
/// image has.
///
/// # Errors
///
/// The server's, when it has to be asked.
pub async fn whole_images(client: &mut Client, texts: Vec<String>) -> Result<Vec<String>, Error> {
    let texts: Vec<_> = texts.iter().map(|text| image(text)).collect();
    if texts.iter().all(|text| is_whole_image(text)) {
        return Ok(texts);
    }
    let images = client.images(Vec::new(), false).await?.images;
    let ids = images.iter().map(|image| image.id.as_str()).collect();
    let whole = |text: String| beginning_with(&text, &ids).unwrap_or_else(|| vec![text]);
    Ok(texts.into_iter().flat_map(whole).collect())
}

/// The filter with its ids whole, which may be of pods or of images.
///
/// # Errors
///
/// The server's, when it has to be asked; [`tonic::Code::NotFound`] when nothing that is there has
/// such an id: what is to come cannot be known by a beginning, and would be waited for in vain.
pub async fn whole_in_events(
    client: &mut Client,
    filter: EventFilter,
) -> Result<EventFilter, Error> {
    let whole: Option<Vec<_>> = filter.ids.iter().map(|id| whole_id(id)).collect();
    if let Some(ids) = whole {
        return Ok(EventFilter { ids, ..filter });
    }
    let pods = client.pods(Vec::new(), false).await?.pods;
    let images = client.images(Vec::new(), false).await?.images;
    let known = pods.iter().map(|pod| pod.id.as_str());
    let known = known.chain(images.iter().map(|image| image.id.as_str()));
    let ids = of_anything(&filter.ids, &known.collect())?;
    Ok(EventFilter { ids, ..filter })
}

/// The ids that are meant, when these are known.
fn of_anything(texts: &[String], known: &BTreeSet<&str>) -> Result<Vec<String>, Status> {
    let mut ids = Vec::new();
    for text in texts {
        if let Some(id) = whole_id(text) {
            ids.push(id);
            continue;
        }
        let found = beginning_with(&text.to_ascii_lowercase(), known);
        let found = found.or_else(|| beginning_with(&image(text), known));
        ids.extend(found.ok_or_else(|| {
            Status::not_found(format!(
                "no pod and no image has an id that begins with {text:?}"
            ))
        })?);
    }
    Ok(ids)
}

/// The ids that begin so; nothing where there are none.
fn beginning_with(text: &str, ids: &BTreeSet<&str>) -> Option<Vec<String>> {
    let found = ids.iter().filter(|id| id.starts_with(text));
    let found: Vec<_> = found.map(|id| (*id).to_owned()).collect();
    (!found.is_empty()).then_some(found)
}

/// The id as it's written where things have it, if the text is all of one: of an image or of a pod.
fn whole_id(text: &str) -> Option<String> {
    let image = image(text);
    match is_whole_image(&image) {
        true => Some(image),
        false => is_whole_pod(text).then(|| text.to_ascii_lowercase()),
    }
}

fn is_image(id: &str) -> bool {
    id.starts_with(IMAGE_PREFIX)
}

fn is_whole_pod(text: &str) -> bool {
    // So long, a UUID has its hyphens.
    text.len() == POD_ID_LEN && Uuid::try_parse(text).is_ok()
}

fn is_whole_image(id: &str) -> bool {
    let digits = id.strip_prefix(IMAGE_PREFIX);
    digits.is_some_and(|digits| digits.len() == IMAGE_DIGITS && is_hex(digits))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "3f0b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8";
    const OTHER: &str = "3f9b52c1-8c1d-4a7e-9d26-6e1f07a4c5b8";

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_is_shown_is_the_beginning_of_what_is_meant() {
        assert_eq!(short(POD), "3f0b52c1");
        let id = format!("sha512-{}", "0123456789abcdef".repeat(4));
        assert_eq!(short(&id), "sha512-0123456789ab");
        assert!(is_whole_image(&id));
        assert_eq!(short("odd"), "odd");
        assert_eq!(short("naïveté!"), "naïveté!");
    }

    #[test]
    fn the_prefix_of_images_may_be_left_out() {
        for text in ["00Ff", "sha512-00FF"] {
            assert_eq!(image(text), "sha512-00ff");
        }
        for text in ["", "sha512-", "sha512-00", "coreos.com/etcd"] {
            assert_eq!(image(text), text);
        }
    }

    #[test]
    fn beginnings_of_pods_become_those_that_fit() {
        let ids = BTreeSet::from([POD, OTHER]);
        assert_eq!(pods("3F0B52C1", &ids), [POD]);
        assert_eq!(pods("3f", &ids), [POD, OTHER]);
        assert_eq!(pods("4", &ids), ["4"]);
    }

    #[test]
    fn a_beginning_of_several_images_becomes_several_filters() {
        let images = BTreeSet::from(["sha512-aa11", "sha512-aa22", "sha512-bb", "odd"]);
        let filter = PodFilter {
            ids: words(&["3f0b"]),
            image_ids: words(&["aa", "sha512-bb33"]),
            ..PodFilter::default()
        };
        let with = |image_ids: &[&str]| PodFilter {
            ids: words(&[POD]),
            image_ids: words(image_ids),
            ..PodFilter::default()
        };
        assert_eq!(
            whole(filter, &BTreeSet::from([POD]), &images).unwrap(),
            [
                with(&["sha512-aa11", "sha512-bb"]),
                with(&["sha512-aa22", "sha512-bb"]),
            ]
        );
    }

    #[test]
    fn filters_are_no_more_than_servers_take() {
        let images: Vec<_> = (0..10).map(|digit| format!("sha512-{digit}")).collect();
        let images = images.iter().map(String::as_str).collect();
        let filters = |image_ids: &[&str]| {
            let filter = PodFilter {
                image_ids: words(image_ids),
                ..PodFilter::default()
            };
            whole(filter, &BTreeSet::new(), &images).map(|filters| filters.len())
        };
        assert_eq!(filters(&["sha512-"; 3]).unwrap(), 1000);
        assert_eq!(
            filters(&["sha512-", "1", "sha512-", "sha512-"]).unwrap(),
            1000
        );
        for given in [4, 1000] {
            let error = filters(&vec!["sha512-"; given]).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
            assert!(error.to_string().contains("fits 10 images"), "{error}");
        }
    }

    #[test]
    fn an_image_that_is_not_there_is_asked_for_all_the_same() {
        assert_eq!(
            images_of_apps("cc", &BTreeSet::from(["sha512-aa11"])),
            ["sha512-cc"]
        );
    }
    #[test]
    fn what_is_to_come_is_known_by_whole_ids_alone() {
        let digits = "0123456789abcdef".repeat(4);
        let id = format!("sha512-{digits}");
        let known = BTreeSet::from([POD, id.as_str()]);
        let meant = |text: &str| of_anything(&words(&[text]), &known).unwrap();
        assert_eq!(meant(&POD.to_uppercase()), [POD]);
        assert_eq!(meant(&digits), [id.as_str()]);
        assert_eq!(meant(&id.to_uppercase()), [id.as_str()]);
        // As long as a pod's id, but an image's.
        assert_eq!(meant(&digits[..POD_ID_LEN]), [id.as_str()]);
        let coming = digits.replace('0', "1");
        assert_eq!(meant(OTHER), [OTHER]);
        assert_eq!(meant(&coming), [format!("sha512-{coming}")]);
        for text in ["f", &"f".repeat(POD_ID_LEN), &POD.replace('-', "_")] {
            let status = of_anything(&words(&[text]), &known).unwrap_err();
            assert_eq!(status.code(), tonic::Code::NotFound, "{text}");
        }
    }
}
