//! Maps the manifest of a Helm release: YAML text, in which whole lines name namespaces. Pure.

use crate::restore::rewrite::namespaces::NamespaceMap;

/// Names that begin with a letter and that some reader of YAML takes for something other than text
/// unless they are quoted.
const NO_TEXT: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// Maps the lines that name a namespace, and the names of Namespaces; returns `None` if there are
/// none. Everything else is kept as it is, comments too.
pub(super) fn map(text: &str, map: &NamespaceMap) -> Result<Option<String>, &'static str> {
    let mut mapped = String::with_capacity(text.len());
    let mut changed = false;
    for document in text.split_inclusive("\n---") {
        let of_namespace = document.lines().any(is_kind_namespace);
        for line in document.split_inclusive('\n') {
            let named = KeyLine::parse(line, "namespace");
            let named = named.or_else(|| if of_namespace { KeyLine::parse(line, "name") } else { None });
            match named.filter(|named| map.map(named.value) != named.value) {
                Some(named) => {
                    changed = true;
                    named.write(map.map(named.value), &mut mapped);
                }
                None => mapped.push_str(line),
            }
            if mapped.len() > LARGEST {
                return Err(TOO_LARGE);
            }
        }
    }
    Ok(changed.then_some(mapped))
}

fn is_kind_namespace(line: &str) -> bool {
    line.starts_with("kind") && KeyLine::parse(line, "kind").is_some_and(|line| line.value == "Namespace")
}

/// A line that consists of one key and one plain value: `- key: "value" # comment`.
struct KeyLine<'a> {
    /// The line up to the value, with its opening quote.
    before: &'a str,
    value: &'a str,
    /// The line after the value, from its closing quote on.
    after: &'a str,
    quoted: bool,
}

impl<'a> KeyLine<'a> {
    fn parse(line: &'a str, key: &str) -> Option<Self> {
        let mut rest = line.trim_start_matches(' ');
        while let Some(element) = rest.strip_prefix("- ") {
            rest = element.trim_start_matches(' ');
        }
        let rest = rest.strip_prefix(key)?.trim_start_matches(' ').strip_prefix(':')?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start_matches([' ', '\t']);
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let rest = quote.and_then(|quote| rest.strip_prefix(quote)).unwrap_or(rest);
        let end = match quote {
            Some(quote) => rest.find(quote)?,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let (value, after) = rest.split_at(end);
        let tail = quote.and_then(|quote| after.strip_prefix(quote)).unwrap_or(after).trim();
        let line = Self { before: line.strip_suffix(rest)?, value, after, quoted: quote.is_some() };
        (tail.is_empty() || tail.starts_with('#')).then_some(line)
    }

    /// Writes the line with another value, quoted if YAML would not take it for text.
    fn write(&self, value: &str, text: &mut String) {
        let plain = value.starts_with(|first: char| first.is_ascii_lowercase()) && !NO_TEXT.contains(&value);
        let quote = if self.quoted || plain { "" } else { "\"" };
        text.extend([self.before, quote, value, quote, self.after]);
    }
}

/// The reason why a payload that would take too much memory is left alone.
pub(super) const TOO_LARGE: &str = "it is larger than 64 MiB";

/// Most bytes of a payload, before and after the mapping. Helm's own are a few MiB: etcd takes 1
/// MiB of them compressed.
pub const LARGEST: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn mapped(text: &str, new: &str) -> String {
        let pairs =
            BTreeMap::from([("shop".to_owned(), new.to_owned()), ("copy".to_owned(), "third".to_owned())]);
        map(text, &NamespaceMap::new(&pairs)).expect("small").unwrap_or_else(|| "unchanged".to_owned())
    }

    #[test]
    fn lines_that_name_a_mapped_namespace_are_mapped_once_however_they_are_written() {
        for (line, expected) in [
            ("  namespace: shop\n", "  namespace: copy\n"),
            ("namespace: shop", "namespace: copy"),
            ("  - namespace:  'shop'\r\n", "  - namespace:  'copy'\r\n"),
            ("- - namespace : \"shop\" # here\n", "- - namespace : \"copy\" # here\n"),
            ("\tnamespace: shop", "unchanged"),
            ("  namespace: shop#1\n", "unchanged"),
            ("  namespace: shop-two\n", "unchanged"),
            ("  namespace: shop two\n", "unchanged"),
            ("  namespace: \"shop\n", "unchanged"),
            ("  namespace:shop\n", "unchanged"),
            ("  namespace:\n", "unchanged"),
            ("  targetNamespace: shop\n", "unchanged"),
            ("  # namespace: shop\n", "unchanged"),
            ("  name: shop\n", "unchanged"),
            ("", "unchanged"),
        ] {
            assert_eq!(mapped(line, "copy"), expected, "{line:?}");
        }
        assert_eq!(
            mapped("a: ä\nnamespace: shop\nnamespace: copy\n", "copy"),
            "a: ä\nnamespace: copy\nnamespace: third\n"
        );
    }

    #[test]
    fn a_namespace_of_the_manifest_is_named_anew_and_what_is_beside_it_is_not() {
        let text = "---\n# Source: x\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n---\nkind: Service\nmetadata:\n  name: shop\n";
        let expected = text.replacen("name: shop", "name: copy", 1);
        assert_eq!(mapped(text, "copy"), expected);
    }

    #[test]
    fn a_name_that_yaml_would_not_take_for_text_is_quoted() {
        for new in ["123", "1e3", "0x1f", "true", "no", "2026-01-01"] {
            assert_eq!(mapped("namespace: shop # c\n", new), format!("namespace: \"{new}\" # c\n"));
            assert_eq!(mapped("namespace: 'shop'\n", new), format!("namespace: '{new}'\n"));
        }
    }
}
