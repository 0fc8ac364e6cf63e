//! A task's own list of requests that it hands over together, so that what follows each other can be merged before.

use super::request::Request;

/// What a task keeps back.
#[derive(Default)]
pub(super) struct Plug {
    pub requests: Vec<Request>,
}

/// A plug with so many requests is emptied before the next one.
pub(super) const MOST: usize = 32;
