package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
)

// dictates gives a server dictations.
func dictates(s *served) { s.services.Live = &dictations{recorder: s.recorder, store: s.store} }

func toggledOf(t *testing.T, body string) v1.Toggled {
	t.Helper()
	var out v1.Toggled
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return out
}

// A toggle takes what a start takes, and what it says about the recording is kept.
func TestAToggleDescribesItsRecording(t *testing.T) {
	t.Parallel()
	s := serve(t, dictates)
	for situation, body := range map[string]string{
		"a title that is too long": `{"title":"` + strings.Repeat("x", 1001) + `"}`, "an empty tag": `{"tags":[" "]}`, "an unknown field": `{"colour":"red"}`,
	} {
		if response, answer := s.do("POST", "/api/v1/recorder/toggle", body); response.StatusCode != http.StatusUnprocessableEntity || s.recorder.starts != 0 {
			t.Errorf("%s: %d %s", situation, response.StatusCode, answer)
		}
	}
	response, body := s.do("POST", "/api/v1/recorder/toggle", `{"title":"Monday","tags":["work","loud"],"labels":{"room":"4"},"language":"en","languages":["de"],"prompt":"Zoë, Ypsilanti","keywords":["Scout"]}`)
	on := toggledOf(t, body)
	if response.StatusCode != http.StatusAccepted || on.State != "starting" {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	_, described := s.do("GET", "/api/v1/recordings/"+on.ID, "")
	var info v1.RecordingInfo
	if err := json.Unmarshal([]byte(described), &info); err != nil || info.Title != "Monday" || strings.Join(info.Tags, " ") != "loud work" || info.Labels["room"] != "4" {
		t.Errorf("%v %s", err, described)
	}
	if response, body := s.do("POST", "/api/v1/recorder/toggle", ""); response.StatusCode != http.StatusAccepted || toggledOf(t, body) != (v1.Toggled{State: "stopping", ID: on.ID}) {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// A daemon is killed while a toggle with a key is carried out. Sent again, the request does nothing a second time: what it began is not
// stopped, and what it stopped is not followed by another recording.
func TestAToggleWithAKeyWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		running   bool            // a dictation is in progress before it
		killed    func(s *served) // how far the request came
		meanwhile func(s *served) // between the two requests
		state     string
		starts    int
		records   bool // something is recorded afterwards
	}{
		"it began a dictation":          {false, nil, func(*served) {}, "starting", 1, true},
		"it began one, which has ended": {false, nil, func(s *served) { s.do("POST", "/api/v1/recorder/stop", "") }, "starting", 1, false},
		"it stopped one":                {true, nil, func(*served) {}, "stopping", 1, false},
		"it stopped one, another began": {true, nil, func(s *served) { s.do("POST", "/api/v1/recorder/start", "{}") }, "stopping", 2, true},
		"it was going to stop one":      {true, func(s *served) { s.recorder.early = true }, func(*served) {}, "stopping", 1, false},
		"it was going to begin one":     {false, func(s *served) { s.recorder.early = true }, func(*served) {}, "starting", 1, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := serveIn(t, dir, dictates)
			if c.running {
				s.do("POST", "/api/v1/recorder/toggle", "")
			}
			s.recorder.ends = true
			if c.killed != nil {
				c.killed(s)
			}
			key := []string{v1.HeaderIdempotency, "k"}
			if response, body := s.do("POST", "/api/v1/recorder/toggle", "", key...); response.StatusCode != http.StatusInternalServerError {
				t.Fatalf("%d %s", response.StatusCode, body)
			}
			s.close()
			next := serveIn(t, dir, func(n *served) { n.recorder, n.services.Recorder = s.recorder, s.recorder }, func(n *served) {
				live := &dictations{recorder: s.recorder, store: n.store}
				if s.recorder.writer != nil { // the next daemon continues what the last one left
					live.open = s.recorder.begun.ID
				}
				n.services.Live = live
			})
			next.recorder.ends, next.recorder.early = false, false
			c.meanwhile(next)
			first, body := next.do("POST", "/api/v1/recorder/toggle", "", key...)
			if first.StatusCode != http.StatusAccepted || toggledOf(t, body).State != c.state {
				t.Errorf("%d %s, want %s", first.StatusCode, body, c.state)
			}
			if next.recorder.starts != c.starts || (next.recorder.writer != nil) != c.records {
				t.Errorf("%d starts, recording %v; want %d, %v", next.recorder.starts, next.recorder.writer != nil, c.starts, c.records)
			}
			again, same := next.do("POST", "/api/v1/recorder/toggle", "", key...)
			if same != body || again.Header.Get(v1.HeaderReplayed) != "true" || next.recorder.starts != c.starts {
				t.Errorf("a third time: %d %s, want %s", again.StatusCode, same, body)
			}
			if m, err := next.folder.Manifest(recording.ID(toggledOf(t, body).ID)); err != nil || (m.State == recording.StateRecording) != (c.records && c.state == "starting") {
				t.Errorf("%+v %v", m, err)
			}
		})
	}
}
