//! The YAML languages: package, pipeline and image definitions, as written and as meant.
