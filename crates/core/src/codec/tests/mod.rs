//! Facts about whole streams.
