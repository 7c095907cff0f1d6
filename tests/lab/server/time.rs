//! Schedules, expiry and deletion.
