package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// texts is how many texts the store has.
func (s *served) texts() int {
	s.t.Helper()
	list, err := s.store.Transcripts(s.t.Context(), store.Filter{}, store.Page{})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(list.Data)
}

func TestARequestWithAKeyIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serveIn(t, dir)
	key := []string{v1.HeaderIdempotency, "my key / 1"}
	first, body := s.do("POST", "/api/v1/transcripts", kept, key...)
	if first.StatusCode != 201 || first.Header.Get(v1.HeaderReplayed) != "" {
		t.Fatalf("%d %v %s", first.StatusCode, first.Header, body)
	}
	again := func(s *served, situation string) {
		t.Helper()
		response, same := s.do("POST", "/api/v1/transcripts", kept, key...)
		if response.StatusCode != 201 || same != body || response.Header.Get(v1.HeaderReplayed) != "true" || response.Header.Get("Content-Type") != first.Header.Get("Content-Type") {
			t.Errorf("%s: %d %v %s, want %s", situation, response.StatusCode, response.Header, same, body)
		}
		if s.texts() != 1 {
			t.Errorf("%s: %d texts, want one", situation, s.texts())
		}
	}
	again(s, "at once")
	s.do("DELETE", "/api/v1/transcripts/none", "") // something else in between
	s.close()
	s = serveIn(t, dir)
	again(s, "after a restart")

	for situation, request := range map[string][2]string{
		"another body": {"/api/v1/transcripts", strings.Replace(kept, "talk", "tale", 1)},
		"another path": {"/api/v1/recorder/stop", ""},
	} {
		response, answer := s.do("POST", request[0], request[1], key...)
		if response.StatusCode != 422 || response.Header.Get("X-Scout-Code") != string(scout.CodeIdempotencyKey) {
			t.Errorf("%s: %d %s", situation, response.StatusCode, answer)
		}
	}
	if response, _ := s.do("POST", "/api/v1/transcripts", kept); response.StatusCode != 201 || s.texts() != 2 {
		t.Errorf("without a key: %d, %d texts", response.StatusCode, s.texts())
	}
	// What was purged does not come back with an answer.
	var text v1.TranscriptSummary
	if err := json.Unmarshal([]byte(body), &text); err != nil {
		t.Fatal(err)
	}
	if err := s.store.Purge(t.Context(), text.Recording); err != nil {
		t.Fatal(err)
	}
	if response, answer := s.do("POST", "/api/v1/transcripts", kept, key...); response.Header.Get(v1.HeaderReplayed) != "" || strings.Contains(answer, text.ID) {
		t.Errorf("after a purge: %d %s", response.StatusCode, answer)
	}
}

func TestTheSameRequestAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const clients = 20
	answers := make([]string, clients)
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { // ends with its answer
			response, body := s.do("POST", "/api/v1/transcripts", kept, v1.HeaderIdempotency, "k")
			answers[i] = fmt.Sprint(response.StatusCode, body)
		})
	}
	all.Wait()
	for _, a := range answers {
		if a != answers[0] || !strings.HasPrefix(a, "201") {
			t.Errorf("%s, and another client got %s", a, answers[0])
		}
	}
	if s.texts() != 1 {
		t.Errorf("%d texts, want one", s.texts())
	}
}

func TestAKeyOnARequestThatFails(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.recorder.fail = scout.Errorf(scout.CodeNoDevice, "there is no microphone")
	key := []string{v1.HeaderIdempotency, "k"}
	if response, body := s.do("POST", "/api/v1/recorder/start", "{}", key...); response.StatusCode != 503 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	s.recorder.mu.Lock()
	s.recorder.fail = nil
	s.recorder.mu.Unlock()
	first, body := s.do("POST", "/api/v1/recorder/start", "{}", key...)
	if first.StatusCode != http.StatusCreated {
		t.Fatalf("a failure was kept: %d %s", first.StatusCode, body)
	}
	s.do("POST", "/api/v1/recorder/stop", "")
	if response, same := s.do("POST", "/api/v1/recorder/start", "{}", key...); response.StatusCode != 201 || same != body || s.recorder.starts != 1 {
		t.Errorf("%d %s after %d starts, want the answer of the first", response.StatusCode, same, s.recorder.starts)
	}
	for situation, value := range map[string]string{"empty": "", "too long": strings.Repeat("x", 256), "not printable": "a\tb", "not ASCII": "é"} {
		if response, body := s.do("POST", "/api/v1/recorder/stop", "", v1.HeaderIdempotency, value); response.StatusCode != 422 || !strings.Contains(body, "header.Idempotency-Key") {
			t.Errorf("%s: %d %s", situation, response.StatusCode, body)
		}
	}
}
