package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
)

// answer is a response whose body was read.
type answer struct {
	StatusCode int
	Header     http.Header
}

// do sends a request and returns the answer with its body.
func (s *served) do(method, path, body string, headers ...string) (answer, string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://scout"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(data)
}

func TestEveryErrorHasOneForm(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for situation, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               scout.Code
		message            string // part of it
	}{
		"a path that does not exist":          {"GET", "/api/v1/nothing", "", nil, 404, scout.CodeUnknownURL, "/api/v1/nothing"},
		"a path outside the interface":        {"GET", "/etc/passwd", "", nil, 404, scout.CodeUnknownURL, "/etc/passwd"},
		"a path that climbs":                  {"GET", "/api/v1/../../etc", "", nil, 404, scout.CodeUnknownURL, "/etc"},
		"a wrong method":                      {"DELETE", "/api/v1/version", "", nil, 405, scout.CodeMethodNotAllowed, "GET"},
		"a wrong method of a stream":          {"POST", "/api/v1/events", "{}", nil, 405, scout.CodeMethodNotAllowed, "GET"},
		"a query parameter that is unknown":   {"GET", "/api/v1/version?x=1", "", nil, 422, scout.CodeInvalidArgument, "x"},
		"a topic that does not exist":         {"GET", "/api/v1/events?topics=recordings", "", nil, 422, scout.CodeInvalidArgument, "recordings"},
		"one of a stream":                     {"GET", "/api/v1/events?x=1", "", nil, 422, scout.CodeInvalidArgument, "x"},
		"a state of recordings that none has": {"GET", "/api/v1/recordings?state=broken", "", nil, 422, scout.CodeInvalidArgument, "finished"},
		"the same for texts":                  {"GET", "/api/v1/transcripts?state=broken", "", nil, 422, scout.CodeInvalidArgument, "finished"},
		"a source that does not exist":        {"GET", "/api/v1/recordings?source=radio", "", nil, 422, scout.CodeInvalidArgument, "upload"},
		"a state of jobs that none has":       {"GET", "/api/v1/jobs?state=broken", "", nil, 422, scout.CodeInvalidArgument, "retrying"},
		"a kind of jobs that does not exist":  {"GET", "/api/v1/jobs?kind=bake", "", nil, 422, scout.CodeInvalidArgument, "transcribe"},
		"a filter twice":                      {"GET", "/api/v1/recordings?source=upload&source=import", "", nil, 422, scout.CodeInvalidArgument, "source"},
		"a text twice":                        {"GET", "/api/v1/transcripts?q=a&q=b", "", nil, 422, scout.CodeInvalidArgument, "q is there 2 times"},
		"a parameter of a stream twice":       {"GET", "/api/v1/events?topics=job&topics=model", "", nil, 422, scout.CodeInvalidArgument, "topics"},
		"a time that is empty":                {"GET", "/api/v1/recordings?to=", "", nil, 422, scout.CodeInvalidArgument, "to"},
		"a number that is empty":              {"GET", "/api/v1/jobs?limit=", "", nil, 422, scout.CodeInvalidArgument, "limit"},
		"a number of a stream that is empty":  {"GET", "/api/v1/recorder/level/stream?hz=", "", nil, 422, scout.CodeInvalidArgument, "hz"},
		"a revision that no state can have":   {"GET", "/api/v1/transcriptions/none?revision=9223372036854775808", "", nil, 422, scout.CodeInvalidArgument, "revision"},
		"a body in gzip":                      {"POST", "/api/v1/jobs", "{}", []string{"Content-Encoding", "gzip"}, 415, scout.CodeMediaType, "Content-Encoding"},
		"a method that an id would take":      {"PATCH", "/api/v1/jobs/retry", "{}", nil, 405, scout.CodeMethodNotAllowed, "only POST"},
		"a position that is no number":        {"GET", "/api/v1/events", "", []string{"Last-Event-ID", "last"}, 422, scout.CodeInvalidArgument, "last"},
		"a body that is no JSON":              {"POST", "/api/v1/recorder/start", "{", nil, 400, scout.CodeInvalidArgument, ""},
		"a body of another type":              {"POST", "/api/v1/recorder/start", "a=b", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, scout.CodeMediaType, ""},
		"a field that is unknown":             {"POST", "/api/v1/recorder/start", `{"colour":"red"}`, nil, 422, scout.CodeInvalidArgument, "colour"},
		"a field of the wrong type":           {"POST", "/api/v1/recorder/start", `{"device":7}`, nil, 422, scout.CodeInvalidArgument, "device"},
		"a number outside its range":          {"POST", "/api/v1/recorder/start", `{"format":{"sample_rate":7}}`, nil, 422, scout.CodeInvalidArgument, "sample_rate"},
		"a word that is not allowed":          {"POST", "/api/v1/recorder/start", `{"on_loss":"panic"}`, nil, 422, scout.CodeInvalidArgument, "on_loss"},
		"an id that is none":                  {"POST", "/api/v1/recorder/start", `{"id":"../../x"}`, nil, 422, scout.CodeInvalidArgument, "../../x"},
		"a length beyond reason":              {"POST", "/api/v1/recorder/start", `{"max_duration_seconds":1e300}`, nil, 422, scout.CodeInvalidArgument, "1e+300"},
		"a body that is too long":             {"POST", "/api/v1/recorder/start", `{"title":"` + strings.Repeat("x", 2<<20) + `"}`, nil, 413, scout.CodeRequestTooLarge, ""},
		"a recording that does not exist":     {"POST", "/api/v1/recorder/stop", `{"id":"20261124T082146123Z-7f3a9c2e41d0"}`, nil, 404, scout.CodeRecordingNotFound, "20261124T082146123Z-7f3a9c2e41d0"},
		"a stop before anything was recorded": {"POST", "/api/v1/recorder/stop", "", nil, 404, scout.CodeRecordingNotFound, "nothing was recorded"},
		"a sound system that is not there":    {"GET", "/api/v1/devices", "", nil, 503, scout.CodeSoundServer, "nobody answers"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			response, body := s.do(c.method, c.path, c.body, c.headers...)
			var failure struct {
				Error map[string]any `json:"error"`
			}
			if err := json.Unmarshal([]byte(body), &failure); err != nil {
				t.Fatalf("%d %s: %v", response.StatusCode, body, err)
			}
			e := failure.Error
			if response.StatusCode != c.status || e["code"] != string(c.code) || response.Header.Get("X-Scout-Code") != string(c.code) {
				t.Errorf("status %d, code %v, header %q; want %d %s\n%s", response.StatusCode, e["code"], response.Header.Get("X-Scout-Code"), c.status, c.code, body)
			}
			for _, key := range []string{"message", "type", "param", "code", "retryable"} {
				if _, there := e[key]; !there {
					t.Errorf("no %s in %s", key, body)
				}
			}
			if text := fmt.Sprint(e["message"]); !strings.Contains(text, c.message) {
				t.Errorf("message %q: want it to name %q", text, c.message)
			}
			if got := response.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if id := response.Header.Get("X-Request-Id"); !strings.HasPrefix(id, "req_") || len(id) != 30 {
				t.Errorf("request id %q", id)
			}
			if again := c.status == http.StatusServiceUnavailable; again != (response.Header.Get("Retry-After") != "") {
				t.Errorf("Retry-After %q with status %d", response.Header.Get("Retry-After"), c.status)
			}
			if c.status == http.StatusMethodNotAllowed && response.Header.Get("Allow") == "" {
				t.Error("no header Allow")
			}
		})
	}
}

