package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// clientOperations are those that clients may call. Everything else is the owner's, or needs no key.
const clientOperations = `
DELETE /api/v1/jobs/{id}
DELETE /api/v1/recordings/{id}
DELETE /api/v1/transcripts/{id}
DELETE /api/v1/uploads/{id}
GET /api/v1/events
GET /api/v1/health
GET /api/v1/jobs
GET /api/v1/jobs/{id}
GET /api/v1/jobs/{id}/events
GET /api/v1/jobs/{id}/export
GET /api/v1/live
GET /api/v1/live/{id}/events
GET /api/v1/models
GET /api/v1/models/{id}
GET /api/v1/recordings
GET /api/v1/recordings/{id}
GET /api/v1/recordings/{id}/audio
GET /api/v1/recordings/{id}/export
GET /api/v1/recordings/{id}/peaks
GET /api/v1/tags
GET /api/v1/transcripts
GET /api/v1/transcripts/{id}
GET /api/v1/transcripts/{id}/versions
GET /api/v1/uploads
GET /api/v1/version
GET /metrics
HEAD /api/v1/uploads/{id}
OPTIONS /api/v1/uploads
PATCH /api/v1/jobs/{id}
PATCH /api/v1/recordings/{id}
PATCH /api/v1/transcripts/{id}
PATCH /api/v1/uploads/{id}
POST /api/v1/jobs
POST /api/v1/jobs/{id}/cancel
POST /api/v1/jobs/{id}/pause
POST /api/v1/jobs/{id}/resume
POST /api/v1/jobs/{id}/retry
POST /api/v1/recordings/{id}/restore
POST /api/v1/recordings/{id}/transcribe
POST /api/v1/recordings/{id}/verify
POST /api/v1/session
POST /api/v1/transcripts/{id}/restore
POST /api/v1/transcripts/{id}/versions/{version}/restore
POST /api/v1/uploads
GET /v1/models
GET /v1/models/{id...}
GET /v1/realtime
POST /v1/audio/transcriptions
POST /v1/audio/translations
POST /v1/realtime/client_secrets
POST /v1/realtime/sessions
POST /v1/realtime/transcription_sessions
`

// openOperations need no key.
const openOperations = `
DELETE /api/v1/session
GET /assets/docs.css
GET /assets/docs.js
GET /docs
GET /healthz
GET /livez
GET /open/{link}
GET /readyz
`

// Every operation of the mux is in the document with the role that may call it, and is refused to others.
func TestEveryOperationHasARole(t *testing.T) {
	t.Parallel()
	s := serve(t, exemplary, networked, func(s *served) { s.network.KeysAlways = true })
	client := s.addKey("key_client", "client", 0)
	_, body := s.do("GET", "/openapi.json", "")
	var document struct {
		Paths map[string]map[string]struct {
			Role string `json:"x-scout-role"`
		}
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, pattern := range s.server.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if strings.HasPrefix(path, "/openapi") {
			continue // the document itself
		}
		seen++
		want := "owner"
		if strings.Contains(clientOperations, "\n"+pattern+"\n") {
			want = "client"
		} else if strings.Contains(openOperations, "\n"+pattern+"\n") {
			want = "none"
		}
		path = strings.Replace(path, "...}", "}", 1) // its parameter may contain slashes
		if role := document.Paths[path][strings.ToLower(method)].Role; role != want {
			t.Errorf("%s has the role %q in the document, want %q", pattern, role, want)
		}
		target := strings.NewReplacer("{id}", string(exampleID), "{version}", "1").Replace(path)
		if response, body := s.ask(method, target, ""); (response.StatusCode == http.StatusUnauthorized) == (want == "none") {
			t.Errorf("%s without a key: %d %s", pattern, response.StatusCode, body)
		}
		if want == "client" && path == "/api/v1/events" {
			continue // it does not end
		}
		response, body := s.ask(method, target, "", bearer(client)...)
		if denied := response.Header.Get(v1.HeaderCode) == string(scout.CodePermissionDenied); denied != (want == "owner") {
			t.Errorf("%s by a client: %d %s", pattern, response.StatusCode, body)
		}
	}
	if seen < 40 {
		t.Errorf("only %d operations: the test no longer sees them", seen)
	}
}

