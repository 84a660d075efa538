//! Only the test: it counts what is allocated, which takes `unsafe`, and that has no place in the workspace.
