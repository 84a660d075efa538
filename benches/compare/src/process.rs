//! The processes that are measured: those of the contenders, and what the kernel says of any.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::contenders::Contender;

/// A contender that serves, until it is dropped. It also ends with this process, however that ends.
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

/// The processor time that the threads of a process have had, in microseconds.
pub fn cpu_of(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap_or_else(|error| panic!("{process}: {error}"));
    let of = |task: fs::DirEntry| {
        // A thread may end meanwhile.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default()
    };
    tasks.flatten().map(of).sum::<f64>() / 1000.0
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
        let before = cpu_of(own);
        assert!(before > 0.0);
        std::hint::black_box((0..20_000_000_u64).fold(0, |sum, n| sum ^ std::hint::black_box(n)));
        assert!(cpu_of(own) > before);
        assert!(memory_of(own) > 100_000.0);
    }
}
