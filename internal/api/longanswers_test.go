package api_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// One client leaves the others their streams, and what ends makes room.
func TestStreamsOfEachClient(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.Streams, s.network.StreamsPerClient = 5, 2 })
	s.record(exampleID)
	owner := s.addKey("key_a", "owner", 0)
	named := func(name string) string { return "X-Scout-Client: " + name }
	open := func(path, header string) (*http.Response, io.Closer) {
		t.Helper()
		c := s.raw(t, "GET /api/v1"+path+" HTTP/1.1\r\nHost: localhost\r\n"+header+"\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return response, c
	}
	stored := "/recordings/" + string(exampleID) + "/audio"
	following := stored + "?follow=true"
	for situation, c := range []struct {
		path, header string
		status       int
		problem      string
	}{
		{"/events", named("a"), 200, ""},
		{"/events?topics=job", named("a"), 200, ""},
		{"/events", named("a"), 429, "2 streams of this client"},
		{"/events", named("b"), 200, ""},
		{"/recorder/level/stream", "Authorization: Bearer " + owner, 200, ""},
		{"/events", "Authorization: Bearer " + owner, 200, ""},
		{following, "Authorization: Bearer " + owner, 429, "2 streams of this client"},
		{stored, "Authorization: Bearer " + owner, 200, ""}, // it ends by itself
		{"/events", named("b"), 429, "5 streams are open"},
	} {
		response, _ := open(c.path, c.header) //nolint:bodyclose // it ends with its connection
		if response.StatusCode != c.status {
			t.Fatalf("%d: %d, want %d", situation, response.StatusCode, c.status)
		}
		if c.status == 429 {
			body, _ := io.ReadAll(response.Body)
			if response.Header.Get(v1.HeaderCode) != string(scout.CodeRateLimit) || response.Header.Get("Retry-After") == "" || !strings.Contains(string(body), c.problem) {
				t.Errorf("%d: %v %s", situation, response.Header, body)
			}
		}
	}
	if s.server.Streams() != 5 {
		t.Errorf("%d streams", s.server.Streams())
	}
	response, body := s.do("GET", "/api/v1/status", "")
	if !strings.Contains(body, `"streams":5,"streams_per_client":2`) {
		t.Errorf("%d %s", response.StatusCode, body)
	}
	s.do("DELETE", "/api/v1/keys/key_a", "") // its streams end
	for {
		if response, c := open("/events", named("b")); response.StatusCode == 200 { //nolint:bodyclose // it ends with its connection
			break
		} else if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
