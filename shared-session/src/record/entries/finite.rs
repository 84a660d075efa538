//! serde writes NaN and infinities as `null`, which reads back as another value. Here they are errors at any depth.

use serde::{
    Serialize, Serializer,
    ser::{
        Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// The message of the error.
pub(super) const NOT_FINITE: &str = "a number is not finite";

/// A value whose numbers are all finite, or an error.
pub(super) struct Finite<'a, T: ?Sized>(pub(super) &'a T);

impl<T: Serialize + ?Sized> Serialize for Finite<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Checked(serializer))
    }
}

/// Wraps a serializer, or the compound serializer that it returns for nested values.
struct Checked<S>(S);

/// Forwards scalar values.
macro_rules! pass {
    ($($method:ident($($name:ident: $type:ty),*)),* $(,)?) => {
        $(fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.0.$method($($name),*)
        })*
    };
}

/// Begins compound values.
macro_rules! begin {
    ($($method:ident($($name:ident: $type:ty),*) -> $made:ident),* $(,)?) => {
        $(fn $method(self, $($name: $type),*) -> Result<Checked<S::$made>, S::Error> {
            self.0.$method($($name),*).map(Checked)
        })*
    };
}

impl<S: Serializer> Serializer for Checked<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Checked<S::SerializeSeq>;
    type SerializeTuple = Checked<S::SerializeTuple>;
    type SerializeTupleStruct = Checked<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Checked<S::SerializeTupleVariant>;
    type SerializeMap = Checked<S::SerializeMap>;
    type SerializeStruct = Checked<S::SerializeStruct>;
    type SerializeStructVariant = Checked<S::SerializeStructVariant>;

    fn serialize_f32(self, number: f32) -> Result<S::Ok, S::Error> {
        if number.is_finite() { self.0.serialize_f32(number) } else { Err(S::Error::custom(NOT_FINITE)) }
    }

    fn serialize_f64(self, number: f64) -> Result<S::Ok, S::Error> {
        if number.is_finite() { self.0.serialize_f64(number) } else { Err(S::Error::custom(NOT_FINITE)) }
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Finite(value))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Finite(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Finite(value))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    pass! {
        serialize_bool(value: bool),
        serialize_i8(value: i8),
        serialize_i16(value: i16),
        serialize_i32(value: i32),
        serialize_i64(value: i64),
        serialize_i128(value: i128),
        serialize_u8(value: u8),
        serialize_u16(value: u16),
        serialize_u32(value: u32),
        serialize_u64(value: u64),
        serialize_u128(value: u128),
        serialize_char(value: char),
        serialize_str(value: &str),
        serialize_bytes(value: &[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(name: &'static str),
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str),
    }

    begin! {
        serialize_seq(len: Option<usize>) -> SerializeSeq,
        serialize_tuple(len: usize) -> SerializeTuple,
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct,
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeTupleVariant,
        serialize_map(len: Option<usize>) -> SerializeMap,
        serialize_struct(name: &'static str, len: usize) -> SerializeStruct,
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> SerializeStructVariant,
    }
}

/// Compound values with a sequence of items.
macro_rules! items {
    ($($of:ident::$method:ident),* $(,)?) => {
        $(impl<S: $of> $of for Checked<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Finite(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

/// Compound values with named fields.
macro_rules! fields {
    ($($of:ident),* $(,)?) => {
        $(impl<S: $of> $of for Checked<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.0.serialize_field(key, &Finite(value))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.0.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl<S: SerializeMap> SerializeMap for Checked<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(&Finite(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Finite(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Point {
        x: f64,
        #[serde(flatten)]
        more: BTreeMap<String, f32>,
    }

    #[derive(Serialize)]
    enum Shape {
        Unit,
        New(f64),
        Tuple(u8, f32),
        Struct { radius: Option<f64> },
    }

    #[derive(Serialize)]
    struct Wrapped(f64);

    #[derive(Serialize)]
    struct Pair(u8, f64);

    fn written<T: Serialize>(value: &T) -> Option<String> {
        match serde_json::to_string(&Finite(value)) {
            Ok(text) => Some(text),
            Err(error) => {
                assert_eq!(error.to_string(), NOT_FINITE);
                None
            }
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error_wherever_it_is() {
        for beyond in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let narrow = beyond as f32;
            let point = |x, more| Point { x, more: BTreeMap::from([("y".to_owned(), more)]) };
            assert_eq!(written(&beyond), None);
            assert_eq!(written(&narrow), None);
            assert_eq!(written(&vec![1.0, beyond]), None);
            assert_eq!(written(&(1, [Some(beyond)])), None);
            assert_eq!(written(&point(beyond, 1.0)), None);
            assert_eq!(written(&point(1.0, narrow)), None);
            assert_eq!(written(&BTreeMap::from([("a", vec![narrow])])), None);
            assert_eq!(written(&Wrapped(beyond)), None);
            assert_eq!(written(&Pair(1, beyond)), None);
            assert_eq!(written(&Shape::New(beyond)), None);
            assert_eq!(written(&Shape::Tuple(1, narrow)), None);
            assert_eq!(written(&Shape::Struct { radius: Some(beyond) }), None);
        }
    }

    #[test]
    fn all_else_is_written_as_serde_writes_it() {
        fn same<T: Serialize>(value: &T) {
            assert_eq!(written(value).as_deref(), serde_json::to_string(value).ok().as_deref());
        }
        same(&Point { x: -0.0, more: BTreeMap::from([("y".to_owned(), 0.1)]) });
        same(&[Shape::Unit, Shape::New(1e300), Shape::Tuple(1, 0.1), Shape::Struct { radius: None }]);
        same(&(Wrapped(1.5), Pair(1, 2.5), u128::MAX, i128::MIN, 'x', "text", (), None::<u8>, [1_u8, 2]));
        same(&BTreeMap::from([(1_u64, true), (u64::MAX, false)]));
        same(&BTreeMap::from([(true, serde_json::json!({"a": [1, null, 1.5]}))]));
        same(&serde_json::value::RawValue::from_string("[1e400, 12345678901234567890.5]".to_owned()).ok());
        same(&std::net::Ipv4Addr::LOCALHOST);
    }
}
