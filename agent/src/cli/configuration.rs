//! `trefoil config check|show|schema`.

use super::args::{Config, File};
use super::{Failure, out};
use crate::config;

pub(super) fn configuration(command: &Config) -> Result<(), Failure> {
    let path = |file: &File| file.path().cloned().ok_or_else(|| Failure::usage("name a configuration file"));
    match command {
        Config::Check(file) => {
            let path = path(file)?;
            let config = config::load(&path).map_err(Failure::usage)?;
            let tori = config.tori.len();
            let plural = if tori == 1 { "us" } else { "i" };
            out::line(&format!("{}: fine; {tori} tor{plural} of a braid of {}", path.display(), config.braid.tori));
        }
        Config::Show(file) => {
            let path = path(file)?;
            let text = config::read(&path).map_err(Failure::usage)?;
            out::text(&config::effective(&text, Some(&path)).map_err(Failure::usage)?);
        }
        Config::Schema => out::line(&serde_json::to_string_pretty(&config::json_schema()).map_err(Failure::failed)?),
    }
    Ok(())
}
