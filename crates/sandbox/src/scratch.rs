//! Scratch directories: made before a run, removed by the caller.

use crate::error::SandboxError;
use crate::plan::Root;

impl Root {
    /// Makes what the root needs on disk.
    pub(crate) fn prepare(&self) -> Result<(), SandboxError> {
        let Self::Overlay { scratch, .. } = self else { return Ok(()) };
        for name in ["upper", "work", "root"] {
            let path = scratch.join(name);
            fs_err::create_dir_all(&path).map_err(|source| SandboxError::Scratch { path, source })?;
        }
        Ok(())
    }
}
