//! Random requests: lists under filters whose values are those on the host, or almost, and ids
//! that are whole, cut, or almost right.

use std::{collections::BTreeMap, fmt::Debug};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rkt_api::api::{Image, ImageFilter, KeyValue, Pod, PodFilter};

use super::{percent, pick};
use crate::{
    case::{Objection, Verdict},
    cases::{Fields, ImageField, PodField, inspected_as_expected},
    filters::{ImageFacts, PodFacts, base_name},
    oracle::{self, Oracle},
    resource::{self, Resource},
    stage::Stage,
    text,
};

/// A request that can be made up, made smaller, and held against the model.
pub(super) trait Ask: Clone + Send + Sync + Sized + 'static {
    /// A request for what is on the host.
    fn draw(
        stage: &Stage,
        rng: &mut ChaCha8Rng,
    ) -> impl Future<Output = Result<Self, Objection>> + Send;

    /// Smaller requests, the smallest first.
    fn smaller(&self) -> Vec<Self>;

    /// Whether the answer is the model's.
    fn check(&self, stage: &Stage) -> impl Future<Output = Verdict> + Send;
}

/// A list under filters, each a list of conditions.
#[derive(Clone, Debug)]
pub(super) struct ListRequest<R: Fields> {
    filters: Vec<Vec<(R::Field, Term)>>,
    detail: bool,
}

/// A value in a condition, as far as the field has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Term {
    /// A text, or the key of a label or annotation.
    text: String,
    /// The value of a label or annotation.
    value: String,
    /// A state, or a time.
    number: i64,
}

impl Term {
    fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn number(number: impl Into<i64>) -> Self {
        Self {
            number: number.into(),
            ..Self::default()
        }
    }

    fn pair(pair: &KeyValue) -> Self {
        Self {
            text: pair.key.clone(),
            value: pair.value.clone(),
            ..Self::default()
        }
    }

    fn to_pair(&self) -> KeyValue {
        KeyValue {
            key: self.text.clone(),
            value: self.value.clone(),
        }
    }

    /// Almost the same.
    fn mutate(&mut self, rng: &mut ChaCha8Rng) {
        match rng.random_range(0..8) {
            0 => drop(self.text.pop()),
            1 => self.text = self.text.chars().skip(1).collect(),
            2 => self.text.push('x'),
            3 => self.text = self.text.to_uppercase(),
            4 => self.text.clear(),
            5 => std::mem::swap(&mut self.text, &mut self.value),
            6 => self.value.push('x'),
            _ => {
                let at = rng.random_range(0..=self.text.chars().count());
                self.text = self.text.chars().take(at).collect();
            }
        }
        self.number = match rng.random_range(0..6) {
            0 => 0,
            1 => i64::MIN,
            2 => i64::MAX,
            3 => rng.random_range(-3..20),
            4 => self.number.saturating_add(1),
            _ => self.number.saturating_sub(1),
        };
    }
}

/// A filter that is put together of terms.
pub(super) trait Terms: Fields<Field: Debug> {
    /// What a pod or image has in a field.
    fn terms(field: Self::Field, facts: &Self::Facts) -> Vec<Term>;

    /// Adds a value to the condition on a field.
    fn put(filter: &mut Self::Filter, field: Self::Field, term: &Term);
}

impl<R: Terms> ListRequest<R> {
    fn filters(&self) -> Vec<R::Filter> {
        let filter = |terms: &Vec<(R::Field, Term)>| {
            let mut filter = R::Filter::default();
            for (field, term) in terms {
                R::put(&mut filter, *field, term);
            }
            filter
        };
        self.filters.iter().map(filter).collect()
    }
}

impl<R: Terms> Ask for ListRequest<R> {
    async fn draw(stage: &Stage, rng: &mut ChaCha8Rng) -> Result<Self, Objection> {
        let oracle = Oracle::required(stage).await?;
        let all = &resource::lists_expected::<R>(stage, &oracle).facts;
        let mut filters = Vec::new();
        for _ in 0..rng.random_range(0..4) {
            let mut terms = Vec::new();
            // Most of a filter is about one of them, so that some are met.
            let pivot = pick(rng, all);
            for &field in R::FIELDS {
                if !percent(rng, 35) {
                    continue;
                }
                for _ in 0..rng.random_range(1..4) {
                    let of = match percent(rng, 80) {
                        true => pivot,
                        false => pick(rng, all),
                    };
                    let known = of.map_or_else(Vec::new, |facts| R::terms(field, facts));
                    let mut term = pick(rng, &known).cloned().unwrap_or_default();
                    if percent(rng, 15) {
                        term.mutate(rng);
                    }
                    terms.push((field, term));
                }
            }
            filters.push(terms);
        }
        let detail = percent(rng, 50);
        Ok(Self { filters, detail })
    }

    fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for at in 0..self.filters.len() {
            let mut without = self.clone();
            without.filters.remove(at);
            smaller.push(without);
        }
        for (at, terms) in self.filters.iter().enumerate() {
            for of_term in 0..terms.len() {
                let mut without = self.clone();
                without.filters[at].remove(of_term);
                smaller.push(without);
            }
        }
        if self.detail {
            let mut without = self.clone();
            without.detail = false;
            smaller.push(without);
        }
        smaller
    }

    async fn check(&self, stage: &Stage) -> Verdict {
        let oracle = Oracle::required(stage).await?;
        let filters = self.filters();
        let answer = R::list(stage, &filters, self.detail).await?;
        let expected = oracle.list::<R>(&filters, self.detail);
        let by_id = |one: &R| one.id().to_owned();
        let wanted: BTreeMap<_, _> = expected.iter().map(|e| (by_id(&e.message), e)).collect();
        let mut ids: Vec<String> = answer.iter().map(by_id).collect();
        ids.sort_unstable();
        let wrong = |expected: String, actual: String| {
            let request = R::list_text(&filters, self.detail);
            Err(Objection::fail(request, expected, actual))
        };
        if !ids.iter().eq(wanted.keys()) {
            let wanted: Vec<&String> = wanted.keys().collect();
            return wrong(text::list(&wanted), text::list(&ids));
        }
        for observed in &answer {
            let right = oracle.right(wanted[observed.id()], observed);
            if *observed != right {
                let (expected, actual) = oracle::difference(&right, observed);
                return wrong(expected, format!("{actual} ({})", observed.id()));
            }
        }
        Ok(())
    }
}

