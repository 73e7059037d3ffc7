package api

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/observe"
)

// keptIn is a server whose sessions are in a file.
func keptIn(path string) *Server {
	scope := observe.NewScope(nil, nil, nil)
	return New(Options{Scope: scope, Failures: observe.NewFailures(scope), SessionsFile: path}, Services{})
}

// A session outlives the daemon until its time is over. Its file does not have the cookie, and only its user reads it.
func TestASessionOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.json")
	synctest.Test(t, func(t *testing.T) {
		first := keptIn(path)
		cookie, _ := first.sessions.begin("")
		other, _ := first.sessions.begin("key_a")
		ended, _ := first.sessions.begin("")
		if err := first.sessions.end(ended); err != nil {
			t.Fatal(err)
		}
		link, _ := first.sessions.link("")
		data, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(data), cookie) || strings.Contains(string(data), other) {
			t.Fatalf("%v: %s", err, data)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		time.Sleep(sessionLasts - time.Minute)
		next := keptIn(path)
		r := far(t.Context(), "/api/v1/keys", cookie)
		if who, _, err := next.identify(r, connectionOf(r)); err != nil || who.role != roleOwner {
			t.Errorf("the owner's session: %+v, %v", who, err)
		}
		if one, valid := next.sessions.find(other); !valid || one.key != "key_a" {
			t.Errorf("that of a key: %+v, %v", one, valid)
		}
		if _, valid := next.sessions.find(ended); valid || next.sessions.leads(link) {
			t.Error("a session that was ended, or a link, works again")
		}
		next.sessions.endOf("key_a")
		time.Sleep(time.Minute)
		last := keptIn(path)
		for of, cookie := range map[string]string{"the owner": cookie, "a key that was deleted": other} {
			if _, valid := last.sessions.find(cookie); valid || last.sessions.count() != 0 {
				t.Errorf("the session of %s is known", of)
			}
		}
	})
}

// A file that is damaged, strange or out of time lets nobody in, and the page is opened again.
func TestSessionsThatAreNotOurs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	hash := strings.Repeat("ab", 32)
	for name, content := range map[string]string{
		"nothing":   "",
		"no JSON":   `{"version":1,`,
		"later":     `{"version":2,"sessions":[{"sha256":"` + hash + `","until":"9999-01-01T00:00:00Z"}]}`,
		"short":     `{"version":1,"sessions":[{"sha256":"` + hash + `","until":"9999-01-01T00:00:00Z"},{"sha256":"ab","until":"9999-01-01T00:00:00Z"}]}`,
		"over":      `{"version":1,"sessions":[{"sha256":"` + hash + `","until":"2020-01-01T00:00:00Z"}]}`,
		"untimely":  `{"version":1,"sessions":[{"sha256":"` + hash + `"}]}`,
		"a folder/": "",
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", ""))
		err := os.WriteFile(path, []byte(content), 0o600)
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path+".d", 0o700)
			path += ".d"
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := keptIn(path).sessions.count(); n != 0 {
			t.Errorf("%s: %d sessions", name, n)
		}
	}
	path := filepath.Join(dir, "ahead")
	if err := os.WriteFile(path, []byte(`{"version":1,"sessions":[{"sha256":"`+hash+`","until":"9999-01-01T00:00:00Z"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, one := range keptIn(path).sessions.all {
		if one.until.After(time.Now().Add(sessionLasts)) {
			t.Errorf("a clock that was ahead made one that lasts until %s", one.until)
		}
	}
}

// Who cannot keep a session has one until the daemon ends, and hears that one could not be ended for good.
func TestSessionsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	s := keptIn(filepath.Join(t.TempDir(), "missing", "sessions.json"))
	cookie, _ := s.sessions.begin("")
	if _, valid := s.sessions.find(cookie); !valid {
		t.Error("there is no session")
	}
	if err := s.sessions.end(cookie); err == nil {
		t.Errorf("ending it: %v", err)
	}
	if _, valid := s.sessions.find(cookie); valid {
		t.Error("it goes on")
	}
}

// The owner ends the sessions of all browsers; nobody else does.
func TestEndingAllSessions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.json")
	s := keptIn(path)
	one, _ := s.sessions.begin("")
	two, _ := s.sessions.begin("")
	ask := func(cookie string) int {
		r := far(t.Context(), "/api/v1/session?all=true", cookie)
		r.Method = http.MethodDelete
		w := httptest.NewRecorder()
		s.serve(w, r)
		return w.Code
	}
	if code := ask("unknown"); code != http.StatusUnauthorized && code != http.StatusForbidden {
		t.Errorf("nobody: %d", code)
	}
	if code := ask(one); code != http.StatusNoContent {
		t.Errorf("the owner: %d", code)
	}
	for _, cookie := range []string{one, two} {
		if _, valid := s.sessions.find(cookie); valid {
			t.Error("a session goes on")
		}
	}
	if n := keptIn(path).sessions.count(); n != 0 {
		t.Errorf("%d are known to the next daemon", n)
	}
}
