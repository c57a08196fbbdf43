//! shm-transport
