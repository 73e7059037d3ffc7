package client_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// maker is a daemon that makes the text of one file.
type maker struct {
	full    int        // how many requests it refuses because it has too much to do
	refuses scout.Code // of every byte of a file; empty for none
	job     string     // what it says of the job
	client  bool       // the key is not an owner's

	mu      sync.Mutex
	removed []string
}

// ServeHTTP implements http.Handler.
func (m *maker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fail := func(status int, code scout.Code) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"not now","retryable":true}}`, code) // the client may be gone
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	switch {
	case path == "/version":
		_, _ = fmt.Fprintf(w, `{"version":"test","api":%d}`, v1.Version)
	case m.full > 0:
		m.full--
		fail(http.StatusTooManyRequests, scout.CodeQueueFull)
	case r.Method == http.MethodDelete && m.client && strings.HasSuffix(r.URL.RequestURI(), "purge=true"):
		fail(http.StatusForbidden, scout.CodePermissionDenied)
	case r.Method == http.MethodDelete:
		m.removed = append(m.removed, r.URL.RequestURI())
		w.WriteHeader(http.StatusNoContent)
	case path == "/uploads":
		w.Header().Set("Location", "/api/v1/uploads/upl_1")
		w.Header().Set("Upload-Offset", "0")
		w.WriteHeader(http.StatusCreated)
	case path == "/uploads/upl_1" && m.refuses != "" && r.Method == http.MethodPatch:
		fail(v1.StatusOf(m.refuses), m.refuses)
	case path == "/uploads/upl_1":
		sent, _ := io.Copy(io.Discard, r.Body) // the client may be gone
		w.Header().Set("Upload-Offset", fmt.Sprint(sent))
		if r.Method == http.MethodPatch {
			w.Header().Set(v1.HeaderRecording, "rec")
			w.Header().Set(v1.HeaderJob, "job_1")
		}
	case strings.HasSuffix(path, "/events"):
		fail(http.StatusTooManyRequests, scout.CodeRateLimit)
	case path == "/jobs/job_1":
		_, _ = io.WriteString(w, m.job)
	case path == "/transcripts/rec" && r.URL.Query().Get("version") == "3":
		_, _ = io.WriteString(w, `{"model":"m","duration":1.5,"text":"Hello.","segments":[{"start":0.25,"end":1,"text":"Hello."}]}`)
	default:
		fail(http.StatusNotFound, scout.CodeNotFound)
	}
}

func TestATextIsMadeByADaemon(t *testing.T) {
	t.Parallel()
	const made = `{"id":"job_1","state":"succeeded","result":{"recording_id":"rec","version":3}}`
	const dead = `{"id":"job_1","state":"dead","error":{"code":"audio_unsupported","message":"decode recording rec: no audio"}}`
	gone := []string{"/api/v1/recordings/rec?purge=true"}
	for situation, c := range map[string]struct {
		maker   *maker
		keep    bool
		code    scout.Code
		removed []string
	}{
		"it is made":                       {&maker{job: made}, false, "", gone},
		"it is made for a client":          {&maker{job: made, client: true}, false, "", []string{"/api/v1/recordings/rec?audio=only", "/api/v1/recordings/rec"}},
		"it is kept":                       {&maker{job: made}, true, "", nil},
		"there is too much to do at first": {&maker{job: made, full: 20}, false, "", gone},
		"it is no audio":                   {&maker{job: dead}, false, scout.CodeAudioUnsupported, gone},
		"the job was cancelled":            {&maker{job: `{"id":"job_1","state":"cancelled"}`}, false, scout.CodeConflict, gone},
		"the file is too large":            {&maker{refuses: scout.CodeRequestTooLarge}, false, scout.CodeRequestTooLarge, []string{"/api/v1/uploads/upl_1"}},
		"the disk is full":                 {&maker{refuses: scout.CodeDiskLow}, false, scout.CodeDiskLow, []string{"/api/v1/uploads/upl_1"}},
		"it refuses for ever":              {&maker{refuses: scout.CodeUploadLocked}, false, scout.CodeUploadLocked, []string{"/api/v1/uploads/upl_1"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.maker)
			defer server.Close()
			daemon, err := client.Connect(t.Context(), client.Options{Server: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer daemon.Close()
			waited, full := 0, c.maker.full
			content := bytes.Repeat([]byte("a"), 1000)
			text, id, err := daemon.Transcribe(t.Context(), client.Asked{
				Upload: client.Upload{File: bytes.NewReader(content), Size: int64(len(content)), Waiting: func(error, time.Duration) { waited++ }}, Keep: c.keep,
			})
			if scout.CodeOf(err) != c.code || waited < full || err != nil && strings.Contains(err.Error(), "recording rec") {
				t.Errorf("%v (%s), after %d pauses", err, scout.CodeOf(err), waited)
			}
			if err == nil && (id != "rec" || text.Text() != "Hello." || text.Duration != 1500*time.Millisecond || text.Segments[0].Start != 250*time.Millisecond) {
				t.Errorf("%s: %+v", id, text)
			}
			if !slices.Equal(c.maker.removed, c.removed) {
				t.Errorf("removed %q, want %q", c.maker.removed, c.removed)
			}
		})
	}
}
