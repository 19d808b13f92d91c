//! polysecrets provider for HashiCorp Vault and OpenBao.
