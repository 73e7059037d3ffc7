package v1

import (
	"errors"
	"net/http"
	"strings"

	"github.com/scout-speech/scout"
)

// ErrorBody is the body of every error.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error says what went wrong and what helps, each once. It contains no spoken word.
type Error struct {
	Message   string     `json:"message"`
	Type      string     `json:"type" enum:"invalid_request_error,rate_limit_error,server_error"`
	Param     *string    `json:"param" doc:"The field that is wrong, or null"`
	Code      scout.Code `json:"code"`
	Hint      string     `json:"hint,omitempty" doc:"What helps"`
	Retryable bool       `json:"retryable" doc:"Whether the same request may succeed later"`
	Details   []Detail   `json:"details,omitempty" doc:"Each thing that is wrong with the request"`
}

// Detail is one thing that is wrong with an input.
type Detail struct {
	Location string `json:"location"`
	Message  string `json:"message"`
}

// InputError is a request that is well-formed and cannot be carried out, because of what stands at a place of it.
type InputError struct {
	// Location is where, for example body.device, query.limit or path.id.
	Location string
	// Err says what is wrong there.
	Err error
}

// Error implements error.
func (e *InputError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.Err }

// hintOf is what helps against err. The general hint of a wrong request is one for the command line.
func hintOf(err error) string {
	hint := scout.HintOf(err)
	if code := scout.CodeOf(err); code == scout.CodeInvalidArgument && hint == code.Info().Hint {
		return "docs/formats/api.md describes every request"
	}
	return hint
}

// ErrorOf returns the status and the body for err.
func ErrorOf(err error) (int, ErrorBody) {
	code := scout.CodeOf(err)
	status := StatusOf(code)
	e := Error{Message: withoutFolders(code, scout.Plain(err)), Code: code, Hint: hintOf(err), Retryable: code.Info().Class == scout.Transient}
	var input *InputError
	if errors.As(err, &input) {
		if code == scout.CodeInvalidArgument {
			status = http.StatusUnprocessableEntity
		}
		e.Details = []Detail{{Location: input.Location, Message: withoutFolders(code, scout.Plain(input.Err))}}
		e.Param = paramOf(input.Location)
	}
	e.Type = TypeOf(status)
	return status, ErrorBody{e}
}

// paramOf is the name of what stands at a location, without the part of the request in which it stands.
func paramOf(location string) *string {
	if location == "" {
		return nil
	}
	param := location
	if _, name, found := strings.Cut(location, "."); found {
		param = name
	}
	return &param
}

// Refused returns the body for a request in which several things are wrong, with the first one as its message.
func Refused(code scout.Code, status int, message string, details []Detail) ErrorBody {
	e := Error{Message: message, Type: TypeOf(status), Code: code, Hint: hintOf(scout.Errorf(code, "refused")), Retryable: code.Info().Class == scout.Transient, Details: details}
	if len(details) > 0 {
		first := details[0]
		e.Message, e.Param = first.Message, paramOf(first.Location)
		if e.Param != nil {
			e.Message = *e.Param + ": " + first.Message
		}
	}
	return ErrorBody{e}
}

// TypeOf is the type of an error with that status.
func TypeOf(status int) string {
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
	if e.Hint != "" { // a daemon of an earlier version repeats it there
		text = strings.TrimSuffix(text, "; "+e.Hint)
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
		scout.CodeAudioEmpty, scout.CodeAudioTooShort, scout.CodeModelLanguage, scout.CodeModelUnsupported, scout.CodeImportForeign, scout.CodeImportCorrupt,
	},
	http.StatusUnauthorized: {scout.CodeInvalidAPIKey},
	http.StatusForbidden:    {scout.CodePermissionDenied, scout.CodeHostNotAllowed, scout.CodeOriginNotAllowed},
	http.StatusNotFound: {
		scout.CodeModelUnknown, scout.CodeModelNotInstalled, scout.CodeUnknownURL, scout.CodeNotFound, scout.CodeRecordingNotFound, scout.CodeDeviceNotFound,
	},
	http.StatusMethodNotAllowed:             {scout.CodeMethodNotAllowed},
	http.StatusRequestTimeout:               {scout.CodeRequestTimeout},
	http.StatusUnsupportedMediaType:         {scout.CodeMediaType},
	http.StatusConflict:                     {scout.CodeAlreadyRecording, scout.CodeNotRecording, scout.CodeRecordingInUse, scout.CodeModelInUse, scout.CodeConflict, scout.CodeRecorderEnvironment},
	http.StatusGone:                         {scout.CodeGone},
	http.StatusPreconditionFailed:           {scout.CodePreconditionFailed},
	http.StatusRequestEntityTooLarge:        {scout.CodeRequestTooLarge, scout.CodeAudioTooLong},
	http.StatusUnprocessableEntity:          {scout.CodeConfigInvalid, scout.CodeIdempotencyKey},
	http.StatusRequestedRangeNotSatisfiable: {scout.CodeRange},
	http.StatusTooManyRequests:              {scout.CodeRateLimit, scout.CodeBusy, scout.CodeQueueFull},
	http.StatusServiceUnavailable: {
		scout.CodeUnavailable, scout.CodeEngineUnavailable, scout.CodeEngineStart, scout.CodeEngineLoadTimeout, scout.CodeEngineMissing, scout.CodeEngineClosed,
		scout.CodeDecoderTimeout, scout.CodeNoDevice, scout.CodeDeviceUnavailable, scout.CodeDeviceTimeout, scout.CodeDevicePermission, scout.CodeDeviceLost,
		scout.CodeSoundServer, scout.CodeRecordingLocked, scout.CodeRecorderUnreachable, scout.CodeRecorderStart, scout.CodeRecorderMissing,
		scout.CodeRecorderProtocol, scout.CodeDiskStalled, scout.CodeOutOfMemory, scout.CodeOpenFiles, scout.CodeProcesses, scout.CodeStoreLocked,
	},
	http.StatusLocked:              {scout.CodeUploadLocked},
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
