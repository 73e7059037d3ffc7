package api_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// raw sends bytes and returns the connection: over the network, where the server answers there.
func (s *served) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	network, address := "unix", s.socket
	if s.tcp {
		network, address, text = "tcp", s.address, s.asOwner(text)
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	if s.tls != nil {
		c = tls.Client(c, s.tls.client)
	}
	t.Cleanup(func() { _ = c.Close() }) // the test is over
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, text) // the server may have closed it already
	return c
}

// asOwner is a request of the socket as an owner sends it over the network.
func (s *served) asOwner(text string) string {
	if !s.tcp {
		return text
	}
	return strings.ReplaceAll(text, "Host: s\r\n", "Host: localhost\r\nAuthorization: Bearer "+s.key+"\r\n")
}

// rawAs is raw with a key.
func (s *served) rawAs(t *testing.T, key, text string) net.Conn {
	t.Helper()
	return s.raw(t, strings.Replace(text, "\r\n\r\n", "\r\nAuthorization: Bearer "+key+"\r\n\r\n", 1))
}

// opener is serve.
type opener func(t *testing.T, change ...func(*served)) *served

// overBoth runs a test by the unix socket and over the network, plain and with TLS.
func overBoth(t *testing.T, test func(t *testing.T, serve opener)) {
	t.Helper()
	for name, network := range map[string]func(*served){"socket": func(*served) {}, "network": networked, "TLS": overTLS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(t *testing.T, change ...func(*served)) *served {
				t.Helper()
				return serve(t, append(change, network)...)
			})
		})
	}
}

// reads returns the next answer of a connection with its body.
func reads(t *testing.T, r *bufio.Reader, method string) (answer, string) {
	t.Helper()
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(body)
}

// Whatever a client sends gets an answer that programs understand, and the next client is served.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	overBoth(t, hostileRequests)
}

