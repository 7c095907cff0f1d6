//! Backups and Restores as objects: admitted, run, recorded, taken up again.
