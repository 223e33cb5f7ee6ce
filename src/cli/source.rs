//! Where the arrays of a put come from: files, folders, streams.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;
use ndstash::{Key, Tree, Writer};

use crate::cli::app::say;
use crate::cli::failure::{Context, Failure, Result};
use crate::cli::npy::{self, Head};
use crate::cli::npz;

/// An entry to be, and what its value is read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) source: Source,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    path: PathBuf,
    kind: Kind,
}

/// What is going to be put.
#[derive(Debug)]
pub(crate) struct Plan {
    /// At least one.
    pub(crate) items: Vec<Item>,
    /// How many files of a folder are neither .npy nor .npz.
    pub(crate) passed_over: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Npy,
    Npz,
    /// A regular file, taken as the bytes it is.
    Raw,
    /// Standard input or a pipe: how it begins tells what it is.
    Stream,
    RawStream,
}

/// Decides what is put under which name, before anything is written.
pub(crate) fn plan(name: &str, file: &Path, raw: bool) -> Result<Plan> {
    let one = |kind| {
        let item = Item { name: name.to_owned(), source: Source { path: file.to_owned(), kind } };
        Plan { items: vec![item], passed_over: 0 }
    };
    let stream = if raw { Kind::RawStream } else { Kind::Stream };
    if is_stdin(file) {
        return Ok(one(stream));
    }
    let stat = file.metadata().context(|| format!("cannot look at {}", file.display()))?;
    match (stat.is_dir(), stat.is_file(), raw) {
        (true, _, true) => Err(Failure::new(format!("{} is a folder; --raw takes one file", file.display()))),
        (true, _, false) => folder(name, file),
        (false, false, _) => Ok(one(stream)),
        (false, true, true) => Ok(one(Kind::Raw)),
        (false, true, false) => kind_by_extension(file).map(one).ok_or_else(|| neither(file)),
    }
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn kind_by_extension(file: &Path) -> Option<Kind> {
    let extension = file.extension()?;
    if extension.eq_ignore_ascii_case("npy") {
        Some(Kind::Npy)
    } else if extension.eq_ignore_ascii_case("npz") {
        Some(Kind::Npz)
    } else {
        None
    }
}

fn neither(file: &Path) -> Failure {
    let file = file.display();
    Failure::new(format!("{file} ends neither in .npy nor in .npz; --raw stores it as the bytes it is"))
}

/// Every .npy and .npz below a folder, links followed, in the order of their names.
fn folder(name: &str, folder: &Path) -> Result<Plan> {
    let (mut found, mut passed_over) = (BTreeMap::new(), 0);
    for entry in walkdir::WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.context(|| format!("cannot read folder {}", folder.display()))?;
        match kind_by_extension(entry.path()) {
            Some(kind) if entry.file_type().is_file() => {
                let name = name_below(name, folder, entry.path())?;
                let source = Source { path: entry.into_path(), kind };
                if let Some(other) = found.insert(name.clone(), source) {
                    let other = other.path.display();
                    return Err(Failure::new(format!("{other} and another file would both be entry {name:?}")));
                }
            }
            _ => passed_over += u64::from(entry.file_type().is_file()),
        }
    }
    if found.is_empty() {
        return Err(Failure::new(format!("there is no .npy or .npz below {}", folder.display())));
    }
    let items = found.into_iter().map(|(name, source)| Item { name, source }).collect();
    Ok(Plan { items, passed_over })
}

fn name_below(name: &str, folder: &Path, file: &Path) -> Result<String> {
    let below = file.strip_prefix(folder).unwrap_or(file).with_extension("");
    let below = below.to_str().ok_or_else(|| Failure::new(format!("{} is not named in UTF-8", file.display())))?;
    Ok(format!("{}/{below}", name.trim_end_matches('/')))
}

impl Item {
    /// Checks all that can be checked without reading elements: the name, the headers, the lengths.
    pub(crate) fn check(&self) -> Result<()> {
        Key::from_name(&self.name)?;
        self.source.check().context(|| format!("cannot store {}", self.source.label()))
    }
}

impl Source {
    pub(crate) fn label(&self) -> String {
        if is_stdin(&self.path) { "standard input".into() } else { self.path.display().to_string() }
    }

