package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// unread is what net/http says by itself of a request that it cannot read, in the form of all other errors: the status stays. It is nil for
// what is no such answer.
//
//	said    one answer of net/http, from its first byte on
//	remote  where the request came from, for the log
func (s *Server) unread(said []byte, remote string) []byte {
	line, _, found := bytes.Cut(said, []byte("\r\n"))
	rest, is := strings.CutPrefix(string(line), "HTTP/1.1 ")
	if !found || !is {
		return nil
	}
	number, words, _ := strings.Cut(rest, " ")
	status, err := strconv.Atoi(number)
	if err != nil || status < http.StatusBadRequest {
		return nil
	}
	code, reason := scout.CodeInvalidArgument, "malformed"
	var message string
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		code, reason, message = scout.CodeRequestTooLarge, "size", fmt.Sprintf("the headers have more than %d bytes", maxHeaderBytes)
	case http.StatusExpectationFailed:
		message = "the header Expect may only be 100-continue"
	case http.StatusHTTPVersionNotSupported:
		message = "HTTP/1.1 is spoken here"
	case http.StatusNotImplemented:
		message = "the only transfer encoding is chunked"
	default:
		message = "this is no request of HTTP/1.1"
		if _, detail, is := strings.Cut(words, ": "); is { // such as a missing header Host
			message += ": " + detail
		}
	}
	s.refuse(reason, remote, code)
	return s.unasked(status, v1.Refused(code, status, message, nil), code)
}

// unasked is a whole answer of HTTP/1.1 to what is no request.
func (s *Server) unasked(status int, body v1.ErrorBody, code scout.Code) []byte {
	data, _ := json.Marshal(body) // strings and booleans
	h := http.Header{
		"Connection": {"close"}, "Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(data))}, "Date": {time.Now().UTC().Format(http.TimeFormat)},
		"X-Content-Type-Options": {"nosniff"}, v1.HeaderRequest: {newRequestID()}, v1.HeaderVersion: {s.options.Version}, v1.HeaderCode: {string(code)},
	}
	if status >= http.StatusInternalServerError {
		h.Set("X-Should-Retry", "false")
	}
	var out bytes.Buffer
	_, _ = fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status)) // a buffer takes everything
	_ = h.Write(&out)                                                               // as above
	out.WriteString("\r\n")
	out.Write(data)
	return out.Bytes()
}

// newRequestID names a request whose client gave it no name.
func newRequestID() string { return "req_" + strings.ToLower(ulid.Make().String()) }
