//! The program; all of it is in the library, so that the Python package has it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    ndstash::cli::main(std::env::args_os()).into()
}
