//! Composes images: contents, root, layers, config, lock.
