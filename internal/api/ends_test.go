package api_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Who comes over the network leaves the owner's commands their streams.
func TestStreamsOfTheNetworkLeaveRoomForTheSocket(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	for n := range 257 {
		r := bufio.NewReader(s.raw(t, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n"))
		response, err := http.ReadResponse(r, nil) //nolint:bodyclose // it ends with its connection
		if err != nil {
			t.Fatal(err)
		}
		if (response.StatusCode == http.StatusOK) != (n < 256) || n == 256 && response.Header.Get(v1.HeaderCode) != string(scout.CodeRateLimit) {
			t.Fatalf("stream %d: %d", n, response.StatusCode)
		}
	}
	response, err := s.client.Get("http://scout/api/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is over
	if response.StatusCode != http.StatusOK || s.server.Streams() != 257 {
		t.Errorf("the owner: %d; %d streams", response.StatusCode, s.server.Streams())
	}
}

// A job is found where its Location says, also by whoever sends the same request again another way.
func TestTheLocationOfAJob(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.BasePath = "/scout" })
	s.record(exampleID)
	const ask = `{"kind":"transcribe","recording_id":"` + string(exampleID) + `"}`
	response, body := s.ask("POST", "/scout/api/v1/jobs", ask, append(bearer(s.key), "Idempotency-Key", "a")...)
	at := response.Header.Get("Location")
	if response.StatusCode != http.StatusAccepted || !strings.HasPrefix(at, "/scout/api/v1/jobs/") {
		t.Fatalf("%d %q %s", response.StatusCode, at, body)
	}
	if response, body := s.ask("GET", at, "", bearer(s.key)...); response.StatusCode != 200 {
		t.Errorf("there: %d %s", response.StatusCode, body)
	}
	if response, _ := s.ask("POST", "/scout/api/v1/jobs", ask, append(bearer(s.key), "Idempotency-Key", "a")...); response.Header.Get("Location") != at {
		t.Errorf("again: %v", response.Header)
	}
	if response, _ := s.do("POST", "/api/v1/jobs", ask); response.Header.Get("Location") != strings.TrimPrefix(at, "/scout") {
		t.Errorf("by the socket: %v", response.Header)
	}
}
