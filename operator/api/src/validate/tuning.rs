//! `tuning` of a new Workspace, and the rules about data that updates share.

use super::{Context, Fault, Verdict, Version, config, inference, placeholder, text};
use crate::{
    Workspace, presets,
    workspace::{DataDestination, DataSource, TuningSpec},
};

pub(super) fn create(
    version: Version,
    new: &Workspace,
    tuning: &TuningSpec,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    let method = tuning.parsed_method();
    if method.is_none() {
        verdict.fault(Fault::invalid(
            "tuning.method",
            format!("{:?} is not a tuning method; choose lora or qlora", tuning.method),
        ));
    }
    config::tuning(new, tuning, method, context, verdict);
    for fault in placeholder::in_tuning(tuning) {
        verdict.fault(fault);
    }
    match &tuning.input {
        None => verdict.fault(Fault::missing("tuning.input", "")),
        Some(source) => input(version, source, verdict),
    }
    match &tuning.output {
        None => verdict.fault(Fault::missing("tuning.output", "")),
        Some(destination) => output(destination, verdict),
    }
    let Some(preset) = &tuning.preset else {
        verdict.fault(Fault::missing("tuning.preset", ""));
        return;
    };
    let name = &preset.name;
    match inference::resolve(version, name, context.facts) {
        None => {
            verdict.fault(Fault::invalid(
                "tuning.preset.name",
                format!("Unsupported tuning preset name {name}"),
            ));
        }
        Some(model) if version == Version::V1beta1 && !presets::TUNABLE.contains(&presets::short(&model)) => {
            verdict.warn(format!(
                "tuning.preset.name: {name} is not among the models that can be tuned: {}",
                presets::TUNABLE.join(", ")
            ));
        }
        Some(_) => {}
    }
}

/// Where the training data comes from.
pub(super) fn input(version: Version, source: &DataSource, verdict: &mut Verdict) {
    let given = [
        !source.urls.is_empty(),
        !source.image.is_empty(),
        source.volume_source.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        verdict.fault(Fault::generic("tuning.input", crate::text::ONE_SOURCE));
    }
    if version == Version::V1beta1 {
        for (index, url) in source.urls.iter().enumerate() {
            if let Err(reason) = text::url(url) {
                verdict.fault(Fault::invalid(
                    format!("tuning.input.urls[{index}]"),
                    format!("invalid URL {url:?}: {reason}"),
                ));
            }
        }
    }
    image(&source.image, "tuning.input.image", "input", verdict);
}

/// Where the result goes.
pub(super) fn output(destination: &DataDestination, verdict: &mut Verdict) {
    if destination.image.is_empty() == destination.volume_source.is_none() {
        verdict.fault(Fault::generic("tuning.output", crate::text::ONE_DESTINATION));
    }
    if !destination.image.is_empty() && destination.image_push_secret.is_empty() {
        verdict.fault(Fault::missing(
            "tuning.output.imagePushSecret",
            crate::text::PUSH_SECRET,
        ));
    }
    image(&destination.image, "tuning.output.image", "output", verdict);
}

/// An image reference must parse. One that still holds a placeholder has been refused for that.
fn image(reference: &str, path: &str, what: &str, verdict: &mut Verdict) {
    if reference.is_empty() || !placeholder::faults(reference, path).is_empty() {
        return;
    }
    if let Err(reason) = text::image(reference) {
        verdict.fault(Fault::invalid(
            path,
            format!("Invalid image format, require full {what} image URL: {reason}"),
        ));
    }
}
