//! Whether programs can be confined on this machine: one is, as all would be.

use cantus_runtime::delivery::exec::sandbox::probe::{self, Layers, Unavailable};

use super::finding::Finding;

/// Runs a confined program and tells how it went.
pub(super) async fn sandbox() -> Finding {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            let detail = format!("no temporary folder could be made to try it in: {error}");
            return Finding::warn("sandbox", detail, "look at TMPDIR");
        }
    };
    judged(probe::probe(folder.path(), |exec| exec).await)
}

fn judged(tried: Result<Layers, Unavailable>) -> Finding {
    match tried {
        Ok(Layers { landlock: 0 }) => {
            let detail = "programs can be confined; the kernel has no Landlock, so the second wall around files is missing";
            Finding::warn(
                "sandbox",
                detail,
                "Linux 5.13 or later has it, unless its list of security modules (lsm=) leaves it out",
            )
        }
        Ok(Layers { landlock }) => {
            Finding::ok("sandbox", format!("programs can be confined, with Landlock version {landlock}"))
        }
        // `dev` and actions with `sandbox: none` work all the same.
        Err(unavailable) => Finding::warn(
            "sandbox",
            unavailable.to_string(),
            "see docs/how-to/sandbox.md; actions with `sandbox: strict` are refused meanwhile",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_missing_second_wall_is_a_warning() {
        assert_eq!(judged(Ok(Layers { landlock: 0 })).level, Level::Warn);
        assert_eq!(judged(Ok(Layers { landlock: 7 })).level, Level::Ok);
    }
}
