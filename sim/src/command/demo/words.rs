//! Steps in words, for people who watch.

use rkt_sim::live::{
    HostState,
    step::{Ending, ImageRef, Step},
};

use super::cells::{short, short_key};

/// A step in one line, as it is about to be played on a host in this state.
pub fn step(step: &Step, host: &HostState) -> String {
    let name = step.name();
    match step {
        Step::Import(import) => format!("{name} {}", import.image),
        Step::Remove { image, .. } | Step::Use { image, .. } => {
            format!("{name} {}", stored(image, host))
        }
        _ => match step.pod() {
            Some(pod) => {
                let id = pod.to_string();
                format!("{name} {}{}", short(&id), what(step, host))
            }
            None => name.to_owned(),
        },
    }
}

/// What of the pod a step is about: an app, or else all of them.
fn what(step: &Step, host: &HostState) -> String {
    match step {
        Step::AppExit { app, code, .. } => format!(" ({app}: {code})"),
        Step::AppStart { app, .. } => format!(" ({app})"),
        Step::AppAdd { app, .. } => format!(" ({})", app.name),
        Step::Write(write) => in_brackets(write.apps.iter().map(|app| app.name.as_str())),
        _ => {
            let pod = step.pod().and_then(|id| host.pods.get(&id));
            let apps = pod.into_iter().flat_map(|pod| &pod.apps);
            let killed = match step {
                Step::Exit {
                    by: Ending::Kill, ..
                } => ", killed",
                _ => "",
            };
            in_brackets(apps.map(|app| app.name.as_str())) + killed
        }
    }
}

fn in_brackets<'a>(apps: impl Iterator<Item = &'a str>) -> String {
    let apps: Vec<_> = apps.collect();
    match apps.is_empty() {
        true => String::new(),
        false => format!(" ({})", apps.join(", ")),
    }
}

fn stored(image: &ImageRef, host: &HostState) -> String {
    let ImageRef::Id(id) = image else {
        return image.to_string();
    };
    match host.images.get(id) {
        Some(name) => format!("{} ({name})", short_key(id)),
        None => short_key(id).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rkt_sim::live::step::{App, ImageName, Import, Transaction, Write};

    #[test]
    fn steps_say_what_they_are_about() {
        let pod = "668ecca0-3487-4c27-9134-b769a546e375".parse().unwrap();
        let id = "sha512-0123456789abcdef";
        let host = HostState {
            images: [(id.to_owned(), "coreos.com/etcd".to_owned())].into(),
            ..HostState::default()
        };
        let app = App::new("web", ImageName::new("example.com/web", "1"));
        let web = ImageName::new("example.com/web", "1");
        for (step, expected) in [
            (Step::Create { pod }, "create 668ecca0"),
            (
                Step::Write(Write {
                    apps: vec![App::new("etcd", web.clone()), app],
                    ..Write::new(pod)
                }),
                "write 668ecca0 (etcd, web)",
            ),
            (
                Step::AppExit {
                    pod,
                    app: "web".to_owned(),
                    code: 137,
                },
                "app-exit 668ecca0 (web: 137)",
            ),
            (
                Step::Exit {
                    pod,
                    by: Ending::Kill,
                },
                "exit 668ecca0, killed",
            ),
            (Step::Import(Import::new(web)), "import example.com/web:1"),
            (
                Step::Remove {
                    image: ImageRef::Id(id.to_owned()),
                    via: Transaction::Log,
                },
                "remove sha512-0123456789ab (coreos.com/etcd)",
            ),
        ] {
            assert_eq!(super::step(&step, &host), expected);
        }
    }
}
