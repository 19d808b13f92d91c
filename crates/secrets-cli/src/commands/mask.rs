//! `secrets mask`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::values;
use crate::cli::Mask;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::masked::{Output, Source, pump};
use crate::settings::Settings;

pub(crate) fn run(command: &Mask, settings: &Settings) -> Outcome {
    let hidden = values::to_hide(settings, &command.masking, &command.value_from)?;
    let masker = values::masker(hidden, &command.masking);
    let filter = || -> io::Result<()> {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        pump(
            Source::new(input, None),
            Output::from(output),
            masker.stream(),
        )?;
        Ok(())
    };
    match filter() {
        Ok(()) => Ok(Exit::Ok),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::ClosedOutput),
        Err(error) => Err(
            Failure::other(format!("cannot pass the text on: {}", reason(&error)))
                .with_exit(Exit::Unavailable),
        ),
    }
}
