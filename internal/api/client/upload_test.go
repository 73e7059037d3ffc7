package client_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// receiver takes one upload, and breaks the connection while bytes come.
type receiver struct {
	breaks int // how often

	mu       sync.Mutex
	got      []byte
	length   int
	refusals int // requests that are refused for now
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := w.Header()
	if request.URL.Path == "/api/v1/version" {
		_, _ = fmt.Fprintf(w, `{"version":"test","api":%d}`, v1.Version) // the client may be gone
		return
	}
	if r.refusals > 0 {
		r.refusals--
		h.Set(v1.HeaderCode, string(scout.CodeUploadLocked))
		w.WriteHeader(http.StatusLocked)
		if request.Method != http.MethodHead {
			_, _ = w.Write([]byte(`{"error":{"code":"upload_locked","message":"another request writes it","retryable":true}}`))
		}
		return
	}
	status := http.StatusOK
	switch request.Method {
	case http.MethodPost:
		r.length, _ = strconv.Atoi(request.Header.Get("Upload-Length"))
		h.Set("Location", "/api/v1/uploads/upl_1")
		status = http.StatusCreated
	case http.MethodPatch:
		status = http.StatusNoContent
		if request.Header.Get("Upload-Offset") != strconv.Itoa(len(r.got)) {
			panic("the client sends what is there, or leaves something out")
		}
		if r.breaks > 0 {
			r.breaks--
			part, _ := io.ReadAll(io.LimitReader(request.Body, int64(rand.N(40_000))))
			r.got = append(r.got, part...)
			panic(http.ErrAbortHandler)
		}
		rest, err := io.ReadAll(request.Body)
		if err != nil {
			panic(err)
		}
		r.got = append(r.got, rest...)
	}
	h.Set("Upload-Offset", strconv.Itoa(len(r.got)))
	if len(r.got) == r.length {
		h.Set(v1.HeaderRecording, "rec")
		h.Set(v1.HeaderJob, "job_1")
	}
	w.WriteHeader(status)
}

func TestAnUploadGoesOnWhereItsConnectionBroke(t *testing.T) {
	t.Parallel()
	file := bytes.Repeat([]byte("speech"), 50_000)
	for situation, r := range map[string]*receiver{
		"in one piece":       {},
		"in many":            {breaks: 3},
		"refused for a time": {breaks: 1, refusals: 2},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(r)
			defer server.Close()
			c, err := client.Connect(t.Context(), client.Options{Server: server.URL, Name: "test", Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var mu sync.Mutex
			most := int64(0)
			done, err := c.Send(t.Context(), client.Upload{
				File: bytes.NewReader(file), Size: int64(len(file)), Once: "once", Fields: map[string]string{"filename": "talk.wav"},
				Progress: func(sent int64) {
					mu.Lock()
					defer mu.Unlock()
					most = max(most, sent)
				},
			})
			if err != nil || done.Recording != "rec" || done.Job != "job_1" || done.Already {
				t.Fatalf("%+v, %v", done, err)
			}
			if !bytes.Equal(r.got, file) || most != int64(len(file)) {
				t.Errorf("%d bytes arrived and %d were told, want %d", len(r.got), most, len(file))
			}
		})
	}
}

// What cannot succeed is not tried again, and neither is what nobody wants any more.
func TestAnUploadThatIsRefused(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = fmt.Fprintf(w, `{"version":"test","api":%d}`, v1.Version) // the client may be gone
			return
		}
		asked++
		w.Header().Set(v1.HeaderCode, string(scout.CodeRequestTooLarge))
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = w.Write([]byte(`{"error":{"code":"request_too_large","message":"the file is larger than 3 bytes"}}`))
	}))
	defer server.Close()
	c, err := client.Connect(t.Context(), client.Options{Server: server.URL, Name: "test", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	upload := client.Upload{File: bytes.NewReader([]byte("abcd")), Size: 4, Once: "once"}
	if _, err := c.Send(t.Context(), upload); scout.CodeOf(err) != scout.CodeRequestTooLarge || asked != 1 {
		t.Errorf("%v after %d requests", err, asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Send(ctx, upload); err == nil || asked != 1 {
		t.Errorf("%v after %d requests", err, asked)
	}
}
