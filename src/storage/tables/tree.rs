//! The list of tables.

use redb::TableDefinition;

pub(crate) type Bytes = &'static [u8];
pub(crate) type Definition = TableDefinition<'static, Bytes, Bytes>;

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Leads,
    Ids,
    Keys,
    Bitmaps,
    Columns,
    Log,
    Credentials,
    Meta,
}

impl Tree {
    pub(crate) const ALL: [Self; 8] = [
        Self::Leads,
        Self::Ids,
        Self::Keys,
        Self::Bitmaps,
        Self::Columns,
        Self::Log,
        Self::Credentials,
        Self::Meta,
    ];

    pub(crate) const fn definition(self) -> Definition {
        TableDefinition::new(match self {
            Self::Leads => "leads",
            Self::Ids => "ids",
            Self::Keys => "keys",
            Self::Bitmaps => "bitmaps",
            Self::Columns => "columns",
            Self::Log => "log",
            Self::Credentials => "creds",
            Self::Meta => "meta",
        })
    }
}

pub(crate) const FORMAT_KEY: &[u8] = b"format";
pub(crate) const META_KEY: &[u8] = b"header";
