//! polysecrets providers that need no server: memory, environment, .env files and an encrypted file.
