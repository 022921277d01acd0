//! What each vendor answers, and what that means.

use serde_json::{Value, json};

use super::CANARY;

/// How a vendor answers.
pub(super) struct Vendor {
    /// Its name where a kind has several.
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    /// For the server's address.
    pub(super) settings: fn(&str) -> Value,
    /// The answer to what is asked ahead of the first message.
    pub(super) ahead: Option<&'static str>,
    /// Status and body of success, and its outcome.
    pub(super) success: (u16, &'static str, &'static str),
    /// Outcome of a page of HTML with status 200.
    pub(super) html: &'static str,
    /// Outcome of no answer and of a lost connection.
    pub(super) lost: &'static str,
    /// Status, body and outcome of errors.
    pub(super) errors: &'static [(u16, &'static str, &'static str)],
}

/// What most have in common.
const CHAT: Vendor = Vendor {
    name: "",
    kind: "",
    settings: |_| Value::Null,
    ahead: None,
    success: (200, "", "delivered"),
    html: "retry unknown",
    lost: "retry timeout",
    errors: &[],
};

/// What its messages and its calls have in common.
const TWILIO: Vendor = Vendor {
    name: "twilio",
    lost: "final timeout",
    settings: |base| {
        json!({
            "provider": "twilio", "api_url": base, "account_sid": "AC1", "api_key": "SK1", "auth_token": CANARY,
            "to": ["+15550100"], "from": "+15550199",
        })
    },
    errors: &[
        (400, r#"{"code":21211,"message":"invalid number"}"#, "final bad_request"),
        (400, r#"{"code":21610,"message":"unsubscribed"}"#, "final blocked"),
        (400, r#"{"code":13227,"message":"no permission for this country"}"#, "final blocked"),
        (400, r#"{"code":21658,"message":"too long"}"#, "final too_large"),
        (401, r#"{"code":20003,"message":"Authenticate"}"#, "final auth"),
        (429, r#"{"code":20429,"message":"too many"}"#, "retry rate_limited"),
        (429, r#"{"code":21611,"message":"queue full"}"#, "retry rate_limited"),
    ],
    ..CHAT
};

/// What its messages and its calls have in common.
const ALIYUN: Vendor = Vendor {
    name: "aliyun",
    lost: "final timeout",
    errors: &[
        (400, r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL"}"#, "final rate_limited"),
        (200, r#"{"Code":"isv.MOBILE_NUMBER_ILLEGAL"}"#, "final bad_request"),
        (200, r#"{"Code":"isv.PARAM_LENGTH_LIMIT"}"#, "final too_large"),
        (200, r#"{"Code":"isp.SYSTEM_ERROR"}"#, "retry server"),
        (200, r#"{"Code":"isv.OUT_OF_SERVICE"}"#, "final blocked"),
        (400, r#"{"Code":"Throttling.User"}"#, "retry rate_limited"),
        (400, r#"{"Code":"SignatureDoesNotMatch"}"#, "final auth"),
        (404, r#"{"Code":"InvalidAccessKeyId.NotFound"}"#, "final auth"),
    ],
    ..CHAT
};

/// Settings of Aliyun with more of them.
pub(super) fn aliyun(base: &str, more: &Value) -> Value {
    let mut settings = json!({
        "provider": "aliyun", "api_url": base, "access_key_id": "id", "access_key_secret": CANARY,
        "to": ["13800000000"], "template_params": {"name": "{{ (index .Alerts 0).Labels.route }}", "none": ""},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        settings[key] = value.clone();
    }
    settings
}

/// All of them.
pub(super) const VENDORS: &[Vendor] = &[
    Vendor {
        kind: "webhook",
        settings: |base| json!({"url": format!("{base}/hook/{CANARY}"), "secret": CANARY, "http_config": {"bearer_token": CANARY}}),
        html: "delivered",
        errors: &[
            (202, "anything", "delivered"),
            (400, "bad", "final bad_request"),
            (401, "", "final auth"),
            (404, "", "final bad_request"),
            (408, "", "retry timeout"),
            (413, "", "final too_large"),
            (425, "", "retry server"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "slack",
        settings: |base| json!({"api_url": format!("{base}/services/T0/B0/{CANARY}"), "channel": "#ops"}),
        success: (200, "ok", "delivered"),
        errors: &[
            (200, r#"{"ok":true,"ts":"1503435956.000247"}"#, "delivered 1503435956.000247"),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, "final auth"),
            (200, r#"{"ok":false,"error":"channel_not_found"}"#, "final bad_request"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "retry rate_limited"),
            (200, r#"{"ok":false,"error":"msg_too_long"}"#, "final too_large"),
            (400, "invalid_payload", "final bad_request"),
            (403, "action_prohibited", "final auth"),
            (404, "no_service", "final bad_request"),
            (410, "channel_is_archived", "final bad_request"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "dingtalk",
        settings: |base| {
            json!({
                "url": format!("{base}/robot/send?access_token={CANARY}"), "secret": CANARY,
                "at_mobiles": ["13800000000"], "keyword": "[prod]", "language": "zh-CN",
            })
        },
        success: (200, r#"{"errcode":0,"errmsg":"ok"}"#, "delivered"),
        errors: &[
            (200, r#"{"errcode":-1,"errmsg":"system busy"}"#, "retry server"),
            (200, r#"{"errcode":130101,"errmsg":"send too fast"}"#, "retry rate_limited 60s"),
            (200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, "final auth"),
            (200, r#"{"errcode":310000,"errmsg":"keywords not in content"}"#, "final blocked"),
            (200, r#"{"errcode":300001,"errmsg":"token is not exist"}"#, "final auth"),
            (200, r#"{"errcode":400035,"errmsg":"bad"}"#, "final bad_request"),
            (200, r#"{"status":1111,"wait":5,"punish":"deny"}"#, "retry rate_limited 60s"),
            (200, r#"{"status":1111,"wait":90,"punish":"deny"}"#, "retry rate_limited 90s"),
            (200, "{}", "retry unknown"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "feishu",
        settings: |base| {
            json!({
                "url": format!("{base}/open-apis/bot/v2/hook/{CANARY}"), "secret": CANARY,
                "at_user_ids": ["ou_1", "all"], "language": "zh-CN",
            })
        },
        success: (200, r#"{"code":0,"data":{},"msg":"success"}"#, "delivered"),
        errors: &[
            (200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, "delivered"),
            (200, r#"{"code":11232,"msg":"frequency limited"}"#, "retry rate_limited"),
            (400, r#"{"code":11232,"msg":"frequency limited"}"#, "retry rate_limited"),
            (
                200,
                r#"{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}"#,
                "final auth",
            ),
            (200, r#"{"code":19021,"msg":"sign match fail"}"#, "final auth"),
            (200, r#"{"code":19022,"msg":"ip not allowed"}"#, "final blocked"),
            (200, r#"{"code":19024,"msg":"Key Words Not Found"}"#, "final blocked"),
            (400, r#"{"code":9499,"msg":"Bad Request"}"#, "final bad_request"),
            (200, r#"{"code":1,"msg":"other"}"#, "final bad_request"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "wecom",
        settings: |base| json!({"url": format!("{base}/cgi-bin/webhook/send?key={CANARY}"), "at_user_ids": ["zhang"]}),
        success: (200, r#"{"errcode":0,"errmsg":"ok"}"#, "delivered"),
        errors: &[
            (200, r#"{"errcode":-1,"errmsg":"system busy"}"#, "retry server"),
            (200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, "retry rate_limited"),
            (200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, "final auth"),
            (
                200,
                r#"{"errcode":40058,"errmsg":"markdown.content exceed max length 4096"}"#,
                "final too_large",
            ),
            (200, r#"{"errcode":40058,"errmsg":"invalid"}"#, "final bad_request"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "telegram",
        settings: |base| json!({"api_url": base, "bot_token": format!("12:{CANARY}"), "chat_id": -100123}),
        success: (200, r#"{"ok":true,"result":{"message_id":7}}"#, "delivered 7"),
        errors: &[
            (
                429,
                r#"{"ok":false,"error_code":429,"parameters":{"retry_after":31}}"#,
                "retry rate_limited 31s",
            ),
            (400, r#"{"ok":false,"error_code":400,"description":"message is too long"}"#, "final too_large"),
            (400, r#"{"ok":false,"error_code":400,"description":"chat not found"}"#, "final bad_request"),
            (
                400,
                r#"{"ok":false,"error_code":400,"parameters":{"migrate_to_chat_id":-1}}"#,
                "final bad_request",
            ),
            (401, r#"{"ok":false,"error_code":401,"description":"Unauthorized"}"#, "final auth"),
            (403, r#"{"ok":false,"error_code":403,"description":"bot was kicked"}"#, "final blocked"),
            (502, r#"{"ok":false,"error_code":502,"description":"Bad Gateway"}"#, "retry server"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "discord",
        settings: |base| json!({"webhook_url": format!("{base}/api/webhooks/1/{CANARY}")}),
        success: (200, r#"{"id":"1234"}"#, "delivered 1234"),
        errors: &[
            (204, "", "retry unknown"),
            (
                429,
                r#"{"message":"rate limited","retry_after":1.5,"global":false}"#,
                "retry rate_limited 1.5s",
            ),
            (400, r#"{"embeds":["0"]}"#, "final bad_request"),
            (401, r#"{"code":50027}"#, "final auth"),
            (404, r#"{"message":"Unknown Webhook","code":10015}"#, "final bad_request"),
        ],
        ..CHAT
    },
    Vendor { kind: "sms", success: (201, r#"{"sid":"SM1","status":"queued"}"#, "delivered SM1"), ..TWILIO },
    Vendor { kind: "voice", success: (201, r#"{"sid":"CA1","status":"queued"}"#, "delivered CA1"), ..TWILIO },
    Vendor {
        kind: "sms",
        settings: |base| aliyun(base, &json!({"sign_name": "心跳", "template_code": "SMS_1"})),
        success: (200, r#"{"Code":"OK","BizId":"B1"}"#, "delivered B1"),
        ..ALIYUN
    },
    Vendor {
        kind: "voice",
        settings: |base| aliyun(base, &json!({"tts_code": "TTS_1"})),
        success: (200, r#"{"Code":"OK","CallId":"C1"}"#, "delivered C1"),
        ..ALIYUN
    },
    Vendor {
        name: "tencent",
        kind: "sms",
        settings: |base| {
            json!({
                "provider": "tencent", "api_url": base, "secret_id": "AKID1", "secret_key": CANARY,
                "sdk_app_id": "1400006666", "sign_name": "心跳", "template_id": "1110", "to": ["13800000000"],
                "template_params": ["{{ (index .Alerts 0).Labels.route }}", ""],
            })
        },
        success: (
            200,
            r#"{"Response":{"SendStatusSet":[{"SerialNo":"5000:1","Code":"Ok"}],"RequestId":"r"}}"#,
            "delivered 5000:1",
        ),
        lost: "final timeout",
        errors: &[
            (
                200,
                r#"{"Response":{"SendStatusSet":[{"Code":"Ok"},{"Code":"FailedOperation.PhoneNumberInBlacklist"}]}}"#,
                "final blocked",
            ),
            (
                200,
                r#"{"Response":{"SendStatusSet":[{"Code":"LimitExceeded.PhoneNumberDailyLimit"}]}}"#,
                "final rate_limited",
            ),
            (
                200,
                r#"{"Response":{"SendStatusSet":[{"Code":"LimitExceeded.PhoneNumberThirtySecondLimit"}]}}"#,
                "retry rate_limited",
            ),
            (
                200,
                r#"{"Response":{"SendStatusSet":[{"Code":"InvalidParameterValue.ContentLengthLimit"}]}}"#,
                "final too_large",
            ),
            (200, r#"{"Response":{"SendStatusSet":[]}}"#, "retry unknown"),
            (200, r#"{"Response":{"Error":{"Code":"RequestLimitExceeded"}}}"#, "retry rate_limited"),
            (200, r#"{"Response":{"Error":{"Code":"InternalError.OtherError"}}}"#, "retry server"),
            (200, r#"{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure"}}}"#, "final auth"),
            (
                200,
                r#"{"Response":{"Error":{"Code":"InvalidParameterValue.IncorrectPhoneNumber"}}}"#,
                "final bad_request",
            ),
            (
                200,
                r#"{"Response":{"Error":{"Code":"FailedOperation.TemplateIncorrectOrUnapproved"}}}"#,
                "final bad_request",
            ),
        ],
        ..CHAT
    },
    Vendor {
        kind: "wechat",
        settings: |base| {
            json!({
                "api_url": format!("{base}/cgi-bin/"), "corp_id": "ww1", "api_secret": CANARY, "agent_id": "1000002",
                "to_user": "zhang|li",
            })
        },
        ahead: Some(
            r#"{"errcode":0,"errmsg":"ok","access_token":"canary-0123456789abcdef","expires_in":7200}"#,
        ),
        success: (200, r#"{"errcode":0,"errmsg":"ok","invaliduser":"","msgid":"m1"}"#, "delivered m1"),
        errors: &[
            (200, r#"{"errcode":0,"errmsg":"ok","invaliduser":"li"}"#, "final bad_request"),
            (200, r#"{"errcode":-1,"errmsg":"system busy"}"#, "retry server"),
            (200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, "retry rate_limited"),
            (200, r#"{"errcode":60020,"errmsg":"not allow to access from your ip"}"#, "final blocked"),
            (200, r#"{"errcode":40013,"errmsg":"invalid corpid"}"#, "final auth"),
            (200, r#"{"errcode":81013,"errmsg":"user & party & tag all invalid"}"#, "final bad_request"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "msteams",
        settings: |base| json!({"webhook_url": format!("{base}/webhookb2/{CANARY}")}),
        success: (200, "1", "delivered"),
        errors: &[
            (200, "", "retry unknown"),
            (
                200,
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429",
                "retry rate_limited",
            ),
            (
                200,
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413",
                "final too_large",
            ),
            (200, "Webhook message delivery failed with error: other", "retry unknown"),
            (400, "Summary or Text is required.", "final bad_request"),
            (410, "gone", "final bad_request"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "msteamsv2",
        settings: |base| json!({"webhook_url": format!("{base}/workflows/1?sig={CANARY}")}),
        success: (202, "", "delivered"),
        errors: &[
            (400, "bad", "final bad_request"),
            (401, "", "final auth"),
            (404, "gone", "final bad_request"),
            (413, "", "final too_large"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "pagerduty",
        settings: |base| json!({"url": format!("{base}/v2/enqueue"), "routing_key": CANARY, "details": {"team": "{{ .Receiver }}"}}),
        success: (
            202,
            r#"{"status":"success","message":"Event processed","dedup_key":"k1"}"#,
            "delivered k1",
        ),
        errors: &[
            (400, r#"{"status":"invalid event","message":"Event object is invalid"}"#, "final bad_request"),
            (403, "", "final auth"),
        ],
        ..CHAT
    },
    Vendor {
        kind: "opsgenie",
        settings: |base| json!({"api_url": base, "api_key": CANARY, "tags": "a, b", "priority": "P1"}),
        success: (202, r#"{"result":"Request will be processed","requestId":"r1"}"#, "delivered r1"),
        errors: &[(401, "", "final auth"), (403, "", "final auth"), (422, "{}", "final bad_request")],
        ..CHAT
    },
];
