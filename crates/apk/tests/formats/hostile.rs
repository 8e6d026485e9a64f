//! What a hostile package may try.
