//! What a command prints.
//!
//! Whoever stops reading, as `head` does, has what he wanted: the rest is dropped, and the exit code stays that of what the
//! command found. A disk that is full is an error like any other.

use std::fmt::Arguments;
use std::io::{self, Write as _};

/// Prints a line on standard output.
pub fn print(line: Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Prints a line on standard error; there is nowhere to say that it can't be.
pub fn print_error(line: Arguments<'_>) {
    let _nobody_listens = writeln!(io::stderr().lock(), "{line}");
}

/// [`print`] with a format; an [`io::Result`].
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}

/// [`print_error`] with a format.
macro_rules! complain {
    ($($text:tt)*) => { $crate::output::print_error(format_args!($($text)*)) };
}

pub(crate) use {complain, say};
