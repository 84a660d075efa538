//! A service as a process of its own.

use std::{
    env, fs,
    fs::File,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::services::{Layer, Setup};

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running service, ended on drop. It also ends when this process ends for any reason.
pub struct Service {
    process: Child,
    log: PathBuf,
    pub port: u16,
}

impl Service {
    pub fn start(layer: Layer, url: &str, setup: Setup) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = env::temp_dir().join(format!("peers-{}-{number}.log", std::process::id()));
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["serve", layer.name(), url])
            .args(setup.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(port) = line.trim().parse() else {
            let _ = process.kill();
            panic!("{} did not start:\n{}", layer.name(), fs::read_to_string(&log).unwrap());
        };
        Self { process, log, port }
    }

    /// The log so far.
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(&self.log);
    }
}
