//! Builds packages: plan, run, emit, analyse, test.
