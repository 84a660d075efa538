//! The measured processes of the contenders, and the kernel's figures about any process.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::contenders::Contender;

/// A running contender, ended on drop. It also ends when this process ends for any reason.
pub struct Service {
    process: Child,
    pub port: u16,
}

impl Service {
    pub fn start(contender: Contender, url: &str) -> Self {
        let own = env::current_exe().unwrap();
        let mut process = Command::new(own)
            .args(["serve", contender.name(), url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(port) = line.trim().parse() else {
            let status = process.wait();
            panic!("{} did not start on {url}: it printed {line:?} and ended with {status:?}", contender.name());
        };
        Self { process, port }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The processor time of all threads of a process, in microseconds.
pub fn cpu_of(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap_or_else(|error| panic!("{process}: {error}"));
    let of = |task: fs::DirEntry| {
        // A thread may end meanwhile.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default()
    };
    tasks.flatten().map(of).sum::<f64>() / 1000.0
}

/// The past work of the machine's processors, in ticks.
pub struct Processors {
    idle: f64,
    all: f64,
}

impl Processors {
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap();
        let line = text.lines().next().unwrap_or_default();
        // user, nice, system, idle, iowait, irq, softirq, steal; user includes guests.
        let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).map(|ticks| ticks.parse().unwrap()).collect();
        Self { idle: ticks[3] + ticks[4], all: ticks.iter().sum() }
    }

    /// The idle share since that time; zero if no time has passed.
    pub fn idle_since(&self) -> f64 {
        let now = Self::now();
        let all = now.all - self.all;
        if all > 0.0 { (now.idle - self.idle) / all } else { 0.0 }
    }
}

/// The resident memory of a process, in bytes.
pub fn memory_of(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let own = std::process::id();
        let (before, processors) = (cpu_of(own), Processors::now());
        assert!(before > 0.0);
        std::hint::black_box((0..20_000_000_u64).fold(0, |sum, n| sum ^ std::hint::black_box(n)));
        assert!(cpu_of(own) > before);
        assert!(memory_of(own) > 100_000.0);
        assert!((0.0..1.0).contains(&processors.idle_since()), "this program ran");
    }
}
