//! Admission: webhook call-outs (match rules, CEL match conditions, failure policy, time-outs, warnings).
