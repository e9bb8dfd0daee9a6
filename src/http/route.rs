//! The routes: the paths of the API, and the operation of each method on a path.

use std::borrow::Cow;

use http::{HeaderValue, Method, Response};

use crate::credential::Scope;
use crate::http::call::Call;
use crate::http::operations::{self, search, trash};
use crate::http::request::media_type::RequestBody;
use crate::http::request::params::percent_decoded;
use crate::http::response::api_error::ApiError;

/// A path with its operations.
pub(crate) struct Route {
    /// `{id}` matches any one segment.
    path: &'static str,
    operations: &'static [Operation],
}

/// The operation of a method on a path.
pub(crate) struct Operation {
    method: Method,
    pub(crate) scope: Scope,
    pub(crate) body: RequestBody,
    pub(crate) run: fn(&Call<'_>) -> Result<Response<Vec<u8>>, ApiError>,
}

/// The routes in order of precedence: literal segments come before `{id}`.
static ROUTES: [Route; 6] = [
    Route {
        path: "/v1/leads",
        operations: &[
            Operation {
                method: Method::GET,
                scope: Scope::Read,
                body: RequestBody::Ignored,
                run: operations::list,
            },
            Operation {
                method: Method::POST,
                scope: Scope::Write,
                body: RequestBody::Json,
                run: operations::create,
            },
        ],
    },
    Route {
        path: "/v1/leads/search",
        operations: &[Operation {
            method: Method::POST,
            scope: Scope::Read,
            body: RequestBody::Json,
            run: search::search,
        }],
    },
    Route {
        path: "/v1/leads/trash",
        operations: &[
            Operation {
                method: Method::GET,
                scope: Scope::Read,
                body: RequestBody::Ignored,
                run: trash::list,
            },
            Operation {
                method: Method::DELETE,
                scope: Scope::Delete,
                body: RequestBody::Ignored,
                run: trash::empty,
            },
        ],
    },
    Route {
        path: "/v1/leads/trash/{id}",
        operations: &[Operation {
            method: Method::DELETE,
            scope: Scope::Delete,
            body: RequestBody::Ignored,
            run: trash::purge,
        }],
    },
    Route {
        path: "/v1/leads/{id}",
        operations: &[
            Operation {
                method: Method::GET,
                scope: Scope::Read,
                body: RequestBody::Ignored,
                run: operations::get,
            },
            Operation {
                method: Method::PATCH,
                scope: Scope::Write,
                body: RequestBody::MergePatch,
                run: operations::update,
            },
            Operation {
                method: Method::DELETE,
                scope: Scope::Delete,
                body: RequestBody::Ignored,
                run: operations::delete,
            },
        ],
    },
    Route {
        path: "/v1/leads/{id}/restore",
        operations: &[Operation {
            method: Method::POST,
            scope: Scope::Write,
            body: RequestBody::Ignored,
            run: operations::restore,
        }],
    },
];

impl Route {
    /// Returns the route of a path, and the segment that matches `{id}`.
    pub(crate) fn find(path: &str) -> Option<(&'static Self, Cow<'_, str>)> {
        ROUTES
            .iter()
            .find_map(|route| Some((route, route.id_in(path)?)))
    }

    /// Returns the decoded segment that matches `{id}`, or an empty string if the route has no
    /// `{id}`. Returns `None` if the path does not match or a segment cannot be decoded.
    fn id_in<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        let (mut wanted, mut segments) = (self.path.split('/'), path.split('/'));
        let mut id = Cow::Borrowed("");
        loop {
            match (wanted.next(), segments.next()) {
                (Some("{id}"), Some(segment)) => id = percent_decoded(segment)?,
                (Some(wanted), Some(segment))
                    if wanted == segment || wanted == percent_decoded(segment)? => {}
                (None, None) => return Some(id),
                _ => return None,
            }
        }
    }

    /// Returns the operation of a method. `HEAD` uses the operation of `GET`.
    pub(crate) fn operation(&self, method: &Method) -> Option<&Operation> {
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        self.operations
            .iter()
            .find(|operation| operation.method == wanted)
    }

    /// Returns the methods of this route, for `Allow`.
    pub(crate) fn allow(&self) -> HeaderValue {
        let mut methods = Vec::new();
        for operation in self.operations {
            methods.push(operation.method.as_str());
            if operation.method == Method::GET {
                methods.push("HEAD");
            }
        }
        methods.push("OPTIONS");
        // Method names are ASCII.
        HeaderValue::from_str(&methods.join(", "))
            .unwrap_or_else(|_| HeaderValue::from_static("OPTIONS"))
    }
}
