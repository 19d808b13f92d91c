//! Who goes on to mask what a program has left running.
//!
//! Such a process keeps the output that it was given, and must not lose it when we end with the program. So another process of
//! ours takes our place at the pipe or terminal. It learns the values through a pipe that stands where its standard error would
//! be.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use secrets::mask::Masker;

use super::pump::{Source, pump};
use super::stage::{self, Kind};
use super::{Hidden, Output, file};
use crate::output::Palette;

/// Starts it.
pub(super) fn start(
    input: File,
    output: File,
    hidden: &Hidden,
    palette: Palette,
) -> io::Result<()> {
    let (reader, mut writer) = io::pipe()?;
    stage::command(Kind::Heir, palette)?
        .stdin(input)
        .stdout(output)
        .stderr(reader)
        .spawn()?;
    hidden.write(&mut writer)
}

/// What it does: until everybody has closed the input.
pub(super) fn inherit() -> io::Result<()> {
    let mut values = file(io::stderr().as_fd())?;
    let masker = Masker::from(&Hidden::read(&mut values)?);
    drop(values);
    let input = file(io::stdin().as_fd())?;
    let output = file(io::stdout().as_fd())?;
    let is_cooked = Arc::new(AtomicBool::new(output.is_terminal()));
    let output = Output::terminal(output, is_cooked);
    pump(Source::new(input, None), output, masker.stream())?;
    Ok(())
}
