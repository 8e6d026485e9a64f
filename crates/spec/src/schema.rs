//! JSON Schema of the languages, made from the same tables that read them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::yaml::{Decode, Field};

/// The named parts of a schema while it is collected.
#[derive(Debug, Default)]
pub struct Definitions(BTreeMap<String, Value>);

impl Definitions {
    /// Adds a record once and returns a reference to it.
    pub(crate) fn record(&mut self, name: &str, doc: &str, fields: &[Field]) -> Value {
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        if let Some(known) = self.0.get(name) {
            assert_eq!(known["description"], doc.trim(), "two records are called {name}");
            return reference;
        }
        // The place is taken before its parts are described: a step may hold steps.
        self.0.insert(name.to_owned(), json!({ "description": doc.trim() }));
        let mut properties = serde_json::Map::new();
        for field in fields {
            let mut schema = (field.schema)(self);
            if !field.required {
                // A key without a value is as good as none.
                schema = json!({ "anyOf": [schema, { "type": "null" }] });
            }
            if let Some(object) = schema.as_object_mut() {
                object.insert("description".to_owned(), json!(field.doc));
            }
            properties.insert(field.key.to_owned(), schema);
        }
        let required = fields.iter().filter(|f| f.required).map(|f| f.key).collect::<Vec<_>>();
        let schema = json!({
            "type": "object",
            "description": doc.trim(),
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        self.0.insert(name.to_owned(), schema);
        reference
    }
}

/// A language that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Package definitions.
    Package,
    /// Pipeline files.
    Pipeline,
    /// Image definitions.
    Image,
    /// `distro.yaml`.
    Distro,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 4] = [Self::Package, Self::Pipeline, Self::Image, Self::Distro];

    /// Returns the name used on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Pipeline => "pipeline",
            Self::Image => "image",
            Self::Distro => "distro",
        }
    }
}

/// Returns the JSON Schema (draft 2020-12) of a language.
#[must_use]
pub fn schema(language: Language) -> Value {
    match language {
        Language::Package => root::<crate::package::Document>("undistro package definition"),
        Language::Pipeline => root::<crate::pipeline::File>("undistro pipeline"),
        Language::Image => root::<crate::image::ImageDocument>("undistro image definition"),
        Language::Distro => root::<crate::distro::Document>("undistro distribution"),
    }
}

fn root<T: Decode>(title: &str) -> Value {
    let mut definitions = Definitions::default();
    let mut schema = T::schema(&mut definitions);
    if let Some(object) = schema.as_object_mut() {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!(title));
        object.insert("$defs".to_owned(), json!(definitions.0));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_a_package_is_that_of_an_image() {
        let schema = schema(Language::Package);
        assert_eq!(schema["$defs"]["Document"]["properties"]["environment"]["anyOf"][0]["$ref"], "#/$defs/ImageDocument");
        assert!(schema["$defs"]["ImageDocument"]["properties"]["contents"].is_object());
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_key_is_described() {
        for language in Language::ALL {
            let schema = schema(language);
            let mut found = Vec::new();
            references(&schema, &mut found);
            for reference in found {
                let name = reference.strip_prefix("#/$defs/").unwrap();
                assert!(schema["$defs"][name]["properties"].is_object(), "{}: {reference}", language.as_str());
            }
            for (name, definition) in schema["$defs"].as_object().unwrap() {
                for (key, property) in definition["properties"].as_object().unwrap() {
                    assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}.{key}");
                }
            }
        }
        assert_eq!(schema(Language::Package)["$defs"]["Metadata"]["required"], json!(["name", "version", "epoch"]));
    }
}
