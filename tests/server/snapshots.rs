//! What the recorded data directories say in the documented dialect, judged by hand against
//! the contract.

use insta::assert_snapshot;
use rkt_api::server::Dialect;

use crate::{
    answers::{Answers, Form},
    golden,
    support::Server,
};

#[tokio::test]
#[ignore = "needs RKT_GOLDEN_DIR"]
async fn documented_answers() {
    for name in golden::HOSTS {
        let host = golden::Host::unpack(name);
        let server = Server::start(host.dir(), &[]);
        let mut client = server.client().await;
        let of_processes = golden::CGROUP_OF_A_PROCESS.map(str::to_owned).into();
        let answers = Answers::gather(&mut client, Dialect::Documented, of_processes).await;
        // The recorded answers have the manifests: their length says which is which.
        let mut text = answers.render_pods(Form::Brief);
        text += &answers.render_images(Form::Brief);
        assert_snapshot!(name, text);
    }
}
