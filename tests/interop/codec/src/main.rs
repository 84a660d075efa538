//! Reads Python pickles from stdin, decodes and encodes each with `shared_session::django::pickle::Pickle`, and writes
//! the result to stdout.
//!
//! A frame is a length, four bytes with the most significant first, followed by that many bytes. A reply is one byte
//! and a frame: `+` and the pickle as it was written, or `-` and the reason for a refusal. The end of stdin ends the
//! program.

use std::{
    io::{self, ErrorKind, Read, Write},
    process::ExitCode,
};

use shared_session::{Error, django::pickle::Pickle};

/// More than the codec itself accepts.
const MAX_FRAME: u32 = 16 << 20;

fn main() -> ExitCode {
    match serve(&mut io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    while let Some(pickle) = read_frame(input)? {
        match rewritten(&pickle) {
            Ok(written) => write_reply(output, b'+', &written)?,
            Err(error) => write_reply(output, b'-', error.to_string().as_bytes())?,
        }
    }
    Ok(())
}

fn rewritten(pickle: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(Pickle::read(pickle)?.to_bytes()?.into())
}

/// `None` at the end of the input between two frames.
fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    if input.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    input.read_exact(&mut length[1..])?;
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::new(ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut frame = Vec::new();
    input.take(length.into()).read_to_end(&mut frame)?;
    if frame.len() == length as usize { Ok(Some(frame)) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn write_reply(output: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| ErrorKind::InvalidData)?;
    output.write_all(&[kind])?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(body)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(input: &[u8]) -> (io::Result<()>, Vec<u8>) {
        let mut output = Vec::new();
        (serve(&mut &input[..], &mut output), output)
    }

    #[test]
    fn a_pickle_comes_back_as_it_was_and_the_end_of_the_input_is_the_end() {
        let (result, output) = replies(b"\0\0\0\x05\x80\x05}\x94.");
        assert!(result.is_ok());
        assert_eq!(output, b"+\0\0\0\x05\x80\x05}\x94.");
    }

    #[test]
    fn a_refusal_of_the_codec_is_reported_and_does_not_end_the_program() {
        let (result, output) = replies(b"\0\0\0\x01?\0\0\0\x05\x80\x05}\x94.");
        assert!(result.is_ok());
        assert_eq!(output[0], b'-');
        assert!(output.ends_with(b"+\0\0\0\x05\x80\x05}\x94."));
    }

    #[test]
    fn a_frame_that_is_cut_short_or_too_long_is_an_error() {
        assert!(replies(b"\0\0\0\x05\x80\x05").0.is_err());
        assert!(replies(b"\0\0").0.is_err());
        assert!(replies(b"\xff\xff\xff\xff").0.is_err());
    }
}
