//! `get`: an entry becomes a file.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use ndstash::{DType, Entry, StoredArray, Tree};
use zip::ZipWriter;

use crate::cli::app::{App, Verdict, address, say, say_absent};
use crate::cli::args::{FileFormat, GetArgs};
use crate::cli::failure::{Context, Failure, Result};
use crate::cli::target::Target;
use crate::cli::{npy, npz};

/// Where the elements of an exported .npy begin: on a block of the file system, so that blocks can be shared.
const ALIGN: usize = 4096;

/// The name numpy gives an array that was saved to a .npz without one.
const UNNAMED: &str = "arr_0";

/// What is exported.
enum Content<'a> {
    Array(&'a StoredArray),
    Bytes(&'a StoredArray),
    Map(Vec<(String, &'a StoredArray)>),
}

pub(crate) fn run(app: &mut App, args: &GetArgs) -> Result<Verdict> {
    let store = app.open()?;
    let Some(entry) = store.entry(address(&store, &args.name)?)? else { return say_absent(&store, &args.name) };
    let node = match &args.field {
        None => Some(entry.tree()),
        Some(field) => entry.tree().get(field),
    };
    let Some(node) = node else {
        say(format_args!("entry {:?} has no such field; {}", args.name, fields(&entry)));
        return Ok(Verdict::Problems);
    };
    let content = content(&entry, node).context(|| format!("cannot export {:?}", args.name))?;
    let format = args.format.unwrap_or_else(|| format_of(&args.output, &content));
    if args.output.as_os_str() == "-" {
        to_stdout(app, &content, format)?;
    } else {
        to_file(&args.output, args.force, &content, format)
            .context(|| format!("cannot write {:?} to {}", args.name, args.output.display()))?;
    }
    Ok(Verdict::Fine)
}

fn content<'a>(entry: &'a Entry, node: &'a Tree) -> Result<Content<'a>> {
    match (node, entry.resolve(node)) {
        (Tree::Array(_) | Tree::Sequence(_), Some(array)) => Ok(Content::Array(array)),
        (Tree::Payload(_), Some(bytes)) => Ok(Content::Bytes(bytes)),
        (Tree::Map(pairs), _) => {
            let members = pairs.iter().map(|(key, value)| match (key, entry.resolve(value)) {
                (Tree::Str(name), Some(array)) => Ok((name.clone(), array)),
                _ => Err(not_exportable()),
            });
            Ok(Content::Map(members.collect::<Result<_>>()?))
        }
        _ => Err(not_exportable()),
    }
}

fn not_exportable() -> Failure {
    Failure::new("it is neither an array, nor bytes, nor a map from names to arrays; --field picks one array of a map")
}

fn fields(entry: &Entry) -> String {
    let Tree::Map(pairs) = entry.tree() else { return "its value is no map".into() };
    let names: Vec<String> = pairs.iter().map(|(key, _)| crate::cli::describe::text(key)).collect();
    format!("it has {}", names.join(", "))
}

/// As the file ends, else as the value is.
fn format_of(output: &Path, content: &Content<'_>) -> FileFormat {
    let ends = |extension| output.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
    match content {
        _ if ends("npy") => FileFormat::Npy,
        _ if ends("npz") => FileFormat::Npz,
        Content::Array(_) => FileFormat::Npy,
        Content::Map(_) => FileFormat::Npz,
        Content::Bytes(_) => FileFormat::Raw,
    }
}

/// The one array that formats for one array can take.
fn single<'a>(content: &Content<'a>) -> Result<&'a StoredArray> {
    match content {
        Content::Array(array) | Content::Bytes(array) => Ok(array),
        Content::Map(fields) => {
            let names: Vec<&str> = fields.iter().map(|(name, _)| &**name).collect();
            Err(Failure::new(format!(
                "it is a map of arrays ({}); write a .npz, or pick one with --field",
                names.join(", ")
            )))
        }
    }
}

fn all<'a>(content: &Content<'a>) -> Vec<(String, &'a StoredArray)> {
    match content {
        Content::Array(array) | Content::Bytes(array) => vec![(UNNAMED.to_owned(), *array)],
        Content::Map(fields) => fields.clone(),
    }
}

fn say_bfloat16(content: &Content<'_>) {
    if all(content).iter().any(|(_, array)| array.dtype() == DType::BFloat16) {
        say("numpy has no bfloat16: its bits are written as uint16");
    }
}

fn to_file(path: &Path, replace: bool, content: &Content<'_>, format: FileFormat) -> Result<()> {
    let target = Target::create(path, replace)?;
    match format {
        FileFormat::Npy => {
            let array = single(content)?;
            (&target.file).write_all(&header(array))?;
            array.copy_to_file(&target.file, ALIGN as u64)?;
        }
        FileFormat::Npz => npz::write(ZipWriter::new(BufWriter::new(&target.file)), &all(content))?.flush()?,
        FileFormat::Raw => single(content)?.copy_to_file(&target.file, 0)?,
    }
    if format != FileFormat::Raw {
        say_bfloat16(content);
    }
    target.publish()
}

fn to_stdout(app: &mut App, content: &Content<'_>, format: FileFormat) -> Result<()> {
    if io::stdout().is_terminal() {
        return Err(Failure::new("standard output is a terminal; send it to a file or a program"));
    }
    match format {
        FileFormat::Npy => {
            let array = single(content)?;
            app.out.write_all(&header(array))?;
            array.write_to(&mut app.out)?;
        }
        FileFormat::Npz => {
            npz::write(ZipWriter::new_stream(&mut app.out), &all(content))?;
        }
        FileFormat::Raw => single(content)?.write_to(&mut app.out)?,
    }
    if format != FileFormat::Raw {
        say_bfloat16(content);
    }
    Ok(())
}

fn header(array: &StoredArray) -> Vec<u8> {
    npy::header(array.dtype(), array.shape(), array.order(), ALIGN)
}
