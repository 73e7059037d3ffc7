package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// session is the cookie of a session that a key began.
func (s *served) session(key string) string {
	s.t.Helper()
	response, body := s.ask("POST", "/api/v1/session", "", bearer(key)...)
	value, _, found := strings.Cut(response.Header.Get("Set-Cookie"), ";")
	if !found || response.StatusCode != http.StatusNoContent {
		s.t.Fatalf("%d %s", response.StatusCode, body)
	}
	return value
}

// Another user of this machine sees the link while a browser is started with it. It is of no use to them, and not used up.
func TestALinkIsForTheSameUser(t *testing.T) {
	t.Parallel()
	var uid atomic.Int64
	s := serve(t, networked, func(s *served) {
		s.network.Peer = func(_, _ netip.AddrPort) (int, error) { return int(uid.Load()), nil }
	})
	_, body := s.do("POST", "/api/v1/session/link", "")
	var link v1.SessionLink
	if err := json.Unmarshal([]byte(body), &link); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	path := strings.TrimPrefix(link.URL, "http://"+s.address)
	mine := int64(os.Getuid())
	for situation, c := range map[string]struct {
		uid     int64
		headers []string
	}{
		"another user":                            {mine + 1, nil},
		"another user with a key of an owner":     {mine + 1, bearer(s.key)},
		"whoever asks a proxy of this user":       {mine, []string{"X-Forwarded-For", "10.0.0.1"}},
		"whoever asks another proxy of this user": {mine, []string{"X-Real-IP", "10.0.0.1"}},
	} {
		uid.Store(c.uid)
		if response, body := s.ask("GET", path, "", c.headers...); response.StatusCode != http.StatusForbidden || response.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", situation, response.StatusCode, body)
		}
	}
	uid.Store(mine)
	if response, body := s.ask("GET", path, ""); response.StatusCode != http.StatusSeeOther || response.Header.Get("Set-Cookie") == "" {
		t.Errorf("this user: %d %s", response.StatusCode, body)
	}
}

