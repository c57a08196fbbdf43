//! Who a node is: CA, certificates, member cards, keys, signatures.
