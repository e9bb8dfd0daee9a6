//! native_db, for the rows that it supports: it has secondary keys, but no filters with totals and
//! no search.

use std::path::Path;

use native_db::*;
use native_model::{Model, native_model};
use serde::{Deserialize, Serialize};

use crate::generated::Fields;
use crate::peer::created_at;

#[derive(Serialize, Deserialize, Debug)]
#[native_model(id = 1, version = 1)]
#[native_db]
struct StoredLead {
    #[primary_key]
    number: u64,
    #[secondary_key]
    name: String,
    #[secondary_key]
    status: String,
    #[secondary_key]
    created_at: i64,
    #[secondary_key]
    deal_value: i64,
    email: String,
    phone: String,
    company: Option<String>,
    source: String,
    owner_id: Option<String>,
    tags: Vec<String>,
    industry: String,
    employees: i64,
    updated_at: i64,
    version: u64,
}

pub struct Native {
    database: Database<'static>,
}

impl Native {
    pub fn open(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        // Leaked, because `Database<'static>` borrows the models.
        let models: &'static mut Models = Box::leak(Box::new(Models::new()));
        models.define::<StoredLead>().unwrap();
        let path = directory.join("leads.native");
        let database = if path.exists() {
            Builder::new().open(models, path)
        } else {
            Builder::new().create(models, path)
        };
        Self {
            database: database.unwrap(),
        }
    }

    pub fn import(&self, leads: &[(usize, Fields)]) {
        let transaction = self.database.rw_transaction().unwrap();
        for (number, fields) in leads {
            transaction.insert(stored(*number, fields)).unwrap();
        }
        transaction.commit().unwrap();
    }

    pub fn create(&self, number: usize, fields: &Fields) {
        self.import(&[(number, fields.clone())]);
    }

    pub fn get(&self, number: usize) -> String {
        let transaction = self.database.r_transaction().unwrap();
        let lead: Option<StoredLead> = transaction.get().primary(number as u64).unwrap();
        lead.unwrap().name
    }
}

fn stored(number: usize, fields: &Fields) -> StoredLead {
    let fields = fields.clone();
    StoredLead {
        number: number as u64,
        name: fields.name,
        status: fields.status.to_owned(),
        created_at: created_at(number),
        deal_value: fields.deal_value.mantissa() as i64,
        email: fields.email,
        phone: fields.phone,
        company: fields.company,
        source: fields.source.to_owned(),
        owner_id: fields.owner_id,
        tags: fields.tag.iter().map(|tag| (*tag).to_owned()).collect(),
        industry: fields.industry.to_owned(),
        employees: fields.employees,
        updated_at: created_at(number),
        version: 1,
    }
}
