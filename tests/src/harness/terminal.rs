//! A real terminal (tmux, with a server of its own) that runs a command, takes keys and shows what a person would see.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use super::Scratch;

/// One terminal.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Opens a shell in a terminal of this size.
    ///
    /// # Panics
    /// When tmux cannot be started.
    #[must_use]
    pub fn open(scratch: &Scratch, columns: u16, rows: u16) -> Self {
        let terminal = Self { socket: scratch.join("tmux.sock") };
        let config = scratch.file(
            "tmux.conf",
            "set -g status off\nset -g default-terminal screen-256color\nset -g remain-on-exit on\nset -g history-limit 2000\n",
        );
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&terminal.socket)
            .arg("-f")
            .arg(&config)
            .args(["new-session", "-d", "-s", "t", "-x", &columns.to_string(), "-y", &rows.to_string()])
            .args(["env", "PS1=ready> ", "bash", "--norc", "--noprofile"])
            .output()
            .expect("tmux runs");
        assert!(output.status.success(), "tmux: {}", String::from_utf8_lossy(&output.stderr));
        terminal.wait("the prompt", Duration::from_secs(120), |screen| screen.contains("ready>"));
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().expect("tmux runs")
    }

    /// Types a line and Enter.
    pub fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-t", "t", "-l", text]);
        self.key("Enter");
    }

    /// Presses one key by its tmux name (`q`, `Enter`, `F1`, `Escape`).
    pub fn key(&self, name: &str) {
        self.tmux(&["send-keys", "-t", "t", name]);
    }

    /// What the terminal shows.
    #[must_use]
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p", "-t", "t"]).stdout).into_owned()
    }

    /// What it shows, with colours as escape sequences.
    #[must_use]
    pub fn coloured(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-e", "-p", "-t", "t"]).stdout).into_owned()
    }

    /// Changes its size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-t", "t", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// One of tmux's own variables about the terminal, such as `alternate_on` or `cursor_flag`.
    #[must_use]
    pub fn flag(&self, name: &str) -> String {
        let format = format!("#{{{name}}}");
        String::from_utf8_lossy(&self.tmux(&["display-message", "-p", "-t", "t", &format]).stdout).trim().to_owned()
    }

    /// Waits until the screen is as wanted and returns it.
    ///
    /// # Panics
    /// After `limit`, with the screen as it is.
    pub fn wait(&self, what: &str, limit: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let start = std::time::Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(start.elapsed() < limit, "waited {limit:?} for {what}; the screen shows:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}
