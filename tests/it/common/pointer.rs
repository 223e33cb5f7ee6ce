//! Reading and writing memory through its address, as other languages do.

/// Writes one byte.
#[expect(unsafe_code, reason = "that is what a pointer is for")]
pub(crate) fn poke(start: *mut u8, at: usize, byte: u8) {
    // SAFETY: the tests give places within memory that they hold, and take turns.
    unsafe { start.wrapping_add(at).write(byte) }
}

/// Reads so many bytes.
#[expect(unsafe_code, reason = "that is what a pointer is for")]
pub(crate) fn peek(start: *const u8, len: usize) -> Vec<u8> {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(start, len) }.to_vec()
}
