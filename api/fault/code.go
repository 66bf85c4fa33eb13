package fault

import "time"

// Error types, as OpenAI names them.
const (
	TypeInvalidRequest = "invalid_request_error"
	TypeServer         = "server_error"
	TypeRateLimit      = "rate_limit_error"
)

// Error codes. They are part of the API: clients branch on them.
const (
	CodeInvalidJSON     = "invalid_json"
	CodeInvalidValue    = "invalid_value"
	CodeInvalidSchema   = "invalid_json_schema"
	CodeMissing         = "missing_required_parameter"
	CodeUnknown         = "unknown_parameter"
	CodeUnsupported     = "unsupported_parameter"
	CodeModelNotFound   = "model_not_found"
	CodeContextLength   = "context_length_exceeded"
	CodeImage           = "invalid_image"
	CodeImageMemory     = "image_too_large"
	CodeImageFetch      = "image_fetch_failed"
	CodeImageForbidden  = "image_url_forbidden"
	CodeVideo           = "invalid_video"
	CodeVideoSize       = "video_too_large"
	CodeVideoFetch      = "video_fetch_failed"
	CodeVideoForbidden  = "video_url_forbidden"
	CodeTooLarge        = "request_too_large"
	CodeModelNotLoaded  = "model_unavailable"
	CodeOverloaded      = "overloaded"
	CodeWorkerDied      = "model_process_died"
	CodeUpstream        = "upstream_failed"
	CodeShuttingDown    = "shutting_down"
	CodeInternal        = "internal_error"
	CodeNotFound        = "not_found"
	CodeMethod          = "method_not_allowed"
	CodeUnsupportedType = "unsupported_media_type"
	CodeForbidden       = "forbidden"
	CodeConflict        = "conflict"
	CodeInvalidKey      = "invalid_api_key"
	CodeRateLimit       = "rate_limit_exceeded"
	CodeTimeout         = "request_timeout"
	CodeDeadline        = "deadline_exceeded"
	CodeInvalidBody     = "invalid_body"
	CodeStore           = "store_unavailable"
	CodeHeader          = "header_too_large"
	CodeNotThinking     = "not_thinking"
	CodeHost            = "unknown_host"
	CodeOrigin          = "origin_not_allowed"
	// CodeClientGone stands in metrics and the access log for the error that no client is told.
	CodeClientGone = "client_closed_request"
)

// StatusClientGone is nginx's status for a client that left; it appears in the access log only.
const StatusClientGone = 499

// RetryAfter is what clients are told to wait when nothing better is known, as while a worker restarts.
const RetryAfter = 2 * time.Second
