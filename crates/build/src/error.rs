//! Why something could not be built.

use std::path::Path;

use base::{PackageName, StoreError};

use crate::emit::EmitError;
use crate::environment::EnvironmentError;
use crate::graph::GraphError;
use crate::linked::LinkedError;
use crate::native::place::PlaceError;
use crate::output::OutputError;
use crate::provenance::ProvenanceError;
use crate::run::{SiteError, StepError};
use crate::sources::SourceError;
use crate::work::WorkError;

/// Why something could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no order of builds.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A package is wanted that the definitions do not make.
    #[error("no definition makes `{0}`")]
    NoDefinition(PackageName),
    /// A source can not be had.
    #[error("{package}: a source can not be had")]
    Source {
        /// Whose source.
        package: PackageName,
        /// Which, and where it was sought.
        #[source]
        source: Box<SourceError>,
    },
    /// A step is none that can be carried out.
    #[error("{package}")]
    Work {
        /// The definition.
        package: PackageName,
        /// Which, and why.
        #[source]
        source: Box<WorkError>,
    },
    /// A root can not be put together.
    #[error("{package}")]
    Environment {
        /// For which build or test.
        package: PackageName,
        /// Why.
        #[source]
        source: Box<EnvironmentError>,
    },
    /// A root can not be made.
    #[error("the build root of {package}")]
    Root {
        /// For which build or test.
        package: PackageName,
        /// Why.
        #[source]
        source: Box<image::root::RootError>,
    },
    /// A step failed.
    #[error("{package}: step {number} of {of}, `{step}`, failed")]
    Step {
        /// The package, or for a test the tested one.
        package: PackageName,
        /// The step's name.
        step: Box<str>,
        /// Which step it is, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Where everything is that was printed.
        log: Box<Path>,
        /// The last lines of it.
        tail: Vec<String>,
        /// The command that opens a shell where it failed.
        shell: Box<str>,
        /// Why.
        #[source]
        source: Box<StepError>,
    },
    /// The caller asked to end.
    #[error("stopped; what was finished is kept, and the next run goes on from there")]
    Stopped,
    /// What was built can not be kept.
    #[error("{package}")]
    Output {
        /// The package.
        package: PackageName,
        /// Why.
        #[source]
        source: Box<OutputError>,
    },
    /// A place of the workspace can not be had.
    #[error("{package}")]
    Place {
        /// The package.
        package: PackageName,
        /// Why.
        #[source]
        source: Box<PlaceError>,
    },
    /// Packages can not be made.
    #[error(transparent)]
    Emit(Box<EmitError>),
    /// A folder to work in can not be had.
    #[error(transparent)]
    Site(Box<SiteError>),
    /// How it was built can not be told.
    #[error("the provenance of {package}")]
    Provenance {
        /// The definition.
        package: PackageName,
        /// Why.
        #[source]
        source: Box<ProvenanceError>,
    },
    /// What was linked into it can not be told.
    #[error("{package}")]
    Linked {
        /// The definition.
        package: PackageName,
        /// Why.
        #[source]
        source: Box<LinkedError>,
    },
    /// There is nothing to look at.
    #[error("the last build of {0} did not fail, or its folder is gone")]
    NotFailed(PackageName),
    /// The repository can not be written.
    #[error(transparent)]
    Repository(Box<apk::repository::RepositoryError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Errors are told once and passed up through many calls, so what is large in them is boxed.
macro_rules! boxed {
    ($($variant:ident: $source:ty;)*) => {
        $(impl From<$source> for BuildError {
            fn from(error: $source) -> Self {
                Self::$variant(Box::new(error))
            }
        })*
    };
}

boxed! {
    Emit: EmitError;
    Site: SiteError;
    Repository: apk::repository::RepositoryError;
}
