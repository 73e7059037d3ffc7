package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/retention"
)

// hurried has a server wait no longer than these times.
func hurried(times api.Times) func(*served) { return func(s *served) { s.times = times } }

// A client that stops in the middle of a body gets an answer that says so, whoever reads the body, and the connection ends.
func TestABodyThatStalls(t *testing.T) {
	t.Parallel()
	overBoth(t, aBodyThatStalls)
}

func aBodyThatStalls(t *testing.T, serve opener) {
	const beginning = "1\r\n{" // of the chunks, or the first bytes
	for situation, headers := range map[string]string{
		"a length that lies":                "Content-Length: 100\r\n",
		"chunks":                            "Transfer-Encoding: chunked\r\n",
		"a length that lies, and a key":     "Content-Length: 100\r\nIdempotency-Key: a\r\n",
		"a length that lies, and a promise": "Content-Length: 100\r\nExpect: 100-continue\r\n",
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, hurried(api.Times{Body: 50 * time.Millisecond}))
			r := bufio.NewReader(s.raw(t, "POST /api/v1/recorder/start HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\n"+headers+"\r\n"+beginning))
			response, body := reads(t, r, "POST")
			if response.StatusCode == http.StatusContinue {
				response, body = reads(t, r, "POST")
			}
			if response.StatusCode != http.StatusRequestTimeout || response.Header.Get(v1.HeaderCode) != string(scout.CodeRequestTimeout) {
				t.Errorf("%d %s", response.StatusCode, body)
			}
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Errorf("the connection goes on: %q, %v", rest, err)
			}
		})
	}
}

// What is refused is refused at once: nobody waits for a body that is not going to be read.
func TestARefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	overBoth(t, aRefusalDoesNotWaitForTheBody)
}

func aRefusalDoesNotWaitForTheBody(t *testing.T, serve opener) {
	s := serve(t, hurried(api.Times{Body: time.Hour}))
	for _, headers := range []string{"Content-Length: 10000000\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 10\r\n"} {
		r := bufio.NewReader(s.raw(t, "POST /api/v1/nothing?%zz HTTP/1.1\r\nHost: s\r\n"+headers+"\r\n"))
		if response, body := reads(t, r, "POST"); response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s%d %s", headers, response.StatusCode, body)
		}
		r = bufio.NewReader(s.raw(t, "POST /api/v1/nothing HTTP/1.1\r\nHost: s\r\n"+headers+"\r\n"))
		if response, body := reads(t, r, "POST"); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s%d %s", headers, response.StatusCode, body)
		}
	}
}

// The time for a body is no time for the answer: a request that takes longer is carried out.
func TestAnAnswerMayTakeLongerThanTheBody(t *testing.T) {
	t.Parallel()
	overBoth(t, anAnswerMayTakeLongerThanTheBody)
}

func anAnswerMayTakeLongerThanTheBody(t *testing.T, serve opener) {
	const within = 250 * time.Millisecond // a busy machine is late for less
	const head = " HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\n"
	for situation, text := range map[string]string{
		"no body": "POST /api/v1/health/check" + head + "\r\n",
		"a body":  "POST /api/v1/recordings/prune" + head + "Content-Length: 2\r\n\r\n{}",
		"a key":   "POST /api/v1/recordings/prune" + head + "Idempotency-Key: a\r\nContent-Length: 2\r\n\r\n{}",
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, hurried(api.Times{Body: within}), func(s *served) {
				s.services.Retention = slowly{s.services.Retention, 2 * within}
				s.services.Health = func(ctx context.Context, _ bool) health.Report {
					if waits(ctx, 2*within) != nil {
						return health.Report{Status: health.Unhealthy}
					}
					return health.Report{Status: health.Healthy}
				}
			})
			if response, body := reads(t, bufio.NewReader(s.raw(t, text)), "POST"); response.StatusCode != 200 {
				t.Errorf("%d %s", response.StatusCode, body)
			}
		})
	}
}

// slowly is a Retention that takes its time.
type slowly struct {
	api.Retention
	takes time.Duration
}

// Sweep implements api.Retention.
func (s slowly) Sweep(ctx context.Context) (retention.Swept, error) {
	return retention.Swept{}, waits(ctx, s.takes)
}

// waits fails if the request ends before that.
func waits(ctx context.Context, long time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(long):
		return nil
	}
}

// A client that reads nothing is cut off, and costs only itself.
func TestAReaderThatIsDead(t *testing.T) {
	t.Parallel()
	overBoth(t, aReaderThatIsDead)
}

func aReaderThatIsDead(t *testing.T, serve opener) {
	s := serve(t, hurried(api.Times{Write: 500 * time.Millisecond}))
	const request = "GET /openapi.json HTTP/1.1\r\nHost: s\r\n\r\n"
	c := s.raw(t, "")
	for sent := 0; ; sent++ { // until the server has hung up: it does not read on while its answers are not read
		if _, err := io.WriteString(c, request); err != nil {
			break
		}
		if sent > 1_000_000 {
			t.Fatal("the server takes requests for ever")
		}
	}
	if response, body := s.do("GET", "/api/v1/version", ""); response.StatusCode != 200 {
		t.Errorf("the next client: %d %s", response.StatusCode, body)
	}
}

// A deadline is that of one write: an answer without a body comes also where the one before it was written long ago.
func TestAnAnswerWithoutABodyAfterAPause(t *testing.T) {
	t.Parallel()
	overBoth(t, anAnswerWithoutABodyAfterAPause)
}

func anAnswerWithoutABodyAfterAPause(t *testing.T, serve opener) {
	const within = 250 * time.Millisecond // a busy machine is late for less
	s := serve(t, hurried(api.Times{Write: within}))
	s.record(exampleID)
	c := s.raw(t, "GET /api/v1/version HTTP/1.1\r\nHost: s\r\n\r\n")
	r := bufio.NewReader(c)
	reads(t, r, "GET")
	time.Sleep(2 * within) // the pause is what is tested
	if _, err := io.WriteString(c, s.asOwner(fmt.Sprintf("DELETE /api/v1/recordings/%s?purge=true HTTP/1.1\r\nHost: s\r\n\r\n", exampleID))); err != nil {
		t.Fatal(err)
	}
	if response, body := reads(t, r, "DELETE"); response.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// A reader that is slow gets all of a large answer: what counts is that it reads at all.
func TestAReaderThatIsSlow(t *testing.T) {
	t.Parallel()
	overBoth(t, aReaderThatIsSlow)
}

func aReaderThatIsSlow(t *testing.T, serve opener) {
	const within = 2 * time.Second
	s := serve(t, hurried(api.Times{Write: within}), func(s *served) {
		s.services.Health = func(context.Context, bool) health.Report {
			return health.Report{Status: health.Healthy, Reasons: []string{strings.Repeat("x", 4<<20)}}
		}
	})
	r := bufio.NewReader(s.raw(t, "GET /api/v1/health HTTP/1.1\r\nHost: s\r\n\r\n"))
	response, err := http.ReadResponse(r, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is over
	buffer := make([]byte, 256<<10)
	total := 0
	for err == nil {
		var n int
		n, err = io.ReadFull(response.Body, buffer)
		total += n
		time.Sleep(within / 8) // that slow, and altogether longer than one write may take
	}
	if err != io.ErrUnexpectedEOF && err != io.EOF || total < 4<<20 { //nolint:errorlint // as io.ReadFull returns it
		t.Errorf("%d bytes, %v", total, err)
	}
}
