//! Finds the secret fields inside any value that can be serialised, without a derive macro: it is serialised to nowhere,
//! and each field that is met on the way reports itself.

use std::cell::RefCell;
use std::fmt;

use secrets_core::{Error, ErrorKind, Result};
use serde::ser::{self, Serialize, Serializer};

use super::SecretField;

thread_local! {
    static MET: RefCell<Option<Vec<SecretField>>> = const { RefCell::new(None) };
}

/// Every secret field of `config`, in the order in which it writes them. They share their values with the originals.
///
/// # Errors
/// [`ErrorKind::InvalidConfig`] if `config` refuses to be serialised.
pub(super) fn collect<T: Serialize + ?Sized>(config: &T) -> Result<Vec<SecretField>> {
    let search = Search::begin();
    // What the refusal says is somebody else's text and may hold anything.
    config.serialize(Nowhere).map_err(|Refused| {
        Error::new(
            ErrorKind::InvalidConfig,
            "the configuration cannot be serialised, so its secret fields cannot be found",
        )
    })?;
    Ok(search.end())
}

/// Called by a field that is being serialised.
pub(super) fn met(field: &SecretField) {
    MET.with_borrow_mut(|met| {
        if let Some(met) = met {
            met.push(field.clone());
        }
    });
}

/// A search on this thread. Dropping it, also by a panic, goes back to the one around it.
struct Search {
    around: Option<Vec<SecretField>>,
}

impl Search {
    fn begin() -> Self {
        Self {
            around: MET.replace(Some(Vec::new())),
        }
    }

    fn end(self) -> Vec<SecretField> {
        MET.take().unwrap_or_default()
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        MET.set(self.around.take());
    }
}

/// Takes everything and writes nothing.
struct Nowhere;

#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused to be serialised")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

macro_rules! ignore {
    ($($method:ident($type:ty);)+) => {
        $(fn $method(self, _value: $type) -> Result<(), Refused> {
            Ok(())
        })+
    };
}

impl Serializer for Nowhere {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    ignore! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _value: &T) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
    ) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_seq(self, _length: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple(self, _length: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _name: &'static str, _length: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_map(self, _length: Option<usize>) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, Refused> {
        Ok(self)
    }
}

macro_rules! compound {
    ($($trait:ident { $($method:ident($($key:ident: $type:ty)?);)+ })+) => {
        $(impl ser::$trait for Nowhere {
            type Ok = ();
            type Error = Refused;

            $(fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($key: $type,)?
                value: &T,
            ) -> Result<(), Refused> {
                value.serialize(Nowhere)
            })+

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        })+
    };
}

compound! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(_key: &'static str); }
    SerializeStructVariant { serialize_field(_key: &'static str); }
}
