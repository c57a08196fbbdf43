//! Restarts, and two live boots on one certificate.

use super::*;

/// A runtime of its own, so that a node can vanish without a word, as by `kill -9`.
struct Mortal {
    handle: Handle,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Mortal {
    fn new() -> Self {
        let (end, ended) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        // Its tasks are dropped where they stand, and get to say nothing.
        let thread = std::thread::spawn(move || drop(runtime.block_on(ended)));
        Self { handle, end: Some(end), thread: Some(thread) }
    }

    fn handle(&self) -> Handle {
        self.handle.clone()
    }

    fn kill(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends");
        }
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.kill();
    }
}

fn copy_of(ca: &TestCa, id: u32) -> Identity {
    Identity::load(&ca.files(id), id, unix_now_s()).expect("loaded")
}

/// `decisions:CLU-7`: two live boots on one certificate are reported by who sees them and by both of them; the session that
/// was there stays.
#[tokio::test]
async fn two_live_boots_are_reported_everywhere() {
    let ca = TestCa::new("demo");
    let (mut first, mut observer) = (Node::of(&ca, 1), Node::of(&ca, 2));
    let mut second = Node::start(settings(copy_of(&ca, 1), 1_001, 2));
    first.dial(observer.target());
    joined(&mut first, &mut observer).await;
    second.dial(observer.target());
    let both = ["0000000000000001", "00000000000003e9"];
    for node in [&mut observer, &mut first, &mut second] {
        let ToLink::DuplicateIdentity { peer, text } = node.next().await else { panic!("a report") };
        assert!(peer == 1 && both.iter().all(|boot| text.contains(boot)), "{text}");
    }
    let (why, hopeless) = second.failed().await;
    assert!(hopeless && why.contains("duplicate-identity"), "{why}");
    assert_eq!(observer.reliable.view().peers.iter().map(|peer| peer.boot_id).collect::<Vec<_>>(), [1]);
    // The two of them meet: each sees its own number on the other side.
    second.dial(Target::Seed { address: first.address() });
    for node in [&mut first, &mut second] {
        let ToLink::DuplicateIdentity { peer: 1, .. } = node.next().await else { panic!("a report") };
    }
}

/// A node that was killed and started again is let in: at once at its former port, after a question elsewhere.
#[tokio::test]
async fn a_restarted_node_is_no_duplicate() {
    let ca = TestCa::new("demo");
    let mut observer = Node::of(&ca, 2);
    ca.issue(1);
    let mut mortal = Mortal::new();
    let mut first = Node::start_on(settings(copy_of(&ca, 1), 11, 1), &mortal.handle());
    let port = first.address();
    first.dial(observer.target());
    joined(&mut first, &mut observer).await;
    mortal.kill();
    drop(first);
    let again = Settings { listen: port, ..settings(copy_of(&ca, 1), 12, 2) };
    let mut mortal = Mortal::new();
    let mut second = Node::start_on(free(again).await, &mortal.handle());
    second.dial(observer.target());
    let (peer, why) = observer.down().await;
    assert!(peer == 1 && why.contains("restarted"), "{why}");
    joined(&mut second, &mut observer).await;
    mortal.kill();
    let mut third = Node::start(settings(copy_of(&ca, 1), 13, 3));
    third.dial(observer.target());
    assert_eq!(observer.down().await.0, 1);
    let (_, at_observer) = joined(&mut third, &mut observer).await;
    assert_eq!((at_observer.boot_id, at_observer.boot_inc), (13, 3));
}

/// Waits until the port of a killed node is free.
async fn free(settings: Settings) -> Settings {
    let wait = async {
        while std::net::UdpSocket::bind(settings.listen).is_err() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the port comes free");
    settings
}

/// What was lost is taken up again by the side that had dialled, without being asked.
#[tokio::test]
async fn lost_connections_are_taken_up_again() {
    let ca = TestCa::new("demo");
    let quick = Times { idle: Duration::from_millis(400), dial: Duration::from_millis(200), ..times() };
    let mut a = Node::start(Settings { times: quick, ..settings(ca.identity(1), 1, 1) });
    ca.issue(2);
    let mut mortal = Mortal::new();
    let mut b = Node::start_on(settings(copy_of(&ca, 2), 21, 1), &mortal.handle());
    let port = b.address();
    a.dial(b.target());
    joined(&mut a, &mut b).await;
    mortal.kill();
    drop(b);
    assert_eq!(a.down().await.0, 2);
    let again = Settings { listen: port, ..settings(copy_of(&ca, 2), 22, 2) };
    let mut b = Node::start(free(again).await);
    let (at_a, _) = joined(&mut a, &mut b).await;
    assert_eq!((at_a.boot_id, at_a.boot_inc), (22, 2));
}

/// An incarnation that was removed is not let in; the next one is.
#[tokio::test]
async fn a_removed_incarnation_stays_out() {
    let ca = TestCa::new("demo");
    let (mut a, mut b) = (Node::of(&ca, 1), Node::of(&ca, 2));
    b.dial(a.target());
    joined(&mut a, &mut b).await;
    assert!(a.link.send(ToReliable::Gone { peer: 2, boot_inc: 1 }));
    assert_eq!(a.down().await.0, 2);
    let (peer, why) = b.down().await;
    assert!(peer == 1 && why.contains("removed"), "{why}");
    b.dial(a.target());
    let (why, hopeless) = b.failed().await;
    assert!(!hopeless && why.contains("removed") && why.contains("returns with a higher one"), "{why}");
    b.reliable.stop().await;
    let mut b = Node::start(settings(copy_of(&ca, 2), 22, 2));
    b.dial(a.target());
    joined(&mut a, &mut b).await;
}
