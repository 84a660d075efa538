//! Names of types in messages.

/// The name of `T` without the paths of its modules, which may be private.
pub(crate) fn short<T: ?Sized>() -> String {
    without_paths(std::any::type_name::<T>())
}

pub(crate) fn without_paths(name: &str) -> String {
    let parts = name.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    parts.map(|part| part.rsplit("::").next().unwrap_or(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_last_segment_of_each_path_in_it() {
        assert_eq!(short::<Vec<Option<std::net::IpAddr>>>(), "Vec<Option<IpAddr>>");
        assert_eq!(short::<(u64, &'static str, [std::time::Duration; 2])>(), "(u64, &str, [Duration; 2])");
        assert_eq!(short::<dyn std::fmt::Debug>(), "dyn Debug");
    }
}
