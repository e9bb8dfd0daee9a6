//! Unit tests of `key_blocks`.

use std::collections::BTreeSet;

use proptest::prelude::*;
use redb::{ReadableDatabase, backends::InMemoryBackend};

use super::*;
use crate::storage::tables::block::count;
use crate::storage::tables::tree::Tree;

/// A visitor that skips the first `left` keys, in whole blocks if possible, and collects the
/// remaining keys.
struct TakenBlock {
    left: u64,
    skipped: u64,
    keys: Vec<Vec<u8>>,
}

impl KeyVisitor for TakenBlock {
    fn skip_block(&mut self, _from: &[u8], _to: &[u8], block: &[u8]) -> Result<bool> {
        let count = count(block)?;
        let skips = count <= self.left;
        if skips {
            self.left -= count;
            self.skipped += 1;
        }
        Ok(skips)
    }

    fn visit(&mut self, key: &[u8]) -> Result<Visit> {
        if self.left > 0 {
            self.left -= 1;
        } else {
            self.keys.push(key.to_vec());
        }
        Ok(Visit::Continue(()))
    }
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // Short keys that collide often, long keys that fill blocks, and keys that are longer than
    // a block.
    prop_oneof![
        8 => proptest::collection::vec(0_u8..3, 1..6),
        4 => (0_u16..300).prop_map(|n| [b"long".as_slice(), &n.to_be_bytes(), &[7; 300]].concat()),
        1 => (0_u8..9).prop_map(|n| vec![n; 9_000]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn key_blocks_behave_like_a_sorted_set(
        commits in proptest::collection::vec(proptest::collection::vec((key(), any::<bool>()), 1..80), 1..8),
        from in key(), to in key(), skip in 0_u64..100,
    ) {
        let db = redb::Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let mut model = BTreeSet::new();
        for commit in commits {
            let changes: OrdMap<Key, bool> = commit.into_iter().map(|(key, present)| (Key::from(key.as_slice()), present)).collect();
            for (key, present) in &changes {
                if *present { model.insert(key.to_vec()); } else { model.remove(&**key); }
            }
            let transaction = db.begin_write().unwrap();
            write(&mut transaction.open_table(Tree::Keys.definition()).unwrap(), &changes).unwrap();
            transaction.commit().unwrap();
            let transaction = db.begin_read().unwrap();
            let table = transaction.open_table(Tree::Keys.definition()).unwrap();
            for entry in table.iter().unwrap() {
                let (begin, block) = entry.unwrap();
                let (begin, block) = (begin.value(), block.value());
                let keys = count(block).unwrap();
                prop_assert!(block.len() <= BLOCK_BYTES_MAX || keys == 1, "{} keys in {} bytes", keys, block.len());
                prop_assert!(keys > 0 && !begin.is_empty());
            }
            for range in [KeyRange { from: from.clone(), to: to.clone() }, KeyRange { from: vec![], to: vec![0xff] }] {
                let mut expected: Vec<Vec<u8>> = model.range(range.from.clone()..range.to.clone().max(range.from.clone())).cloned().collect();
                for direction in [Direction::Ascending, Direction::Descending] {
                    let mut visitor = TakenBlock { left: skip, skipped: 0, keys: Vec::new() };
                    scan(&table, &range, direction, &mut visitor).unwrap();
                    prop_assert_eq!(&visitor.keys, &expected[expected.len().min(skip as usize)..]);
                    expected.reverse();
                }
            }
        }
    }
}

#[test]
fn appended_keys_fill_blocks_and_small_blocks_are_merged() {
    let db = redb::Builder::new()
        .create_with_backend(InMemoryBackend::new())
        .unwrap();
    let transaction = db.begin_write().unwrap();
    let mut table = transaction.open_table(Tree::Keys.definition()).unwrap();
    let key = |n: u32| Key::from([b"time".as_slice(), &n.to_be_bytes()].concat().as_slice());
    for commit in 0..100 {
        write(
            &mut table,
            &(commit * 100..commit * 100 + 100)
                .map(|n| (key(n), true))
                .collect(),
        )
        .unwrap();
    }
    let sizes = |table: &Table<'_, Bytes, Bytes>| -> Vec<usize> {
        table
            .iter()
            .unwrap()
            .map(|entry| entry.unwrap().1.value().len())
            .collect()
    };
    let full = sizes(&table);
    assert!(
        full[..full.len() - 1]
            .iter()
            .all(|size| *size > BLOCK_BYTES_MAX * 9 / 10),
        "{full:?}"
    );
    for commit in 0..100 {
        write(
            &mut table,
            &(0..90).map(|n| (key(n * 111 + commit), false)).collect(),
        )
        .unwrap();
    }
    let joined = sizes(&table);
    assert!(joined.len() <= full.len() / 2, "{full:?}, then {joined:?}");
    let mut visitor = TakenBlock {
        left: 900,
        skipped: 0,
        keys: Vec::new(),
    };
    scan(
        &table,
        &KeyRange {
            from: vec![],
            to: vec![0xff],
        },
        Direction::Ascending,
        &mut visitor,
    )
    .unwrap();
    assert_eq!(visitor.keys.len(), 1_000 - 900);
    assert!(visitor.skipped > 0);
}

#[test]
fn inserts_in_the_middle_split_a_block_with_room_for_more() {
    let db = redb::Builder::new()
        .create_with_backend(InMemoryBackend::new())
        .unwrap();
    let transaction = db.begin_write().unwrap();
    let mut table = transaction.open_table(Tree::Keys.definition()).unwrap();
    // Each key takes about 20 bytes in a block.
    let key = |n: u32| {
        Key::from(
            [&n.to_be_bytes(), [b'x'; 16].as_slice()]
                .concat()
                .as_slice(),
        )
    };
    let sizes = |table: &Table<'_, Bytes, Bytes>| -> Vec<usize> {
        table
            .iter()
            .unwrap()
            .map(|entry| entry.unwrap().1.value().len())
            .collect()
    };
    write(
        &mut table,
        &(0..190).map(|n| (key(n * 1_000), true)).collect(),
    )
    .unwrap();
    assert_eq!(sizes(&table).len(), 1);
    write(
        &mut table,
        &(10..20).map(|n| (key(n * 1_000 + 1), true)).collect(),
    )
    .unwrap();
    let halves = sizes(&table);
    assert!(
        halves
            .iter()
            .all(|size| (BLOCK_BYTES_MAX * 4 / 10..BLOCK_BYTES_MAX * 6 / 10).contains(size)),
        "{halves:?}"
    );
    write(
        &mut table,
        &(0..300).map(|n| (key(n * 10 + 2), true)).collect(),
    )
    .unwrap();
    let more = sizes(&table);
    assert_eq!(more.len(), 4, "{more:?}");
    assert!(
        more.iter()
            .all(|size| (BLOCK_BYTES_MAX * 4 / 10..BLOCK_BYTES_MAX * 8 / 10).contains(size)),
        "{more:?}"
    );
}
