//! The model catalogue: typed facts of the models that Drydock can run and tune, and the memory arithmetic on them. Empty so far; nothing depends on it yet.
