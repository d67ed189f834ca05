//! The data directory is unmounted lazily and mounted again, while the host lives on and clients
//! listen and follow.

use std::fs;

use pretty_assertions::assert_eq;
use rkt_api::api::EventFilter;
use rkt_sim::{
    live::{Player, random::Lives},
    spec::Phase,
};
use tonic::Code;

use super::Namespaces;
use crate::{
    events::{Listener, look},
    fresh::{check, images, inspect, list, setting, state},
    hosts,
    journals::{Journal, following, lines_of, message, next, of},
    lives::{expected, of_pods, told},
    support::{Client, at_once},
};

/// How often it is unmounted and mounted again.
const ROUNDS: usize = 3;

/// How many steps the host lives at a time.
const STEPS: usize = 40;

/// A host that is on a file system of its own.
struct Host {
    namespaces: Namespaces,
    player: Player,
    lives: Lives,
    /// What listeners are to be told of pods since the directory was mounted.
    expected: Vec<(String, String)>,
}

impl Host {
    fn live(&mut self) {
        for _ in 0..STEPS {
            let step = self.lives.next(self.player.state());
            let before = self.player.state().clone();
            let record = self.player.play(&step).unwrap();
            let image = record.image_id.as_deref();
            self.expected.extend(expected(&step, &before, image));
        }
    }

    /// Checks all answers against what is known of the host.
    async fn check(&self, client: &mut Client, talker: &str, why: &str) {
        let known = &self.player.state().pods;
        let pods = list(client, true).await;
        let pods = pods.iter().filter(|pod| pod.id != talker);
        let states: Vec<_> = pods.map(|pod| (pod.id.clone(), pod.state())).collect();
        let expected = known.iter().map(|(id, pod)| (id.to_string(), state(pod)));
        assert_eq!(states, expected.collect::<Vec<_>>(), "{why}");
        for (id, known) in known {
            check(&inspect(client, &id.to_string()).await.unwrap(), known, why);
        }
        let expected: Vec<_> = self.player.state().images.keys().cloned().collect();
        assert_eq!(images(client).await, expected, "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_on_through_unmounting_and_mounting() {
    let seed = setting("RKT_TEST_SEED", 7_110);
    let temp = tempfile::tempdir().unwrap();
    let [disk, dir] = ["disk", "rkt"].map(|name| temp.path().join(name));
    for path in [&disk, &dir] {
        fs::create_dir(path).unwrap();
    }
    let [disk_text, dir_text] = [&disk, &dir].map(|path| path.to_str().unwrap());
    let mount = format!("mount --bind '{disk_text}' '{dir_text}'");
    // What is written there is written whether it is mounted for the server or not.
    let script = format!("mount -t tmpfs none '{disk_text}' && {mount}");
    let Some(namespaces) = Namespaces::after(&script) else {
        return;
    };
    let inside = namespaces.at(&disk);
    let mut host = Host {
        player: Player::open(&inside).unwrap(),
        lives: Lives::new(seed, 12).unwrap(),
        expected: Vec::new(),
        namespaces,
    };
    host.live();
    // One of which the player knows nothing.
    let talker = hosts::id(0);
    fs::create_dir(hosts::phase_dir(&inside, Phase::Run).join(talker.to_string())).unwrap();
    let mut journal = Journal::create(&inside, talker);

    let server = host.namespaces.serve(&dir, &[]);
    let mut client = server.client().await;
    look(&mut client).await;
    let mut follower = client
        .get_logs(following(talker))
        .await
        .unwrap()
        .into_inner();
    let mut lines = 0;
    let mut log = |journal: &mut Journal| {
        for _ in 0..10 {
            journal.log("web", &format!("line {lines}"));
            lines += 1;
        }
        journal.rotate();
        (lines - 10..lines)
            .map(|number| format!("line {number}"))
            .collect::<Vec<_>>()
    };
    let mut listener = Listener::open(&mut client, EventFilter::default()).await;
    for round in 0..ROUNDS {
        let why = format!("RKT_TEST_SEED={seed}, round {round}");
        host.expected.clear();
        listener.heard.clear();
        host.live();
        host.check(&mut client, &talker.to_string(), &why).await;
        let written = log(&mut journal);
        assert_eq!(next(&mut follower, written.len()).await, written, "{why}");
        // E-1: what is not there any more has gone; of some that was told when they were marked.
        let pods = host.player.state().pods.iter();
        let pods = pods.filter(|(_, pod)| pod.phase <= Phase::Run);
        let pods = pods.map(|(id, _)| id).chain([&talker]);
        let pods: Vec<_> = pods.map(ToString::to_string).collect();

        host.namespaces.run(&format!("umount --lazy '{dir_text}'"));
        assert_eq!(list(&mut client, true).await, [], "{why}");
        assert_eq!(images(&mut client).await, [""; 0], "{why}");
        let refused = client.get_logs(of(talker)).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{why}: {refused}");
        listener
            .hear(&why, |heard| {
                let heard = told(heard);
                let heard = of_pods(&heard);
                pods.iter().all(|id| {
                    let told = heard.get(id.as_str());
                    told.is_some_and(|told| told.last() == Some(&"POD_GARBAGE_COLLECTED"))
                })
            })
            .await;
        let heard = told(&listener.heard);
        for (id, expected) in of_pods(&host.expected) {
            let heard = of_pods(&heard).remove(id).unwrap_or_default();
            assert!(
                heard.starts_with(&expected),
                "{why}: {heard:?} {expected:?}"
            );
        }

        // Nobody sees what happens now.
        host.live();
        let says_more = round % 2 == 0;
        if says_more {
            let last_words = log(&mut journal);
            assert_eq!(
                next(&mut follower, last_words.len()).await,
                last_words,
                "{why}"
            );
            // L-6: a pod that is looked for and not there has been deleted.
            let end = at_once("the stream ends", follower.message()).await;
            assert_eq!(end.unwrap(), None, "{why}");
        }
        listener.heard.clear();
        host.expected.clear();
        host.namespaces.run(&mount);
        host.check(&mut client, &talker.to_string(), &why).await;
        let all = lines_of(&mut client, of(talker)).await;
        let all: Vec<_> = all.iter().map(|line| message(line).to_owned()).collect();
        if says_more {
            follower = client
                .get_logs(following(talker))
                .await
                .unwrap()
                .into_inner();
            assert_eq!(next(&mut follower, all.len()).await, all, "{why}");
        }
        let written = log(&mut journal);
        assert_eq!(next(&mut follower, written.len()).await, written, "{why}");
        // What is there was there before. What happens from now on is told again.
        host.live();
        host.check(&mut client, &talker.to_string(), &why).await;
        look(&mut client).await;
        let expected = of_pods(&host.expected);
        let count = expected.values().map(Vec::len).sum::<usize>();
        listener
            .hear(&why, |heard| {
                of_pods(&told(heard)).values().map(Vec::len).sum::<usize>() >= count
            })
            .await;
        assert_eq!(of_pods(&told(&listener.heard)), expected, "{why}");
    }
    drop((listener, follower, client));
    let log = server.end().await;
    assert!(!log.contains("panicked"), "{log}");
}