func hostileRequests(t *testing.T, serve opener) {
	s := serve(t)
	post := func(path, headers, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s", path, len(body), headers, body)
	}
	const start = "/api/v1/recorder/start"
	for situation, c := range map[string]struct {
		text   string
		status int
		typed  bool // it is an error
	}{
		"a name twice":                         {post(start, "", `{"device":"a","device":"b"}`), 400, true},
		"a name twice, deep inside":            {post(start, "", `{"format":{"channels":1,"channels":2}}`), 400, true},
		"text that is not UTF-8":               {post(start, "", "{\"device\":\"\xff\"}"), 400, true},
		"half a body of JSON":                  {post(start, "", `{"device":"a"`), 400, true},
		"two values":                           {post(start, "", `{} {}`), 400, true},
		"a list":                               {post(start, "", `[]`), 422, true},
		"a number":                             {post(start, "", `1`), 422, true},
		"a number that no computer has":        {post(start, "", `{"preroll_seconds":1e999}`), 400, true},
		"depth":                                {post(start, "", strings.Repeat(`{"labels":`, 500)), 400, true},
		"depth of lists":                       {post("/api/v1/transcripts", "", strings.Repeat("[", 100_000)), 400, true},
		"a negative length of time":            {post(start, "", `{"preroll_seconds":-1}`), 422, true},
		"a body on a read":                     {"GET /api/v1/version HTTP/1.1\r\nHost: s\r\nContent-Length: 2\r\n\r\n{}", 200, false},
		"another content type":                 {"POST " + start + " HTTP/1.1\r\nHost: s\r\nContent-Type: text/xml\r\nContent-Length: 4\r\n\r\n<a/>", 415, true},
		"a content type that is none":          {"POST " + start + " HTTP/1.1\r\nHost: s\r\nContent-Type: ;;;\r\nContent-Length: 2\r\n\r\n{}", 415, true},
		"headers of 100 kB":                    {"GET /api/v1/version HTTP/1.1\r\nHost: s\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", 431, true},
		"no host":                              {"GET /api/v1/version HTTP/1.1\r\n\r\n", 400, true},
		"another version":                      {"GET /livez HTTP/3.0\r\nHost: s\r\n\r\n", 505, true},
		"another encoding of the transfer":     {"POST " + start + " HTTP/1.1\r\nHost: s\r\nTransfer-Encoding: gzip\r\n\r\n", 501, true},
		"another expectation":                  {"POST " + start + " HTTP/1.1\r\nHost: s\r\nExpect: much\r\nContent-Length: 9\r\n\r\n", 417, true},
		"a promise of a body that is too long": {"POST " + start + " HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 3000000000\r\n\r\n", 413, true},
		"no HTTP":                              {"hello\r\n\r\n", 400, true},
		"a wrong length":                       {"POST " + start + " HTTP/1.1\r\nHost: s\r\nContent-Length: x\r\n\r\n", 400, true},
		"two lengths":                          {"POST " + start + " HTTP/1.1\r\nHost: s\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400, true},
		"a chunk that is none":                 {"POST " + start + " HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, true},
		"an id with slashes":                   {"GET /api/v1/recordings/..%2F..%2Fetc%2Fpasswd HTTP/1.1\r\nHost: s\r\n\r\n", 404, true},
		"an id with a zero":                    {"GET /api/v1/recordings/a%00b HTTP/1.1\r\nHost: s\r\n\r\n", 404, true},
		"an id of another encoding":            {"GET /api/v1/transcripts/%ff%fe HTTP/1.1\r\nHost: s\r\n\r\n", 404, true},
		"an id of 8 kB":                        {"GET /api/v1/transcripts/" + strings.Repeat("a", 8000) + " HTTP/1.1\r\nHost: s\r\n\r\n", 404, true},
		"OPTIONS":                              {"OPTIONS /api/v1/recordings HTTP/1.1\r\nHost: s\r\n\r\n", 405, true},
		"OPTIONS of everything":                {"OPTIONS * HTTP/1.1\r\nHost: s\r\n\r\n", 404, true},
		"TRACE":                                {"TRACE /api/v1/version HTTP/1.1\r\nHost: s\r\n\r\n", 405, true},
		"PUT":                                  {"PUT /api/v1/settings HTTP/1.1\r\nHost: s\r\nContent-Length: 0\r\n\r\n", 405, true},
		"CONNECT":                              {"CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n", 405, true},
		"a whole address":                      {"GET http://evil/api/v1/version HTTP/1.1\r\nHost: evil\r\n\r\n", 200, false},
		"a query that is none":                 {"GET /api/v1/version?%zz HTTP/1.1\r\nHost: s\r\n\r\n", 400, true},
		"semicolons in a query":                {"GET /api/v1/recordings?limit=1;x=2 HTTP/1.1\r\nHost: s\r\n\r\n", 400, true},
		"a value twice":                        {"GET /api/v1/recordings?limit=1&limit=2 HTTP/1.1\r\nHost: s\r\n\r\n", 422, false},
		"a search of nothing but signs":        {"GET /api/v1/transcripts?q=%22%28%29*-%3A%5E HTTP/1.1\r\nHost: s\r\n\r\n", 200, false},
		"a time that is none":                  {"GET /api/v1/recordings?from=yesterday HTTP/1.1\r\nHost: s\r\n\r\n", 422, true},
		"a date that is far away":              {"GET /api/v1/recordings?from=9999-12-31T23:59:59Z HTTP/1.1\r\nHost: s\r\n\r\n", 200, false},
		"a trace that is none":                 {"GET /api/v1/version HTTP/1.1\r\nHost: s\r\nTraceparent: 00-zz-zz-01\r\n\r\n", 200, false},
		"lines in a request id":                {"GET /api/v1/version HTTP/1.1\r\nHost: s\r\nX-Request-Id: a b\tc\r\n\r\n", 200, false},
		"an upgrade":                           {"GET /api/v1/version HTTP/1.1\r\nHost: s\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200, false},
		"a promise of a body that is refused":  {"POST /nothing HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n", 404, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			method, _, _ := strings.Cut(c.text, " ")
			response, body := reads(t, bufio.NewReader(s.raw(t, c.text)), method)
			if s.tcp && strings.Contains(c.text, "evil") { // it is called by a name that it does not have
				c.status, c.typed = http.StatusForbidden, true
			}
			if response.StatusCode != c.status {
				t.Errorf("%d %s, want %d", response.StatusCode, body, c.status)
			}
			if c.typed && (response.Header.Get(v1.HeaderCode) == "" || response.Header.Get(v1.HeaderRequest) == "" || response.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(body, `{"error":{"message":"`)) {
				t.Errorf("no typed error: %v %s", response.Header, body)
			}
			if response.StatusCode == http.StatusMethodNotAllowed && response.Header.Get("Allow") == "" {
				t.Error("no Allow")
			}
		})
	}
}

// A request that net/http refuses by itself may announce a body that never comes: its connection ends all the same, and keeps nobody out.
func TestARefusalDoesNotWaitForABody(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := s.raw(t, "POST /api/v1/recorder/start HTTP/1.1\r\nHost: s\r\nExpect: much\r\nContent-Length: 9\r\n\r\n")
	if _, err := io.ReadAll(c); err != nil { // at the deadline of raw
		t.Errorf("the connection does not end: %v", err)
	}
}

// What an answer contains is not taken for one of net/http.
func TestATextThatLooksLikeAnAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	r := bufio.NewReader(s.raw(t, strings.Repeat("GET /HTTP/1.1%20400%20Bad HTTP/1.1\r\nHost: s\r\n\r\n", 2)+"GET\r\n\r\n"))
	for i, status := range []int{404, 404, 400} {
		if response, body := reads(t, r, "GET"); response.StatusCode != status || response.Header.Get(v1.HeaderCode) == "" {
			t.Errorf("answer %d: %d %s", i, response.StatusCode, body)
		}
	}
}

func TestRequestsOneBehindTheOther(t *testing.T) {
	t.Parallel()
	overBoth(t, requestsOneBehindTheOther)
}

func requestsOneBehindTheOther(t *testing.T, serve opener) {
	s := serve(t)
	const one = "GET /api/v1/version HTTP/1.1\r\nHost: s\r\n\r\n"
	const missing = "GET /nothing HTTP/1.1\r\nHost: s\r\n\r\n"
	r := bufio.NewReader(s.raw(t, strings.Repeat(one+missing, 20)))
	for i := range 40 {
		if response, body := reads(t, r, "GET"); response.StatusCode != []int{200, 404}[i%2] {
			t.Errorf("answer %d: %d %s", i, response.StatusCode, body)
		}
	}
}

// HEAD has an end, also of what has none.
func TestTheHeadOfAStreamEnds(t *testing.T) {
	t.Parallel()
	overBoth(t, theHeadOfAStreamEnds)
}

func theHeadOfAStreamEnds(t *testing.T, serve opener) {
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobQueued)
	r := bufio.NewReader(s.raw(t, strings.Join([]string{
		"HEAD /api/v1/events", "HEAD /api/v1/recorder/level/stream", "HEAD /api/v1/jobs/" + exampleJob + "/events", "HEAD /api/v1/recordings/" + string(exampleID) + "/audio?follow=true", "HEAD /api/v1/recordings/" + string(exampleID) + "/audio?as=wav", "HEAD /api/v1/version",
	}, " HTTP/1.1\r\nHost: s\r\n\r\n")+" HTTP/1.1\r\nHost: s\r\n\r\n"))
	for i := range 6 {
		if response, _ := reads(t, r, "HEAD"); response.StatusCode != 200 {
			t.Errorf("answer %d: %d", i, response.StatusCode)
		}
	}
	if s.server.Streams() != 0 {
		t.Errorf("%d streams are open", s.server.Streams())
	}
}

