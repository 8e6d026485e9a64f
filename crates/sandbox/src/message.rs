//! What caller, launcher and init say to each other: a length, then JSON.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Failure;
use crate::ownership::Ownership;
use crate::plan::{Outcome, Plan};
use crate::probe::Finding;

/// The longest message: a full table of ownership. A plan is shorter: 500 lowers of 4,096 bytes, and a command and
/// environment of the kernel's 2 MiB.
const MAX_MESSAGE: u32 = 160 << 20;

/// What the caller asks of the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run the plan; with a table, record ownership in it.
    Run { plan: Box<Plan>, ownership: Option<Ownership> },
    /// Look at what this machine can do; `directory` is where scratch directories will be.
    Probe { directory: PathBuf },
}

/// What comes back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The command ran.
    Outcome(Outcome),
    /// The command ran; what the table holds now, or why nothing could be recorded.
    Recorded(Outcome, Result<Ownership, Failure>),
    /// It could not be started.
    Failed(Failure),
    /// The answer to a probe.
    Findings(Vec<Finding>),
}

/// Writes one message.
pub(crate) fn write<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_MESSAGE);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the message is too long"))?;
    let mut frame = length.to_le_bytes().to_vec();
    frame.extend_from_slice(&body);
    to.write_all(&frame)
}

/// Reads one message; the end of the stream is an `UnexpectedEof`.
pub(crate) fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_MESSAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    let mut body = Vec::new();
    from.take(length.into()).read_to_end(&mut body)?;
    if body.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::{Capability, Device, MAX_RECORDS, Record};

    #[test]
    fn a_full_table_fits_into_a_message() {
        let capability = Capability::parse(&[[1, 0, 0, 3].as_slice(), &[0xff; 20]].concat()).unwrap();
        let device = Device { block: false, major: u32::MAX, minor: u32::MAX };
        let (capability, device) = (Some(capability), Some(device));
        let longest = Record { uid: u32::MAX, gid: u32::MAX, set_id: 0o6000, cleared: 0o6000, capability, device };
        // Device, type and 128 bytes of a handle, with what JSON puts around them.
        let key = "\"ffffffffffffffff.ffffffff.\":,".len() + 2 * 128;
        let longest = key + serde_json::to_string(&longest).unwrap().len();
        assert!(longest * MAX_RECORDS + 1024 < MAX_MESSAGE as usize, "{longest}");
    }

    #[test]
    fn messages_follow_each_other() {
        let mut stream = Vec::new();
        write(&mut stream, &Reply::Outcome(Outcome::Exited(3))).unwrap();
        write(&mut stream, &Reply::Outcome(Outcome::TimedOut)).unwrap();
        let mut from = stream.as_slice();
        assert!(matches!(read(&mut from).unwrap(), Reply::Outcome(Outcome::Exited(3))));
        assert!(matches!(read(&mut from).unwrap(), Reply::Outcome(Outcome::TimedOut)));
        assert_eq!(read::<Reply>(&mut from).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn an_announced_length_is_not_trusted() {
        let mut long = u32::MAX.to_le_bytes().to_vec();
        long.extend_from_slice(b"{}");
        assert_eq!(read::<Reply>(long.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut short = 1000_u32.to_le_bytes().to_vec();
        short.extend_from_slice(b"{}");
        assert_eq!(read::<Reply>(short.as_slice()).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
