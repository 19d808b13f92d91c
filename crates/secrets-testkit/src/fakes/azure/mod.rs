//! Azure Key Vault, with Microsoft Entra ID and the endpoints of managed identities.
