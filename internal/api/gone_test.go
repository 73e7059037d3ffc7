package api_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// answeredWith are the statuses that were counted for a route; empty while it has no answer.
func (s *served) answeredWith(route string) string {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	var statuses []string
	for _, f := range families {
		if f.GetName() != "scout_http_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			of := make(map[string]string)
			for _, l := range m.GetLabel() {
				of[l.GetName()] = l.GetValue()
			}
			if of["route"] == route {
				statuses = append(statuses, of["status"])
			}
		}
	}
	return strings.Join(statuses, " ")
}

// A client that goes in the middle of an answer did not get it, whatever its headers said. It is no failure where the answer has no end.
func TestAClientThatGoesInMidAnswerIsCounted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	writer := s.begin(exampleID) // it does not end by itself
	defer func() {
		if _, err := writer.Finish(recording.End{At: writer.StartedAt().Add(250 * time.Millisecond), Reason: recording.EndStopped}); err != nil {
			t.Error(err)
		}
	}()
	s.waits(store.JobQueued)
	for route, c := range map[string]struct{ path, want string }{
		"/api/v1/jobs/{id}/events":      {"/api/v1/jobs/" + exampleJob + "/events", "499"},
		"/api/v1/recordings/{id}/audio": {"/api/v1/recordings/" + string(exampleID) + "/audio?follow=true", "499"},
		"/api/v1/events":                {"/api/v1/events", "200"},
		"/api/v1/recorder/level/stream": {"/api/v1/recorder/level/stream", "200"},
	} {
		ctx, leave := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://scout"+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := s.client.Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response, err)
		}
		if _, err := bufio.NewReader(response.Body).ReadByte(); err != nil {
			t.Error(err)
		}
		leave()
		_ = response.Body.Close() // it was left
		for s.answeredWith(route) == "" {
			time.Sleep(time.Millisecond) // nothing announces it
		}
		if got := s.answeredWith(route); got != c.want {
			t.Errorf("%s: %s, want %s", route, got, c.want)
		}
	}
	if response, body := s.do("GET", "/api/v1/version", ""); response.StatusCode != http.StatusOK {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	if got := s.answeredWith("/api/v1/version"); got != "200" {
		t.Errorf("an answer that was read: %s", got)
	}
}
