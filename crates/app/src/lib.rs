//! The application: what a user of Duplex edits.
