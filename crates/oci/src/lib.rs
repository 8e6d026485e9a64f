//! OCI images: descriptors, manifests, layouts and archives.
