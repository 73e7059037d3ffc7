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
	// Waiting is called before a pause after a failure that may pass, such as a full queue; nil for nobody.
	Waiting func(err error, pause time.Duration)
	// Abandon has what was sent removed where the rest cannot be sent. Otherwise it waits for the rest until it expires. If it has become a
	// recording nevertheless, Send returns that beside its error.
	Abandon bool
}

func (u *Upload) waiting(err error, pause time.Duration) {
	if u.Waiting != nil {
		u.Waiting(err, pause)
	}
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
	// longestFull is how long a daemon may go on saying that it has too much to do.
	longestFull = 10 * time.Minute
)

// patience is how long somebody goes on who meets failures. The zero value is that of the beginning.
type patience struct {
	failed int       // in a row
	full   time.Time // since when the daemon has too much to do; zero while it has not
}

// after returns how long to wait after a failure, and whether to go on at all. A daemon that has too much to do says when to come again, and
// is asked for longer than one that does not answer.
func (p *patience) after(err error) (pause time.Duration, goOn bool) {
	switch code := scout.CodeOf(err); {
	case !worthwhile(err):
		return 0, false
	case code != scout.CodeQueueFull && code != scout.CodeRateLimit:
		p.failed++
		return resilience.Pause(resilience.Policy{Initial: uploadPause, Max: uploadPauses}, p.failed, err), p.failed < mostFailures
	case p.full.IsZero():
		p.full = time.Now()
	case time.Since(p.full) > longestFull:
		return 0, false
	}
	return resilience.Pause(resilience.Policy{Initial: 4 * uploadPause, Max: uploadPauses}, mostFailures, err), true
}

// Send sends a file. Where the connection breaks, or the daemon ends, it asks how much is there and goes on from that.
func (c *Client) Send(ctx context.Context, u Upload) (done Uploaded, err error) {
	sending := &sending{client: c, upload: u}
	if u.Abandon {
		defer func() {
			if err != nil && sending.at != "" {
				sending.abandon(ctx, &done)
			}
		}()
	}
	var patience patience
	for {
		before := sending.offset
		over, err := sending.step(ctx, &done)
		switch {
		case over:
			return done, nil
		case err == nil:
			if sending.offset > before {
				patience.failed = 0
			}
			continue
		case ctx.Err() != nil:
			return done, context.Cause(ctx)
		}
		pause, goOn := patience.after(err)
		if !goOn {
			return done, err
		}
		if Absent(err) && c.options.Launch != nil {
			if err := c.options.Launch.start(ctx, c); err == nil {
				continue
			}
		}
		u.waiting(err, pause)
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
