//! What builds and tests see.

use super::Evaluator;
use super::scope::Scope;
use crate::image;
use crate::recipe::Environment;
use crate::{Code, Diagnostic};

impl Evaluator<'_> {
    /// Evaluates an environment; `needs` are the packages that steps and pipelines ask for.
    pub(super) fn environment(&mut self, scope: &Scope<'_>, written: Option<&image::ImageDocument>, needs: Vec<String>) -> Environment {
        let mut environment = Environment::default();
        if let Some(written) = written {
            if let Some(contents) = &written.contents {
                environment.packages = self.dependency_list(scope, &contents.packages);
                environment.repositories = self.list(scope, &contents.repositories);
                environment.repositories.extend(self.list(scope, &contents.build_repositories));
                environment.keyring = self.list(scope, &contents.keyring);
            }
            environment.env = self.map(scope, &written.environment);
            if let Some(accounts) = &written.accounts {
                self.only_root(scope, accounts);
                environment.accounts = image::accounts(accounts, &mut self.out);
            }
        }
        environment.packages.extend(needs);
        environment.packages.sort();
        environment.packages.dedup();
        environment
    }

    /// Warns of accounts: the root of a build has one user, whatever a definition asks for.
    fn only_root(&mut self, scope: &Scope<'_>, accounts: &image::AccountsDocument) {
        if let Some(user) = accounts.run_as.as_ref().filter(|user| !matches!(user.value.as_str(), "root" | "0")) {
            let warning = Diagnostic::warning(Code::NotHonoured, user.span, format!("steps run as root inside, and not as `{user}`"));
            self.report(scope, warning.help("there is one user in a build; drop `run-as`"));
        }
        let users = accounts.users.iter().map(|user| &user.username);
        for name in users.chain(accounts.groups.iter().map(|group| &group.groupname)) {
            let warning = Diagnostic::warning(Code::NotHonoured, name.span, format!("the account `{name}` is not made"));
            self.report(scope, warning.help("accounts of a build come with its packages, as base-layout's do"));
        }
    }

    /// Adds and removes what the options that are switched on say of the build.
    pub(super) fn vary(&mut self, scope: &Scope<'_>, packages: &mut Vec<String>) {
        for (name, option) in &self.document.options {
            let change = option.environment.as_ref().and_then(|e| e.contents.as_ref()).and_then(|c| c.packages.as_ref());
            if let (Some(change), true) = (change, self.context.options.contains(&name.value)) {
                let removed = self.list(scope, &change.remove);
                packages.retain(|package| !removed.contains(package));
                packages.extend(self.dependency_list(scope, &change.add));
            }
        }
        packages.sort();
        packages.dedup();
    }
}
