//! Questions to a person. Each has a twin on the command line, which is named when nobody is there to answer.
//!
//! What is typed hidden goes straight into a wiped buffer; the libraries for prompts keep it in strings of their own.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, tcflush};
use secrets::SecretValue;
use zeroize::{Zeroize, Zeroizing};

use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::terminal;

/// The longest answer in bytes; more is a file, not an answer.
const LONGEST: usize = 64 * 1024;

/// Asks for a value that is not shown, twice, so that a slip of the finger is noticed.
///
/// `twin` says how to give it without a terminal.
pub(crate) fn hidden_twice(question: &str, twin: &str) -> Outcome<SecretValue> {
    let mut terminal = terminal(twin)?;
    let first = hidden(&mut terminal, question)?;
    let second = hidden(&mut terminal, "again")?;
    if first != second {
        return Err(Failure::input("the two values differ")
            .with_hint("nothing was written; run the command again"));
    }
    Ok(first)
}

/// Asks whether to go on; anything but `y` or `yes` is no.
pub(crate) fn confirm(question: &str, twin: &str) -> Outcome<bool> {
    let answer = line(&format!("{question} [y/N] "), twin)?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a word; an empty answer is the default.
pub(crate) fn word(question: &str, default: &str, twin: &str) -> Outcome<String> {
    let answer = line(&format!("{question} [{default}] "), twin)?;
    Ok(if answer.is_empty() {
        default.to_owned()
    } else {
        answer
    })
}

/// Whether somebody is there to be asked.
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn line(question: &str, twin: &str) -> Outcome<String> {
    let mut terminal = terminal(twin)?;
    let mut answer = String::new();
    terminal
        .write_all(question.as_bytes())
        .and_then(|()| BufReader::new((&mut terminal).take(LONGEST as u64)).read_line(&mut answer))
        .map_err(|error| broken(&error))?;
    if answer.is_empty() {
        return Err(cancelled());
    }
    Ok(answer.trim().to_owned())
}

fn terminal(twin: &str) -> Outcome<File> {
    let nobody = || Failure::usage("there is no terminal to ask on").with_hint(twin);
    if !is_possible() {
        return Err(nobody());
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| nobody())
}

fn hidden(terminal: &mut File, question: &str) -> Outcome<SecretValue> {
    terminal
        .write_all(format!("{question}: ").as_bytes())
        .map_err(|error| broken(&error))?;
    let quiet = Quiet::new(terminal).map_err(|error| broken(&error))?;
    let answer = typed(&mut &*terminal);
    if answer.is_err() {
        // What is left of it must not become input of the shell.
        let _ = tcflush(&*terminal, QueueSelector::IFlush);
    }
    drop(quiet);
    // Nothing is owed to the screen but the end of the line, which was not echoed.
    let _ = terminal.write_all(b"\n");
    answer
}

/// Reads one line as a terminal would have edited it: erase, erase a word, kill, end of file, interrupt.
///
/// Any other key that is not text, such as an arrow, is refused: nobody sees what it would do to the value.
fn typed(keys: &mut impl Read) -> Outcome<SecretValue> {
    const INTERRUPT: u8 = 0x03;
    const END: u8 = 0x04;
    const KILL: u8 = 0x15;
    const ERASE_WORD: u8 = 0x17;
    const SUSPEND: u8 = 0x1a;
    const QUIT: u8 = 0x1c;

    // Never moves while it grows, so that no copy stays behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut key = [0_u8];
    loop {
        let count = keys.read(&mut key).map_err(|error| broken(&error))?;
        match key[0] {
            _ if count == 0 => return Err(cancelled()),
            b'\r' | b'\n' => break,
            INTERRUPT | QUIT => return Err(cancelled().with_exit(Exit::Interrupted)),
            END if line.is_empty() => return Err(cancelled()),
            END => break,
            0x08 | 0x7f => erase(&mut line),
            KILL => line.clear(),
            ERASE_WORD => erase_word(&mut line),
            // It cannot stop what a mute terminal waits for.
            SUSPEND => {}
            byte if byte < b' ' && byte != b'\t' => return Err(no_text()),
            _ if line.len() == LONGEST => {
                return Err(Failure::input("the value is longer than 64 KiB")
                    .with_hint("use --from-file FILE or --stdin"));
            }
            byte => line.push(byte),
        }
    }
    key.zeroize();
    let commands = |text: &str| {
        text.chars()
            .any(|letter| letter.is_control() && letter != '\t')
    };
    if std::str::from_utf8(&line).is_ok_and(commands) {
        return Err(no_text());
    }
    Ok(SecretValue::from_zeroizing(line))
}

/// Takes the last character away, which may be several bytes.
fn erase(line: &mut Vec<u8>) {
    while let Some(byte) = line.pop() {
        if byte & 0xc0 != 0x80 {
            break;
        }
    }
}

/// Takes the last word away, with the spaces behind it.
fn erase_word(line: &mut Vec<u8>) {
    while line.pop_if(|byte| byte.is_ascii_whitespace()).is_some() {}
    while line.pop_if(|byte| !byte.is_ascii_whitespace()).is_some() {}
}

fn no_text() -> Failure {
    Failure::input("a key was pressed that is not text, such as an arrow or Escape").with_hint(
        "nothing was written; type the value again, or use --stdin or --from-file FILE for such bytes",
    )
}

fn broken(error: &io::Error) -> Failure {
    Failure::other(format!("cannot ask on the terminal: {}", reason(error)))
}

fn cancelled() -> Failure {
    Failure::other("cancelled").with_exit(Exit::Other)
}

/// A terminal that shows no key and gives each of them at once, until it is dropped. The keys that would end the
/// process are read as keys too, so that nothing can end it while the terminal is mute.
struct Quiet;

impl Quiet {
    fn new(terminal: &File) -> io::Result<Self> {
        terminal::change(terminal, OptionalActions::Flush, |modes| {
            modes.local_modes.remove(
                LocalModes::ECHO
                    | LocalModes::ECHONL
                    | LocalModes::ICANON
                    | LocalModes::ISIG
                    | LocalModes::IEXTEN,
            );
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        })?;
        Ok(Self)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // The terminal is gone when this fails.
        let _ = terminal::put_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[u8]) -> Outcome<SecretValue> {
        typed(&mut &keys[..])
    }

    #[test]
    fn a_line_is_edited_as_usual() {
        let value = |keys: &[u8]| read(keys).unwrap().expose_bytes().to_vec();
        assert_eq!(value(b"abc\r"), b"abc");
        assert_eq!(value(b"abx\x7fc\n"), b"abc");
        assert_eq!(value("ä\x7fb\n".as_bytes()), b"b");
        assert_eq!(value(b"wrong\x15right\n"), b"right");
        assert_eq!(value(b"  spaces stay \n"), b"  spaces stay ");
        assert_eq!(value(b"end\x04"), b"end");
        assert_eq!(value(b"\n"), b"");
        assert_eq!(value(b"two words  \x17x\n"), b"two x");
        assert_eq!(value(b"p@ss-w\x17right\n"), b"right");
        assert_eq!(value(b"\x17a\x1ab\tc\n"), b"ab\tc");
    }

    #[test]
    fn keys_that_are_no_text_are_not_stored() {
        for keys in [
            &b"a\x1b[Db\n"[..],
            b"\x1bOP\n",
            b"a\x1b",
            b"a\0b\n",
            b"a\x16\x01\n",
            "a\u{9b}Db\n".as_bytes(),
        ] {
            let Err(Failure::Reported(report)) = read(keys) else {
                panic!("stored {keys:?}");
            };
            assert_eq!(report.exit, Exit::Input, "{}", report.message);
        }
    }

    #[test]
    fn an_interrupt_has_its_code() {
        assert_eq!(read(b"abc\x03").unwrap_err().exit(), Exit::Interrupted);
        assert_eq!(read(b"\x04").unwrap_err().exit(), Exit::Other);
    }

    #[test]
    fn it_can_be_left() {
        for keys in [&b"abc\x03"[..], b"\x04", b"", b"abc"] {
            let Err(Failure::Reported(report)) = read(keys) else {
                panic!("not cancelled");
            };
            assert_eq!(report.message, "cancelled");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let keys = vec![b'a'; LONGEST + 1];
        assert_eq!(read(&keys).unwrap_err().exit(), Exit::Input);
    }
}
