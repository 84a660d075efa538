//! The Chinese README has the same structure as the English one.

/// The parts that must match in both: levels of headings, code blocks, links, and inline code.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outline<'a> {
    headings: Vec<usize>,
    code: Vec<&'a str>,
    links: Vec<&'a str>,
    names: Vec<&'a str>,
}

fn outline(page: &str) -> Outline<'_> {
    let mut outline = Outline::default();
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 1 {
            outline.code.push(part);
            continue;
        }
        let level = |line: &str| line.split(' ').next().filter(|mark| mark.chars().all(|c| c == '#')).map(str::len);
        outline.headings.extend(part.lines().filter_map(level).filter(|level| *level > 0));
        outline.links.extend(part.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
        outline.names.extend(part.split('`').skip(1).step_by(2));
    }
    // Without the link to the other language.
    outline.links.retain(|link| !link.starts_with("README"));
    outline
}

#[test]
fn both_readmes_have_the_same_headings_code_and_links() {
    let (english, chinese) =
        (outline(include_str!("../../../../README.md")), include_str!("../../../../README.zh-CN.md"));
    assert!(
        english.headings.len() > 4 && english.code.len() > 4 && english.links.len() > 10 && english.names.len() > 9
    );
    assert_eq!(english, outline(chinese));
}

#[test]
fn an_outline_tells_what_differs() {
    let page = "# A\n\n`x` [y](z)\n\n```sh\n# no heading\n```\n";
    let expected = Outline { headings: vec![1], code: vec!["sh\n# no heading\n"], links: vec!["z"], names: vec!["x"] };
    assert_eq!(outline(page), expected);
    assert_ne!(outline(&page.replace("# A", "## A")), expected);
}
