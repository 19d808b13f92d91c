//! From one stream to another, masked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use secrets::mask::MaskStream;
use zeroize::Zeroizing;

const BUFFER: usize = 64 * 1024;

/// Reads to the end, and writes each piece as soon as it is certain that no value is in it.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn pump(mut input: File, mut output: File, mut stream: MaskStream) -> io::Result<()> {
    let mut buffer = Zeroizing::new(vec![0; BUFFER]);
    let mut masked = Vec::with_capacity(BUFFER);
    loop {
        let ready = match stream.patience() {
            Some(patience) => is_ready(&input, PollFlags::IN, Some(patience))?,
            None => true,
        };
        if !ready {
            stream.release(&mut masked);
            write(&mut output, &mut masked)?;
            continue;
        }
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => stream.feed(&buffer[..count], &mut masked),
            // A terminal that nobody has open any more.
            Err(error) if is(&error, rustix::io::Errno::IO) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                is_ready(&input, PollFlags::IN, stream.patience())?;
            }
            Err(error) => return Err(error),
        }
        write(&mut output, &mut masked)?;
    }
    stream.finish(&mut masked);
    write(&mut output, &mut masked)
}

fn write(output: &mut File, masked: &mut Vec<u8>) -> io::Result<()> {
    let mut rest = masked.as_slice();
    while !rest.is_empty() {
        match output.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody who shares the stream has made it so.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                is_ready(output, PollFlags::OUT, None)?;
            }
            Err(error) => return Err(error),
        }
    }
    masked.clear();
    Ok(())
}

/// Waits until it can be read or written, or the time is over.
pub(super) fn is_ready(
    stream: &impl AsFd,
    what: PollFlags,
    patience: Option<Duration>,
) -> io::Result<bool> {
    let time = patience.map(|time| Timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: time.subsec_nanos().into(),
    });
    match poll(&mut [PollFd::new(stream, what)], time.as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn is(error: &io::Error, number: rustix::io::Errno) -> bool {
    error.raw_os_error() == Some(number.raw_os_error())
}
