package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/job"
)

// statusError is an error as huma writes it.
type statusError struct {
	status int
	v1.ErrorBody
}

func (e *statusError) Error() string { return e.ErrorBody.Error.Message }

// GetStatus implements huma.StatusError.
func (e *statusError) GetStatus() int { return e.status }

// useOurErrors makes huma write errors in our form. It is a variable of huma's, and there is one form for the whole program.
var useOurErrors = sync.OnceFunc(func() {
	useOurWords()
	huma.ValidateStrictCasing = true // "Title" is no field
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		return newStatusError(ctx, status, message, errs)
	}
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return newStatusError(nil, status, message, errs)
	}
})

// unreadBody is what huma says of a body that ends too early or is wrongly encoded, as if that were a failure of the server.
const unreadBody = "cannot read request body"

// newStatusError makes the body for what an operation returned, or for what huma found wrong with a request.
func newStatusError(ctx huma.Context, status int, message string, errs []error) *statusError {
	e := &statusError{status: status}
	if message == unreadBody {
		status, message, errs = http.StatusBadRequest, "the body of the request cannot be read to its end", nil
		e.status = status
	}
	if len(errs) == 1 && status >= http.StatusInternalServerError && errs[0] != nil { // an operation failed
		e.status, e.ErrorBody = v1.ErrorOf(errs[0])
	} else {
		e.ErrorBody = refused(status, message, errs)
	}
	if ctx != nil {
		announce(headers(func(name, value string) { ctx.SetHeader(name, value) }), e.status, e.ErrorBody.Error, errors.Join(errs...))
	}
	return e
}

// refused is the body for a request that huma refused.
func refused(status int, message string, errs []error) v1.ErrorBody {
	code, known := map[int]scout.Code{
		http.StatusRequestTimeout: scout.CodeRequestTimeout, http.StatusRequestEntityTooLarge: scout.CodeRequestTooLarge,
		http.StatusUnsupportedMediaType: scout.CodeMediaType, http.StatusInternalServerError: scout.CodeInternal,
	}[status]
	if !known {
		code = scout.CodeInvalidArgument
	}
	var details []v1.Detail
	for _, err := range errs {
		if detail := new(huma.ErrorDetail); errors.As(err, &detail) {
			details = append(details, v1.Detail{Location: detail.Location, Message: ourWords(detail.Message)})
		} else if err != nil {
			details = append(details, v1.Detail{Message: scout.Plain(err)})
		}
	}
	body := v1.Refused(code, status, message, details)
	if len(details) > 0 {
		if hint := whatToDo(details[0].Message); hint != "" {
			body.Error.Hint = hint
		}
	}
	return body
}

// unprocessable is a request that is well-formed, and whose value at location cannot be used.
func unprocessable(location, format string, args ...any) error {
	return &v1.InputError{Location: location, Err: scout.Errorf(scout.CodeInvalidArgument, format, args...)}
}

// headers sets a header of a response.
type headers func(name, value string)

// announce sets the headers that go with every error: the code, and what a client that repeats requests should do.
func announce(set headers, status int, e v1.Error, err error) {
	var full *job.FullError
	var waits *schedule.BusyError
	var known interface{ RetryAfter() time.Duration }
	after := time.Second
	switch {
	case errors.As(err, &full):
		after = full.After
	case errors.As(err, &waits):
		after = waits.After
	case errors.As(err, &known):
		after = known.RetryAfter()
	}
	set(v1.HeaderCode, string(e.Code))
	switch {
	case status == http.StatusUnauthorized:
		set("WWW-Authenticate", "Bearer")
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && e.Retryable:
		after = min(max(after, time.Second), time.Minute)
		set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
		set("Retry-After-Ms", strconv.FormatInt(after.Milliseconds(), 10))
	case !e.Retryable && (status == http.StatusRequestTimeout || status == http.StatusConflict || status >= http.StatusInternalServerError):
		set("X-Should-Retry", "false")
	}
}

// writeError answers a request outside huma with an error, in the form of the surface that the request is for. Nobody gets one for a
// request whose client hung up; it is counted as that.
func writeError(w http.ResponseWriter, err error) {
	status, ours := v1.ErrorOf(err)
	var body any = ours
	if ofOpenAI(w) {
		status, body = openai.ErrorOf(err)
		ours.Error.Retryable = ours.Error.Retryable && status != http.StatusInternalServerError // the engine has tried again
	}
	announce(w.Header().Set, status, ours.Error, err)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	data, _ := json.Marshal(body) // strings and booleans
	_, _ = w.Write(data)          // the client may be gone
}

// ofOpenAI reports whether a request is for a path of /v1.
func ofOpenAI(w http.ResponseWriter) bool {
	ours := responseOf(w)
	return ours != nil && ours.openai
}
