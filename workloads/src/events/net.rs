//! Packets on their way down to a device and up from one (include/trace/events/net.h has the names).
//!
//! No packet here is tagged, hashed, split or merged, so these fields are zero; a packet lies in one piece.

use utracefs::define_event_trace;
use utracefs::event::field_type::DynStr;

use crate::net::Skb;

/// What is told of a packet in a few words is the same wherever it is.
macro_rules! packet_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(net),
            TP_PROTO(skb: &Skb),
            TP_STRUCT__entry {
                skbaddr: *mut (),
                len: u32 as "unsigned int",
                name: DynStr,
            },
            TP_fast_assign {
                skbaddr: skb.addr_mut(),
                len: skb.len(),
                name: skb.device(),
            },
            TP_ident(__entry),
            TP_printk(c: r#""dev=%s skbaddr=%p len=%u", __get_str(name), REC->skbaddr, REC->len"#)
        );
    )*};
}

packet_events!(
    /// A packet is handed to a device: its queueing discipline is next.
    net_dev_queue,
    /// A packet goes up from a device to the protocols, without its link header.
    netif_receive_skb,
    /// A packet was put on the backlog of its CPU, as drivers without polling do.
    netif_rx
);

define_event_trace!(
    /// The device's driver gets a packet.
    net_dev_start_xmit,
    TP_system(net),
    TP_PROTO(skb: &Skb),
    TP_STRUCT__entry {
        name: DynStr,
        queue_mapping: u16,
        skbaddr: *const (),
        vlan_tagged: bool,
        vlan_proto: u16,
        vlan_tci: u16,
        protocol: u16,
        ip_summed: u8,
        len: u32 as "unsigned int",
        data_len: u32 as "unsigned int",
        network_offset: i32,
        transport_offset_valid: bool,
        transport_offset: i32,
        tx_flags: u8,
        gso_size: u16,
        gso_segs: u16,
        gso_type: u16,
    },
    TP_fast_assign {
        name: skb.device(),
        queue_mapping: 0,
        skbaddr: skb.addr(),
        vlan_tagged: false,
        vlan_proto: 0,
        vlan_tci: 0,
        protocol: skb.protocol(),
        ip_summed: 0,
        len: skb.len(),
        data_len: 0,
        network_offset: skb.network_offset(),
        transport_offset_valid: skb.transport_offset().is_some(),
        transport_offset: skb.transport_offset().unwrap_or(0),
        tx_flags: 0,
        gso_size: 0,
        gso_segs: 0,
        gso_type: 0,
    },
    TP_ident(__entry),
    TP_printk(c: r#""dev=%s queue_mapping=%u skbaddr=%p vlan_tagged=%d vlan_proto=0x%04x vlan_tci=0x%04x protocol=0x%04x ip_summed=%d len=%u data_len=%u network_offset=%d transport_offset_valid=%d transport_offset=%d tx_flags=%d gso_size=%d gso_segs=%d gso_type=%#x", __get_str(name), REC->queue_mapping, REC->skbaddr, REC->vlan_tagged, REC->vlan_proto, REC->vlan_tci, REC->protocol, REC->ip_summed, REC->len, REC->data_len, REC->network_offset, REC->transport_offset_valid, REC->transport_offset, REC->tx_flags, REC->gso_size, REC->gso_segs, REC->gso_type"#)
);

define_event_trace!(
    /// What the driver made of it: 0, or 0x10 if it cannot take it now. The packet itself may be gone already.
    net_dev_xmit,
    TP_system(net),
    TP_PROTO(skbaddr: *mut (), len: u32, rc: i32, device: &str),
    TP_STRUCT__entry {
        skbaddr: *mut (),
        len: u32 as "unsigned int",
        rc: i32,
        name: DynStr,
    },
    TP_fast_assign {
        skbaddr: skbaddr,
        len: len,
        rc: rc,
        name: device,
    },
    TP_ident(__entry),
    TP_printk(c: r#""dev=%s skbaddr=%p len=%u rc=%d", __get_str(name), REC->skbaddr, REC->len, REC->rc"#)
);

/// A driver passes a packet up in one of two ways, and either event tells all of it.
macro_rules! entry_events {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        define_event_trace!(
            $(#[$doc])*
            $name,
            TP_system(net),
            TP_PROTO(skb: &Skb),
            TP_STRUCT__entry {
                name: DynStr,
                napi_id: u32 as "unsigned int",
                queue_mapping: u16,
                skbaddr: *const (),
                vlan_tagged: bool,
                vlan_proto: u16,
                vlan_tci: u16,
                protocol: u16,
                ip_summed: u8,
                hash: u32,
                l4_hash: bool,
                len: u32 as "unsigned int",
                data_len: u32 as "unsigned int",
                truesize: u32 as "unsigned int",
                mac_header_valid: bool,
                mac_header: i32,
                nr_frags: u8 as "unsigned char",
                gso_size: u16,
                gso_type: u16,
            },
            TP_fast_assign {
                name: skb.device(),
                napi_id: skb.napi_id(),
                queue_mapping: 0,
                skbaddr: skb.addr(),
                vlan_tagged: false,
                vlan_proto: 0,
                vlan_tci: 0,
                protocol: skb.protocol(),
                ip_summed: 0,
                hash: 0,
                l4_hash: false,
                len: skb.len(),
                data_len: 0,
                truesize: skb.truesize(),
                mac_header_valid: skb.mac_header().is_some(),
                mac_header: skb.mac_header().unwrap_or(0),
                nr_frags: 0,
                gso_size: 0,
                gso_type: 0,
            },
            TP_ident(__entry),
            TP_printk(c: r#""dev=%s napi_id=%#x queue_mapping=%u skbaddr=%p vlan_tagged=%d vlan_proto=0x%04x vlan_tci=0x%04x protocol=0x%04x ip_summed=%d hash=0x%08x l4_hash=%d len=%u data_len=%u truesize=%u mac_header_valid=%d mac_header=%d nr_frags=%d gso_size=%d gso_type=%#x", __get_str(name), REC->napi_id, REC->queue_mapping, REC->skbaddr, REC->vlan_tagged, REC->vlan_proto, REC->vlan_tci, REC->protocol, REC->ip_summed, REC->hash, REC->l4_hash, REC->len, REC->data_len, REC->truesize, REC->mac_header_valid, REC->mac_header, REC->nr_frags, REC->gso_size, REC->gso_type"#)
        );
    )*};
}

entry_events!(
    /// A driver passes a packet up.
    netif_receive_skb_entry,
    /// A driver is about to put a packet on the backlog.
    netif_rx_entry
);

define_event_trace!(
    /// And has passed it.
    netif_receive_skb_exit,
    TP_system(net),
    TP_PROTO(ret: i32),
    TP_STRUCT__entry {
        ret: i32,
    },
    TP_fast_assign {
        ret: ret,
    },
    TP_ident(__entry),
    TP_printk(c: r#""ret=%d", REC->ret"#)
);

define_event_trace!(
    /// And has: 0, or 1 if the backlog was full.
    netif_rx_exit,
    TP_system(net),
    TP_PROTO(ret: i32),
    TP_STRUCT__entry {
        ret: i32,
    },
    TP_fast_assign {
        ret: ret,
    },
    TP_ident(__entry),
    TP_printk(c: r#""ret=%d", REC->ret"#)
);
