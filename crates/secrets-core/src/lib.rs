//! The contract that every polysecrets provider and layer builds on.
