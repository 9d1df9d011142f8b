//! The user to become, and whether it can read what a reload reads.

use std::path::Path;

use rustix::fs::OFlags;

use super::Maker;
use crate::account::Account;
use crate::config::model::Text;

impl Maker<'_> {
    pub(super) fn account(&self) -> Option<Account> {
        let Some(user) = &self.file.user else {
            if let Some(group) = &self.file.group {
                let text = "a `group` without a `user` would leave the proxy who it was started as; give both";
                self.wrong(&group.span(), text);
            }
            return None;
        };
        let group = self.file.group.as_ref();
        let found = Account::find(user.get_ref(), group.map(|it| it.get_ref().as_str()));
        match found {
            Ok(account) => {
                self.check_readable(user, &account);
                Some(account)
            }
            Err(why) => {
                self.wrong(&user.span(), why);
                None
            }
        }
    }

    /// Today they are read by the account that starts the proxy, and by a reload as this account.
    fn check_readable(&self, user: &Text, account: &Account) {
        if account.is_this() {
            return;
        }
        let named = self.file.named();
        let of_file = self.path.map(|path| (user.span(), path.to_owned()));
        let of_names = named.map(|text| (text.span(), text.get_ref().into()));
        let (spans, paths): (Vec<_>, Vec<_>) = of_file.into_iter().chain(of_names).unzip();
        let tried = account.tried(|| paths.iter().map(|it| unreadable(it)).collect::<Vec<_>>());
        let Ok(tried) = tried else {
            let text = format!(
                "only root may become {account}; whether that user can read the files of this configuration was not tried"
            );
            self.report.warn(&user.span(), text);
            return;
        };
        for ((span, path), error) in spans.iter().zip(&paths).zip(tried) {
            if let Some(error) = error {
                let text = format!(
                    "{account}, whom the proxy is to become, cannot read {}, and a reload reads it again: {error}. Give it \
                     that user's group (chgrp, chmod 640), and let the user into its folder",
                    path.display()
                );
                self.wrong(span, text);
            }
        }
    }
}

/// Why a file cannot be opened, if it is there: that it is not is told where it is read.
fn unreadable(path: &Path) -> Option<std::io::Error> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = std::fs::OpenOptions::new();
    // A pipe is not waited for.
    let unblocked = OFlags::NONBLOCK.bits().cast_signed();
    let opened = options.read(true).custom_flags(unblocked).open(path);
    let error = opened.err()?;
    (error.kind() != std::io::ErrorKind::NotFound).then_some(error)
}
