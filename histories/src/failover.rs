//! What is lost when a replica takes over.
