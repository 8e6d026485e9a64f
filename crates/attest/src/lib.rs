//! Claims and signatures: keys, SPDX documents.
