//! The one HTTP and TLS transport that polysecrets providers share.
