//! Records in MessagePack in which each name and each word is a number of the file's names. A structure is an array:
//! first the extension of type 1 with the number of the names of its fields, joined by commas, then their values. A word is
//! the extension of type 0. Numbers of names have two bytes. Zeros of floats are the whole number.
//!
//! To write each name, or to look each up, would be most of what a record costs.

use std::fmt;

use serde::ser::{Error, Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeTuple, Serializer};

use super::names::Names;

/// Fields of a record and of what is in it, down to the deepest.
const FIELDS: usize = 64;

/// First byte of an extension of two bytes.
const EXTENSION: u8 = 0xd5;

/// Appends a value to bytes.
///
/// # Errors
/// It is not made of structures, words, texts and numbers.
pub(super) fn pack(value: &impl Serialize, names: &mut Names, bytes: &mut Vec<u8>) -> Result<(), Unpackable> {
    value.serialize(&mut Packer { names, bytes, fields: Vec::with_capacity(FIELDS) })
}

/// A value that is not packed.
#[derive(Debug)]
pub(super) struct Unpackable(String);

impl fmt::Display for Unpackable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unpackable {}

impl Error for Unpackable {
    fn custom<T: fmt::Display>(message: T) -> Unpackable {
        Unpackable(message.to_string())
    }
}

struct Packer<'a> {
    names: &'a mut Names,
    bytes: &'a mut Vec<u8>,
    /// Those of the structures that are being packed.
    fields: Vec<&'static str>,
}

/// A structure of which the fields come.
struct Structure<'a, 'b> {
    packer: &'a mut Packer<'b>,
    /// Where the number of its names goes.
    at: usize,
    /// Where its fields begin.
    fields_at: usize,
}

impl Packer<'_> {
    fn marked<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.bytes.push(marker);
        self.bytes.extend_from_slice(&bytes);
    }

    fn uint(&mut self, value: u64) {
        match value {
            0..0x80 => self.bytes.push(value as u8),
            0x80..0x100 => self.marked(0xcc, [value as u8]),
            0x100..0x1_0000 => self.marked(0xcd, (value as u16).to_be_bytes()),
            0x1_0000..0x1_0000_0000 => self.marked(0xce, (value as u32).to_be_bytes()),
            _ => self.marked(0xcf, value.to_be_bytes()),
        }
    }

    /// The head of something of a length: in one byte when it is short, else behind a marker.
    fn head(&mut self, short: u8, short_max: usize, marker: u8, length: usize) -> Result<(), Unpackable> {
        match u16::try_from(length) {
            Ok(_) if length <= short_max => self.bytes.push(short | length as u8),
            Ok(length) => self.marked(marker, length.to_be_bytes()),
            Err(_) => return Err(Unpackable(format!("{length} parts"))),
        }
        Ok(())
    }

    fn array(&mut self, length: Option<usize>) -> Result<(), Unpackable> {
        let length = length.ok_or_else(|| Unpackable("a sequence of unknown length".to_owned()))?;
        self.head(0x90, 15, 0xdc, length)
    }

    fn put_number(&mut self, at: usize, number: u16) {
        self.bytes[at..at + 2].copy_from_slice(&number.to_be_bytes());
    }
}

fn unknown<T>(what: &str) -> Result<T, Unpackable> {
    Err(Unpackable(format!("a record has no {what}")))
}

impl<'a, 'b> Serializer for &'a mut Packer<'b> {
    type Ok = ();
    type Error = Unpackable;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), Unpackable>;
    type SerializeTupleVariant = Impossible<(), Unpackable>;
    type SerializeMap = Impossible<(), Unpackable>;
    type SerializeStruct = Structure<'a, 'b>;
    type SerializeStructVariant = Impossible<(), Unpackable>;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Unpackable> {
        self.bytes.push(0xc2 + u8::from(value));
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Unpackable> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i16(self, value: i16) -> Result<(), Unpackable> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i32(self, value: i32) -> Result<(), Unpackable> {
        self.serialize_i64(i64::from(value))
    }

    fn serialize_i64(self, value: i64) -> Result<(), Unpackable> {
        match u64::try_from(value) {
            Ok(value) => self.uint(value),
            Err(_) => self.marked(0xd3, value.to_be_bytes()),
        }
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Unpackable> {
        self.serialize_u64(u64::from(value))
    }

    fn serialize_u16(self, value: u16) -> Result<(), Unpackable> {
        self.serialize_u64(u64::from(value))
    }

    fn serialize_u32(self, value: u32) -> Result<(), Unpackable> {
        self.serialize_u64(u64::from(value))
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unpackable> {
        self.uint(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unpackable> {
        match value.to_bits() {
            0 => self.bytes.push(0),
            bits => self.marked(0xca, bits.to_be_bytes()),
        }
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Unpackable> {
        match value.to_bits() {
            0 => self.bytes.push(0),
            bits => self.marked(0xcb, bits.to_be_bytes()),
        }
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Unpackable> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Unpackable> {
        self.head(0xa0, 31, 0xda, value.len())?;
        self.bytes.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Unpackable> {
        unknown("bytes")
    }

    fn serialize_none(self) -> Result<(), Unpackable> {
        self.serialize_unit()
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Unpackable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unpackable> {
        self.bytes.push(0xc0);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unpackable> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, word: &'static str) -> Result<(), Unpackable> {
        let [high, low] = self.names.number(word).to_be_bytes();
        self.marked(EXTENSION, [0, high, low]);
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Unpackable> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unpackable> {
        let mut structure = self.serialize_struct(name, 1)?;
        structure.serialize_field(name, value)?;
        structure.end()
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Unpackable> {
        self.array(length)?;
        Ok(self)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self, Unpackable> {
        self.array(Some(length))?;
        Ok(self)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, Unpackable> {
        unknown("structures without names")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Unpackable> {
        unknown("variants of many values")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, Unpackable> {
        unknown("maps")
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Structure<'a, 'b>, Unpackable> {
        self.array(Some(length + 1))?;
        self.marked(EXTENSION, [1, 0, 0]);
        Ok(Structure { at: self.bytes.len() - 2, fields_at: self.fields.len(), packer: self })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Unpackable> {
        unknown("variants of many values")
    }
}

impl SerializeSeq for &mut Packer<'_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unpackable> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unpackable> {
        Ok(())
    }
}

impl SerializeTuple for &mut Packer<'_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Unpackable> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Unpackable> {
        Ok(())
    }
}

impl SerializeStruct for Structure<'_, '_> {
    type Ok = ();
    type Error = Unpackable;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unpackable> {
        self.packer.fields.push(name);
        value.serialize(&mut *self.packer)
    }

    fn end(self) -> Result<(), Unpackable> {
        let number = self.packer.names.number_of_fields(&self.packer.fields[self.fields_at..]);
        self.packer.put_number(self.at, number);
        self.packer.fields.truncate(self.fields_at);
        Ok(())
    }
}
