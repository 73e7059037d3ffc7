package api_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
)

// A daemon is killed after a request with a key had its effect and before its answer is stored. Sent again, the request
// gets the answer for the same recording, and has no second effect.
func TestARequestWithAKeyWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		path      string
		running   bool            // a recording is under way before it
		meanwhile func(s *served) // between the two requests
		status    int
		id        func(body string) string
		want      func(t *testing.T, s *served, first string)
	}{
		"a start": {"start", false, func(*served) {}, 201, startedID, func(t *testing.T, s *served, _ string) {
			t.Helper()
			if s.recorder.starts != 1 {
				t.Errorf("%d recordings began", s.recorder.starts)
			}
		}},
		"a start, and the recording has ended": {"start", false, func(s *served) { s.do("POST", "/api/v1/recorder/stop", "") }, 201, startedID, func(t *testing.T, s *served, _ string) {
			t.Helper()
			if s.recorder.starts != 1 {
				t.Errorf("%d recordings began", s.recorder.starts)
			}
		}},
		"a stop": {"stop", true, func(*served) {}, 200, stoppedID, func(*testing.T, *served, string) {}},
		"a stop, and another recording goes on": {"stop", true, func(s *served) { s.do("POST", "/api/v1/recorder/start", "") }, 200, stoppedID, func(t *testing.T, s *served, _ string) {
			t.Helper()
			if s.recorder.writer == nil {
				t.Error("the other recording was stopped")
			}
		}},
		"a cancel": {"cancel", true, func(*served) {}, 200, stoppedID, inTrash},
		"a cancel, and another recording goes on": {"cancel", true, func(s *served) { s.do("POST", "/api/v1/recorder/start", "") }, 200, stoppedID, func(t *testing.T, s *served, first string) {
			t.Helper()
			inTrash(t, s, first)
			if s.recorder.writer == nil {
				t.Error("the other recording was cancelled")
			}
		}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := serveIn(t, dir)
			var running string // the recording that the request is about
			if c.running {
				_, body := s.do("POST", "/api/v1/recorder/start", "")
				running = startedID(body)
			}
			s.recorder.ends = true
			key := []string{v1.HeaderIdempotency, "k"}
			path := "/api/v1/recorder/" + c.path
			if response, body := s.do("POST", path, "", key...); response.StatusCode != 500 {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
			if !c.running {
				running = string(s.recorder.begun.ID)
			}
			// The next daemon has the same store and the same recorder.
			s.close()
			next := serveIn(t, dir, func(n *served) { n.recorder, n.services.Recorder = s.recorder, s.recorder })
			next.recorder.ends = false
			c.meanwhile(next)
			first, body := next.do("POST", path, "", key...)
			if first.StatusCode != c.status || c.id(body) != running || strings.Contains(body, `"already":true`) {
				t.Errorf("%d %s, want %d for %s", first.StatusCode, body, c.status, running)
			}
			c.want(t, next, running)
			again, same := next.do("POST", path, "", key...)
			if same != body || again.Header.Get(v1.HeaderReplayed) != "true" {
				t.Errorf("a third time: %d %s, want %s", again.StatusCode, same, body)
			}
		})
	}
}

func startedID(body string) string {
	var out v1.Started
	_ = json.Unmarshal([]byte(body), &out) // an empty id is not the one that is wanted
	return out.ID
}

func stoppedID(body string) string {
	var out v1.Stopped
	_ = json.Unmarshal([]byte(body), &out) // as above
	return out.Recording.ID
}

func inTrash(t *testing.T, s *served, id string) {
	t.Helper()
	if seen, err := s.folder.Sight(recording.ID(id)); err != nil || !seen.Trashed {
		t.Errorf("the recording is not in the trash: %+v, %v", seen, err)
	}
}

