//! The program that a Workspace's pod runs: serves and tunes models. Empty so far.
