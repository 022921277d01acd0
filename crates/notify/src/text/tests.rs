//! The default message.
