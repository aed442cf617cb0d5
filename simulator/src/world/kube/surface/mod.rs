//! What clients see beside the objects: discovery, OpenAPI, Tables.
