package api

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// response counts what is written.
type response struct {
	http.ResponseWriter
	base   string // precedes the path of a Location
	status int
	bytes  int64
	fails  func() // called before the headers of an error are sent; nil for nobody
	openai bool   // it is for a path of /v1, whose errors have a form of their own
	// within is how long a client of HTTP/2 may take for each part of the answer; 0 for another client, whose connection sees to that.
	within time.Duration
	has    []string // the If-None-Match of a request that only reads
	none   bool     // the client has the body already: none is sent
	broken bool     // a part of the answer could not be sent
	whole  bool     // its handler says that the client has all of it, or that it has no end
}

// newResponse is the answer to a client, which finds Scout's paths below the base path where it comes over the network.
func (s *Server) newResponse(w http.ResponseWriter, r *http.Request, c *connection) *response {
	out := &response{ResponseWriter: w}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		out.has = r.Header.Values(headerIfNone)
	}
	if c.near {
		return out
	}
	out.base = s.options.Network.BasePath
	if r.ProtoMajor > 1 {
		out.within = s.times.Write
	}
	return out
}

// WriteHeader notes the status, and completes the path of a Location: operations, and the answers that are kept for a repetition, have it
// without the base path. What the client has already becomes 304.
func (w *response) WriteHeader(status int) {
	if tag := w.Header().Get("ETag"); w.status == 0 && status == http.StatusOK && tag != "" && known(w.has, tag) {
		status, w.none = http.StatusNotModified, true
		for _, name := range []string{"Content-Type", "Content-Length"} {
			w.Header().Del(name)
		}
	}
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status = status
		if path := w.Header().Get("Location"); strings.HasPrefix(path, "/") {
			w.Header().Set("Location", w.base+path)
		}
		if status >= http.StatusBadRequest && w.fails != nil {
			w.fails()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the status and counts.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.none {
		return len(p), nil
	}
	n, err := w.bounded(p)
	w.bytes += int64(n)
	w.broken = w.broken || err != nil
	return n, err
}

// left reports whether the client went before it had the whole answer, although all was well. The end of an answer without a length is sent
// when its handler has returned, so whoever is gone by then lacks it.
//
//	client  ends with the connection of the client
func (w *response) left(client context.Context, method string) bool {
	if w.whole || w.status >= http.StatusBadRequest || w.status == http.StatusSwitchingProtocols || method == http.MethodHead {
		return false
	}
	length, err := strconv.ParseInt(w.Header().Get("Content-Length"), 10, 64)
	if err == nil && w.bytes >= length {
		return false
	}
	return w.broken || client.Err() != nil
}

// isWhole says that the client of an answer has all of it, or that it has no end, so that it is no failure if the client goes.
func isWhole(w http.ResponseWriter) {
	if ours := responseOf(w); ours != nil {
		ours.whole = true
	}
}

// responseOf is the response within a writer; nil for none.
func responseOf(w http.ResponseWriter) *response {
	for {
		switch writer := w.(type) {
		case *response:
			return writer
		case interface{ Unwrap() http.ResponseWriter }:
			w = writer.Unwrap()
		default:
			return nil
		}
	}
}

// bounded writes, to a client of HTTP/2 in parts that have a deadline each, as connection.Write does for others.
func (w *response) bounded(p []byte) (written int, err error) {
	if w.within == 0 {
		return w.ResponseWriter.Write(p)
	}
	for written < len(p) && err == nil {
		var n int
		err = w.inTime(func() (err error) {
			n, err = w.ResponseWriter.Write(p[written:min(len(p), written+mostPerWrite)])
			return err
		})
		written += n
	}
	return written, err
}

// FlushError sends what was written so far.
func (w *response) FlushError() error {
	err := w.inTime(http.NewResponseController(w.ResponseWriter).Flush)
	w.broken = w.broken || err != nil
	return err
}

// inTime does what waits for a client of HTTP/2. The deadline ends with it: when it passes, the stream is reset, also one that has nothing to say.
func (w *response) inTime(send func() error) error {
	if w.within == 0 {
		return send()
	}
	control, end := http.NewResponseController(w.ResponseWriter), time.Now().Add(w.within)
	if err := control.SetWriteDeadline(end); err != nil {
		return err
	}
	if err := send(); err != nil {
		if !time.Now().Before(end) {
			err = fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
		}
		return err
	}
	return control.SetWriteDeadline(time.Time{})
}

// last bounds what net/http still sends when the handler has returned.
func (w *response) last() {
	if w.within > 0 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.within)) // the stream may have ended
	}
}

// SetReadDeadline does nothing: how long a body may take is requestBody's, and huma has a time of its own.
func (w *response) SetReadDeadline(time.Time) error { return nil }

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code is the error code of the answer, empty for a success.
func (w *response) code() scout.Code { return scout.Code(w.Header().Get(v1.HeaderCode)) }

// refusal keeps the status and the header Allow of what the mux would have answered, and drops its text.
type refusal struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (r *refusal) Header() http.Header { return r.header }

// Write implements http.ResponseWriter.
func (r *refusal) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (r *refusal) WriteHeader(status int) { r.status = status }

// routes is a mux that knows its patterns.
type routes struct {
	http.ServeMux
	patterns []string
	// instead answers a request in the place of the handler; nil for never. It returns false where it does not.
	instead func(pattern string, w http.ResponseWriter, r *http.Request) bool
	// visible refuses a request for something that is not there for its caller.
	visible func(pattern string, r *http.Request) error
}

// HandleFunc adds a handler for a pattern, such as "GET /livez".
func (m *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := m.visible(pattern, r); err != nil {
			writeError(w, err)
			return
		}
		if m.instead != nil && m.instead(pattern, w, r) {
			return
		}
		handler(w, r)
	})
}
