//! What the options make of the text.

use crate::instance::{TraceArray, TraceOption};

/// What of an event is written, beside its context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// The event's own text.
    Text,
    /// Its fields by name.
    Fields,
    /// Numbers, decimal.
    Raw,
    /// Numbers, hexadecimal.
    Hex,
    /// Numbers, binary.
    Bin,
}

/// How lines look: the options, and what of the instance they depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) form: Form,
    pub(super) context: bool,
    pub(super) latency: bool,
    pub(super) verbose: bool,
    /// Of markers nothing but the text.
    pub(super) message_only: bool,
    pub(super) irq_info: bool,
    pub(super) tgid: bool,
    pub(super) hash_ptr: bool,
    pub(super) sym_offset: bool,
    pub(super) sym_addr: bool,
    pub(super) sym_userobj: bool,
    /// The clock counts nanoseconds.
    pub(super) ns: bool,
    /// When the buffer was last cleared.
    pub(super) start: u64,
}

impl Style {
    pub(super) fn of(array: &TraceArray) -> Style {
        let on = |option| array.options().get(option);
        Style {
            // where several are set the kernel has this order
            form: if on(TraceOption::Bin) {
                Form::Bin
            } else if on(TraceOption::Hex) {
                Form::Hex
            } else if on(TraceOption::Raw) {
                Form::Raw
            } else if on(TraceOption::Fields) {
                Form::Fields
            } else {
                Form::Text
            },
            context: on(TraceOption::ContextInfo),
            latency: on(TraceOption::LatencyFormat),
            verbose: on(TraceOption::Verbose),
            message_only: on(TraceOption::PrintkMsgOnly) && on(TraceOption::TracePrintk),
            irq_info: on(TraceOption::IrqInfo),
            tgid: on(TraceOption::RecordTgid),
            hash_ptr: on(TraceOption::HashPtr),
            sym_offset: on(TraceOption::SymOffset),
            sym_addr: on(TraceOption::SymAddr),
            sym_userobj: on(TraceOption::SymUserObj),
            ns: array.buffer().clock().is_ns(),
            start: array.start(),
        }
    }

    /// Whether remarks about the buffer may stand between the lines.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.form, Form::Text | Form::Fields)
    }
}
