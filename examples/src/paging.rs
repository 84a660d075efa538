//! Long lists, a page at a time.

/// The number of items on a page.
pub const PER_PAGE: usize = 50;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// The items on this page.
    pub items: Vec<T>,
    /// Its number, from 1.
    pub page: usize,
    /// The number of pages, at least 1.
    pub pages: usize,
}

/// The page of `all` that was `asked` for. An invalid number is the first page; a number beyond the end is the last
/// page.
#[must_use]
pub fn paged<T>(all: Vec<T>, asked: &str) -> Paged<T> {
    let pages = all.len().div_ceil(PER_PAGE).max(1);
    let page = asked.parse().unwrap_or(1).clamp(1, pages);
    let items = all.into_iter().skip((page - 1) * PER_PAGE).take(PER_PAGE).collect();
    Paged { items, page, pages }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_on_one_page() {
        let all: Vec<usize> = (0..101).collect();
        let pages: Vec<_> = ["1", "2", "3"].map(|page| paged(all.clone(), page)).into();
        assert!(pages.iter().all(|page| page.pages == 3));
        assert_eq!(pages.iter().map(|page| page.items.len()).collect::<Vec<_>>(), [50, 50, 1]);
        assert_eq!(pages.into_iter().flat_map(|page| page.items).collect::<Vec<_>>(), all);
    }

    #[test]
    fn an_invalid_page_number_shows_the_nearest_page() {
        for (asked, page) in [("", 1), ("x", 1), ("-1", 1), ("0", 1), ("4", 3), ("99999999999999999999", 1)] {
            assert_eq!(paged((0..101).collect(), asked).page, page, "{asked:?}");
        }
        assert_eq!(paged(Vec::<u8>::new(), "7"), Paged { items: Vec::new(), page: 1, pages: 1 });
    }
}
