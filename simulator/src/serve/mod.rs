//! Puts the world's services on loopback sockets, for `drydock up`.
