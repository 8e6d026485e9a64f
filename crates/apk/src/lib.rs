//! The apk package format: packages, indexes, the installed database, the solver.
