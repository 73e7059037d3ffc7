package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/freespace"
)

// refusedBody is a request that is refused, with the answer that its client must see.
type refusedBody struct {
	method, path string
	headers      []string
	chunked      bool
	change       func(*served)
	key          string // of whom; none for "-"
	code         scout.Code
}

// refusedBodies are the kinds of refusals: by the server, by an operation of JSON, and by what takes files.
func refusedBodies() map[string]refusedBody {
	const file, words = "application/offset+octet-stream", "application/json"
	tus := func(more ...string) []string { return append(more, "Tus-Resumable", "1.0.0", "Content-Type", file) }
	form := []string{"Content-Type", "multipart/form-data; boundary=x"}
	full := func(s *served) {
		s.uploads.MostBytes, s.uploads.Budget = 1<<40, freespace.NewBudget(s.dir, func() int64 { return 1 << 60 })
	}
	return map[string]refusedBody{
		"a form that is too large":              {method: "POST", path: "/api/v1/jobs", headers: form, code: scout.CodeRequestTooLarge},
		"a form that turns out to be too large": {method: "POST", path: "/api/v1/jobs", headers: form, chunked: true, code: scout.CodeRequestTooLarge},
		"an upload that is too large":           {method: "POST", path: "/api/v1/uploads", headers: tus("Upload-Length", "10"), code: scout.CodeRequestTooLarge},
		"a full disk":                           {method: "POST", path: "/api/v1/uploads", headers: tus("Upload-Length", "1000000000"), change: full, code: scout.CodeDiskLow},
		"a full disk, in chunks":                {method: "POST", path: "/api/v1/uploads", headers: tus("Upload-Defer-Length", "1"), chunked: true, change: full, code: scout.CodeDiskLow},
		"no upload is begun": {method: "POST", path: "/api/v1/uploads", headers: tus("Upload-Length", "1000000000"), change: func(s *served) {
			s.uploads.MostBytes, s.uploads.Refusal = 1<<40, func() error { return scout.Errorf(scout.CodeUnavailable, "it only records") }
		}, code: scout.CodeUnavailable},
		"an upload that is not there":  {method: "PATCH", path: "/api/v1/uploads/upl_none", headers: tus("Upload-Offset", "0"), code: scout.CodeNotFound},
		"another type":                 {method: "POST", path: "/api/v1/uploads", headers: []string{"Tus-Resumable", "1.0.0", "Upload-Length", "10"}, code: scout.CodeMediaType},
		"another version of tus":       {method: "POST", path: "/api/v1/uploads", code: scout.CodePreconditionFailed},
		"too many requests":            {method: "POST", path: "/api/v1/uploads", headers: tus("Upload-Length", "10"), key: "slow", code: scout.CodeRateLimit},
		"no key":                       {method: "POST", path: "/api/v1/uploads", headers: tus("Upload-Length", "10"), key: "-", code: scout.CodeInvalidAPIKey},
		"what is the owner's":          {method: "POST", path: "/api/v1/transcripts", headers: []string{"Content-Type", words}, key: "client", code: scout.CodePermissionDenied},
		"JSON that is too large":       {method: "POST", path: "/api/v1/transcripts", headers: []string{"Content-Type", words}, code: scout.CodeRequestTooLarge},
		"JSON in chunks":               {method: "POST", path: "/api/v1/transcripts", headers: []string{"Content-Type", words}, chunked: true, code: scout.CodeRequestTooLarge},
		"JSON with an Idempotency-Key": {method: "POST", path: "/api/v1/transcripts", headers: []string{"Content-Type", words, "Idempotency-Key", "a"}, code: scout.CodeRequestTooLarge},
		"a path that is not there":     {method: "POST", path: "/api/v1/nothing", code: scout.CodeUnknownURL},
		"a method that is not there":   {method: "PUT", path: "/api/v1/uploads", code: scout.CodeMethodNotAllowed},
		"a query that cannot be read":  {method: "POST", path: "/api/v1/jobs?%zz", code: scout.CodeInvalidArgument},
	}
}

// A client that sends a large body sees why it is refused, however it sends: one that reads nothing before it has sent everything, Go's own, and
// one that takes its time.
func TestARefusalIsSeenByWhoStillSends(t *testing.T) {
	t.Parallel()
	for situation, c := range refusedBodies() {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, networked, func(s *served) {
				s.network.KeysAlways = true
				if c.change != nil {
					c.change(s)
				}
			})
			key := s.key
			switch c.key {
			case "client":
				key = s.addKey("key_a", "client", 0)
			case "slow":
				key = s.addKey("key_a", "client", 1)
			case "-":
				key = ""
			}
			for name, send := range map[string]func(*testing.T) (answer, string){
				"all, then reads": func(t *testing.T) (answer, string) { t.Helper(); return s.sendsAll(t, c, key, 16<<20, 0) },
				"slowly": func(t *testing.T) (answer, string) {
					t.Helper()
					return s.sendsAll(t, c, key, 2<<20, 5*time.Millisecond)
				},
				"Go's client": func(t *testing.T) (answer, string) { t.Helper(); return s.sendsByGo(t, c, key) },
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					if c.key == "slow" { // now: a minute may pass before this test has its turn
						s.ask("GET", "/api/v1/version", "", bearer(key)...)
					}
					response, body := send(t)
					var failure v1.ErrorBody
					if err := json.Unmarshal([]byte(body), &failure); err != nil || failure.Error.Code != c.code || response.StatusCode < 400 || response.Header.Get(v1.HeaderCode) != string(c.code) {
						t.Errorf("%d %s (%v), want %s", response.StatusCode, body, err, c.code)
					}
				})
			}
		})
	}
}

