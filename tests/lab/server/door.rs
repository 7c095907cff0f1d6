//! The command line in front of a server.
