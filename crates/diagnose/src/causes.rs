//! The catalogue: one file for each cause, one line here.

use crate::cause::Cause;

macro_rules! causes {
    ($($file:ident,)+) => {
        $(mod $file;)+
        /// All causes, in the order of their names.
        pub const ALL: &[&Cause] = &[$(&$file::CAUSE,)+];
    };
}

causes! {
    accept_queue_overflow,
    alpn_h2_blocks_upgrade,
    background_throttle_or_freeze,
    backpressure_drop,
    browser_socket_limit,
    client_network_loss,
    client_no_heartbeat_half_open,
    clock_skew_fake_latency,
    closed_early,
    closes_concentrated,
    clump_of_closes,
    compression_cpu_memory,
    concurrent_write_corruption,
    connections_limited,
    conntrack_table_full,
    corporate_proxy_or_antivirus,
    cut_after_bytes,
    device_sleep_or_app_suspend,
    duplicate_connections_client,
    echo_altered,
    edge_rate_limit_or_ban,
    ends_unexplained,
    ephemeral_port_exhaustion,
    event_loop_block_late_pong,
    event_loop_stall_or_gc_pause,
    fd_limit_app,
    fd_limit_proxy,
    fragmentation_not_supported,
    frame_protocol_error_1002_rsv_deflate,
    grpc_alpn_missing,
    grpc_deadline_on_stream,
    grpc_flow_control_stall,
    grpc_http1_or_plaintext_endpoint,
    grpc_l4_imbalance,
    grpc_max_age_goaway,
    grpc_message_too_large,
    grpc_non_grpc_reply,
    grpc_proxy_read_timeout,
    grpc_too_many_pings,
    handler_exits_early,
    handshake_invalid,
    handshake_refused,
    handshakes_fail,
    head_of_line_large_message,
    heartbeat_period_vs_timeout_race,
    high_base_rtt,
    host_cpu_saturation_or_steal,
    http_server_timeout_applied_to_stream,
    idle_timeout_l4_cloud,
    idle_timeout_l7_proxy,
    intermittent_handshake,
    invalid_utf8_1007,
    late_listener_or_wrong_event_name,
    long_lived_imbalance,
    max_lifetime,
    message_size_limit,
    message_too_big_1009,
    messages_lost,
    missed_while_disconnected,
    mixed_content_or_csp,
    mtu_blackhole,
    nagle_delayed_ack_40ms,
    narrow_link_or_bufferbloat,
    nat_or_firewall_silent_drop,
    network_unreachable_or_filtered,
    nginx_worker_connections,
    no_backplane_multi_node,
    not_the_protocol,
    ordering_violation,
    own_limit,
    packet_loss_retransmission,
    page_navigation_normal_1001,
    protocol_version_mismatch,
    proxy_reload_drain,
    reconnect_storm,
    rolling_deploy_or_restart,
    server_crash_or_oom,
    server_exception_1011_or_overload_1012_1013,
    server_ping_timeout_client_silent,
    server_processing_slow,
    slow_consumer_client,
    slow_event_handler,
    sse_app_not_flushing,
    sse_browser_6_connection_limit,
    sse_gzip_buffering,
    sse_idle_cut_no_comment_heartbeat,
    sse_malformed_framing,
    sse_no_resume,
    sse_proxy_buffering,
    sse_retry_storm,
    sse_worker_pool_exhaustion,
    sse_wrong_content_type_or_status,
    stale_upstream_address,
    sticky_session_missing,
    stream_stalls,
    tcp_memory_pressure,
    timer_batching,
    tls_cert_expired_or_untrusted,
    tls_failed,
    tls_name_or_vhost_mismatch,
    tls_plaintext_mismatch,
    token_expiry_close,
    unbounded_send_buffer_memory,
    unexplained_codes,
    upstream_down_502_503,
    upstream_handshake_hang_504,
    upstream_queue_timeout_503,
    ws_accept_mismatch,
    ws_auth_401,
    ws_handshake_200_html,
    ws_handshake_redirect,
    ws_origin_403,
    ws_path_mismatch_404,
    ws_subprotocol_mismatch,
    ws_upgrade_stripped,
}

/// A cause by its name, or by its number as it is shown (`HL-101`).
pub fn by_id(id: &str) -> Option<&'static Cause> {
    ALL.iter().copied().find(|cause| cause.id == id || cause.code() == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cause::{Signs, Text};
    use crate::phrases::SHARED;

    #[test]
    fn names_numbers_and_codes_are_unique() {
        let mut taken = BTreeSet::new();
        for cause in ALL {
            assert!(taken.insert(cause.id.to_owned()), "{} twice", cause.id);
            assert!(taken.insert(cause.code()), "{} twice", cause.code());
            let mut codes: BTreeSet<_> = SHARED.iter().map(|phrase| phrase.code).collect();
            for phrase in cause.phrases {
                assert!(codes.insert(phrase.code), "{}: `{}` twice, or shared", cause.id, phrase.code);
            }
        }
    }

    #[test]
    fn both_languages_say_the_same() {
        let check = |whose: &str, text: Text| {
            assert_eq!(gaps(text.en), gaps(text.zh), "{whose}: {}", text.en);
            assert!(!text.en.trim().is_empty() && !text.zh.trim().is_empty(), "{whose}: a text is empty");
        };
        for cause in ALL {
            let manual = &cause.manual;
            for part in [manual.title, manual.symptoms, manual.evidence, manual.look_alikes, manual.fix] {
                check(cause.id, part);
            }
            if let Signs::Hidden(why) = cause.signs {
                check(cause.id, why);
            }
        }
        let own = ALL.iter().flat_map(|cause| cause.phrases.iter().map(|phrase| (cause.id, phrase)));
        for (whose, phrase) in own.chain(SHARED.iter().map(|phrase| ("shared", phrase))) {
            check(whose, phrase.text);
        }
    }

    /// Names of the gaps of a text. Braces of a configuration enclose more than a name.
    fn gaps(text: &str) -> BTreeSet<&str> {
        let inner = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(gap, _)| gap);
        inner
            .filter(|gap| !gap.is_empty() && gap.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'))
            .collect()
    }

    #[test]
    fn a_cause_is_found_by_name_and_number() {
        assert_eq!(by_id("HL-101").map(|cause| cause.id), Some("ws-upgrade-stripped"));
        assert_eq!(by_id("ws-upgrade-stripped").map(|cause| cause.number), Some(101));
        assert!(by_id("HL-1").is_none());
    }
}
