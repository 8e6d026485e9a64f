//! Fetches sources and keeps them: tarballs, mirrors, Debian's archive.
