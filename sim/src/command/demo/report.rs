//! What the server answered, for people who read it once, and what they can ask it next.

use std::fmt;

use rkt_api::api::{Image, Info, Pod};

use super::{
    cells,
    client::Answers,
    hints::{self, Place},
};
use crate::command::table::Table;

/// The answers of one server.
pub struct Report<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// Its answer to GetInfo.
    pub info: Info,
    /// Its other answers.
    pub answers: Answers,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Info {
            rkt_version,
            appc_version,
            api_version,
            ..
        } = &self.info;
        let Answers { pods, images, .. } = &self.answers;
        writeln!(f, "A simulated rkt host in {}\n", self.place.dir.display())?;
        writeln!(f, "GetInfo")?;
        writeln!(
            f,
            "rkt {rkt_version}, appc {appc_version}, API {api_version}\n"
        )?;
        writeln!(f, "ListPods\n{}", pod_table(pods))?;
        writeln!(f, "ListImages\n{}", image_table(images))?;
        writeln!(f, "Type next, in another terminal:")?;
        for command in hints::commands(self.place, pods) {
            writeln!(f, "  {command}")?;
        }
        writeln!(f, "\nServing on {} until Ctrl-C", self.place.address)
    }
}

fn pod_table(pods: &[Pod]) -> Table<5> {
    let mut table = Table::new(["UUID", "STATE", "APPS", "STARTED", "NETWORKS"]);
    for pod in pods {
        table.row([
            cells::short(&pod.id).to_owned(),
            cells::state(pod.state()).to_owned(),
            cells::apps(pod),
            cells::time(i128::from(pod.started_at)),
            cells::networks(pod),
        ]);
    }
    table
}

fn image_table(images: &[Image]) -> Table<6> {
    let mut table = Table::new(["ID", "NAME", "VERSION", "FORMAT", "SIZE", "IMPORTED"]);
    for image in images {
        table.row([
            cells::short_key(&image.id).to_owned(),
            image.name.clone(),
            image.version.clone(),
            cells::format(image).to_owned(),
            cells::size(image.size),
            cells::time(cells::imported_unix_ns(image)),
        ]);
    }
    table
}