    /// The length of the file; 0 for a stream.
    pub(crate) fn len(&self) -> u64 {
        match self.kind {
            Kind::Stream | Kind::RawStream => 0,
            _ => self.path.metadata().map_or(0, |stat| stat.len()),
        }
    }

    fn check(&self) -> Result<()> {
        match self.kind {
            Kind::Npy => self.say_swapped(self.open_npy()?.1.big_endian),
            Kind::Npz => {
                self.say_swapped_fields(&npz::open(BufReader::new(self.open()?))?.1);
            }
            Kind::Raw => drop(self.open()?),
            Kind::Stream | Kind::RawStream => {}
        }
        Ok(())
    }

    fn say_swapped(&self, big_endian: bool) {
        if big_endian {
            say(format_args!("{} is big-endian: converted to little-endian", self.label()));
        }
    }

    fn say_swapped_fields(&self, fields: &[String]) {
        for field in fields {
            say(format_args!("{}: {field:?} is big-endian: converted to little-endian", self.label()));
        }
    }

    fn open(&self) -> Result<File> {
        File::open(&self.path).context(|| format!("cannot open {}", self.path.display()))
    }

    /// Opens a .npy that is a regular file, and reads its header: what follows are the elements, all of them.
    fn open_npy(&self) -> Result<(File, Head)> {
        let mut file = self.open()?;
        let head = Head::read(&mut file)?;
        head.check_file_len(file.metadata()?.len())?;
        Ok((file, head))
    }

    /// Adds the value to an entry.
    pub(crate) fn add(&self, writer: &mut Writer, bar: &ProgressBar) -> Result<Tree> {
        match self.kind {
            Kind::Npy => {
                let (file, head) = self.open_npy()?;
                let elements = head.elements(bar.wrap_read(file));
                Ok(writer.array_from_seekable(head.dtype, &head.shape, head.order, elements)?)
            }
            Kind::Npz => npz::add(&mut npz::open(bar.wrap_read(BufReader::new(self.open()?)))?.0, writer),
            Kind::Raw => Ok(writer.bytes_from_seekable(bar.wrap_read(self.open()?))?),
            Kind::RawStream => Ok(writer.bytes_from_reader(self.open_stream()?)?),
            Kind::Stream => self.add_stream(writer),
        }
    }

    /// The elements of a .npy, in memory: for those who compare.
    pub(crate) fn content(&self) -> Result<Vec<u8>> {
        let (file, head) = self.open_npy()?;
        let mut bytes = Vec::new();
        head.elements(file).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn open_stream(&self) -> Result<Box<dyn Read>> {
        Ok(if is_stdin(&self.path) { Box::new(io::stdin().lock()) } else { Box::new(self.open()?) })
    }

    fn add_stream(&self, writer: &mut Writer) -> Result<Tree> {
        let mut stream = self.open_stream()?;
        let mut start = [0; 6];
        let found = npy::read_full(&mut stream, &mut start)?;
        let start = start[..found].to_vec();
        let is_zip = npz::MAGICS.iter().any(|magic| start.starts_with(*magic));
        let is_npy = start == npy::MAGIC;
        let mut whole = Cursor::new(start).chain(stream);
        if is_zip {
            let (mut archive, big_endian) = npz::open(BufReader::new(spool(&mut whole)?))?;
            self.say_swapped_fields(&big_endian);
            return npz::add(&mut archive, writer);
        }
        if !is_npy {
            return Err(Failure::new(
                "it begins neither like a .npy nor like a .npz; --raw stores it as the bytes it is",
            ));
        }
        let head = Head::read(&mut whole)?;
        self.say_swapped(head.big_endian);
        Ok(writer.array_from_reader(head.dtype, &head.shape, head.order, head.elements(whole))?)
    }
}

/// Copies a stream to a temporary file without a name: the directory of a zip archive stands at its end.
fn spool(stream: &mut impl Read) -> Result<File> {
    let path = std::env::temp_dir().join(format!(".ndstash-stdin-{}", std::process::id()));
    let made = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let mut file = made.context(|| format!("cannot create {}", path.display()))?;
    std::fs::remove_file(&path).context(|| format!("cannot unlink {}", path.display()))?;
    io::copy(stream, &mut file).context(|| format!("cannot copy the stream to {}", path.display()))?;
    file.flush()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
