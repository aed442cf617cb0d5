//! Parts of an example that its reader was meant to replace. An example that is applied as it stands is refused with
//! the name of each placeholder and what belongs there.

use super::fault::Fault;
use crate::workspace::{DataSource, TuningSpec};
use std::collections::BTreeSet;

/// The placeholders of the published examples.
const KNOWN: [(&str, &str); 3] = [
    (
        "ACR_REPO_HERE",
        "the name of your Azure Container Registry (the part before .azurecr.io)",
    ),
    (
        "IMAGE_NAME_HERE",
        "a name for the image that will hold the tuned adapter",
    ),
    (
        "ACR_REGISTRY_SECRET_HERE",
        "the name of a Secret of type kubernetes.io/dockerconfigjson in this namespace that may push to that registry",
    ),
];

/// One fault for each placeholder in `text`.
pub(super) fn faults(text: &str, path: &str) -> Vec<Fault> {
    found(text)
        .into_iter()
        .map(|name| {
            let known = KNOWN.iter().find(|(placeholder, _)| *placeholder == name);
            let belongs = known.map_or("a value of your own", |(_, belongs)| *belongs);
            Fault::invalid(
                path,
                format!("placeholder {name} is still in place; put here {belongs}"),
            )
        })
        .collect()
}

/// Placeholders of the output and the input of a tuning, and the paths under which they were found.
pub(super) fn in_tuning(tuning: &TuningSpec) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(output) = &tuning.output {
        faults.extend(self::faults(&output.image, "tuning.output.image"));
        faults.extend(self::faults(&output.image_push_secret, "tuning.output.imagePushSecret"));
    }
    if let Some(input) = &tuning.input {
        faults.extend(in_source(input, "tuning.input"));
    }
    faults
}

/// Placeholders of a data source.
pub(super) fn in_source(source: &DataSource, path: &str) -> Vec<Fault> {
    let mut faults = self::faults(&source.image, &format!("{path}.image"));
    for (index, url) in source.urls.iter().enumerate() {
        faults.extend(self::faults(url, &format!("{path}.urls[{index}]")));
    }
    for (index, secret) in source.image_pull_secrets.iter().enumerate() {
        faults.extend(self::faults(secret, &format!("{path}.imagePullSecrets[{index}]")));
    }
    faults
}

/// Words in capitals that end in `_HERE`, and words in angle brackets.
fn found(text: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for part in text.split(|c: char| !word(c)) {
        if part.ends_with("_HERE") && !part.chars().any(|c| c.is_ascii_lowercase()) {
            found.insert(part);
        }
    }
    if let Some((_, rest)) = text.split_once('<')
        && let Some((inner, _)) = rest.split_once('>')
        && !inner.is_empty()
    {
        found.insert(inner);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_placeholders() {
        let all = |text| found(text).into_iter().collect::<Vec<_>>();
        assert_eq!(
            all("ACR_REPO_HERE.azurecr.io/IMAGE_NAME_HERE:0.0.1"),
            ["ACR_REPO_HERE", "IMAGE_NAME_HERE"]
        );
        assert_eq!(all("<your-vm-sku>"), ["your-vm-sku"]);
        assert_eq!(all("acr.azurecr.io/here:1"), Vec::<&str>::new());
        assert_eq!(all("><"), Vec::<&str>::new());
        assert_eq!(all("é_HERE"), ["_HERE"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,60}") {
            let _ = found(&text);
        }
    }
}
