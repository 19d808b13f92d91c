//! Conformance suite, leak scanner and fault-injecting server for polysecrets providers.
