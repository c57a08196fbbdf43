//! Mirrors over pairs of endpoints in one process, without sockets.
