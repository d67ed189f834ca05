//! What the program exits with: scripts may rely on it, so it's in the help, made of the same
//! table.

use tonic::Code;

use crate::error::Error;

/// Standard output cannot be written, or the system is out of something.
const FAILED: u8 = 1;

/// The command line is wrong; also what `clap` exits with.
const USAGE: u8 = 2;

/// There is no server.
const UNREACHABLE: u8 = 3;

/// A gRPC status is this and its number.
const STATUS_BASE: u8 = 10;

/// What shells name the end by SIGPIPE.
const PIPE_BROKEN: u8 = 128 + 13;

/// The errors of gRPC, by their names. The place is the number less one.
const STATUSES: [(Code, &str); 16] = [
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

/// What the program exits with after this error.
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Usage(_) | Error::File { .. } => USAGE,
        Error::Unreachable { .. } => UNREACHABLE,
        Error::Status(status) => status_code(status.code()),
        Error::Output(_) if error.is_broken_pipe() => PIPE_BROKEN,
        Error::Output(_) | Error::Runtime(_) => FAILED,
    }
}

fn status_code(code: Code) -> u8 {
    let known = STATUSES
        .iter()
        .zip(1..)
        .find(|((known, _), _)| *known == code);
    STATUS_BASE + known.map_or(0, |(_, number)| number)
}

/// The name that gRPC has for an error.
pub fn status_name(code: Code) -> &'static str {
    let known = STATUSES.iter().find(|(known, _)| *known == code);
    known.map_or("OK", |(_, name)| name)
}

/// The exit codes in words, for the help.
pub fn help() -> String {
    let mut text = format!(
        "Exit status:\n  \
         0    All went well\n  \
         {FAILED}    The answer cannot be written\n  \
         {USAGE}    The command line is wrong, or a file that it names cannot be read\n  \
         {UNREACHABLE}    The server cannot be reached, or the connection broke\n"
    );
    for (status, name) in STATUSES {
        text += &format!("  {}   gRPC status {name}\n", status_code(status));
    }
    text + &format!(
        "  130  Ctrl-C (the end by SIGINT, as shells show it)\n  \
         {PIPE_BROKEN}  Whoever reads the output has closed it"
    )
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn a_status_is_ten_and_its_number() {
        for number in 1..=16 {
            let status = Code::from_i32(number);
            let error = Error::Status(Status::new(status, ""));
            assert_eq!(i32::from(code(&error)), 10 + number);
            assert_ne!(status_name(status), "OK");
        }
    }
}
