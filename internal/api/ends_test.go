package api_test

import (
	"bufio"
	"net/http"
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