// As in TestARefusalIsSeenByWhoStillSends, with as much as a person sends.
func TestARefusalIsSeenAfter100MB(t *testing.T) {
	t.Parallel()
	c := refusedBodies()["a full disk"]
	s := serve(t, networked, c.change)
	if response, body := s.sendsAll(t, c, s.key, 100<<20, 0); response.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// A client that sends on for ever, and one that is silent, are left when others need their place, and hold up no end of the server.
func TestNobodyLingersForEver(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	const more = 70 // than may linger at the same time
	request := "POST /api/v1/nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\nAuthorization: Bearer " + s.key + "\r\n\r\n"
	all := make([]net.Conn, more)
	for i := range all {
		all[i] = s.raw(t, request)
		if response, body := reads(t, bufio.NewReader(all[i]), "POST"); response.StatusCode != http.StatusNotFound {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
	}
	ended := 0
	for _, c := range all[:more-64] { // those that came first: the server closes them, and writing fails
		for began := time.Now(); time.Since(began) < 30*time.Second; time.Sleep(time.Millisecond) { // it would linger for minutes
			if _, err := c.Write([]byte("x")); err != nil {
				ended++
				break
			}
		}
	}
	if ended != more-64 {
		t.Errorf("%d of the first %d were ended", ended, more-64)
	}
	if _, err := all[more-1].Write([]byte("x")); err != nil {
		t.Errorf("the last one was ended, too: %v", err)
	}
	sent := make(chan struct{})
	go func() { // ended by the server
		defer close(sent)
		for err := error(nil); err == nil; time.Sleep(time.Millisecond) { // it is never silent
			_, err = all[more-1].Write([]byte("x"))
		}
	}()
	s.close() // fails the test if it takes longer than that
	<-sent
}

// formHead begins a form with a file.
const formHead = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"

// sendsAll sends a body of that size without reading, and then reads the answer.
func (s *served) sendsAll(t *testing.T, c refusedBody, key string, size int, pause time.Duration) (answer, string) {
	t.Helper()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n", c.method, c.path)
	if key != "" {
		head += "Authorization: Bearer " + key + "\r\n"
	}
	for i := 0; i+1 < len(c.headers); i += 2 {
		head += c.headers[i] + ": " + c.headers[i+1] + "\r\n"
	}
	if c.chunked {
		head += "Transfer-Encoding: chunked\r\n\r\n"
	} else {
		head += fmt.Sprintf("Content-Length: %d\r\n\r\n", size)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	write := func(p []byte) {
		if _, err := conn.Write(p); err != nil {
			t.Fatalf("the connection broke: %v", err)
		}
	}
	write([]byte(head))
	part := bytes.Repeat([]byte("a"), 64<<10)
	if strings.HasPrefix(c.path, "/api/v1/jobs") { // of a form
		write(chunk(c, []byte(formHead)))
	}
	for sent := 0; sent < size; sent += len(part) {
		write(chunk(c, part))
		time.Sleep(pause) // what is tested
	}
	return reads(t, bufio.NewReader(conn), c.method)
}

// chunk is a part of a body as it is sent.
func chunk(c refusedBody, part []byte) []byte {
	if !c.chunked {
		return part
	}
	return fmt.Appendf(nil, "%x\r\n%s\r\n", len(part), part)
}

// sendsByGo sends a body by net/http.
func (s *served) sendsByGo(t *testing.T, c refusedBody, key string) (answer, string) {
	t.Helper()
	const size = 8 << 20
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var content io.Reader = bytes.NewReader(make([]byte, size))
	if strings.HasPrefix(c.path, "/api/v1/jobs") {
		content = io.MultiReader(strings.NewReader(formHead), io.LimitReader(content, size))
	}
	request, err := http.NewRequestWithContext(ctx, c.method, "http://"+s.address+c.path, io.NopCloser(content))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = size
	if strings.HasPrefix(c.path, "/api/v1/jobs") {
		request.ContentLength = size + int64(len(formHead))
	}
	if c.chunked {
		request.ContentLength = -1
	}
	for i := 0; i+1 < len(c.headers); i += 2 {
		request.Header.Set(c.headers[i], c.headers[i+1])
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // it was read
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header}, string(body)
}
