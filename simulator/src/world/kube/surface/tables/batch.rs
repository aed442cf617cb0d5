//! Jobs and cron jobs.

use jiff::Timestamp;
use serde_json::Value;

use super::super::duration::{human_duration, parse, seconds_between, since};
use super::cell::{age, containers, count, is_true, name, number, selector, string};
use super::column::{AGE, CONTAINERS, IMAGES, NAME, boolean, integer, text};
use super::{Printer, printer};

pub(super) const JOB: Printer = printer(
    &[
        NAME,
        text("Status", "Status of the job."),
        text("Completions", "@io.k8s.api.batch.v1.JobStatus#succeeded"),
        text("Duration", "Time required to complete the job."),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        text("Selector", "@io.k8s.api.batch.v1.JobSpec#selector").wide(),
    ],
    |object, now| {
        let mut cells = vec![
            name(object),
            job_status(object).into(),
            completions(object).into(),
            took(&object["status"], now).into(),
            age(object, now),
        ];
        cells.extend(containers(&object["spec"]["template"]["spec"]["containers"]));
        cells.push(selector(&object["spec"]["selector"]).into());
        cells
    },
);

pub(super) const CRON_JOB: Printer = printer(
    &[
        NAME,
        text("Schedule", "@io.k8s.api.batch.v1.CronJobSpec#schedule"),
        text("Timezone", "@io.k8s.api.batch.v1.CronJobSpec#timeZone"),
        boolean("Suspend", "@io.k8s.api.batch.v1.CronJobSpec#suspend"),
        integer("Active", "@io.k8s.api.batch.v1.CronJobStatus#active"),
        text("Last Schedule", "@io.k8s.api.batch.v1.CronJobStatus#lastScheduleTime"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        text("Selector", "@io.k8s.api.batch.v1.JobSpec#selector").wide(),
    ],
    |object, now| {
        let (spec, status) = (&object["spec"], &object["status"]);
        let job = &spec["jobTemplate"]["spec"];
        let suspend = match spec["suspend"].as_bool() {
            Some(true) => "True",
            Some(false) => "False",
            None => "<unset>",
        };
        let last = &status["lastScheduleTime"];
        let mut cells = vec![
            name(object),
            string(&spec["schedule"]).into(),
            spec["timeZone"].as_str().unwrap_or("<none>").into(),
            suspend.into(),
            count(&status["active"]).into(),
            if last.is_null() {
                "<none>".into()
            } else {
                since(last, now).into()
            },
            age(object, now),
        ];
        cells.extend(containers(&job["template"]["spec"]["containers"]));
        cells.push(selector(&job["selector"]).into());
        cells
    },
);

fn job_status(object: &Value) -> &'static str {
    if is_true(object, "Complete") {
        "Complete"
    } else if is_true(object, "Failed") {
        "Failed"
    } else if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else {
        let others = ["Suspended", "FailureTarget", "SuccessCriteriaMet"];
        others
            .into_iter()
            .find(|kind| is_true(object, kind))
            .unwrap_or("Running")
    }
}

fn completions(object: &Value) -> String {
    let (spec, succeeded) = (&object["spec"], number(&object["status"]["succeeded"]));
    match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn took(status: &Value, now: Timestamp) -> String {
    let end = parse(&status["completionTime"]).unwrap_or(now);
    parse(&status["startTime"])
        .map(|start| human_duration(seconds_between(start, end)))
        .unwrap_or_default()
}
