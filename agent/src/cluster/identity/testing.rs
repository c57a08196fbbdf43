//! Folders with CAs and nodes for tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ekk::id::NodeId;

use super::authority::{Authority, CA_CERTIFICATE, Issued, Order};
use super::{Certificate, Identity, unix_now_s};
use crate::config::cluster::IdentityFiles;

/// A folder that goes with the test.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trefoil-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A CA in a folder of its own.
#[derive(Debug)]
pub(crate) struct TestCa {
    pub(crate) folder: Folder,
    pub(crate) authority: Authority,
}

pub(crate) fn node(id: u32) -> NodeId {
    NodeId::new(id).expect("a node")
}

pub(crate) fn order(id: u32) -> Order {
    Order { name: format!("n{id}"), id: node(id), zone: String::new(), days: 100, renew: false }
}

impl TestCa {
    pub(crate) fn new(cluster: &str) -> Self {
        let folder = Folder::new("ca");
        let authority = Authority::init(&folder.0, cluster, 200, None).expect("a CA");
        Self { folder, authority }
    }

    /// Another CA of the same cluster.
    pub(crate) fn successor(&self, cluster: &str) -> Self {
        let folder = Folder::new("ca");
        let authority = Authority::init(&folder.0, cluster, 200, Some(self.authority.certificate())).expect("a CA");
        Self { folder, authority }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.folder.0
    }

    pub(crate) fn certificate_path(&self) -> PathBuf {
        self.dir().join(CA_CERTIFICATE)
    }

    pub(crate) fn issue(&self, id: u32) -> Issued {
        self.authority.issue(&order(id), self.dir()).expect("issued")
    }

    pub(crate) fn files(&self, id: u32) -> IdentityFiles {
        let path = |ending: &str| self.dir().join(format!("node-{id}.{ending}"));
        IdentityFiles {
            ca: vec![self.certificate_path()],
            certificate: path("crt"),
            key: path("key"),
            card: path("card"),
            revoked: None,
        }
    }

    /// Issues and loads.
    pub(crate) fn identity(&self, id: u32) -> Identity {
        self.issue(id);
        Identity::load(&self.files(id), id, unix_now_s()).expect("loaded")
    }
}

pub(crate) fn certificate(issued: &Issued) -> Certificate {
    Certificate::read(&issued.files[0]).expect("a certificate")
}
