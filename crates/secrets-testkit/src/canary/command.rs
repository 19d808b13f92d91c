use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// All that a finished command showed to the outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommandCapture {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
    /// The command itself and every descendant that was seen, in the order of first sight. Linux only, else empty.
    pub processes: Vec<ProcessSnapshot>,
}

/// What other users, or any process of the same user, can read about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessSnapshot {
    /// Process id.
    pub pid: u32,
    /// Whether this is the command itself, not a descendant.
    pub is_root: bool,
    /// `/proc/PID/cmdline`: arguments, each ended by NUL. All that were seen when it changed, one after the other.
    pub cmdline: Vec<u8>,
    /// `/proc/PID/environ`: the environment that it was started with, each variable ended by NUL. As for `cmdline`.
    pub environ: Vec<u8>,
}

/// Short enough to see most processes, long enough to leave them the processor.
const SAMPLE: Duration = Duration::from_millis(2);

impl CommandCapture {
    /// Runs `command` to its end with `stdin` as its input, and watches it and its descendants in `/proc` meanwhile.
    ///
    /// The watch is by samples, the first right after the start and then every 2 ms: a process that lives for less may
    /// not be seen. Let the one that matters sleep for 50 ms. Blocks the thread.
    ///
    /// # Errors
    ///
    /// Those of starting the command and of reading its output; `TimedOut` after `deadline`, when it has been killed.
    pub fn run(command: &mut Command, stdin: &[u8], deadline: Duration) -> io::Result<Self> {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let root = child.id();
        let mut watch = Watch::default();
        watch.sample(root);

        let input = child.stdin.take();
        let output = (child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            scope.spawn(move || {
                if let Some(mut input) = input {
                    // A command that does not read its input is none of our business.
                    let _ = input.write_all(stdin);
                }
            });
            let stdout = scope.spawn(move || read_all(output.0));
            let stderr = scope.spawn(move || read_all(output.1));
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                watch.sample(root);
                if started.elapsed() > deadline {
                    child.kill()?;
                    child.wait()?;
                    return Err(io::ErrorKind::TimedOut.into());
                }
                thread::sleep(SAMPLE);
            };
            Ok(Self {
                status,
                stdout: joined(stdout.join())?,
                stderr: joined(stderr.join())?,
                processes: watch.processes(root),
            })
        })
    }
}

fn read_all(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn joined(result: thread::Result<io::Result<Vec<u8>>>) -> io::Result<Vec<u8>> {
    result.unwrap_or_else(|_| Err(io::Error::other("the reader of a pipe panicked")))
}

#[derive(Default)]
struct Watch {
    order: Vec<u32>,
    seen: BTreeMap<u32, Seen>,
}

/// Each text once, in the order of first sight.
#[derive(Default)]
struct Seen {
    cmdlines: Vec<Vec<u8>>,
    environs: Vec<Vec<u8>>,
}

impl Watch {
    fn sample(&mut self, root: u32) {
        let mut pending = vec![root];
        while let Some(pid) = pending.pop() {
            let folder = format!("/proc/{pid}");
            let read = |name: &str| std::fs::read(format!("{folder}/{name}")).unwrap_or_default();
            let (cmdline, environ) = (read("cmdline"), read("environ"));
            if !self.seen.contains_key(&pid) {
                self.order.push(pid);
            }
            let known = self.seen.entry(pid).or_default();
            note(&mut known.cmdlines, cmdline);
            note(&mut known.environs, environ);

            let Ok(tasks) = std::fs::read_dir(format!("{folder}/task")) else {
                continue;
            };
            for task in tasks.flatten() {
                let children = std::fs::read_to_string(task.path().join("children"));
                pending.extend(
                    children
                        .unwrap_or_default()
                        .split_ascii_whitespace()
                        .filter_map(|pid| pid.parse::<u32>().ok()),
                );
            }
        }
    }

    fn processes(mut self, root: u32) -> Vec<ProcessSnapshot> {
        self.order
            .iter()
            .filter_map(|pid| {
                let seen = self.seen.remove(pid)?;
                let (cmdline, environ) = (seen.cmdlines.concat(), seen.environs.concat());
                (!cmdline.is_empty() || !environ.is_empty()).then_some(ProcessSnapshot {
                    pid: *pid,
                    is_root: *pid == root,
                    cmdline,
                    environ,
                })
            })
            .collect()
    }
}

/// Keeps a text that is new: a process that calls `exec` shows another one afterwards.
fn note(known: &mut Vec<Vec<u8>>, text: Vec<u8>) {
    if !text.is_empty() && !known.contains(&text) {
        known.push(text);
    }
}
