//! What goes wrong in Azure, planted by rules and counted.

/// What goes wrong with a request, or with the operation that it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArmFault {
    /// Refused at once, in AKS' own envelope.
    Refused {
        /// HTTP status.
        status: u16,
        /// Code.
        code: String,
        /// Words.
        message: String,
    },
    /// 429 with so many seconds to wait.
    Throttled(u64),
    /// Another operation is in progress.
    Busy,
    /// Accepted; the operation and its pool fail when the machine should have come.
    Failed {
        /// Code.
        code: String,
        /// Words.
        message: String,
    },
    /// Accepted; the operation goes on for ever.
    Stuck,
    /// Accepted; the answer is lost on its way.
    LostReply,
}

/// What goes wrong with a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineFault {
    /// Its node never joins; the pool says that it has succeeded.
    NeverJoins,
    /// Its GPUs never become allocatable.
    NoGpus,
}

/// Which requests a fault hits. Empty texts match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// HTTP method, e.g. `PUT`.
    pub method: String,
    /// Start of the pool's name.
    pub pool_prefix: String,
    /// Requests that pass before the first is hit.
    pub skip: u32,
    /// Requests that are hit, after which the rule is spent.
    pub times: u32,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    planted: Vec<(ArmFault, Rule)>,
    machines: Vec<(MachineFault, String)>,
}

impl Faults {
    pub(super) fn plant(&mut self, fault: ArmFault, rule: Rule) {
        self.planted.push((fault, rule));
    }

    pub(super) fn plant_machine(&mut self, fault: MachineFault, pool_prefix: &str) {
        self.machines.push((fault, pool_prefix.to_owned()));
    }

    pub(super) fn heal(&mut self) {
        *self = Self::default();
    }

    /// The fault that hits this request, spent once.
    pub(super) fn hit(&mut self, method: &str, pool: &str) -> Option<ArmFault> {
        let matching = self.planted.iter_mut().filter(|(_, rule)| {
            (rule.method.is_empty() || rule.method == method) && pool.starts_with(&rule.pool_prefix)
        });
        for (fault, rule) in matching {
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.times > 0 {
                rule.times -= 1;
                return Some(fault.clone());
            }
        }
        None
    }

    pub(super) fn machine(&self, fault: MachineFault, pool: &str) -> bool {
        self.machines
            .iter()
            .any(|(planted, prefix)| *planted == fault && pool.starts_with(prefix))
    }
}
