//! Reads the addresses of functions from lld's map.

/// The width of the columns of numbers: address, load address, size and alignment.
const NUMBERS: usize = 16 + 1 + 16 + 1 + 8 + 1 + 5 + 1;
/// The indentation of inputs, and of symbols in them.
const INPUT: usize = 8;
const SYMBOL: usize = 16;

/// A piece that the linker can move: a function, or a file of assembly with several.
#[derive(Debug, PartialEq)]
struct Piece {
    start: u64,
    /// Exclusive.
    end: u64,
    /// The first of its names.
    name: String,
}

#[derive(Debug, PartialEq)]
pub(super) struct LinkMap {
    /// Sorted, without overlaps.
    pieces: Vec<Piece>,
}

impl LinkMap {
    /// `None` if the text is not a map or has no code.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut is_code = false;
        // The input whose symbol has not been read yet.
        let mut unnamed = None;
        for line in text.lines() {
            let Some((numbers, name)) = line.split_at_checked(NUMBERS) else {
                continue;
            };
            let depth = name.len() - name.trim_start().len();
            let name = name.trim_start();
            match depth {
                0 => is_code = name == ".text",
                INPUT => unnamed = range(numbers),
                SYMBOL if is_code => {
                    if let Some((start, end)) = unnamed.take()
                        && start < end
                    {
                        let name = name.to_owned();
                        pieces.push(Piece { start, end, name });
                    }
                }
                _ => {}
            }
        }
        let ascending = pieces.is_sorted_by(|one, next| one.end <= next.start);
        (ascending && !pieces.is_empty()).then_some(Self { pieces })
    }

    /// The function at an address.
    pub(super) fn function(&self, address: u64) -> Option<&str> {
        let next = self.pieces.partition_point(|piece| piece.start <= address);
        let piece = self.pieces.get(next.checked_sub(1)?)?;
        (address < piece.end).then_some(piece.name.as_str())
    }

    /// Whether this is the map of the program: `_start` must be at the entry point.
    pub(super) fn describes(&self, elf: &[u8]) -> bool {
        let entry = elf.get(24..32).and_then(|bytes| bytes.try_into().ok());
        let entry = entry.map(u64::from_le_bytes);
        entry.and_then(|entry| self.function(entry)) == Some("_start")
    }
}

/// The start and the exclusive end.
fn range(numbers: &str) -> Option<(u64, u64)> {
    let mut words = numbers.split_whitespace();
    let mut next = || u64::from_str_radix(words.next()?, 16).ok();
    let (start, _, size) = (next()?, next()?, next()?);
    Some((start, start.checked_add(size)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of lld 22 with shortened paths: a function, an assembly file with two symbols, and a piece without one.
    const MAP: &str = "\
             VMA              LMA     Size Align Out     In      Symbol
             2e0              2e0       1c     1 .interp
             2e0              2e0       1c     1         <internal>:(.interp)
            3280             3280       34     4         /t/secrets.o:(.gcc_except_table._RNvNtCsjrHSEGnQ3l9_3std5panic19get_backtrace_style)
            3280             3280        0     1                 GCC_except_table162
            e440             e440    31064    64 .text
            e440             e440       22    16         /usr/lib/x86_64-linux-gnu/Scrt1.o:(.text)
            e440             e440       22     1                 _start
            e5f1             e5f1       4c     1         /t/secrets.o:(.text._ZN9ordertest3one17ha19f26f47ec21efbE)
            e5f1             e5f1       4c     1                 _ZN9ordertest3one17ha19f26f47ec21efbE
            e640             e640       a0    16         /t/libaws_lc.a(sha.S.o):(.text)
            e640             e640       40     1                 sha_first
            e680             e680       60     1                 sha_second
            e6e0             e6e0        9     1         /usr/lib/x86_64-linux-gnu/crtn.o:(.text)
           10000            10000        9     4 .init
           10000            10000        9     4         /usr/lib/x86_64-linux-gnu/crti.o:(.init)
           10000            10000        0     1                 _init
";

    fn elf(entry: u64) -> Vec<u8> {
        let mut head = vec![0; 24];
        head.extend(entry.to_le_bytes());
        head
    }

    #[test]
    fn addresses_map_to_functions() {
        let map = LinkMap::parse(MAP).unwrap();
        let one = Some("_ZN9ordertest3one17ha19f26f47ec21efbE");
        for (address, wanted) in [
            (0xe43f, None),
            (0xe440, Some("_start")),
            (0xe461, Some("_start")),
            (0xe462, None),
            (0xe5f1, one),
            (0xe63c, one),
            (0xe63d, None),
            // The linker moves an assembly file as a whole, by any of its symbols.
            (0xe690, Some("sha_first")),
            (0xe6e0, None),
            // Not code, or outside `.text`.
            (0x3280, None),
            (0x10000, None),
        ] {
            assert_eq!(map.function(address), wanted, "{address:x}");
        }
    }

    #[test]
    fn a_map_describes_the_program_with_its_entry_point() {
        let map = LinkMap::parse(MAP).unwrap();
        assert!(map.describes(&elf(0xe440)));
        assert!(!map.describes(&elf(0xe5f1)));
        assert!(!map.describes(b"\x7fELF"));
    }

    #[test]
    fn invalid_maps_are_refused() {
        assert_eq!(LinkMap::parse(""), None);
        assert_eq!(LinkMap::parse(&MAP.replace(".text\n", ".data\n")), None);
        let over_another = MAP.replace("e640             e640", "e600             e600");
        assert_eq!(LinkMap::parse(&over_another), None);
    }
}
