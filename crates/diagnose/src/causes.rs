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
    alpn_h2_blocks_upgrade,
    client_network_loss,
    closed_early,
    concurrent_write_corruption,
    cut_after_bytes,
    echo_altered,
    edge_rate_limit_or_ban,
    ends_unexplained,
    event_loop_block_late_pong,
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
    heartbeat_period_vs_timeout_race,
    http_server_timeout_applied_to_stream,
    idle_timeout_l4_cloud,
    idle_timeout_l7_proxy,
    intermittent_handshake,
    invalid_utf8_1007,
    max_lifetime,
    message_size_limit,
    message_too_big_1009,
    messages_lost,
    mtu_blackhole,
    nagle_delayed_ack_40ms,
    nat_or_firewall_silent_drop,
    network_unreachable_or_filtered,
    not_the_protocol,
    protocol_version_mismatch,
    proxy_reload_drain,
    rolling_deploy_or_restart,
    server_crash_or_oom,
    server_exception_1011_or_overload_1012_1013,
    server_ping_timeout_client_silent,
    server_processing_slow,
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
    timer_batching,
    tls_cert_expired_or_untrusted,
    tls_failed,
    tls_name_or_vhost_mismatch,
    tls_plaintext_mismatch,
    token_expiry_close,
    upstream_down_502_503,
    upstream_handshake_hang_504,
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
