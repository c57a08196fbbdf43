//! The socket end to end: a real server over a stand-in node, a real client, hostile callers, other users.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use control::page::{EventsPage, HostPage, MAGIC, NodePage, TorusPage, VERSION};
use control::{SteerError, Steering};

use super::*;
use crate::config::{Group, Others};

#[derive(Default)]
struct Stand {
    asked: Mutex<Vec<Request>>,
}

impl Gate for Stand {
    fn request(&self, request: &Request) -> Result<Reply, Refusal> {
        self.asked.lock().expect("not poisoned").push(request.clone());
        match request.torus() {
            Some("Z") => Err(Refusal::new("no torus Z; there is A")),
            Some("HANG") => {
                std::thread::sleep(Duration::from_millis(400));
                Ok(Reply { message: "late".to_owned(), count: 0 })
            }
            _ => Ok(Reply { message: "done".to_owned(), count: 2 }),
        }
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let node = NodePage { magic: MAGIC, version: VERSION, tori: 1, ..NodePage::default() };
        let torus = TorusPage { executed: 7, name: control::page::Text::new("A"), ..TorusPage::default() };
        Snapshot::from_pages(&node, &HostPage::default(), &[&torus], &EventsPage::default(), 1).ok()
    }
}

struct Desk {
    dir: PathBuf,
    gate: Arc<Stand>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Desk {
    fn open(name: &str, rule: peer::Rule) -> Self {
        let dir = std::env::temp_dir().join(format!("trefoil-socket-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).expect("passable");
        let gate = Arc::new(Stand::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (opened, open) = std::sync::mpsc::channel();
        let (path, node) = (dir.join(SOCKET_NAME), gate.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
            runtime.block_on(async {
                let listener = server::bind(&path, &rule).expect("bound");
                opened.send(()).expect("waited for");
                let serving = tokio::spawn(server::serve(listener, routes::router(node, rule)));
                let _ = stopped.await;
                serving.abort();
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
        });
        open.recv().expect("opened");
        Self { dir, gate, stop: Some(stop), thread: Some(thread) }
    }

    fn client(&self) -> Client {
        Client::new(&self.dir)
    }

    /// Sends raw bytes and returns everything that comes back.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.dir.join(SOCKET_NAME)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn asked(&self) -> usize {
        self.gate.asked.lock().expect("not poisoned").len()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn open_rule() -> peer::Rule {
    peer::Rule::new(None, Others::ReadOnly)
}

#[test]
fn the_owner_reads_and_changes() {
    let desk = Desk::open("owner", open_rule());
    let mut client = desk.client();
    let snapshot: Snapshot = serde_json::from_str(&client.get("/v1/status").expect("answered")).expect("a snapshot");
    assert_eq!(snapshot.tori[0].executed, 7);
    assert_eq!(client.get("/v1/events").expect("answered"), "[]");
    let metrics = client.get("/metrics").expect("answered");
    assert!(metrics.contains("trefoil_torus_events_executed_total{torus=\"A\"} 7"), "{metrics}");
    assert!(!metrics.contains("temperature"), "an absent sensor has no line");
    let reply = client.send(&Request::Pause { torus: "A".to_owned() }).expect("done");
    assert_eq!((reply.message.as_str(), reply.count), ("done", 2));
    let refused = client.send(&Request::Pause { torus: "Z".to_owned() }).expect_err("no such torus");
    assert_eq!(refused, SteerError::Refused { reason: "no torus Z; there is A".to_owned() });
    assert_eq!(desk.asked(), 2);
}

#[test]
fn nonsense_is_refused_with_a_remedy() {
    let desk = Desk::open("nonsense", open_rule());
    let post = |body: &str| {
        let head = format!("POST /v1/request HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
        desk.raw(format!("{head}{body}").as_bytes())
    };
    let cases = [
        (post("{]"), "400", "expected a request such as"),
        (post("{\"do\":\"explode\"}"), "400", "unknown variant"),
        (post("{\"do\":\"pause\",\"torus\":\"A\",\"now\":1}"), "400", "now"),
        (post("{\"do\":\"inject\",\"torus\":\"A\",\"dst\":-1}"), "400", "expected u32"),
        (post("{\"do\":\"stop\",\"now\":1}"), "400", "now"),
        (post(""), "400", "expected a request such as"),
        (post(&" ".repeat(70_000)), "413", "at most 16384 bytes"),
        (desk.raw(b"GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"), "404", "there is GET /v1/status"),
        (desk.raw(b"DELETE /v1/status HTTP/1.1\r\nhost: x\r\n\r\n"), "405", "does not take DELETE"),
    ];
    for (answer, code, text) in cases {
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")) && answer.contains(text), "{code} {text}: {answer}");
        assert!(answer.contains("{\"error\":\""), "{answer}");
    }
    // What is not HTTP at all is dropped, and the server lives on.
    desk.raw(&[0xff; 4096]);
    desk.raw(&[b'A'; 100_000]);
    assert_eq!(desk.asked(), 0);
    assert!(desk.client().get("/v1/status").is_ok());
}

/// Callers that never finish their request lose their place; the next one beyond the limit is told.
#[test]
fn slow_callers_cannot_hold_the_socket() {
    let desk = Desk::open("slow", open_rule());
    let path = desk.dir.join(SOCKET_NAME);
    let mut held: Vec<UnixStream> = (0..server::MAX_CONNECTIONS)
        .map(|_| {
            let mut stream = UnixStream::connect(&path).expect("connected");
            stream.write_all(b"GET /v1/status HTTP/1.1\r\nhost:").expect("sent");
            stream
        })
        .collect();
    let mut turned_away = UnixStream::connect(&path).expect("connected");
    let mut answer = String::new();
    turned_away.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("try again"), "{answer}");
    // The server ends the slow ones; each read comes back.
    for stream in &mut held {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the server closed it");
    }
    assert!(desk.client().get("/v1/status").is_ok());
}

#[test]
fn a_hanging_agent_a_dead_one_and_none_are_told_apart() {
    let desk = Desk::open("hang", open_rule());
    let mut hasty = desk.client().with_timeout(Duration::from_millis(50));
    let slow = hasty.send(&Request::Pause { torus: "HANG".to_owned() }).expect_err("too slow");
    assert!(slow.to_string().contains("may hang"), "{slow}");
    let dir = std::env::temp_dir().join(format!("trefoil-dead-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("temporary folder");
    let none = Client::new(&dir).get("/metrics").expect_err("no agent");
    assert!(none.to_string().contains("no agent; start it with"), "{none}");
    drop(std::os::unix::net::UnixListener::bind(dir.join(SOCKET_NAME)).expect("bound"));
    let gone = Client::new(&dir).get("/metrics").expect_err("dead agent");
    assert!(gone.to_string().contains("left its socket"), "{gone}");
    // A left-over socket is replaced, anything else is not.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    let _inside = runtime.enter();
    drop(server::bind(&dir.join(SOCKET_NAME), &open_rule()).expect("replaced"));
    std::fs::remove_file(dir.join(SOCKET_NAME)).expect("removed");
    std::fs::write(dir.join(SOCKET_NAME), "mine").expect("written");
    let refused = server::bind(&dir.join(SOCKET_NAME), &open_rule()).expect_err("in the way");
    assert!(refused.to_string().contains("not a socket"), "{refused}");
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// Run by the next test under another user: prints what that user may do.
#[test]
fn as_another_user() {
    let Some(dir) = std::env::var_os("TREFOIL_TEST_SOCKET") else { return };
    let mut client = Client::new(Path::new(&dir));
    let look = client.get("/metrics").map(|_| ());
    let change = client.send(&Request::Stop {});
    let text = format!("look: {look:?}\nchange: {change:?}\n");
    std::fs::write(std::env::var_os("TREFOIL_TEST_ANSWER").expect("named"), text).expect("written");
}

/// `decisions:NODE-20`, with real credentials: another user reads but does not change, a member of the group changes, and with
/// `others = "refuse"` nobody else even looks.
#[test]
fn other_users_are_told_by_their_credentials() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var("TREFOIL_NO_SKIP").as_deref() != Ok("1"), "needs root, and skips are not allowed");
        skipped("needs root to become another user");
        return;
    }
    const NOBODY: u32 = 65_534;
    let as_nobody = |desk: &Desk| -> String {
        let answers = desk.dir.join("answers");
        std::fs::create_dir_all(&answers).expect("folder");
        std::fs::set_permissions(&answers, std::fs::Permissions::from_mode(0o777)).expect("writable");
        let answer = answers.join("text");
        // The test binary may lie where nobody cannot reach it.
        let program = desk.dir.join("program");
        std::fs::copy(std::env::current_exe().expect("known"), &program).expect("copied");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("runnable");
        let mut child = Command::new(program);
        child.args(["--exact", "control_plane::tests::as_another_user"]);
        child.env("TREFOIL_TEST_SOCKET", &desk.dir).env("TREFOIL_TEST_ANSWER", &answer);
        let status = child.current_dir("/").uid(NOBODY).gid(NOBODY).output().expect("ran");
        assert!(status.status.success(), "{status:?}");
        std::fs::read_to_string(answer).expect("answered")
    };
    let desk = Desk::open("others", open_rule());
    let text = as_nobody(&desk);
    assert!(text.contains("look: Ok") && text.contains("ReadOnly") && text.contains("only root may"), "{text}");
    assert_eq!(desk.asked(), 0);

    let group = Group { name: "nogroup".to_owned(), gid: NOBODY };
    let desk = Desk::open("member", peer::Rule::new(Some(group), Others::Refuse));
    let text = as_nobody(&desk);
    assert!(text.contains("look: Ok") && text.contains("change: Ok"), "{text}");
    assert_eq!(desk.asked(), 1);

    let desk = Desk::open("refuse", peer::Rule::new(None, Others::Refuse));
    let text = as_nobody(&desk);
    assert!(text.contains("look: Err") && text.contains("permission denied"), "{text}");
    // Even where the mode lets them through, the rule holds.
    std::fs::set_permissions(desk.dir.join(SOCKET_NAME), std::fs::Permissions::from_mode(0o666)).expect("set");
    let text = as_nobody(&desk);
    assert!(text.contains("look: Err(Refused") && text.contains("ReadOnly"), "{text}");
    assert_eq!(desk.asked(), 0);
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}
