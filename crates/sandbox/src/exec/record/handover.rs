//! How the launcher gets the listener that only the command's own process can make.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recvmsg, sendmsg, socketpair,
};

use crate::notify::Listener;

/// The command's end.
pub(in crate::exec) struct Sender(OwnedFd);

/// The launcher's end.
pub(in crate::exec) struct Receiver(OwnedFd);

/// Makes the two ends. Both close when a program is executed.
pub(in crate::exec) fn pair() -> Result<(Sender, Receiver), Errno> {
    let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    Ok((Sender(one), Receiver(other)))
}

impl Sender {
    /// Says what came of making the listener.
    pub(in crate::exec) fn send(&self, made: &Result<Listener, Errno>) -> Result<(), Errno> {
        let errno = made.as_ref().err().map_or(0, |errno| errno.raw_os_error()).to_le_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = made.iter().map(AsFd::as_fd).collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        sendmsg(&self.0, &[IoSlice::new(&errno)], &mut control, SendFlags::NOSIGNAL).map(|_| ())
    }
}

impl Receiver {
    /// Takes what was sent; the sender's end, when it came to nothing, is an `EPIPE`.
    pub(in crate::exec) fn receive(&self) -> Result<Listener, Errno> {
        let mut errno = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(&self.0, &mut [IoSliceMut::new(&mut errno)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        if received.bytes != errno.len() {
            return Err(Errno::PIPE);
        }
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        match (i32::from_le_bytes(errno), descriptor) {
            (0, Some(descriptor)) => Ok(Listener::adopt(descriptor)),
            (0, None) => Err(Errno::PIPE),
            (errno, _) => Err(Errno::from_raw_os_error(errno)),
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
