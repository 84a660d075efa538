//! Just enough HTML to use the forms of `site`.

/// The fields of the form that posts to `action`, with their values.
///
/// # Panics
/// If the page has no such form.
#[track_caller]
pub fn form(page: &str, action: &str) -> Vec<(String, String)> {
    let form = forms(page)
        .into_iter()
        .find(|form| attribute(form, "action").as_deref() == Some(action))
        .unwrap_or_else(|| panic!("no form posts to {action}:\n{page}"));
    form.split("<input")
        .skip(1)
        .filter_map(|input| {
            let tag = &input[..input.find('>')?];
            let is_left_out = tag.contains("type=\"checkbox\"") && !tag.ends_with(" checked");
            if is_left_out {
                return None;
            }
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
        })
        .collect()
}

/// The actions of all forms of a page.
pub fn actions(page: &str) -> Vec<String> {
    forms(page).into_iter().filter_map(|form| attribute(form, "action")).collect()
}

/// The text between two markers.
pub fn between<'a>(page: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = page.split_once(start)?.1;
    rest.split_once(end).map(|(text, _)| text)
}

fn forms(page: &str) -> Vec<&str> {
    page.split("<form").skip(1).map(|rest| rest.split_once("</form>").map_or(rest, |(form, _)| form)).collect()
}

/// An attribute of the first tag in `text` that has it.
fn attribute(text: &str, name: &str) -> Option<String> {
    let value = between(text, &format!(" {name}=\""), "\"")?;
    let entities = [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    let text = entities.iter().fold(value.to_owned(), |text, (entity, character)| text.replace(entity, character));
    Some(text.replace("&amp;", "&"))
}

#[test]
fn forms_are_read_as_a_browser_reads_them() {
    let page = r#"<form method="get" action="/q"><input name="q"></form>
        <form action="/a/1" method="post"><input type="hidden" name="t" value="x&#38;y"><input name="u" required>
        <input type="checkbox" name="v" value="on"><input type="checkbox" name="w" value="on" checked></form>"#;
    assert_eq!(actions(page), ["/q", "/a/1"]);
    assert_eq!(
        form(page, "/a/1"),
        [("t".into(), "x&y".into()), ("u".into(), String::new()), ("w".into(), "on".into())]
    );
}
