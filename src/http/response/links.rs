//! Links to the previous and next page ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)).

use crate::http::request::params::percent_decoded;

/// The next page, by cursor or by number.
pub(crate) enum Next<'a> {
    Cursor(&'a str),
    Page(u64),
}

/// The number of a page, and the page after it, if any.
pub(crate) struct Neighbours<'a> {
    pub(crate) next: Option<Next<'a>>,
    pub(crate) page: u64,
}

/// Returns the value of a `Link` header: a link to each neighbouring page. The links keep the
/// request's parameters except `page` and `cursor`. The value is empty if there is neither a
/// previous nor a next page.
pub(crate) fn links(path: &str, query: &str, neighbours: &Neighbours<'_>) -> String {
    let mut links = Vec::new();
    if let Some(next) = &neighbours.next {
        let place = match next {
            Next::Cursor(cursor) => format!("cursor={cursor}"),
            Next::Page(page) => format!("page={page}"),
        };
        links.push(link(path, query, &place, "next"));
    }
    if neighbours.page > 1 {
        links.push(link(
            path,
            query,
            &format!("page={}", neighbours.page - 1),
            "prev",
        ));
    }
    links.join(", ")
}

fn link(path: &str, query: &str, place: &str, relation: &str) -> String {
    let own = query.split('&').filter(|part| {
        let name = part.split_once('=').map_or(*part, |(name, _)| name);
        !part.is_empty() && !matches!(percent_decoded(name).as_deref(), Some("page" | "cursor"))
    });
    let mut target = format!("{path}?");
    for part in own {
        // Characters that are valid in a query, but not in a header or between angle brackets, are
        // percent-encoded.
        for character in part.chars() {
            if character.is_ascii_graphic() && !matches!(character, '<' | '>' | '"') {
                target.push(character);
            } else {
                let mut utf8 = [0; 4];
                for byte in character.encode_utf8(&mut utf8).bytes() {
                    target.push_str(&format!("%{byte:02X}"));
                }
            }
        }
        target.push('&');
    }
    format!("<{target}{place}>; rel=\"{relation}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_the_query_but_for_the_page() {
        let next = Neighbours {
            next: Some(Next::Page(3)),
            page: 2,
        };
        assert_eq!(
            links(
                "/v1/leads",
                "status=new&page=2&&%70age=7&tag=a%2Cb<é",
                &next
            ),
            "</v1/leads?status=new&tag=a%2Cb%3C%C3%A9&page=3>; rel=\"next\", \
             </v1/leads?status=new&tag=a%2Cb%3C%C3%A9&page=1>; rel=\"prev\""
        );
        let cursor = Neighbours {
            next: Some(Next::Cursor("abc")),
            page: 1,
        };
        assert_eq!(
            links("/v1/leads", "cursor=old", &cursor),
            "</v1/leads?cursor=abc>; rel=\"next\""
        );
        assert_eq!(
            links(
                "/v1/leads",
                "",
                &Neighbours {
                    next: None,
                    page: 1
                }
            ),
            ""
        );
    }
}
