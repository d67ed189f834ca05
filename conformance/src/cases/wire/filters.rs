//! Filters as bytes: the numbers of their fields, without a word from generated messages.

use bytes::Bytes;
use prost::Message as _;
use rkt_api::api::{
    Image, ImageFilter, KeyValue, ListImagesResponse, ListPodsResponse, Pod, PodFilter,
};

use super::super::{filtering::Fields, image_filters::ImageField, pod_filters::PodField};
use crate::wire::{put_bytes, put_varint};

/// A filter that is written by field number.
pub(super) trait Numbered: Fields {
    /// The field with annotations.
    const ANNOTATIONS: Self::Field;

    /// The number of a field.
    fn number(field: Self::Field) -> u64;

    /// The filter's annotations.
    fn annotations(filter: &Self::Filter) -> &[KeyValue];

    /// The filter's conditions in bytes, without a word from the generated message.
    fn encoded(filter: &Self::Filter) -> Vec<u8>;

    /// What an answer to the list holds.
    fn decoded(answer: Bytes) -> Option<Vec<Self>>;
}

impl Numbered for Pod {
    const ANNOTATIONS: PodField = PodField::Annotations;

    fn number(field: PodField) -> u64 {
        match field {
            PodField::Ids => 1,
            PodField::States => 2,
            PodField::AppNames => 3,
            PodField::ImageIds => 4,
            PodField::NetworkNames => 5,
            PodField::Annotations => 6,
            PodField::Cgroups => 7,
            PodField::PodSubCgroups => 8,
        }
    }

    fn annotations(filter: &PodFilter) -> &[KeyValue] {
        &filter.annotations
    }

    fn encoded(filter: &PodFilter) -> Vec<u8> {
        let mut message = Vec::new();
        let mut texts = |field, values: &[String]| {
            for value in values {
                put_bytes(&mut message, Self::number(field), value.as_bytes());
            }
        };
        texts(PodField::Ids, &filter.ids);
        texts(PodField::AppNames, &filter.app_names);
        texts(PodField::ImageIds, &filter.image_ids);
        texts(PodField::NetworkNames, &filter.network_names);
        texts(PodField::Cgroups, &filter.cgroups);
        texts(PodField::PodSubCgroups, &filter.pod_sub_cgroups);
        for &state in &filter.states {
            let value = i64::from(state).cast_unsigned();
            put_varint(&mut message, Self::number(PodField::States), value);
        }
        put_pairs(
            &mut message,
            Self::number(PodField::Annotations),
            &filter.annotations,
        );
        message
    }

    fn decoded(answer: Bytes) -> Option<Vec<Self>> {
        Some(ListPodsResponse::decode(answer).ok()?.pods)
    }
}

impl Numbered for Image {
    const ANNOTATIONS: ImageField = ImageField::Annotations;

    fn number(field: ImageField) -> u64 {
        match field {
            ImageField::Ids => 1,
            ImageField::Prefixes => 2,
            ImageField::BaseNames => 3,
            ImageField::Keywords => 4,
            ImageField::Labels => 5,
            ImageField::ImportedAfter => 6,
            ImageField::ImportedBefore => 7,
            ImageField::Annotations => 8,
            ImageField::FullNames => 9,
        }
    }

    fn annotations(filter: &ImageFilter) -> &[KeyValue] {
        &filter.annotations
    }

    fn encoded(filter: &ImageFilter) -> Vec<u8> {
        let mut message = Vec::new();
        let mut texts = |field, values: &[String]| {
            for value in values {
                put_bytes(&mut message, Self::number(field), value.as_bytes());
            }
        };
        texts(ImageField::Ids, &filter.ids);
        texts(ImageField::Prefixes, &filter.prefixes);
        texts(ImageField::BaseNames, &filter.base_names);
        texts(ImageField::Keywords, &filter.keywords);
        texts(ImageField::FullNames, &filter.full_names);
        for (field, time) in [
            (ImageField::ImportedAfter, filter.imported_after),
            (ImageField::ImportedBefore, filter.imported_before),
        ] {
            if time != 0 {
                put_varint(&mut message, Self::number(field), time.cast_unsigned());
            }
        }
        put_pairs(
            &mut message,
            Self::number(ImageField::Labels),
            &filter.labels,
        );
        put_pairs(
            &mut message,
            Self::number(ImageField::Annotations),
            &filter.annotations,
        );
        message
    }

    fn decoded(answer: Bytes) -> Option<Vec<Self>> {
        Some(ListImagesResponse::decode(answer).ok()?.images)
    }
}

fn put_pairs(message: &mut Vec<u8>, field: u64, pairs: &[KeyValue]) {
    for pair in pairs {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, 1, pair.key.as_bytes());
        put_bytes(&mut bytes, 2, pair.value.as_bytes());
        put_bytes(message, field, &bytes);
    }
}