// Every code has a status, and what travels comes back as the same error.
func TestErrorsTravelWhole(t *testing.T) {
	t.Parallel()
	for _, code := range scout.Codes() {
		sent := scout.Errorf(code, "what happened; and why").WithHint("what helps")
		status, body := v1.ErrorOf(sent)
		if status < 400 || status > 599 {
			t.Errorf("%s: status %d", code, status)
		}
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		var received v1.ErrorBody
		if err := json.Unmarshal(data, &received); err != nil {
			t.Fatal(err)
		}
		got := received.Error.Err()
		if strings.Contains(body.Error.Message, body.Error.Hint) {
			t.Errorf("%s: the message %q repeats the hint", code, body.Error.Message)
		}
		if scout.CodeOf(got) != code || got.Error() != sent.Error() || scout.HintOf(got) != scout.HintOf(sent) {
			t.Errorf("%s: %q (%s, %q) came back", code, got, scout.CodeOf(got), scout.HintOf(got))
		}
	}
	if got := (v1.Error{Code: "of_the_future", Message: "x"}).Err(); scout.CodeOf(got) != scout.CodeInternal {
		t.Errorf("an unknown code became %s", scout.CodeOf(got))
	}
}

func TestPathsAreCleanedWithoutARedirect(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"/api/v1/version", "/api/v1/version/", "//api/v1//version", "/api/./v1/version", "/api/v1/x/../version"} {
		response, body := s.do("GET", path, "")
		var info v1.VersionInfo
		if err := json.Unmarshal([]byte(body), &info); err != nil || response.StatusCode != 200 || info.API != 1 || info.Version != "test" {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	for method, path := range map[string]string{ // a slash or points that are encoded are a part of the name
		"GET": "/api/v1/transcripts/%2F", "DELETE": "/api/v1/transcripts/%2F", "PATCH": "/api/v1/recordings/%2e%2e", "HEAD": "/api/v1/recordings/x%2F..%2F..%2Fversion",
	} {
		response, body := s.do(method, path, map[string]string{"PATCH": "{}"}[method])
		if code := response.Header.Get("X-Scout-Code"); !slices.Contains([]scout.Code{scout.CodeNotFound, scout.CodeRecordingNotFound, scout.CodeUnknownURL}, scout.Code(code)) {
			t.Errorf("%s %s: %d %s %s", method, path, response.StatusCode, code, body)
		}
	}
	if response, _ := s.do("GET", "/api/v1/version", "", "X-Request-Id", "mine-1"); response.Header.Get("X-Request-Id") != "mine-1" || response.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", response.Header)
	}
}

