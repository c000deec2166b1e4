//! Facts about whole streams of bytes; what concerns one module alone is tested there.

mod client;
mod facts;
mod oracle;
mod properties;
mod state;
