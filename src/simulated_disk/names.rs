//! The names of files. They change independently of the contents, and are durable once their
//! directory is synced.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::simulated_disk::file::Odds;

#[derive(Clone, Default)]
pub(crate) struct Names {
    current: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    /// The changes since the last sync of their directories, in order.
    unsynced: Vec<NameChange>,
}

#[derive(Clone)]
enum NameChange {
    Set(String, Option<u64>),
    Rename { from: String, to: String, id: u64 },
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Set(name, Some(id)) => drop(names.insert(name.clone(), *id)),
            Self::Set(name, None) => drop(names.remove(name)),
            Self::Rename { from, to, id } => {
                names.remove(from);
                names.insert(to.clone(), *id);
            }
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Set(path, _) | Self::Rename { to: path, .. } => path,
        }
    }
}

impl Names {
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.current.get(name).copied()
    }

    pub(crate) fn ids(&self) -> Vec<u64> {
        // Sorted by id, because names can be random and would make the order random too.
        let mut ids: Vec<u64> = self.current.values().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Returns the names of the files in a directory, without the directory's path.
    pub(crate) fn in_directory(&self, directory: &str) -> Vec<String> {
        let paths = self.current.keys().map(|path| split(path));
        paths
            .filter(|(parent, _)| *parent == directory)
            .map(|(_, name)| name.to_owned())
            .collect()
    }

    /// Assigns a name to a file, or removes the name.
    pub(crate) fn set(&mut self, name: &str, id: Option<u64>) {
        self.change(NameChange::Set(name.to_owned(), id));
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str, id: u64) {
        self.change(NameChange::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            id,
        });
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.current);
        self.unsynced.push(change);
    }

    pub(crate) fn sync(&mut self, directory: &str) {
        let Self {
            durable, unsynced, ..
        } = self;
        unsynced.retain(|change| {
            let is_elsewhere = split(change.path()).0 != directory;
            if !is_elsewhere {
                change.apply(durable);
            }
            is_elsewhere
        });
    }

    /// Removes all names in a directory, subdirectories included, as if the directory had never
    /// existed.
    pub(crate) fn clear(&mut self, directory: &str) {
        let is_in = |path: &str| {
            let rest = path.strip_prefix(directory);
            rest.is_some_and(|rest| directory.is_empty() || rest.starts_with('/'))
        };
        self.current.retain(|path, _| !is_in(path));
        self.durable.retain(|path, _| !is_in(path));
        self.unsynced.retain(|change| !is_in(change.path()));
    }

    pub(crate) fn after_power_cut(&self, rng: &mut Rng) -> Self {
        let odds = Odds::random(rng);
        let mut names = self.durable.clone();
        for change in self.unsynced.iter() {
            if odds.keeps(rng) {
                change.apply(&mut names);
            }
        }
        Self {
            current: names.clone(),
            durable: names,
            unsynced: Vec::new(),
        }
    }
}

/// Splits a path into the directory and the file name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
