//! One table per mapping: its keys, their types and what they mean. Struct, decoder and schema come from it.

use serde_json::Value;

use super::Shape;
use crate::schema::Definitions;

/// A key of a record, for schemas, documentation and canonical order.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key as written.
    pub key: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// Describes its values.
    pub schema: fn(&mut Definitions) -> Value,
    /// Where the records in its values are.
    pub shape: fn() -> Shape,
}

/// Declares the structs that mappings are read into.
///
/// The type of a field says whether it may be absent: `Option`, `Vec` and `Map` may.
macro_rules! record {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident is $what:literal {
            $($(#[doc = $field_doc:literal])+ $key:literal => $field:ident: $type:ty,)*
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        #[allow(missing_docs)]
        pub struct $name {
            /// Where it begins.
            pub head: $crate::yaml::Span,
            $($(#[doc = $field_doc])+ pub $field: $type,)*
        }

        impl $name {
            /// The keys in canonical order.
            pub const FIELDS: &'static [$crate::yaml::Field] = &[$($crate::yaml::Field {
                key: $key,
                doc: concat!($($field_doc,)+).trim_ascii(),
                required: <$type as $crate::yaml::Decode>::REQUIRED,
                schema: <$type as $crate::yaml::Decode>::schema,
                shape: <$type as $crate::yaml::Decode>::shape,
            },)*];
        }

        impl $crate::yaml::Decode for $name {
            fn decode(node: &$crate::yaml::Node, out: &mut $crate::Diagnostics) -> Option<Self> {
                #[allow(unused_mut, unused_variables)]
                let mut fields = $crate::yaml::Fields::open(node, $what, &[$($key),*], out)?;
                $(let $field = fields.take::<$type>($key);)*
                Some(Self { head: node.head(), $($field: $field?,)* })
            }

            fn schema(definitions: &mut $crate::schema::Definitions) -> serde_json::Value {
                definitions.record(stringify!($name), concat!($($doc,)+), Self::FIELDS)
            }

            fn shape() -> $crate::yaml::Shape {
                $crate::yaml::Shape::Record(Self::FIELDS)
            }
        }
    )+};
}

pub(crate) use record;
