//! The catalogue: one file for each cause, a module and a line here.

use crate::cause::Cause;

mod accept_queue_overflow;
mod alpn_h2_blocks_upgrade;
mod background_throttle_or_freeze;
mod backpressure_drop;
mod browser_socket_limit;
mod client_network_loss;
mod client_no_heartbeat_half_open;
mod clock_skew_fake_latency;
mod closed_early;
mod closes_concentrated;
mod clump_of_closes;
mod compression_cpu_memory;
mod concurrent_write_corruption;
mod connections_limited;
mod conntrack_table_full;
mod corporate_proxy_or_antivirus;
mod cut_after_bytes;
mod device_sleep_or_app_suspend;
mod duplicate_connections_client;
mod echo_altered;
mod edge_rate_limit_or_ban;
mod ends_unexplained;
mod ephemeral_port_exhaustion;
mod event_loop_block_late_pong;
mod event_loop_stall_or_gc_pause;
mod fd_limit_app;
mod fd_limit_proxy;
mod fragmentation_not_supported;
mod frame_protocol_error_1002_rsv_deflate;
mod grpc_alpn_missing;
mod grpc_deadline_on_stream;
mod grpc_error_status;
mod grpc_flow_control_stall;
mod grpc_http1_or_plaintext_endpoint;
mod grpc_l4_imbalance;
mod grpc_max_age_goaway;
mod grpc_message_too_large;
mod grpc_non_grpc_reply;
mod grpc_proxy_read_timeout;
mod grpc_too_many_pings;
mod handler_exits_early;
mod handshake_invalid;
mod handshake_refused;
mod handshakes_fail;
mod head_of_line_large_message;
mod heartbeat_period_vs_timeout_race;
mod high_base_rtt;
mod host_cpu_saturation_or_steal;
mod http_server_timeout_applied_to_stream;
mod idle_timeout_l4_cloud;
mod idle_timeout_l7_proxy;
mod intermittent_handshake;
mod invalid_utf8_1007;
mod late_listener_or_wrong_event_name;
mod long_lived_imbalance;
mod max_lifetime;
mod message_size_limit;
mod message_too_big_1009;
mod messages_lost;
mod missed_while_disconnected;
mod mixed_content_or_csp;
mod mtu_blackhole;
mod nagle_delayed_ack_40ms;
mod narrow_link_or_bufferbloat;
mod nat_or_firewall_silent_drop;
mod network_unreachable_or_filtered;
mod nginx_worker_connections;
mod no_backplane_multi_node;
mod not_the_protocol;
mod ordering_violation;
mod origin_unchecked;
mod own_admission;
mod own_limit;
mod packet_loss_retransmission;
mod page_navigation_normal_1001;
mod ping_flood;
mod protocol_version_mismatch;
mod proxy_reload_drain;
mod queue_sheds;
mod reconnect_storm;
mod rolling_deploy_or_restart;
mod server_crash_or_oom;
mod server_exception_1011_or_overload_1012_1013;
mod server_ping_timeout_client_silent;
mod server_processing_slow;
mod shared_limits_down;
mod slow_consumer_client;
mod slow_event_handler;
mod sse_app_not_flushing;
mod sse_browser_6_connection_limit;
mod sse_gzip_buffering;
mod sse_idle_cut_no_comment_heartbeat;
mod sse_malformed_framing;
mod sse_no_resume;
mod sse_proxy_buffering;
mod sse_retry_storm;
mod sse_worker_pool_exhaustion;
mod sse_wrong_content_type_or_status;
mod stale_upstream_address;
mod sticky_session_missing;
mod stream_deviates;
mod stream_stalls;
mod tcp_memory_pressure;
mod timer_batching;
mod tls_cert_expired_or_untrusted;
mod tls_failed;
mod tls_name_or_vhost_mismatch;
mod tls_plaintext_mismatch;
mod token_expiry_close;
mod unbounded_send_buffer_memory;
mod unexplained_codes;
mod upstream_down_502_503;
mod upstream_handshake_hang_504;
mod upstream_queue_timeout_503;
mod ws_accept_mismatch;
mod ws_auth_401;
mod ws_handshake_200_html;
mod ws_handshake_redirect;
mod ws_origin_403;
mod ws_path_mismatch_404;
mod ws_subprotocol_mismatch;
mod ws_upgrade_stripped;

