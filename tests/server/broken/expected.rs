//! What is expected of a pod: as long as it is sound, and after a damage.

use std::{fs, path::Path};

use rkt_api::layout::pod as names;
use serde_json::{Value, json};

use super::{
    Kind, PPID, PPID_AT_NS, WRITTEN_AT_NS,
    damage::Damage::{self, Empty, Missing, Nested, Sparse, Truncated},
};
use crate::{
    hosts::{CREATED_AT_NS, NO_PROCESS, STARTED_AT_NS},
    json,
};

/// What is expected of a pod.
pub struct Expected {
    pub pod: Value,
    /// The files that the log names.
    pub faults: Vec<String>,
}

impl Expected {
    /// What InspectPod answers of the pod in `dir` as long as it is sound.
    pub fn sound(kind: Kind, dir: &Path) -> Self {
        let id = dir.file_name().and_then(|name| name.to_str());
        let manifest = fs::read(dir.join(names::MANIFEST)).unwrap();
        let image = |name: &str, version: &str, id: &str, format: (&str, &str)| {
            json!({
                "base_format": {"type": format.0, "version": format.1},
                "id": id, "name": name, "version": version,
                "import_timestamp": "0", "manifest": "", "size": "0",
                "annotations": [], "labels": [],
            })
        };
        let app_state = |running| match running {
            true => "APP_STATE_RUNNING",
            false => "APP_STATE_EXITED",
        };
        let apps = kind.pod(0).apps;
        let [web, db] = [0, 1].map(|i: usize| apps[i].image.blob_key().unwrap());
        let pod = json!({
            "id": id,
            "pid": NO_PROCESS,
            "state": match kind.running {
                true => "POD_STATE_RUNNING",
                false => "POD_STATE_EXITED",
            },
            "apps": [
                {
                    "name": "web",
                    "image": image("example.com/web", "1.2", &web, ("IMAGE_TYPE_DOCKER", "2")),
                    "state": "APP_STATE_EXITED",
                    "exit_code": 37,
                    "annotations": [{"Key": "role", "value": "front"}],
                },
                {
                    "name": "db",
                    "image": image("coreos.com/etcd", "v3.1.0", &db, ("IMAGE_TYPE_APPC", "0.8.11")),
                    "state": app_state(kind.running),
                    "exit_code": 0,
                    "annotations": [],
                },
            ],
            "networks": match kind.running {
                true => json!([{"name": "default", "ipv4": "172.16.28.2", "ipv6": ""}]),
                false => json!([]),
            },
            "manifest": json::bytes(manifest),
            "annotations": [{"Key": "color", "value": "green"}],
            "cgroup": if kind.running { "/machine.slice/sound.scope" } else { "" },
            "created_at": CREATED_AT_NS.to_string(),
            "started_at": STARTED_AT_NS.to_string(),
            "gc_marked_at": "0",
        });
        let faults = vec![];
        Self { pod, faults }
    }

    /// What follows from damage to a file: what InspectPod does not know any more, and what
    /// is logged.
    pub fn after(mut self, kind: Kind, file: &str, damage: Damage) -> Self {
        let pod = &mut self.pod;
        let rootfs = kind.stage1_rootfs();
        let mut faults = vec![];
        let mut fault_if = |faulty: bool| faults.extend(faulty.then(|| file.to_owned()));
        match file {
            names::MANIFEST => {
                pod["manifest"] = json!("");
                pod["apps"] = json!([]);
                pod["annotations"] = json!([]);
                fault_if(true);
            }
            names::CREATED => {
                if !damage.is_regular() {
                    pod["created_at"] = json!(WRITTEN_AT_NS.to_string());
                }
                fault_if(damage.is_odd());
            }
            names::PID => {
                pod["pid"] = json!(match damage {
                    Truncated => 10737,
                    _ => PPID,
                });
                if !damage.is_regular() {
                    pod["started_at"] = json!(PPID_AT_NS.to_string());
                }
                fault_if(!matches!(damage, Missing | Truncated));
            }
            names::PPID => {
                pod["pid"] = json!(if damage == Truncated { 10737 } else { 0 });
                pod["started_at"] = match damage.is_regular() {
                    true => json!(PPID_AT_NS.to_string()),
                    false => json!("0"),
                };
                fault_if(!matches!(damage, Missing | Truncated));
            }
            names::SUBCGROUP if kind.running => {
                // The process that is noted does not exist, so there is nothing else to go by.
                pod["cgroup"] = json!(match damage {
                    Empty => "/",
                    Truncated => "/machine.slic",
                    _ => "",
                });
                fault_if(!matches!(damage, Missing | Empty | Truncated));
            }
            names::NET_INFO => {
                pod["networks"] = json!([]);
                fault_if(damage != Missing);
            }
            names::OVERLAY_PREPARED => {
                // The status files are where overlayfs is, or is not.
                if damage.is_regular() != kind.overlay {
                    lose_status(pod, kind);
                }
                fault_if(damage.is_odd());
            }
            names::STAGE1_TREE_STORE_ID if kind.overlay => {
                lose_status(pod, kind);
                // Half an id leads nowhere, and no status file is no news.
                fault_if(damage != Truncated);
            }
            _ if file.starts_with("appsinfo") => {
                lose_image(&mut pod["apps"][0]);
                faults.push(names::app_image_manifest("web"));
                if file == "appsinfo" {
                    lose_image(&mut pod["apps"][1]);
                    faults.push(names::app_image_manifest("db"));
                }
            }
            _ if kind.status("web") == file => {
                match damage {
                    Truncated => pod["apps"][0]["exit_code"] = json!(3),
                    _ if damage.is_regular() => pod["apps"][0]["exit_code"] = json!(0),
                    _ => lose_status(pod, kind),
                }
                fault_if(damage.is_odd() || matches!(damage, Nested | Sparse));
            }
            _ if Path::new(&rootfs).starts_with(file) || file.starts_with(&rootfs) => {
                lose_status(pod, kind);
                if damage.is_link() {
                    faults.extend(["web", "db"].map(|app| kind.status(app)));
                }
            }
            // The server has no need of it.
            _ => {}
        }
        self.faults = faults;
        self
    }

    /// What ListPods answers of the pod that InspectPod answers.
    pub fn listed(&self, detail: bool) -> Value {
        let mut pod = self.pod.clone();
        if !detail {
            pod["manifest"] = json!("");
            pod["apps"] = json!([]);
        }
        for app in pod["apps"].as_array_mut().unwrap() {
            app["state"] = json!("APP_STATE_UNDEFINED");
            app["exit_code"] = json!(0);
        }
        pod
    }
}

fn lose_status(pod: &mut Value, kind: Kind) {
    pod["apps"][0]["exit_code"] = json!(0);
    if kind.running {
        pod["apps"][0]["state"] = json!("APP_STATE_RUNNING");
    }
}

fn lose_image(app: &mut Value) {
    app["image"]["name"] = json!("");
    app["image"]["version"] = json!("");
    app["image"]["base_format"] = json!({"type": "IMAGE_TYPE_APPC", "version": "0.8.11"});
}
