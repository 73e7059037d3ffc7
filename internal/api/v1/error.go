package v1

import (
	"errors"
	"net/http"

	"github.com/scout-speech/scout"
)

// ErrorBody is the body of every error.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error says what went wrong. Message is the error's text with its hint; it contains no spoken word.
type Error struct {
	Message   string     `json:"message"`
	Type      string     `json:"type" enum:"invalid_request_error,rate_limit_error,server_error"`
	Param     *string    `json:"param" doc:"The field that is wrong, or null"`
	Code      scout.Code `json:"code"`
	Hint      string     `json:"hint,omitempty" doc:"What helps"`
	Retryable bool       `json:"retryable" doc:"Whether the same request may succeed later"`
	Details   []Detail   `json:"details,omitempty"`
	// Text is the message without the hint; it does not travel.
	Text string `json:"-"`
}

// Detail is one thing that is wrong with an input.
type Detail struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// ErrorOf returns the status and the body for err.
func ErrorOf(err error) (int, ErrorBody) {
	code := scout.CodeOf(err)
	status := StatusOf(code)
	e := Error{Message: scout.Plain(err), Text: scout.Plain(err), Type: typeOf(status), Code: code, Hint: scout.HintOf(err), Retryable: code.Info().Class == scout.Transient}
	if e.Hint != "" {
		e.Message += "; " + e.Hint
	}
	return status, ErrorBody{e}
}

func typeOf(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request_error"
}

// Err returns the error that travelled. A code that this program does not know counts as internal.
func (e Error) Err() error {
	code := e.Code
	if !code.Known() {
		code = scout.CodeInternal
	}
	text := e.Message
	if suffix := "; " + e.Hint; e.Hint != "" && len(text) > len(suffix) && text[len(text)-len(suffix):] == suffix {
		text = text[:len(text)-len(suffix)]
	}
	err := scout.Errorf(code, "%w", errors.New(text))
	if e.Hint != "" {
		err = err.WithHint("%s", e.Hint)
	}
	return err
}

// statuses are those of the codes; a code that is missing is 500.
var statuses = map[int][]scout.Code{
	http.StatusBadRequest: {
		scout.CodeInvalidArgument, scout.CodeAudioCorrupt, scout.CodeAudioUnsupported, scout.CodeAudioInvalidSamples, scout.CodeDecoderMissing,
		scout.CodeAudioEmpty, scout.CodeModelLanguage, scout.CodeModelUnsupported,
	},
	http.StatusForbidden: {scout.CodePermissionDenied},
	http.StatusNotFound: {
		scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeUnknownURL, scout.CodeNotFound, scout.CodeRecordingNotFound, scout.CodeDeviceNotFound,
	},
	http.StatusMethodNotAllowed:      {scout.CodeMethodNotAllowed},
	http.StatusRequestTimeout:        {scout.CodeRequestTimeout},
	http.StatusUnsupportedMediaType:  {scout.CodeMediaType},
	http.StatusConflict:              {scout.CodeAlreadyRecording, scout.CodeNotRecording, scout.CodeRecordingInUse, scout.CodeModelInUse, scout.CodeConflict, scout.CodeRecorderEnvironment},
	http.StatusGone:                  {scout.CodeGone},
	http.StatusPreconditionFailed:    {scout.CodePreconditionFailed},
	http.StatusRequestEntityTooLarge: {scout.CodeRequestTooLarge, scout.CodeAudioTooLong},
	http.StatusUnprocessableEntity:   {scout.CodeConfigInvalid},
	http.StatusTooManyRequests:       {scout.CodeRateLimit, scout.CodeBusy},
	http.StatusServiceUnavailable: {
		scout.CodeUnavailable, scout.CodeEngineUnavailable, scout.CodeEngineStart, scout.CodeEngineLoadTimeout, scout.CodeEngineMissing, scout.CodeEngineClosed,
		scout.CodeDecoderTimeout, scout.CodeNoDevice, scout.CodeDeviceUnavailable, scout.CodeDeviceTimeout, scout.CodeDevicePermission, scout.CodeDeviceLost,
		scout.CodeSoundServer, scout.CodeRecordingLocked, scout.CodeRecorderUnreachable, scout.CodeRecorderStart, scout.CodeRecorderMissing,
		scout.CodeRecorderProtocol, scout.CodeDiskStalled, scout.CodeOutOfMemory, scout.CodeOpenFiles, scout.CodeProcesses,
	},
	http.StatusGatewayTimeout:      {scout.CodeDeadlineExceeded},
	http.StatusInsufficientStorage: {scout.CodeDiskFull, scout.CodeDiskLow},
	StatusClientClosed:             {scout.CodeCancelled},
}

// StatusClientClosed counts requests whose client hung up; nobody gets it.
const StatusClientClosed = 499

// StatusOf returns the HTTP status for a code.
func StatusOf(code scout.Code) int {
	for status, codes := range statuses {
		for _, c := range codes {
			if c == code {
				return status
			}
		}
	}
	return http.StatusInternalServerError
}