// What others made is not there for a client: it cannot be read, listed, changed or heard of.
func TestOthersThingsAreNotThere(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	client, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	mine, owners := string(exampleID), "20261128T220000123Z-7f3a9c2e41d1"
	for id, whose := range map[string]string{mine: "key_a", owners: ""} {
		s.record(recording.ID(id))
		err := s.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.PutRecording(store.Recording{ID: id, Source: store.SourceUpload, State: "finished", Client: whose, StartedAt: time.Date(2026, 11, 28, 21, 59, 0, 0, time.UTC), Audio: store.AudioPresent})
			if err == nil {
				_, err = tx.PutTranscript(store.Put{Key: store.MainKey(id), Kind: store.KindFirst, Transcript: scout.Transcript{Model: "m", Segments: []scout.Segment{{Text: "a secret budget"}}}})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []string{"/api/v1/recordings", "/api/v1/transcripts", "/api/v1/transcripts?q=budget", "/api/v1/recordings?id=2026"} {
		for key, want := range map[string][]string{s.key: {mine, owners}, client: {mine}, other: nil, "none": nil} {
			_, body := s.ask("GET", list, "", bearer(key)...)
			var page v1.Page[struct{ ID, Path string }]
			if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Data) != len(want) {
				t.Errorf("%s with %s: %s, %v; want %v", list, key, body, err, want)
			}
			for _, one := range page.Data {
				if !strings.Contains(fmt.Sprint(want), one.ID) || key != s.key && one.Path != "" {
					t.Errorf("%s with %s: %+v", list, key, one)
				}
			}
		}
	}
	for _, request := range strings.Split(strings.TrimSpace(clientOperations), "\n") {
		method, path, _ := strings.Cut(request, " ")
		if !strings.Contains(path, "{id}") {
			continue
		}
		body := ""
		if method == "PATCH" {
			body = `{"title":"mine now"}`
		}
		for _, id := range []string{owners, owners[:10], owners + ".mix.translate", "..", "%2e%2e%2f" + owners} {
			if id == ".." && strings.HasSuffix(path, "/events") {
				continue // that is the stream of events, which does not end
			}
			target := strings.NewReplacer("{id}", id, "{version}", "1").Replace(path) + map[bool]string{true: "?format=txt"}[strings.HasSuffix(path, "/export")]
			for _, key := range []string{client, other} {
				response, said := s.ask(method, target, body, bearer(key)...)
				if response.StatusCode != 404 && response.StatusCode != 405 || strings.Contains(said, "budget") {
					t.Errorf("%s %s: %d %s", method, target, response.StatusCode, said)
				}
			}
		}
	}
	if response, body := s.ask("GET", "/api/v1/transcripts/"+mine, "", bearer(client)...); response.StatusCode != 200 || !strings.Contains(body, "budget") {
		t.Errorf("its own: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("GET", "/api/v1/transcripts/"+mine[len(mine)-8:], "", bearer(client)...); response.StatusCode != 404 {
		t.Errorf("its own by a part of the id, which is for owners: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("DELETE", "/api/v1/recordings/"+mine+"?purge=true", "", bearer(client)...); response.StatusCode != http.StatusForbidden {
		t.Errorf("a purge by a client: %d %s", response.StatusCode, body)
	}
	if r, err := s.store.Recording(t.Context(), owners); err != nil || r.Title != "" || !r.DeletedAt.IsZero() {
		t.Errorf("the owner's recording: %+v, %v", r, err)
	}
	// Events, too: the first that comes is about its own.
	c := s.rawAs(t, client, "GET /api/v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.history.Note(t.Context(), "settings.changed", "", nil)
	if err := s.store.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Delete(mine); return err }); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, owners) || strings.Contains(line, "settings.changed") {
			t.Errorf("it hears of others: %s", line)
		}
		if strings.Contains(line, "recording.deleted") {
			break
		}
	}
}
