//! Which clients a route lets in.

use super::Maker;
use crate::config::model::{self, Text};
use crate::rules::{self, Pattern, Rule};

impl Maker<'_> {
    pub(super) fn rule(&self, entry: &model::Allow) -> Option<Rule> {
        let pattern = |text: &Option<Text>, make: fn(&str) -> Result<Pattern, &'static str>| {
            let text = text.as_ref()?;
            let told = |expected| {
                self.wrong(&text.span(), format!("\"{}\": {expected}", text.get_ref()));
            };
            make(text.get_ref()).map_err(told).ok()
        };
        let spki = entry.spki.as_ref().and_then(|text| {
            let pin = rules::pin(text.get_ref());
            if pin.is_none() {
                let expected = "a pin is the SHA-256 of a public key in hexadecimal, as `portcullis cert fingerprint \
                                --spki` prints it";
                self.wrong(&text.span(), expected);
            }
            pin
        });
        if let Some(issuer) = &entry.issuer
            && issuer.get_ref().is_empty()
        {
            let expected = "an issuer is a name in the form \"CN=Ops CA, O=Example\", its parts in the order of the \
                            certificate";
            self.wrong(&issuer.span(), expected);
        }
        let text = |text: &Option<Text>| text.as_ref().map(|it| it.get_ref().clone());
        let rule = Rule {
            uri: pattern(&entry.uri, Pattern::uri),
            dns: pattern(&entry.dns, Pattern::dns),
            email: text(&entry.email),
            issuer: text(&entry.issuer),
            spki,
        };
        if rule.is_empty() && self.report.is_clean() {
            let text = "this rule says nothing and would allow everybody; name uri, dns, email, issuer or spki";
            self.wrong(&entry.span, text);
        }
        Some(rule)
    }
}