impl Terms for Pod {
    fn terms(field: PodField, facts: &PodFacts) -> Vec<Term> {
        let texts = |texts: &[String]| texts.iter().map(Term::text).collect();
        match field {
            PodField::Ids => vec![Term::text(&facts.id)],
            PodField::States => vec![Term::number(facts.state)],
            PodField::AppNames => texts(&facts.app_names),
            PodField::ImageIds => texts(&facts.image_ids),
            PodField::NetworkNames => texts(&facts.network_names),
            PodField::Annotations => facts.annotations.iter().map(Term::pair).collect(),
            PodField::Cgroups => vec![Term::text(&facts.cgroup)],
            PodField::PodSubCgroups => vec![
                Term::text(&facts.cgroup),
                Term::text(format!("{}/app.service", facts.cgroup)),
            ],
        }
    }

    fn put(filter: &mut PodFilter, field: PodField, term: &Term) {
        match field {
            PodField::Ids => filter.ids.push(term.text.clone()),
            PodField::States => {
                let state = i32::try_from(term.number).unwrap_or(i32::MAX);
                filter.states.push(state);
            }
            PodField::AppNames => filter.app_names.push(term.text.clone()),
            PodField::ImageIds => filter.image_ids.push(term.text.clone()),
            PodField::NetworkNames => filter.network_names.push(term.text.clone()),
            PodField::Annotations => filter.annotations.push(term.to_pair()),
            PodField::Cgroups => filter.cgroups.push(term.text.clone()),
            PodField::PodSubCgroups => filter.pod_sub_cgroups.push(term.text.clone()),
        }
    }
}

impl Terms for Image {
    fn terms(field: ImageField, facts: &ImageFacts) -> Vec<Term> {
        let name = facts.name.as_str();
        let pairs = |pairs: &[KeyValue]| pairs.iter().map(Term::pair).collect();
        match field {
            ImageField::Ids => vec![Term::text(&facts.id)],
            ImageField::FullNames | ImageField::Prefixes => vec![Term::text(name)],
            ImageField::BaseNames => vec![Term::text(base_name(name))],
            ImageField::Keywords => vec![Term::text(name), Term::text(base_name(name))],
            ImageField::Labels => pairs(&facts.labels),
            ImageField::Annotations => pairs(&facts.annotations),
            ImageField::ImportedAfter => vec![Term::number(facts.imported_s - 1)],
            ImageField::ImportedBefore => vec![Term::number(facts.imported_s + 1)],
        }
    }

    fn put(filter: &mut ImageFilter, field: ImageField, term: &Term) {
        match field {
            ImageField::Ids => filter.ids.push(term.text.clone()),
            ImageField::FullNames => filter.full_names.push(term.text.clone()),
            ImageField::Prefixes => filter.prefixes.push(term.text.clone()),
            ImageField::BaseNames => filter.base_names.push(term.text.clone()),
            ImageField::Keywords => filter.keywords.push(term.text.clone()),
            ImageField::Labels => filter.labels.push(term.to_pair()),
            ImageField::Annotations => filter.annotations.push(term.to_pair()),
            ImageField::ImportedAfter => filter.imported_after = term.number,
            ImageField::ImportedBefore => filter.imported_before = term.number,
        }
    }
}

/// An id, or what is almost one.
#[derive(Clone, Debug)]
pub(super) struct InspectRequest<R> {
    id: String,
    of: std::marker::PhantomData<fn() -> R>,
}

impl<R: Resource> InspectRequest<R> {
    fn new(id: String) -> Self {
        Self {
            id,
            of: std::marker::PhantomData,
        }
    }
}

impl<R: Resource> Ask for InspectRequest<R> {
    async fn draw(stage: &Stage, rng: &mut ChaCha8Rng) -> Result<Self, Objection> {
        let oracle = Oracle::required(stage).await?;
        let lists = resource::lists_expected::<R>(stage, &oracle);
        let ids: Vec<&String> = lists.detailed.keys().collect();
        let mut id = match pick(rng, &ids) {
            Some(id) => (*id).clone(),
            None => format!("{:08x}", rng.random::<u32>()),
        };
        if percent(rng, 70) {
            let length = rng.random_range(0..=id.len());
            id.truncate(length);
        }
        if percent(rng, 20) {
            id = id.to_uppercase();
        }
        if percent(rng, 20) {
            let mut term = Term::text(id);
            term.mutate(rng);
            id = term.text;
        }
        Ok(Self::new(id))
    }

    fn smaller(&self) -> Vec<Self> {
        let mut shorter = self.id.clone();
        let is_shorter = shorter.pop().is_some();
        is_shorter.then(|| Self::new(shorter)).into_iter().collect()
    }

    async fn check(&self, stage: &Stage) -> Verdict {
        inspected_as_expected::<R>(stage, &self.id).await
    }
}
