//! Ledgers over a bucket whose store fails by script, and an undoer that notes what it undoes.
