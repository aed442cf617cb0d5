//! The five ways to change an object: JSON patch, merge patch, strategic merge patch, server-side apply, and
//! the managedFields that updates and applies leave behind.