func TestHealthHasAStatus(t *testing.T) {
	t.Parallel()
	for status, want := range map[health.Status]int{health.Healthy: 200, health.Degraded: 200, health.Unhealthy: 503, health.Unknown: 503} {
		t.Run(string(status), func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			s.health = status
			for method, path := range map[string]string{"GET": "/api/v1/health", "POST": "/api/v1/health/check", "HEAD": "/healthz"} {
				if response, body := s.do(method, path, ""); response.StatusCode != want || method != "HEAD" && !strings.Contains(body, `"`+string(status)+`"`) {
					t.Errorf("%s: %d %s, want %d", path, response.StatusCode, body, want)
				}
			}
			if response, _ := s.do("GET", "/livez", ""); response.StatusCode != 200 {
				t.Errorf("livez %d", response.StatusCode)
			}
		})
	}
}

// Every type that the document names can be asked for.
func TestTopicsAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/formats/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(data), "\nTypes: ")
	list, _, ended := strings.Cut(list, "\n\n")
	if !found || !ended {
		t.Fatal("no list of types")
	}
	first := make(map[string]bool)
	for _, word := range regexp.MustCompile("`([a-z]+)\\.[a-z]+`").FindAllStringSubmatch(list, -1) {
		first[word[1]] = true
	}
	s := serve(t)
	for topic := range first {
		if response, _ := s.do("HEAD", "/api/v1/events?topics="+topic, ""); response.StatusCode != 200 {
			t.Errorf("%s: %d", topic, response.StatusCode)
		}
	}
	if len(first) < 10 {
		t.Errorf("only %d", len(first))
	}
}

// A reset is in no journal, and has the time at which it is sent.
func TestAResetHasATime(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := bufio.NewScanner(s.raw(t, "GET /api/v1/events?after=99999 HTTP/1.1\r\nHost: s\r\n\r\n"))
	for r.Scan() {
		data, found := strings.CutPrefix(r.Text(), "data: ")
		if !found {
			continue
		}
		var e v1.Event
		if err := json.Unmarshal([]byte(data), &e); err != nil || e.Type != "reset" || e.At.Year() < 2026 {
			t.Errorf("%s, %v", data, err)
		}
		return
	}
	t.Error("no event")
}

// read returns the next n events of a stream, each as "id type".
func read(t *testing.T, lines *bufio.Scanner, n int) []string {
	t.Helper()
	var got []string
	id := ""
	for len(got) < n && lines.Scan() {
		if after, found := strings.CutPrefix(lines.Text(), "id: "); found {
			id = after
		}
		if kind, found := strings.CutPrefix(lines.Text(), "event: "); found {
			got = append(got, id+" "+kind)
		}
	}
	return got
}

func TestEventsAreReplayedAndFollowed(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		query string
		last  string
		want  []string
	}{
		"from now on":                  {"", "", []string{"4 job.done"}},
		"after the header":             {"?after=3", "1", []string{"2 recording.gap", "3 recording.updated", "4 job.done"}},
		"after the parameter":          {"?after=2", "", []string{"3 recording.updated", "4 job.done"}},
		"everything":                   {"?after=0", "", []string{"1 recorder.state", "2 recording.gap", "3 recording.updated", "4 job.done"}},
		"some topics":                  {"?after=0&topics=recorder.state,job", "", []string{"1 recorder.state", "4 job.done"}},
		"a topic is no part of a word": {"?after=0&topics=transcript,job", "", []string{"4 job.done"}},
		"from another store's number":  {"?after=99999&topics=job", "", []string{"0 reset", "4 job.done"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			for _, kind := range []string{"recorder.state", "recording.gap", "recording.updated"} {
				s.history.Note(t.Context(), kind, "", nil)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://scout/api/v1/events"+c.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.last != "" {
				request.Header.Set("Last-Event-ID", c.last)
			}
			response, err := s.client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close() //nolint:errcheck // the test is over
			lines := bufio.NewScanner(response.Body)
			if !lines.Scan() || lines.Text() != ": ok" {
				t.Fatalf("the stream begins with %q", lines.Text())
			}
			s.history.Note(t.Context(), "job.done", "", map[string]string{"text": "a\nb"})
			if got := read(t, lines, len(c.want)); fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestAStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobQueued)
	var open []io.Reader
	for _, path := range []string{"/events", "/jobs/" + exampleJob + "/events"} {
		response, err := s.client.Get("http://scout/api/v1" + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() }) // the test is over
		open = append(open, response.Body)
	}
	if s.server.Streams() != len(open) {
		t.Errorf("%d streams", s.server.Streams())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Errorf("a stream held the end up: %v", err)
	}
	for _, r := range open {
		if rest, err := io.ReadAll(r); err != nil || !bytes.HasPrefix(rest, []byte(": ok")) {
			t.Errorf("the stream ended with %q, %v", rest, err)
		}
	}
}

