/// What a cache did since it was made, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads answered within the time to live, remembered absences included.
    pub hits: u64,
    /// Reads that had to wait for a provider.
    pub misses: u64,
    /// Requests to providers, refreshes ahead included; a get-many is one.
    pub loads: u64,
    /// Reads that waited for a load which another one had begun.
    pub coalesced: u64,
    /// Reads answered after the time to live, because the provider could not be reached.
    pub stale: u64,
    /// Answers that made room for others.
    pub evictions: u64,
    /// Answers that are held.
    pub entries: u64,
    /// Bytes that they take, keys and overhead included.
    pub bytes: u64,
}

impl CacheStats {
    /// The share of reads that no provider was waited for, between 0 and 1; 0 where nothing was read.
    pub fn hit_rate(&self) -> f64 {
        let answered = self.hits + self.stale;
        match answered + self.misses {
            0 => 0.0,
            reads => answered as f64 / reads as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hit_rate_counts_what_nobody_waited_for() {
        assert_eq!(CacheStats::default().hit_rate(), 0.0);
        let stats = CacheStats {
            hits: 8,
            stale: 1,
            misses: 1,
            ..CacheStats::default()
        };
        assert_eq!(stats.hit_rate(), 0.9);
    }
}
