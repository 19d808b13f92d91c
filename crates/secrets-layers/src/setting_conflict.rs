/// Two settings that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingConflict {
    /// The setting at fault.
    pub setting: &'static str,
    /// What is wrong with it.
    pub message: &'static str,
    /// What to set instead.
    pub hint: &'static str,
}
