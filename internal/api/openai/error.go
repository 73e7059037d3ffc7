package openai

import (
	"errors"
	"net/http"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// OpenAI's codes of errors.
const (
	CodeInvalidValue     = "invalid_value"
	CodeUnsupportedValue = "unsupported_value"
	CodeMissing          = "missing_required_parameter"
	CodeLanguageFormat   = "invalid_language_format"
	CodeAudioTooShort    = "audio_too_short"
	codeModelNotFound    = "model_not_found"
	codeRateLimit        = "rate_limit_exceeded"
	codeTooLarge         = "request_too_large"
	codeNotFound         = "not_found"
)

// ErrorBody is the body of every error of /v1. All four keys of its error are always there.
type ErrorBody struct {
	Error Error `json:"error"`
}

// Error is an error as clients of OpenAI read it.
type Error struct {
	Message string  `json:"message"`
	Type    string  `json:"type" enum:"invalid_request_error,rate_limit_error,server_error"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// FieldError is an error about a field of a request.
type FieldError struct {
	// Param is the field as OpenAI names it, empty for null. Code is OpenAI's, empty for null.
	Param, Code string
	Err         error
}

// Error implements error.
func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong with the field.
func (e *FieldError) Unwrap() error { return e.Err }

// ErrorOf returns the status and the body for err. The message has what is wrong and what helps, no path of this machine and no spoken
// word.
func ErrorOf(err error) (int, ErrorBody) {
	status, ours := v1.ErrorOf(err)
	if status == http.StatusUnprocessableEntity && ours.Error.Code == scout.CodeInvalidArgument {
		status = http.StatusBadRequest // 422 is for /api/v1
	}
	e := Error{Message: ours.Error.Message, Type: v1.TypeOf(status)}
	var field *FieldError
	var param, code string
	if errors.As(err, &field) {
		param, code = field.Param, field.Code
	} else {
		param, code = usual(status, ours.Error.Code)
	}
	if hint := scout.HintOf(err); hint != "" && hint != ours.Error.Code.Info().Hint {
		e.Message += "; " + hint
	}
	e.Param, e.Code = orNull(param), orNull(code)
	return status, ErrorBody{e}
}

// usual are the param and the code of an error that names no field.
func usual(status int, code scout.Code) (param, openai string) {
	switch code {
	case scout.CodeAudioCorrupt, scout.CodeAudioUnsupported, scout.CodeAudioInvalidSamples, scout.CodeDecoderMissing, scout.CodeAudioEmpty:
		return "file", ""
	case scout.CodeAudioTooShort:
		return "file", CodeAudioTooShort
	case scout.CodeInvalidArgument:
		return "", CodeInvalidValue
	case scout.CodeModelLanguage:
		return "language", CodeUnsupportedValue
	case scout.CodeModelUnsupported:
		return "model", CodeUnsupportedValue
	case scout.CodeModelUnknown, scout.CodeModelNotInstalled:
		return "", codeModelNotFound
	case scout.CodeRecordingNotFound, scout.CodeDeviceNotFound:
		return "", codeNotFound
	}
	switch status {
	case http.StatusRequestEntityTooLarge:
		return "", codeTooLarge
	case http.StatusTooManyRequests:
		return "", codeRateLimit
	case http.StatusInternalServerError:
		return "", ""
	}
	return "", string(code)
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