// A client that goes away in the middle, at whatever moment, leaves nothing half done and nothing behind.
func TestClientsThatGoAway(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := serve(t)
	s.put(kept)
	s.record(exampleID)
	s.waits(store.JobQueued)
	whole := fmt.Sprintf("POST /api/v1/transcripts HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(kept), kept)
	for cut := 1; cut < len(whole); cut += 7 {
		c := s.raw(t, whole[:cut])
		_ = c.Close() // that is what is tested
	}
	if s.texts() != 1 {
		t.Errorf("%d texts: half a request made one", s.texts())
	}
	for _, path := range []string{"/api/v1/events", "/api/v1/jobs/" + exampleJob + "/events", "/api/v1/recorder/level/stream", "/api/v1/backup", "/openapi.json"} {
		c := s.raw(t, "GET "+path+" HTTP/1.1\r\nHost: s\r\n\r\n")
		var first [1]byte
		_, _ = c.Read(first[:]) // the answer has begun
		_ = c.Close()           // in the middle of it
	}
	if response, _ := s.do("GET", "/api/v1/version", ""); response.StatusCode != 200 {
		t.Errorf("the next client gets %d", response.StatusCode)
	}
	s.close()
	goleak.VerifyNone(t, before)
}

func TestAThousandReadsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.put(kept)
	var all sync.WaitGroup
	work := make(chan string)
	for range 100 {
		all.Go(func() { // ends with the work
			for path := range work {
				if response, body := s.do("GET", path, ""); response.StatusCode != 200 {
					t.Errorf("%s: %d %s", path, response.StatusCode, body)
				}
			}
		})
	}
	paths := []string{"/api/v1/version", "/api/v1/transcripts?q=budget", "/api/v1/recordings", "/api/v1/recorder", "/readyz"}
	for i := range 1000 {
		work <- paths[i%len(paths)]
	}
	close(work)
	all.Wait()
}

// A listener that never reads delays nobody: not the change, not the other listeners.
func TestAListenerThatNeverReads(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.raw(t, "GET /api/v1/events?after=0 HTTP/1.1\r\nHost: s\r\n\r\n")
	response, err := s.client.Get("http://scout/api/v1/events?after=0")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is over
	long := map[string]string{"x": strings.Repeat("x", 100<<10)}
	const events = 40 // 4 MB: more than a socket holds
	for range events {
		s.history.Note(t.Context(), "job.done", "", long)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	if got := read(t, lines, events); len(got) != events || got[events-1] != fmt.Sprint(events, " job.done") {
		t.Errorf("%d events, the last %v", len(got), got[len(got)-1:])
	}
}

func FuzzBodies(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"a":2}`, `[[[[`, `{"a":{"b":[{"c":null}]}}`, "\xff", `"`, `{"a":"\ud800"}`, `1e999`, `{"":{"":""}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		err := api.Unambiguous(data)
		if again := api.Unambiguous(data); (err == nil) != (again == nil) {
			t.Errorf("%v, then %v", err, again)
		}
	})
}

// The files of a server that nobody disturbs are those that it should have.
func TestNothingIsLeftInTheFolderForTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	s := serve(t, exemplary)
	if response, body := s.do("GET", "/api/v1/backup", ""); response.StatusCode != 200 || !strings.HasPrefix(body, "SQLite") {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	s.close()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
