//! torus
