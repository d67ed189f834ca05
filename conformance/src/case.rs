//! A case: one check of one clause by one method, and what it can come to. The cases
//! themselves are in [`crate::cases`]; running them, with deadlines, is [`crate::run`]'s.

use std::{fmt, pin::Pin};

use crate::{
    clause::{Clause, Level},
    hosts::{self, HostDef},
    stage::{SceneDef, Stage},
};

/// The methods that cases call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GetInfo`
    GetInfo,
    /// `ListPods`
    ListPods,
    /// `InspectPod`
    InspectPod,
    /// `ListImages`
    ListImages,
    /// `InspectImage`
    InspectImage,
    /// `ListenEvents`
    ListenEvents,
    /// `GetLogs`
    GetLogs,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The variants are the methods' names.
        write!(f, "{self:?}")
    }
}

/// What a case found: the server kept the clause, or why that cannot be said.
pub type Verdict = Result<(), Objection>;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The server broke the clause.
    Fail(Failure),
    /// The case cannot be tried on this host, for this reason.
    Skip(String),
    /// The case itself is wrong, such as one that plays a step which is impossible.
    Bug(String),
}

/// How the server broke a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The request: the method and the message as JSON.
    pub request: String,
    /// What the contract wants.
    pub expected: String,
    /// What the server did.
    pub actual: String,
}

impl Objection {
    /// The server broke the clause.
    pub(crate) fn fail(
        request: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self::Fail(Failure {
            request: request.into(),
            expected: expected.into(),
            actual: actual.into(),
        })
    }

    /// The case cannot be tried on this host.
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }
}

/// A check under way.
pub type Checking = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// The host that a case is tried on.
#[derive(Clone, Copy, Debug)]
pub enum On {
    /// Any host will do, also one that nobody described and that lives; where the suite makes
    /// the hosts, this one, which nobody changes.
    Any(&'static HostDef),
    /// This one. Nobody changes it; cases share it.
    Still(&'static HostDef),
    /// One made from this description for the case alone, which plays steps on it.
    Own(&'static HostDef),
    /// That of a scene, in which other cases take part, too.
    Scene(&'static SceneDef),
}

impl On {
    /// The host that the suite makes for it.
    pub fn host(self) -> &'static HostDef {
        match self {
            Self::Any(host) | Self::Still(host) | Self::Own(host) => host,
            Self::Scene(scene) => scene.host,
        }
    }
}

/// One check of one clause.
pub struct Case {
    name: String,
    method: Method,
    clause: &'static Clause,
    level: Level,
    on: On,
    is_quick: bool,
    check: Box<dyn Fn(Stage) -> Checking + Send + Sync>,
}

impl Case {
    /// A case named `METHOD/CLAUSE/content`, which binds as much as its clause and can be
    /// tried on any host.
    pub fn new<C>(
        method: Method,
        clause: &'static Clause,
        content: impl fmt::Display,
        check: impl Fn(Stage) -> C + Send + Sync + 'static,
    ) -> Self
    where
        C: Future<Output = Verdict> + Send + 'static,
    {
        Self {
            name: format!("{method}/{}/{content}", clause.id),
            method,
            clause,
            level: clause.level,
            on: On::Any(&hosts::EMPTY),
            is_quick: true,
            check: Box::new(move |stage| Box::pin(check(stage))),
        }
    }

    /// The same case on another host.
    pub fn on(self, on: On) -> Self {
        Self { on, ..self }
    }

    /// The same case, left out of quick runs.
    pub fn thorough(self) -> Self {
        Self {
            is_quick: false,
            ..self
        }
    }

    /// The same case about a part of the clause that the contract decided: it counts as
    /// SHOULD whatever the clause's level.
    pub fn decided(self) -> Self {
        Self {
            level: Level::Should,
            ..self
        }
    }

    /// The name, which is stable: `METHOD/CLAUSE/content`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The method that is called.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The clause that is checked.
    pub fn clause(&self) -> &'static Clause {
        self.clause
    }

    /// How much the checked part of the clause binds.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The host that it is tried on.
    pub fn host(&self) -> On {
        self.on
    }

    /// Whether it is part of quick runs.
    pub fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// Checks the server on `stage`, which is what [`Self::host`] asks for.
    pub fn check(&self, stage: Stage) -> Checking {
        (self.check)(stage)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Case({})", self.name)
    }
}
