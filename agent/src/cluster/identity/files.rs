//! Files of an identity: created once and never written over; keys that nobody else can read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::IdentityError;

/// Largest file read, bytes: a revocation list of [`super::revoked::MAX_ENTRIES`] fits.
pub const FILE_BYTES_MAX: u64 = 2 << 20;
/// Mode of a file that only its owner may read.
pub const SECRET: u32 = 0o600;
/// Mode of a file anybody may read.
pub const PUBLIC: u32 = 0o644;

/// Creates a file that was not there, with its mode from the first moment, and brings it to disk.
///
/// # Errors
/// [`IdentityError::File`]; an existing file is left alone.
pub fn create(path: &Path, mode: u32, content: &[u8]) -> Result<(), IdentityError> {
    let remedy = |error: &std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => "nothing is written over: name another folder with --out, or move the file away",
        ErrorKind::NotFound => "create the folder first",
        _ => "choose a folder this user may write, with space left",
    };
    let fail = |error: std::io::Error| {
        let words = remedy(&error);
        IdentityError::file(path, error, words)
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fail)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(fail)
}

/// Writes a file anew by a rename, so that a reader sees the old or the new content and nothing between.
///
/// # Errors
/// [`IdentityError::File`]; the old file stands.
pub fn replace(path: &Path, mode: u32, content: &[u8]) -> Result<(), IdentityError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let fresh = path.with_file_name(name);
    create(&fresh, mode, content)?;
    std::fs::rename(&fresh, path).map_err(|error| {
        let _ = std::fs::remove_file(&fresh);
        IdentityError::file(path, error, "choose a folder this user may write")
    })
}

/// Creates a folder for an identity, closed to others, if it is not there.
///
/// # Errors
/// [`IdentityError::File`].
pub fn folder(path: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| IdentityError::file(path, error, "name a folder this user may create"))
}

/// Reads a file that anybody may read.
///
/// # Errors
/// [`IdentityError::File`]; [`IdentityError::Wrong`] if it is larger than [`FILE_BYTES_MAX`].
pub fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    let file = open(path)?;
    content(path, file)
}

/// Reads a file that only its owner may read; refuses one that others could have read.
///
/// # Errors
/// As [`read`], and [`IdentityError::Wrong`] for a mode that lets others in.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, IdentityError> {
    read_secret_of(path, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from))
}

fn read_secret_of(path: &Path, credentials: Option<PathBuf>) -> Result<Vec<u8>, IdentityError> {
    let file = open(path)?;
    let data = file.metadata().map_err(|error| IdentityError::file(path, error, "the file system refuses to say"))?;
    let mode = data.mode() & 0o777;
    // Of a file handed over by the service manager the group bits are the mask of an access list that names this user alone.
    let handed_over = credentials.is_some_and(|folder| path.starts_with(folder)) && data.uid() == 0;
    let forbidden = if handed_over { 0o037 } else { 0o077 };
    if mode & forbidden != 0 {
        return Err(IdentityError::in_file(
            path,
            format!("mode {mode:04o}: a private key that others can read or write"),
            "mode 0600 or 0400",
            format!("chmod 600 {}; if others had access, issue a new key and revoke this one", path.display()),
        ));
    }
    content(path, file)
}

fn open(path: &Path) -> Result<File, IdentityError> {
    File::open(path).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::NotFound => "make it with `trefoil ca init` and `trefoil ca issue`, or name the right file",
            ErrorKind::PermissionDenied => "give it to the user the agent runs as: chown USER FILE",
            _ => "name a readable file",
        };
        IdentityError::file(path, error, remedy)
    })
}

fn content(path: &Path, file: File) -> Result<Vec<u8>, IdentityError> {
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| IdentityError::file(path, error, "name a readable file"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let found = format!("more than {FILE_BYTES_MAX} bytes");
        return Err(IdentityError::in_file(path, found, "a certificate, key, card or list", "name the right file"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cluster::identity::testing::Folder;

    /// A credential of the service manager shows the mask of its access list as group bits; that and no more is let pass.
    #[test]
    fn credentials_may_show_their_mask() {
        let folder = Folder::new("credentials");
        let path = folder.0.join("node-1.key");
        create(&path, SECRET, b"secret").expect("created");
        let read = |mode, credentials: &Path| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
            read_secret_of(&path, Some(credentials.to_owned())).is_ok()
        };
        let of_root = nix::unistd::geteuid().is_root();
        assert_eq!(read(0o440, &folder.0), of_root, "only what root handed over");
        assert!(!read(0o440, Path::new("/elsewhere")));
        for mode in [0o444, 0o460, 0o441] {
            assert!(!read(mode, &folder.0), "{mode:o}");
        }
        assert!(read(0o400, Path::new("/elsewhere")));
    }

    /// Whoever replaces a file leaves the old or the new one, never a rest.
    #[test]
    fn files_are_replaced_whole() {
        let folder = Folder::new("replace");
        let path = folder.0.join("revoked.list");
        for content in [b"one".as_slice(), b"two"] {
            replace(&path, PUBLIC, content).expect("replaced");
            assert_eq!(read(&path).expect("read"), content);
        }
        assert_eq!(std::fs::read_dir(&folder.0).expect("listed").count(), 1);
        std::fs::write(&path, vec![0; FILE_BYTES_MAX as usize + 1]).expect("written");
        assert!(read(&path).is_err(), "too large");
    }
}