// What a start says about the recording is kept with it, and wrong values are refused before anything begins.
func TestAStartDescribesItsRecording(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for situation, c := range map[string]struct{ body, at string }{
		"a title that is too long":      {`{"title":"` + strings.Repeat("x", 1001) + `"}`, "title"},
		"a tag that is too long":        {`{"tags":["` + strings.Repeat("x", 101) + `"]}`, "tags"},
		"an empty tag":                  {`{"tags":[" "]}`, "tags"},
		"a title of control characters": {`{"title":"a\u0000b"}`, "title"},
	} {
		if response, answer := s.do("POST", "/api/v1/recorder/start", c.body); response.StatusCode != 422 || !strings.Contains(answer, `"param":"`+c.at) {
			t.Errorf("%s: %d %s, want 422 that names %s", situation, response.StatusCode, answer, c.at)
		}
	}
	if s.recorder.starts != 0 {
		t.Fatalf("%d recordings began", s.recorder.starts)
	}
	response, body := s.do("POST", "/api/v1/recorder/start", `{"title":"Monday","tags":["work","loud"],"labels":{"room":"4"}}`)
	if response.StatusCode != 201 || !strings.Contains(body, `"device":{"id":"mic","name":"Built-in microphone"}`) || strings.Contains(body, "warning") {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	_, described := s.do("GET", "/api/v1/recordings/"+startedID(body), "")
	var info v1.RecordingInfo
	if err := json.Unmarshal([]byte(described), &info); err != nil || info.Title != "Monday" || strings.Join(info.Tags, " ") != "loud work" || info.Labels["room"] != "4" {
		t.Errorf("%v %s", err, described)
	}
	if info.Device == nil || info.Device.Name != "Built-in microphone" || info.Transcript.State != "none" || info.TranscribedAt != nil {
		t.Errorf("device and text of %s", described)
	}
	// Asked again, nothing changes.
	if response, body := s.do("POST", "/api/v1/recorder/start", `{"title":"Tuesday"}`); response.StatusCode != 200 || !strings.Contains(body, `"already":true`) {
		t.Errorf("again: %d %s", response.StatusCode, body)
	}
	if _, again := s.do("GET", "/api/v1/recordings/"+info.ID, ""); again != described {
		t.Errorf("%s became %s", described, again)
	}
}

// Where files lie is the server's business: messages name the file alone.
func TestMessagesNameNoFolder(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for situation, c := range map[string]struct {
		err  error
		want string
	}{
		"a file":                      {scout.Errorf(scout.CodeReadFailed, "open database %s: it is damaged", filepath.Join(s.dir, "scout.db")), "open database scout.db: it is damaged"},
		"a file at the end":           {scout.Errorf(scout.CodeReadFailed, "cannot read /home/ann/.local/share/scout/x.json"), "cannot read x.json"},
		"quoted and in brackets":      {scout.Errorf(scout.CodeReadFailed, `"/var/lib/scout/a.wav" is not (/var/lib/scout/b.wav)`), `"a.wav" is not (b.wav)`},
		"no file":                     {scout.Errorf(scout.CodeReadFailed, "44 of 1/2 and/or 3"), "44 of 1/2 and/or 3"},
		"a path of the interface":     {scout.Errorf(scout.CodeReadFailed, "ask /api/v1/transcripts first"), "ask /api/v1/transcripts first"},
		"folders with spaces":         {scout.Errorf(scout.CodeReadFailed, "open database /home/ann b/my scout data/scout.db: it is damaged"), "open database scout.db: it is damaged"},
		"a name with a space":         {scout.Errorf(scout.CodeReadFailed, "cannot read /home/ann b/my data"), "cannot read my data"},
		"two paths":                   {scout.Errorf(scout.CodeReadFailed, "move /home/a b/x.wav to /mnt/c d/y.wav: no space"), "move x.wav to y.wav: no space"},
		"two paths in a list":         {scout.Errorf(scout.CodeReadFailed, "/a b/c.wav, /d e/f.wav and more"), "c.wav, f.wav and more"},
		"signs in folders":            {scout.Errorf(scout.CodeReadFailed, "read /home/ann's files (1)/a:b/x.db: gone"), "read x.db: gone"},
		"quoted, with spaces":         {scout.Errorf(scout.CodeReadFailed, `there is no "/home/ann, b: c/my file.wav" (process 7)`), `there is no "my file.wav" (process 7)`},
		"a folder, and what is wrong": {scout.Errorf(scout.CodeReadFailed, "folder /home/ann b/recordings is in use (process 4711)"), "folder recordings is in use (process 4711)"},
		"an address":                  {scout.Errorf(scout.CodeReadFailed, "https://example.com/a/b did not answer"), "https://example.com/a/b did not answer"},
	} {
		s.recorder.mu.Lock()
		s.recorder.fail = c.err
		s.recorder.mu.Unlock()
		var body v1.ErrorBody
		_, answer := s.do("POST", "/api/v1/recorder/start", "")
		if err := json.Unmarshal([]byte(answer), &body); err != nil || body.Error.Message != c.want {
			t.Errorf("%s: %s, want %q", situation, answer, c.want)
		}
	}
}