/// All causes, in the order of their names.
pub const ALL: &[&Cause] = &[
    &accept_queue_overflow::CAUSE,
    &alpn_h2_blocks_upgrade::CAUSE,
    &background_throttle_or_freeze::CAUSE,
    &backpressure_drop::CAUSE,
    &browser_socket_limit::CAUSE,
    &client_network_loss::CAUSE,
    &client_no_heartbeat_half_open::CAUSE,
    &clock_skew_fake_latency::CAUSE,
    &closed_early::CAUSE,
    &closes_concentrated::CAUSE,
    &clump_of_closes::CAUSE,
    &compression_cpu_memory::CAUSE,
    &concurrent_write_corruption::CAUSE,
    &connections_limited::CAUSE,
    &conntrack_table_full::CAUSE,
    &corporate_proxy_or_antivirus::CAUSE,
    &cut_after_bytes::CAUSE,
    &device_sleep_or_app_suspend::CAUSE,
    &duplicate_connections_client::CAUSE,
    &echo_altered::CAUSE,
    &edge_rate_limit_or_ban::CAUSE,
    &ends_unexplained::CAUSE,
    &ephemeral_port_exhaustion::CAUSE,
    &event_loop_block_late_pong::CAUSE,
    &event_loop_stall_or_gc_pause::CAUSE,
    &fd_limit_app::CAUSE,
    &fd_limit_proxy::CAUSE,
    &fragmentation_not_supported::CAUSE,
    &frame_protocol_error_1002_rsv_deflate::CAUSE,
    &grpc_alpn_missing::CAUSE,
    &grpc_deadline_on_stream::CAUSE,
    &grpc_error_status::CAUSE,
    &grpc_flow_control_stall::CAUSE,
    &grpc_http1_or_plaintext_endpoint::CAUSE,
    &grpc_l4_imbalance::CAUSE,
    &grpc_max_age_goaway::CAUSE,
    &grpc_message_too_large::CAUSE,
    &grpc_non_grpc_reply::CAUSE,
    &grpc_proxy_read_timeout::CAUSE,
    &grpc_too_many_pings::CAUSE,
    &handler_exits_early::CAUSE,
    &handshake_invalid::CAUSE,
    &handshake_refused::CAUSE,
    &handshakes_fail::CAUSE,
    &head_of_line_large_message::CAUSE,
    &heartbeat_period_vs_timeout_race::CAUSE,
    &high_base_rtt::CAUSE,
    &host_cpu_saturation_or_steal::CAUSE,
    &http_server_timeout_applied_to_stream::CAUSE,
    &idle_timeout_l4_cloud::CAUSE,
    &idle_timeout_l7_proxy::CAUSE,
    &intermittent_handshake::CAUSE,
    &invalid_utf8_1007::CAUSE,
    &late_listener_or_wrong_event_name::CAUSE,
    &long_lived_imbalance::CAUSE,
    &max_lifetime::CAUSE,
    &message_size_limit::CAUSE,
    &message_too_big_1009::CAUSE,
    &messages_lost::CAUSE,
    &missed_while_disconnected::CAUSE,
    &mixed_content_or_csp::CAUSE,
    &mtu_blackhole::CAUSE,
    &nagle_delayed_ack_40ms::CAUSE,
    &narrow_link_or_bufferbloat::CAUSE,
    &nat_or_firewall_silent_drop::CAUSE,
    &network_unreachable_or_filtered::CAUSE,
    &nginx_worker_connections::CAUSE,
    &no_backplane_multi_node::CAUSE,
    &not_the_protocol::CAUSE,
    &ordering_violation::CAUSE,
    &origin_unchecked::CAUSE,
    &own_admission::CAUSE,
    &own_limit::CAUSE,
    &packet_loss_retransmission::CAUSE,
    &page_navigation_normal_1001::CAUSE,
    &ping_flood::CAUSE,
    &protocol_version_mismatch::CAUSE,
    &proxy_reload_drain::CAUSE,
    &queue_sheds::CAUSE,
    &reconnect_storm::CAUSE,
    &rolling_deploy_or_restart::CAUSE,
    &server_crash_or_oom::CAUSE,
    &server_exception_1011_or_overload_1012_1013::CAUSE,
    &server_ping_timeout_client_silent::CAUSE,
    &server_processing_slow::CAUSE,
    &shared_limits_down::CAUSE,
    &slow_consumer_client::CAUSE,
    &slow_event_handler::CAUSE,
    &sse_app_not_flushing::CAUSE,
    &sse_browser_6_connection_limit::CAUSE,
    &sse_gzip_buffering::CAUSE,
    &sse_idle_cut_no_comment_heartbeat::CAUSE,
    &sse_malformed_framing::CAUSE,
    &sse_no_resume::CAUSE,
    &sse_proxy_buffering::CAUSE,
    &sse_retry_storm::CAUSE,
    &sse_worker_pool_exhaustion::CAUSE,
    &sse_wrong_content_type_or_status::CAUSE,
    &stale_upstream_address::CAUSE,
    &sticky_session_missing::CAUSE,
    &stream_deviates::CAUSE,
    &stream_stalls::CAUSE,
    &tcp_memory_pressure::CAUSE,
    &timer_batching::CAUSE,
    &tls_cert_expired_or_untrusted::CAUSE,
    &tls_failed::CAUSE,
    &tls_name_or_vhost_mismatch::CAUSE,
    &tls_plaintext_mismatch::CAUSE,
    &token_expiry_close::CAUSE,
    &unbounded_send_buffer_memory::CAUSE,
    &unexplained_codes::CAUSE,
    &upstream_down_502_503::CAUSE,
    &upstream_handshake_hang_504::CAUSE,
    &upstream_queue_timeout_503::CAUSE,
    &ws_accept_mismatch::CAUSE,
    &ws_auth_401::CAUSE,
    &ws_handshake_200_html::CAUSE,
    &ws_handshake_redirect::CAUSE,
    &ws_origin_403::CAUSE,
    &ws_path_mismatch_404::CAUSE,
    &ws_subprotocol_mismatch::CAUSE,
    &ws_upgrade_stripped::CAUSE,
];

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
