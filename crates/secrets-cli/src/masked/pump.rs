//! From one stream to another, masked.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use secrets::mask::MaskStream;
use zeroize::Zeroizing;

const BUFFER: usize = 64 * 1024;

/// How long a pump waits for input in all once the program has ended.
const GRACE: Duration = Duration::from_secs(1);

/// Where the text comes from.
pub(crate) struct Source {
    input: File,
    /// Hangs up when the program ends. Without one, the text goes on until the input is closed.
    program: Option<PipeReader>,
    /// How much longer to wait for input; `None` while the program runs.
    grace: Option<Duration>,
}

/// Where the text goes.
pub(crate) struct Output {
    file: File,
    /// Whether the terminal puts a carriage return before each line feed. The program's own has done that already.
    is_cooked: Option<Arc<AtomicBool>>,
}

/// What wakes a pump.
enum Wake {
    Input,
    Patience,
    Grace,
}

impl Source {
    pub(crate) fn new(input: File, program: Option<PipeReader>) -> Self {
        Self {
            input,
            program,
            grace: None,
        }
    }

    /// Waits for input, for as long as the start of a value is held back, and for the rest of the grace after the
    /// program has ended. Only the time spent here counts: a reader that stalls costs no grace.
    fn wait(&mut self, patience: Option<Duration>) -> io::Result<Wake> {
        let end = patience.map(|patience| Instant::now() + patience);
        loop {
            let started = Instant::now();
            let patience = end.map(|end| end.saturating_duration_since(started));
            let time = match (patience, self.grace) {
                (Some(patience), Some(grace)) => Some(patience.min(grace)),
                (patience, grace) => patience.or(grace),
            };
            if let (None, Some(program)) = (self.grace, &self.program) {
                let mut streams = [
                    PollFd::new(&self.input, PollFlags::IN),
                    PollFd::new(program, PollFlags::IN),
                ];
                poll_streams(&mut streams, time)?;
                if !streams[0].revents().is_empty() {
                    return Ok(Wake::Input);
                }
                if !streams[1].revents().is_empty() {
                    self.grace = Some(GRACE);
                    continue;
                }
            } else {
                let mut streams = [PollFd::new(&self.input, PollFlags::IN)];
                poll_streams(&mut streams, time)?;
                if !streams[0].revents().is_empty() {
                    return Ok(Wake::Input);
                }
                if let Some(grace) = &mut self.grace {
                    *grace = grace.saturating_sub(started.elapsed());
                    if grace.is_zero() {
                        return Ok(Wake::Grace);
                    }
                }
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(Wake::Patience);
            }
        }
    }
}

impl From<File> for Output {
    fn from(file: File) -> Self {
        Self {
            file,
            is_cooked: None,
        }
    }
}

impl Output {
    /// A terminal, cooked while this says so.
    pub(crate) fn terminal(file: File, is_cooked: Arc<AtomicBool>) -> Self {
        Self {
            file,
            is_cooked: Some(is_cooked),
        }
    }

    pub(crate) fn into_file(self) -> File {
        self.file
    }

    /// Writes all of it, however long that takes.
    fn write(&mut self, masked: &mut Vec<u8>) -> io::Result<()> {
        if let Some(is_cooked) = &self.is_cooked
            && is_cooked.load(Ordering::Acquire)
        {
            let mut after = masked.iter().skip(1).copied().chain([0]);
            let plain = masked.iter().copied().filter(|byte| {
                let next = after.next();
                !(*byte == b'\r' && next == Some(b'\n'))
            });
            *masked = plain.collect();
        }
        let mut rest = masked.as_slice();
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody who shares the stream has made it so.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    is_ready(&self.file, PollFlags::OUT, None)?;
                }
                Err(error) => return Err(error),
            }
        }
        masked.clear();
        Ok(())
    }
}

/// Reads to the end, and writes each piece as soon as it is certain that no value is in it.
///
/// Gives both ends back if the program has ended and all that it wrote is out, but another process still has the input
/// open.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn pump(
    mut source: Source,
    mut output: Output,
    mut stream: MaskStream,
) -> io::Result<Option<(File, Output)>> {
    let mut buffer = Zeroizing::new(vec![0; BUFFER]);
    let mut masked = Vec::with_capacity(BUFFER);
    let is_open = loop {
        match source.wait(stream.patience())? {
            Wake::Input => {}
            Wake::Patience => {
                stream.release(&mut masked);
                output.write(&mut masked)?;
                continue;
            }
            Wake::Grace => break true,
        }
        match source.input.read(&mut buffer) {
            Ok(0) => break false,
            Ok(count) => stream.feed(&buffer[..count], &mut masked),
            // A terminal that nobody has open any more.
            Err(error) if is(&error, rustix::io::Errno::IO) => break false,
            // Another reader of the same input was faster.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) => {}
            Err(error) => return Err(error),
        }
        output.write(&mut masked)?;
    };
    stream.finish(&mut masked);
    output.write(&mut masked)?;
    Ok(is_open.then_some((source.input, output)))
}

/// Waits until it can be read or written, or the time is over.
pub(super) fn is_ready(
    stream: &impl AsFd,
    what: PollFlags,
    patience: Option<Duration>,
) -> io::Result<bool> {
    let mut streams = [PollFd::new(stream, what)];
    poll_streams(&mut streams, patience)?;
    Ok(!streams[0].revents().is_empty())
}

/// The same for several. An interruption is no event.
fn poll_streams(streams: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<()> {
    let time = patience.map(|time| Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    match poll(streams, time.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is(error: &io::Error, number: rustix::io::Errno) -> bool {
    error.raw_os_error() == Some(number.raw_os_error())
}
