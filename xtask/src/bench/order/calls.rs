//! Reads the executed instructions from callgrind's output.

use std::collections::BTreeSet;

/// The executed addresses of one object, relative to its load address.
///
/// Expects a profile of `--dump-instr=yes` with uncompressed names and positions.
pub(super) fn executed(profile: &str, object: &str) -> BTreeSet<u64> {
    let mut addresses = BTreeSet::new();
    let mut is_in_object = false;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            is_in_object = name == object;
        } else if is_in_object {
            // A line of costs begins with the address, that of a call with the address of the call.
            let place = line
                .strip_prefix("0x")
                .and_then(|line| line.split(' ').next());
            addresses.extend(place.and_then(|hex| u64::from_str_radix(hex, 16).ok()));
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortened output of callgrind 3.19 for a stripped program.
    const PROFILE: &str = "\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 7448
cmd:  target/release/secrets
part: 1

positions: instr line
events: Ir
summary: 286292


ob=/usr/lib/x86_64-linux-gnu/libc.so.6
fl=./csu/../csu/libc-start.c
fn=__libc_start_main@@GLIBC_2.34
0x271c0 242 1
cob=/t/secrets
cfi=???
cfn=0x000000000000e4f0
calls=1 0xe4f0 0 
0x271f3 242 2814

ob=/t/secrets
fl=???
fn=0x000000000000e88a
0xe88a 0 1
cfn=0x000000000000e5f1
calls=1 0xe5f1 0 
0xe88f 0 127
cob=/usr/lib/x86_64-linux-gnu/libc.so.6
cfi=./malloc/malloc.c
cfn=malloc
calls=1 0x88460 3287 
0xe894 0 48
0xe897 0 1

fn=0x000000000000e5f1
0xe5f1 0 1
0xe60c 0 1
0xe60c 0 9

ob=/t/secrets-lean
fn=0x0000000000001000
0x1000 0 1

totals: 286292
";

    #[test]
    fn only_addresses_of_the_program_are_found() {
        let program = [0xe5f1, 0xe60c, 0xe88a, 0xe88f, 0xe894, 0xe897];
        assert_eq!(executed(PROFILE, "/t/secrets"), BTreeSet::from(program));
        assert_eq!(executed(PROFILE, "/t/other"), BTreeSet::new());
    }
}
