use std::fmt;

macro_rules! capabilities {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal),+ $(,)?) => {
        /// An ability of a provider. Without it the operation returns
        /// [`Unsupported`](crate::ErrorKind::Unsupported); the testkit proves that both agree.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Capability {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Capability {
            /// Every capability, in display order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in tables and reports: lowercase, with hyphens.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

capabilities! {
    /// Secrets can be written.
    Put = "put",
    /// [`PutMode::Create`](crate::PutMode::Create) is atomic.
    Create = "create",
    /// [`PutMode::IfVersion`](crate::PutMode::IfVersion) is atomic.
    IfVersion = "if-version",
    /// A repeated put with one idempotency token is one put.
    IdempotentPut = "idempotent-put",
    /// Secrets can be deleted.
    Delete = "delete",
    /// A soft delete can be undone.
    Restore = "restore",
    /// A secret can be deleted for good.
    Purge = "purge",
    /// A delete can set how long it can be undone.
    DeleteWindow = "delete-window",
    /// Secrets can be listed.
    List = "list",
    /// Metadata can be read without the value.
    Describe = "describe",
    /// Versions are kept: they can be listed, and read by id.
    Versions = "versions",
    /// An earlier version can be made current again.
    Rollback = "rollback",
    /// Tags are kept.
    Tags = "tags",
    /// A value can expire.
    Expiry = "expiry",
    /// Any bytes can be a value, not only text.
    Binary = "binary",
    /// Reading many secrets costs fewer calls than one call each.
    Batch = "batch",
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a provider can do, and its limits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    set: u32,
    /// The largest value in bytes; a larger one is refused before any call. `None` for no limit.
    pub max_value_bytes: Option<usize>,
}

impl Capabilities {
    /// Exactly these.
    pub const fn new(capabilities: &[Capability]) -> Self {
        let mut set = 0;
        let mut at = 0;
        while at < capabilities.len() {
            set |= 1 << capabilities[at] as u8;
            at += 1;
        }
        Self {
            set,
            max_value_bytes: None,
        }
    }

    /// Sets the largest value, in bytes.
    pub const fn with_max_value_bytes(mut self, limit: usize) -> Self {
        self.max_value_bytes = Some(limit);
        self
    }

    /// Without one of them.
    pub const fn without(mut self, capability: Capability) -> Self {
        self.set &= !(1 << capability as u8);
        self
    }

    /// Whether the provider has this capability.
    pub const fn has(self, capability: Capability) -> bool {
        self.set & (1 << capability as u8) != 0
    }

    /// All of them, in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .iter()
            .copied()
            .filter(move |capability| self.has(*capability))
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_exactly_what_it_was_given() {
        let some = Capabilities::new(&[Capability::Put, Capability::Batch]);
        assert!(some.has(Capability::Batch) && !some.has(Capability::List));
        assert_eq!(
            some.iter().collect::<Vec<_>>(),
            [Capability::Put, Capability::Batch]
        );
        assert!(!some.without(Capability::Put).has(Capability::Put));
        assert_eq!(
            Capabilities::new(Capability::ALL).iter().count(),
            Capability::ALL.len()
        );
    }
}
