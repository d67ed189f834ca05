//! What `/proc` says about a running pod: the cgroup of its first process.

use std::fs;

/// The cgroup of process `pid`, in the hierarchy that systemd manages. `None` when there is
/// no such process, or it is in none.
pub(crate) fn cgroup(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    systemd_cgroup(&text)
}

/// The one child of process `pid`. `None` when there is no such process, or it has no child
/// or several.
pub(crate) fn only_child(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let mut children = text.split_ascii_whitespace();
    let child = children.next()?.parse().ok()?;
    children.next().is_none().then_some(child)
}

/// The path in the hierarchy `name=systemd`, or in the unified one where that is the only
/// one there is, out of the text of `/proc/PID/cgroup` (cgroups(7)). The scope of the
/// process that systemd itself runs in a container is not the pod's: `/init.scope` is cut
/// off.
fn systemd_cgroup(text: &str) -> Option<String> {
    let mut unified = None;
    let mut others = false;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(id), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if controllers.split(',').any(|name| name == "name=systemd") {
            return Some(without_init_scope(path));
        }
        match (id, controllers) {
            ("0", "") => unified = Some(path),
            _ => others = true,
        }
    }
    unified.filter(|_| !others).map(without_init_scope)
}

fn without_init_scope(path: &str) -> String {
    path.strip_suffix("/init.scope").unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_hierarchy_of_systemd() {
        for (text, cgroup) in [
            (
                "0::/machine.slice/a.scope\n",
                Some("/machine.slice/a.scope"),
            ),
            (
                "0::/machine.slice/a.scope/init.scope\n",
                Some("/machine.slice/a.scope"),
            ),
            (
                "4:memory:/m\n1:name=systemd:/user.slice\n0::/u\n",
                Some("/user.slice"),
            ),
            ("1:name=systemd:/a:b/init.scope\n", Some("/a:b")),
            // Version 1 without systemd: the unified hierarchy says nothing of the pod.
            ("4:memory:/m\n0::/\n", None),
            ("0::/\n", Some("/")),
            ("", None),
            ("junk\n", None),
        ] {
            assert_eq!(systemd_cgroup(text).as_deref(), cgroup, "{text:?}");
        }
    }

    #[test]
    fn a_process_that_is_gone_has_nothing() {
        // Above the largest process id that Linux gives out.
        assert_eq!(cgroup(1 << 30), None);
        assert_eq!(only_child(1 << 30), None);
    }

    #[test]
    fn an_only_child_is_found() {
        use std::{
            os::unix::process::CommandExt as _,
            process::{Command, Stdio},
        };

        // The shell waits on its standard input with as many children as it was told, and
        // then ends them with itself.
        let shell = |children: &str| {
            Command::new("sh")
                .args(["-c", &format!("{children} echo ready; read _; kill 0")])
                .process_group(0)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        for (children, one) in [
            ("", false),
            ("sleep 60 &", true),
            ("sleep 60 & sleep 60 &", false),
        ] {
            let mut parent = shell(children);
            let mut ready = [0; 6];
            std::io::Read::read_exact(parent.stdout.as_mut().unwrap(), &mut ready).unwrap();
            let pid = i32::try_from(parent.id()).unwrap();
            assert_eq!(only_child(pid).is_some(), one, "{children:?}");
            drop(parent.stdin.take());
            parent.wait().unwrap();
        }
    }
}