// The browser sends the cookie to every port of the host, with requests of pages from every other port. It counts for Scout's own page alone.
func TestTheCookieIsForScoutsOwnPage(t *testing.T) {
	t.Parallel()
	const page = "http://127.0.0.1:3000"
	s := serve(t, networked, func(s *served) { s.network.Origins = []string{page} })
	cookie := s.session(s.key)
	own := "http://" + s.address
	for situation, c := range map[string]struct {
		method, path string
		headers      []string
		want         int
	}{
		"its own page":                               {"GET", "/api/v1/keys", []string{"Origin", own}, 200},
		"its own page reads":                         {"GET", "/api/v1/keys", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		"a page that may use Scout":                  {"GET", "/api/v1/keys", []string{"Origin", page}, 403},
		"a page that may use Scout ends the session": {"DELETE", "/api/v1/session", []string{"Origin", page}, 204},
		"another port":                               {"GET", "/api/v1/keys", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"a file of another port":                     {"GET", "/api/v1/version", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"a link on another port":                     {"GET", "/docs", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		"a link on another port to what is read":     {"GET", "/api/v1/keys", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
	} {
		if response, body := s.ask(c.method, c.path, "", append(c.headers, "Cookie", cookie)...); response.StatusCode != c.want {
			t.Errorf("%s: %d %s, want %d", situation, response.StatusCode, body, c.want)
		}
	}
	if response, body := s.ask("GET", "/api/v1/keys", "", "Cookie", cookie); response.StatusCode != 200 {
		t.Errorf("the session afterwards: %d %s", response.StatusCode, body)
	}
	if response, body := s.ask("GET", "/api/v1/version", "", "Sec-Fetch-Site", "same-site"); response.StatusCode != 200 {
		t.Errorf("another port without the cookie: %d %s", response.StatusCode, body)
	}
}

// What a key or a session let in ends with it, and nothing else does.
func TestStreamsEndWithWhatLetThemIn(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	writer := s.begin(exampleID) // it does not end by itself
	defer func() {
		if _, err := writer.Finish(recording.End{At: writer.StartedAt().Add(250 * time.Millisecond), Reason: recording.EndStopped}); err != nil {
			t.Error(err)
		}
	}()
	s.waits(store.JobQueued)
	paths := []string{"/api/v1/events", "/api/v1/jobs/" + exampleJob + "/events", "/api/v1/recorder/level/stream", "/api/v1/recordings/" + string(exampleID) + "/audio?follow=true", "/api/v1/recordings/" + string(exampleID) + "/audio?as=wav&follow=true"}
	for situation, end := range map[string]func(key, cookie, link string){
		"its key is deleted": func(string, string, string) {
			if response, body := s.do("DELETE", "/api/v1/keys/key_a", ""); response.StatusCode != http.StatusNoContent {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
		},
		"its key deletes itself": func(key, _, _ string) {
			if response, body := s.ask("DELETE", "/api/v1/keys/key_a", "", bearer(key)...); response.StatusCode != http.StatusNoContent {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
		},
		"its session ends": func(_, cookie, link string) {
			for _, one := range []string{cookie, link} {
				if response, body := s.ask("DELETE", "/api/v1/session", "", "Cookie", one); response.StatusCode != http.StatusNoContent {
					t.Fatalf("%d %s", response.StatusCode, body)
				}
			}
		},
		"its session makes room": func(key, _, _ string) {
			for range 21 {
				s.session(key)
			}
		},
	} {
		key := s.addKey("key_a", "owner", 0)
		cookie := s.session(key)
		_, body := s.ask("POST", "/api/v1/session/link", "", bearer(key)...)
		var made v1.SessionLink
		if err := json.Unmarshal([]byte(body), &made); err != nil {
			t.Fatal(err)
		}
		response, _ := s.ask("GET", strings.TrimPrefix(made.URL, "http://"+s.address), "")
		link, _, _ := strings.Cut(response.Header.Get("Set-Cookie"), ";")
		ways := map[string]string{"cookie": "Cookie: " + cookie, "link": "Cookie: " + link}
		if strings.Contains(situation, "key") {
			ways["key"] = "Authorization: Bearer " + key
		}
		open := make(map[string]*bufio.Reader)
		start := func(path, header string) *bufio.Reader {
			r := bufio.NewReader(s.raw(t, "GET "+path+" HTTP/1.0\r\nHost: localhost\r\n"+header+"\r\n\r\n"))
			if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
				t.Fatalf("%s, %s: %q, %v", path, header, line, err)
			}
			return r
		}
		for _, path := range paths {
			for way, header := range ways {
				open[path+" by "+way] = start(path, header)
			}
		}
		other := start("/api/v1/events", "Authorization: Bearer "+s.key)
		end(key, cookie, link)
		for what, r := range open {
			if _, err := io.Copy(io.Discard, r); os.IsTimeout(err) {
				t.Errorf("%s: %s goes on", situation, what)
			}
		}
		s.history.Note(t.Context(), "job.done", "", map[string]string{"text": situation})
		for line := ""; !strings.Contains(line, situation); {
			var err error
			if line, err = other.ReadString('\n'); err != nil {
				t.Fatalf("%s: the stream of another key ended: %v", situation, err)
			}
		}
		s.do("DELETE", "/api/v1/keys/key_a", "") // for the next one, which has the same name
	}
}

// A file that is being sent ends with the key that asked for it, before the end of the file.
func TestDownloadsEndWithTheirKey(t *testing.T) {
	t.Parallel()
	const large = 64 << 20 // more than lies in the buffers of a connection
	s := serve(t, networked, func(s *served) {
		s.services.Backup = func(_ context.Context, path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, large))
		}
	})
	s.record(exampleID)
	if err := os.Truncate(s.folder.AudioPath(exampleID), large); err != nil {
		t.Fatal(err)
	}
	of := "/api/v1/recordings/" + string(exampleID)
	for _, path := range []string{"/api/v1/backup", of + "/audio", of + "/export?format=audio"} {
		r := bufio.NewReader(s.raw(t, "GET "+path+" HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer "+s.addKey("key_a", "owner", 0)+"\r\n\r\n"))
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
			t.Fatalf("%s: %q, %v", path, line, err)
		}
		s.do("DELETE", "/api/v1/keys/key_a", "")
		if n, err := io.Copy(io.Discard, r); n >= large || os.IsTimeout(err) {
			t.Errorf("%s: %d bytes after the end of the key, %v", path, n, err)
		}
	}
}

// Who comes over the network leaves the owner's commands their streams.
func TestStreamsOfTheNetworkLeaveRoomForTheSocket(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.StreamsPerClient = 256 })
	s.record(exampleID)
	s.waits(store.JobQueued)
	paths := []string{"/api/v1/events", "/api/v1/jobs/" + exampleJob + "/events"}
	for n := range 258 {
		r := bufio.NewReader(s.raw(t, "GET "+paths[n%2]+" HTTP/1.1\r\nHost: s\r\n\r\n"))
		response, err := http.ReadResponse(r, nil) //nolint:bodyclose // it ends with its connection
		if err != nil {
			t.Fatal(err)
		}
		if (response.StatusCode == http.StatusOK) != (n < 256) || n >= 256 && response.Header.Get(v1.HeaderCode) != string(scout.CodeRateLimit) {
			t.Fatalf("stream %d: %d", n, response.StatusCode)
		}
	}
	for n, path := range paths {
		response, err := s.client.Get("http://scout" + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() }) // the test is over
		if response.StatusCode != http.StatusOK || s.server.Streams() != 257+n {
			t.Errorf("the owner: %d; %d streams", response.StatusCode, s.server.Streams())
		}
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
