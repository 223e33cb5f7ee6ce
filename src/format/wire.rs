//! Reading fixed-width little-endian fields out of bytes that may end anywhere.

use crate::error::Fault;

/// A cursor over bytes from disk: every step checks what is left before it takes.
#[derive(Clone, Copy)]
pub(super) struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Wire(bytes)
    }

    pub(super) fn left(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or_else(|| Fault::malformed(field, format!("{len} bytes are expected, {} are left", self.0.len())))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Fault> {
        Ok(*self.take(N, field)?.first_chunk().expect("take returns as many bytes as asked"))
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Fault> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, Fault> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, Fault> {
        self.array(field).map(i64::from_le_bytes)
    }

    pub(super) fn zeros<const N: usize>(&mut self, field: &'static str) -> Result<(), Fault> {
        match self.array::<N>(field)? {
            bytes if bytes == [0; N] => Ok(()),
            bytes => Err(Fault::malformed(field, format!("reserved bytes must be zero, found {bytes:02x?}"))),
        }
    }
}
