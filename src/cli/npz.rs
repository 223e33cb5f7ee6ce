//! `.npz`: a zip archive of `.npy` files.

use std::io::{Read, Seek, Write};

use ndstash::{StoredArray, Tree, Writer};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::cli::failure::{Context, Failure, Result};
use crate::cli::npy::{self, Head};

/// What a zip archive begins with, and an empty one.
pub(crate) const MAGICS: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Where the elements of a member begin: numpy's own choice.
const ALIGN: usize = 64;

/// From this length on a member needs the wide form of sizes. What headers add is covered by the margin.
const LARGE_FROM: u64 = u32::MAX as u64 - (1 << 20);

/// Opens an archive and checks that all of it is `.npy` files that can be stored. Returns the fields that are
/// big-endian as well.
pub(crate) fn open<R: Read + Seek>(reader: R) -> Result<(ZipArchive<R>, Vec<String>)> {
    let mut archive = ZipArchive::new(reader).context(|| "a whole .npz, which is a zip archive, is expected".into())?;
    if archive.has_duplicate_names() {
        return Err(Failure::new("two of its members have the same name"));
    }
    let mut big_endian = Vec::new();
    for index in 0..archive.len() {
        let (field, head) = with_member(&mut archive, index, |head, _| Ok(head))?;
        if head.big_endian {
            big_endian.push(field);
        }
    }
    Ok((archive, big_endian))
}

/// Adds every member to an entry: a map from their names.
pub(crate) fn add<R: Read + Seek>(archive: &mut ZipArchive<R>, writer: &mut Writer) -> Result<Tree> {
    let mut pairs = Vec::new();
    for index in 0..archive.len() {
        let (field, node) = with_member(archive, index, |head, member| {
            Ok(writer.array_from_reader(head.dtype, &head.shape, head.order, head.elements(member))?)
        })?;
        pairs.push((Tree::Str(field), node));
    }
    Ok(Tree::Map(pairs))
}

/// Opens a member, reads its header, and hands both to `take`; returns the field's name too.
fn with_member<R: Read + Seek, T>(
    archive: &mut ZipArchive<R>,
    index: usize,
    take: impl FnOnce(Head, &mut dyn Read) -> Result<T>,
) -> Result<(String, T)> {
    let mut member = archive.by_index(index).context(|| format!("member {index} cannot be read"))?;
    let name = member.name().context(|| format!("the name of member {index} cannot be read"))?.into_owned();
    let Some(field) = name.strip_suffix(".npy") else {
        return Err(Failure::new(format!("its member {name:?} is not a .npy")));
    };
    let len = member.size();
    let taken = Head::read(&mut member).and_then(|head| {
        head.check_file_len(len)?;
        take(head, &mut member)
    });
    Ok((field.to_owned(), taken.context(|| format!("its member {name:?} cannot be stored"))?))
}

/// Writes arrays as an archive, not compressed.
pub(crate) fn write<W: Write + Seek>(mut archive: ZipWriter<W>, fields: &[(String, &StoredArray)]) -> Result<W> {
    for (field, array) in fields {
        let large = array.len_bytes() >= LARGE_FROM;
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        archive.start_file(format!("{field}.npy"), options).context(|| format!("field {field:?}"))?;
        archive.write_all(&npy::header(array.dtype(), array.shape(), array.order(), ALIGN))?;
        array.write_to(&mut archive)?;
    }
    Ok(archive.finish()?)
}
