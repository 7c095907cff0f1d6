//! What goes wrong around a server: the bucket, the API server, the clocks, and what people write.
//! It survives, says what is wrong, and goes on when it is over.

mod inputs;
mod old_definitions;
mod outages;
mod refused_deletions;
