//! Two servers in one namespace: one acts, the other takes its place.
