package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/resilience"
)

// Upload is a file that is sent.
type Upload struct {
	File io.ReaderAt
	Size int64
	// Fields are those of Upload-Metadata: filename, title, language, …
	Fields map[string]string
	// Once names the file and its fields: an upload that was interrupted goes on under the same name.
	Once string
	// Progress is called with how many bytes were sent; nil for nobody.
	Progress func(sent int64)
}

// Uploaded is a file that was sent.
type Uploaded struct {
	// Recording is what it has become, and Job makes its text; empty where none is wanted.
	Recording, Job string
	// Already says that it was sent before.
	Already bool
}

const (
	// mostFailures is how often in a row a request may fail without a byte more being there.
	mostFailures = 8
	// uploadPause bounds the first pause after a failure, uploadPauses every one.
	uploadPause, uploadPauses = 500 * time.Millisecond, 30 * time.Second
)

// Send sends a file. Where the connection breaks, or the daemon ends, it asks how much is there and goes on from that.
func (c *Client) Send(ctx context.Context, u Upload) (Uploaded, error) {
	sending := &sending{client: c, upload: u}
	var done Uploaded
	for failed := 0; ; {
		before := sending.offset
		over, err := sending.step(ctx, &done)
		switch {
		case over:
			return done, nil
		case err == nil:
			failed = 0
			continue
		case ctx.Err() != nil:
			return done, context.Cause(ctx)
		case !worthwhile(err):
			return done, err
		}
		if failed++; sending.offset > before {
			failed = 1
		}
		if failed >= mostFailures {
			return done, err
		}
		pause := resilience.Pause(resilience.Policy{Initial: uploadPause, Max: uploadPauses}, failed, err)
		if Absent(err) && c.options.Launch != nil {
			if err := c.options.Launch.start(ctx, c); err == nil {
				continue
			}
		}
		if err := resilience.Sleep(ctx, pause); err != nil {
			return done, err
		}
	}
}

// worthwhile reports whether an upload may go on after this error.
func worthwhile(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeConflict, scout.CodeDaemonUnreachable: // the offset was another one; nobody answered
		return true
	}
	return scout.ClassOf(err) == scout.Transient
}

// sending is an upload that is under way.
type sending struct {
	client *Client
	upload Upload
	at     string // the path of the upload; empty before it was begun
	asked  bool   // the offset is known
	offset int64
}

// step does the next thing: it begins the upload, asks for the offset, or sends the rest.
func (s *sending) step(ctx context.Context, done *Uploaded) (over bool, err error) {
	var response *http.Response
	switch {
	case s.at == "":
		response, err = s.begin(ctx)
	case !s.asked:
		response, err = s.request(ctx, http.MethodHead, s.at, nil, nil)
	default:
		s.asked = false
		rest := &counted{SectionReader: io.NewSectionReader(s.upload.File, s.offset, s.upload.Size-s.offset), at: s.offset, tell: s.upload.Progress}
		response, err = s.request(ctx, http.MethodPatch, s.at, rest, map[string]string{
			"Upload-Offset": strconv.FormatInt(s.offset, 10), "Content-Type": "application/offset+octet-stream",
		})
	}
	if err != nil {
		return false, err
	}
	if err := response.Body.Close(); err != nil {
		return false, lost(err)
	}
	h := response.Header
	if s.offset, err = strconv.ParseInt(h.Get("Upload-Offset"), 10, 64); err != nil || s.offset < 0 || s.offset > s.upload.Size {
		return false, s.client.strange(response.Status, request{method: "an upload to", path: s.at})
	}
	s.asked = true
	if s.upload.Progress != nil {
		s.upload.Progress(s.offset)
	}
	if done.Recording = h.Get(v1.HeaderRecording); done.Recording == "" {
		return false, nil
	}
	done.Job, done.Already = h.Get(v1.HeaderJob), h.Get(v1.HeaderReplayed) == "true"
	return true, nil
}

// begin asks for a place to send the file to.
func (s *sending) begin(ctx context.Context) (*http.Response, error) {
	var fields []string
	for _, name := range slices.Sorted(maps.Keys(s.upload.Fields)) {
		fields = append(fields, name+" "+base64.StdEncoding.EncodeToString([]byte(s.upload.Fields[name])))
	}
	response, err := s.request(ctx, http.MethodPost, "/uploads", nil, map[string]string{
		"Upload-Length": strconv.FormatInt(s.upload.Size, 10), "Upload-Metadata": strings.Join(fields, ","), v1.HeaderIdempotency: s.upload.Once,
	})
	if err != nil {
		return nil, err
	}
	_, path, found := strings.Cut(response.Header.Get("Location"), prefix+"/uploads/")
	if !found {
		_ = response.Body.Close() // it is of no use
		return nil, s.client.strange(response.Status, request{method: http.MethodPost, path: "/uploads"})
	}
	s.at = "/uploads/" + path
	return response, nil
}

// request sends one request of the protocol.
func (s *sending) request(ctx context.Context, method, path string, body *counted, headers map[string]string) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		content = body
	}
	r, err := http.NewRequestWithContext(ctx, method, s.client.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		r.ContentLength = body.Size()
		if r.ContentLength == 0 {
			r.Body = http.NoBody
		}
	}
	r.Header.Set("Tus-Resumable", "1.0.0")
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return s.client.deliver(ctx, r, request{method: method, path: path})
}

// counted tells how much of a file was read.
type counted struct {
	*io.SectionReader
	at   int64
	tell func(int64)
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.SectionReader.Read(p)
	c.at += int64(n)
	if n > 0 && c.tell != nil {
		c.tell(c.at)
	}
	return n, err
}