// Clients that connect and say nothing keep nobody else from being answered, and those above the limit are sent away.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var silent []net.Conn
	defer func() {
		for _, c := range silent {
			_ = c.Close() // the test is over
		}
	}()
	for range 600 {
		c, err := net.Dial("unix", s.socket)
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, c)
	}
	// Those above the limit learn it: their connection ends.
	buffer := make([]byte, 1)
	if err := silent[len(silent)-1].SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := silent[len(silent)-1].Read(buffer); err != io.EOF { //nolint:errorlint // it is not wrapped
		t.Errorf("the client above the limit reads %v, want the end", err)
	}
	for _, c := range silent[:200] {
		_ = c.Close() // room for others
	}
	for s.server.Connections() > 500 { // nothing announces that the server has noticed
		time.Sleep(time.Millisecond)
	}
	for response, body := s.do("GET", "/api/v1/version", ""); response.StatusCode != 200; {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second) // net/http waits 5 s for each
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Errorf("silent clients held the end up: %v", err)
	}
}

// A client that stops in the middle of its request is cut off when the time of the end is over.
func TestAClientThatStopsInItsRequest(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"in the header": "GET /api/v1/version HTTP/1.1\r\nHost: sc",
		"in the body":   "PATCH /api/v1/settings HTTP/1.1\r\nHost: scout\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			c, err := net.Dial("unix", s.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }() // the test is over
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			for s.server.Connections() == 0 { // nothing announces that it was accepted
				time.Sleep(time.Millisecond)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := s.server.Shutdown(ctx); err != nil && scout.CodeOf(err) != scout.CodeDeadlineExceeded {
				t.Errorf("the end: %v", err)
			}
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it is still connected")
			}
		})
	}
}

func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.do("GET", "/api/v1/version", "")
	s.do("GET", "/api/v1/version", "")
	s.do("GET", "/nothing/like/this", "")
	s.do("BREW", "/api/v1/version", "")
	const want = `
# HELP scout_http_requests_total Requests that were answered, by route, method and status. 499: the client went before it had all of the answer.
# TYPE scout_http_requests_total counter
scout_http_requests_total{method="GET",route="/api/v1/version",status="200"} 2
scout_http_requests_total{method="GET",route="other",status="404"} 1
scout_http_requests_total{method="other",route="other",status="405"} 1
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want), "scout_http_requests_total"); err != nil {
		t.Error(err)
	}
	if _, body := s.do("GET", "/metrics", ""); !strings.Contains(body, "scout_http_requests_total") {
		t.Errorf("the metrics are %.200q", body)
	}
}

// Bytes are counted as they come, and not as a client announces them.
func TestBytesAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const head = "POST /api/v1/recorder/stop HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\n"
	for _, text := range []string{head + "Content-Length: 3000000000\r\n\r\n{}", head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"} {
		reads(t, bufio.NewReader(s.raw(t, text)), "POST")
	}
	s.close() // the answers were sent, and now they are counted
	const want = `
# HELP scout_http_request_bytes_total Bytes of request bodies that were read.
# TYPE scout_http_request_bytes_total counter
scout_http_request_bytes_total{route="/api/v1/recorder/stop"} 2
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want), "scout_http_request_bytes_total"); err != nil {
		t.Error(err)
	}
}

// The document tells every operation of the mux and no other.
func TestTheDocumentAndTheServerAgree(t *testing.T) {
	t.Parallel()
	s := serve(t)
	_, body := s.do("GET", "/openapi.json", "")
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil || !strings.HasPrefix(document.OpenAPI, "3.1") || len(document.Paths) < 8 {
		t.Fatalf("%d paths, version %s, %v", len(document.Paths), document.OpenAPI, err)
	}
	for path, operations := range document.Paths {
		for method := range operations {
			if _, pattern := s.server.Route(strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "x")); pattern == "" {
				t.Errorf("%s %s is in the document and has no handler", method, path)
			}
		}
	}
	for _, pattern := range s.server.Patterns() {
		method, path, _ := strings.Cut(pattern, " ")
		if strings.HasPrefix(path, "/api/") && document.Paths[path][strings.ToLower(method)] == nil {
			t.Errorf("%s is not in the document", pattern)
		}
	}
}
