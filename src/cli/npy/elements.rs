//! Elements on their way from a `.npy` into the store, brought into the form they have there.

use std::io::{self, Read, Seek, SeekFrom};

use ndstash::DType;

use super::Head;

/// What has to be done to elements on their way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Nothing,
    /// Reverse the bytes of each number of this width.
    Swap(usize),
    /// Refuse what is neither 0 nor 1: the store would not hand it out.
    CheckBool,
}

/// Reads elements, changed piece by piece.
#[derive(Debug)]
pub(crate) struct Elements<R> {
    inner: R,
    change: Change,
    buffer: Vec<u8>,
    /// How much of the buffer was handed out.
    at: usize,
}

/// The length of a piece: a multiple of every width.
const PIECE: u64 = 1 << 16;

impl Head {
    /// The elements that follow the header, as the store keeps them.
    pub(crate) fn elements<R>(&self, inner: R) -> Elements<R> {
        let width = match self.dtype {
            // A complex number is two floats, each of which has a byte order.
            DType::Complex64 | DType::Complex128 => self.dtype.item_size() / 2,
            dtype => dtype.item_size(),
        };
        let change = match self.dtype {
            DType::Bool => Change::CheckBool,
            _ if self.big_endian => Change::Swap(usize::try_from(width).expect("an element has at most 16 bytes")),
            _ => Change::Nothing,
        };
        Elements { inner, change, buffer: Vec::new(), at: 0 }
    }
}

impl<R: Read> Elements<R> {
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.clear();
        self.at = 0;
        self.inner.by_ref().take(PIECE).read_to_end(&mut self.buffer)?;
        match self.change {
            Change::Nothing => Ok(()),
            Change::Swap(width) => {
                self.buffer.chunks_exact_mut(width).for_each(<[u8]>::reverse);
                Ok(())
            }
            Change::CheckBool => match self.buffer.iter().find(|&&byte| byte > 1) {
                None => Ok(()),
                Some(byte) => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a bool is stored as {byte}, 0 or 1 is expected"),
                )),
            },
        }
    }
}

impl<R: Read> Read for Elements<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.change == Change::Nothing {
            return self.inner.read(to);
        }
        if self.at == self.buffer.len() {
            self.fill()?;
        }
        let read = (&self.buffer[self.at..]).read(to)?;
        self.at += read;
        Ok(read)
    }
}

impl<R: Seek> Seek for Elements<R> {
    /// Positions are those of the file beneath; a reader may go back to where an element begins.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let unread = i64::try_from(self.buffer.len() - self.at).expect("a piece is short");
        self.buffer.clear();
        self.at = 0;
        self.inner.seek(match to {
            SeekFrom::Current(offset) => SeekFrom::Current(offset - unread),
            absolute => absolute,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndstash::Order;

    #[test]
    fn numbers_are_turned_round_and_every_position_can_be_returned_to() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * 65536 + 16).collect();
        let head = Head {
            dtype: DType::Complex64,
            shape: vec![],
            order: Order::C,
            big_endian: true,
            header_len: 0,
            data_len: 0,
        };
        let mut elements = head.elements(io::Cursor::new(&bytes));
        let expected: Vec<u8> = bytes.chunks(4).flat_map(|number| number.iter().rev().copied()).collect();
        for start in [0, 8, 65536 + 4] {
            elements.seek(SeekFrom::Start(start)).unwrap();
            let mut found = vec![0; 100];
            elements.read_exact(&mut found).unwrap();
            assert_eq!(elements.stream_position().unwrap(), start + 100);
            elements.read_to_end(&mut found).unwrap();
            assert!(found == expected[usize::try_from(start).unwrap()..], "from {start}");
        }
    }
}
