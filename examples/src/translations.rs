//! The messages of `site`, by name, in each [`Language`]: the files in `locales/`, in the format of Project Fluent.
//!
//! Checks and handlers return a [`Text`], a message without a language. Pages translate it.

use std::{fmt, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};

use crate::language::Language;

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::English));
static CHINESE: LazyLock<Bundle> = LazyLock::new(|| bundle(Language::Chinese));

/// The source of a language.
const fn source(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("../locales/en.ftl"),
        Language::Chinese => include_str!("../locales/zh-CN.ftl"),
    }
}

/// A message without a language: its name in `locales/`, and its values.
///
/// ```
/// use shared_session_examples::{language::Language, translations::Text};
///
/// let text = Text::new("sign-out-still").with("name", "ada");
/// assert_eq!(text.in_language(Language::English), "You are still signed in as ada.");
/// assert_eq!(text.in_language(Language::Chinese), "您仍以 ada 的身份登录。");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    id: &'static str,
    values: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// Inserted unchanged.
    Words(String),
    /// Inserted in digits; selects the singular or plural form.
    Count(String),
    /// Inserted in the language of the surrounding message.
    Text(Box<Text>),
}

impl Text {
    /// The message of this name. A test looks for names that are missing in the files.
    #[must_use]
    pub const fn new(id: &'static str) -> Self {
        Self { id, values: Vec::new() }
    }

    /// Puts `value` in place of `{ $name }`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.values.push((name, Value::Words(value.to_string())));
        self
    }

    /// Puts another message in place of `{ $name }`.
    #[must_use]
    pub fn with_text(mut self, name: &'static str, text: Self) -> Self {
        self.values.push((name, Value::Text(Box::new(text))));
        self
    }

    /// Puts the number in place of `{ $count }`.
    #[must_use]
    pub fn with_count(mut self, count: impl fmt::Display) -> Self {
        self.values.push(("count", Value::Count(count.to_string())));
        self
    }

    /// The message in `language`. It is plain text: pages escape it.
    #[must_use]
    pub fn in_language(&self, language: Language) -> String {
        let bundle = match language {
            Language::English => &*ENGLISH,
            Language::Chinese => &*CHINESE,
        };
        let Some(pattern) = bundle.get_message(self.id).and_then(|message| message.value()) else {
            tracing::error!(id = self.id, language = language.tag(), "a sentence is missing");
            return self.id.to_owned();
        };
        let mut args = FluentArgs::new();
        for (name, value) in &self.values {
            args.set(
                *name,
                match value {
                    Value::Words(words) => FluentValue::from(words.as_str()),
                    Value::Count(count) => FluentValue::try_number(count),
                    Value::Text(text) => FluentValue::from(text.in_language(language)),
                },
            );
        }
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned();
        if !errors.is_empty() {
            tracing::error!(id = self.id, ?errors, "a message lacks a value");
        }
        text
    }
}

fn bundle(language: Language) -> Bundle {
    // Unreadable messages are left out; the tests find them.
    let resource = match FluentResource::try_new(source(language).to_owned()) {
        Ok(resource) | Err((resource, _)) => resource,
    };
    let mut bundle = FluentBundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
    // No isolation marks around values: no message mixes directions of writing.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

#[cfg(test)]
mod tests;
