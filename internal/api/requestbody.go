package api

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// requestBody is the body of a request with a deadline for all of it. The deadline ends with the body: from then on the connection is only
// read to notice that the client goes, and that takes as long as the answer does.
type requestBody struct {
	io.ReadCloser
	control *http.ResponseController
	over    bool // nothing more is read
	whole   bool // it was read to its end, or there is none
	streams bool // it comes over HTTP/2, where the rest of a body keeps nobody waiting
	read    atomic.Int64
}

// bounded returns the request with a body that has to arrive in that time.
func bounded(w http.ResponseWriter, r *http.Request, within time.Duration) (*http.Request, *requestBody) {
	none := r.ContentLength == 0
	body := &requestBody{ReadCloser: r.Body, control: http.NewResponseController(w), over: none, whole: none, streams: r.ProtoMajor > 1}
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
	b.read.Add(int64(n))
	if err != nil {
		b.over = true
	}
	if errors.Is(err, io.EOF) {
		b.whole = true
		_ = b.control.SetReadDeadline(time.Time{}) // as above
	}
	return n, err
}

// unwantedWithin is how long net/http may read a body that nobody wanted, to keep the connection.
const unwantedWithin = 2 * time.Second

// leave ends the work with a body. What of it was not read is read by net/http, to keep the connection, or thrown away by the connection
// while it lingers.
func (b *requestBody) leave(c *connection) {
	if b.streams {
		return
	}
	if !b.over {
		_ = b.control.SetReadDeadline(time.Now().Add(unwantedWithin)) // as above
	}
	c.leftUnread(!b.whole)
}

// mostUnread is the body that net/http reads before an answer is sent, although nobody wanted it. Source: net/http,
// maxPostHandlerReadBytes.
const mostUnread = 256 << 10

// refused has an error sent before the rest of the body has arrived, which nobody reads.
func (b *requestBody) refused(h http.Header, length int64) {
	if !b.whole && !b.streams && (length < 0 || length > mostUnread) {
		h.Set("Connection", "close")
	}
}
