package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// requestBody is the body of a request with a deadline for all of it. The deadline ends with the body: from then on the connection is only
// read to notice that the client goes, and that takes as long as the answer does.
type requestBody struct {
	io.ReadCloser
	control *http.ResponseController
	over    bool // nothing more is read
}

// bounded returns the request with a body that has to arrive in that time.
func bounded(w http.ResponseWriter, r *http.Request, within time.Duration) (*http.Request, *requestBody) {
	body := &requestBody{ReadCloser: r.Body, control: http.NewResponseController(w), over: r.ContentLength == 0}
	if !body.over {
		_ = body.control.SetReadDeadline(time.Now().Add(within)) // a writer of a test has none
	}
	again := *r
	again.Body = body
	return &again, body
}

// Read implements io.Reader.
func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.over = true
	}
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{}) // as above
	}
	return n, err
}

// leave bounds what net/http reads of a body that nobody wanted, to keep the connection.
func (b *requestBody) leave() {
	if !b.over {
		_ = b.control.SetReadDeadline(time.Now().Add(discardWithin)) // as above
	}
}

// mostUnread is the body that net/http reads before an answer is sent, although nobody wanted it. Source: net/http,
// maxPostHandlerReadBytes.
const mostUnread = 256 << 10

// refused has the answer to a request whose body nobody reads sent before the rest has arrived.
func (b *requestBody) refused(h http.Header, length int64) {
	if !b.over && (length < 0 || length > mostUnread) {
		h.Set("Connection", "close")
	}
}
