package api_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store"
)

// One stream tells a page of everything: of the journal, of a dictation, of a job and of a device.
func TestOneStreamForAPage(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, dictates)
	defer s.close() // before the streams, which end with it
	if response, body := s.do("POST", "/api/v1/recorder/start", `{"id":"`+string(exampleID)+`","live":true}`); response.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	s.waits(store.JobQueued)
	live, work := "live:"+string(exampleID), "job:"+exampleJob
	next := s.eventsOf("/events?topics=upload,level:mic,"+live+","+work+","+live, s.key)
	seen := make(map[string]v1.TopicEvent)
	until := func(what string, more func(kind string, e *v1.TopicEvent) bool) {
		t.Helper()
		for {
			kind, data, open := next()
			var e v1.TopicEvent
			if err := json.Unmarshal([]byte(data), &e); !open || err != nil || e.Topic != "" && (e.Type != kind || e.At.IsZero()) {
				t.Fatalf("%s: %q %q, open %t, %v", what, kind, data, open, err)
			}
			if e.Topic != "" && !strings.Contains("level:mic "+live+" "+work, e.Topic) || strings.HasPrefix(kind, "recording.") {
				t.Fatalf("%s: nobody asked for %q %q", what, kind, data)
			}
			seen[e.Topic] = e
			if more(kind, &e) {
				return
			}
		}
	}
	until("all of them", func(string, *v1.TopicEvent) bool {
		return seen[live].Topic != "" && seen[work].Topic != "" && seen["level:mic"].Topic != ""
	})
	data, _ := json.Marshal(seen[work].Data)
	var j v1.Job
	if err := json.Unmarshal(data, &j); err != nil || j.ID != exampleJob || j.State != "queued" {
		t.Errorf("the job: %s", data)
	}
	if data, _ := json.Marshal(seen[live].Data); !strings.Contains(string(data), `"state":"listening"`) {
		t.Errorf("the dictation: %s", data)
	}
	if data, _ := json.Marshal(seen["level:mic"].Data); !strings.Contains(string(data), `"device":"mic"`) {
		t.Errorf("the level: %s", data)
	}
	s.do("POST", "/api/v1/jobs/"+exampleJob+"/cancel", "")
	until("the end of the job", func(kind string, e *v1.TopicEvent) bool { return kind == "ended" && e.Topic == work })
	s.history.Note(t.Context(), "upload.finished", "", map[string]string{"id": "a"})
	until("the journal, after all that", func(kind string, _ *v1.TopicEvent) bool { return kind == "upload.finished" })
}

// A device that is not there is told once, and ends nothing.
func TestALevelThatFails(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	defer s.close() // before the stream, which ends with it
	next := s.eventsOf("/events?topics=level:none", s.key)
	kind, data, _ := next()
	if kind != "error" || !strings.Contains(data, string(scout.CodeDeviceNotFound)) || !strings.Contains(data, `"topic":"level:none"`) {
		t.Errorf("%q %s", kind, data)
	}
	if s.server.Streams() != 1 {
		t.Error("the stream has ended")
	}
}

func TestTopicsThatARoleMayNotSee(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, dictates)
	defer s.close() // as above
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	s.recordFor(exampleID, "key_a")
	s.waits(store.JobQueued)
	var many []string
	for n := range 201 {
		many = append(many, "level:"+strconv.Itoa(n))
	}
	for _, c := range []struct {
		key, topics string
		status      int
		code        scout.Code
	}{
		{mine, "job:" + exampleJob, 200, ""},
		{other, "job:" + exampleJob, 404, scout.CodeNotFound},
		{s.key, "job:job_none", 404, scout.CodeNotFound},
		{other, "live:" + string(exampleID), 404, scout.CodeRecordingNotFound},
		{mine, "live:" + string(exampleID), 404, scout.CodeNotFound}, // a recording, and no dictation
		{s.key, "live:none", 404, scout.CodeNotFound},
		{mine, "level:mic", 403, scout.CodePermissionDenied},
		{s.key, "recording:" + string(exampleID), 422, scout.CodeInvalidArgument},
		{s.key, strings.Join(many, ","), 422, scout.CodeInvalidArgument},
	} {
		if c.status == 200 {
			s.eventsOf("/events?topics="+c.topics, c.key)
			continue
		}
		if response, body := s.ask("GET", "/api/v1/events?topics="+c.topics, "", bearer(c.key)...); response.StatusCode != c.status || response.Header.Get(v1.HeaderCode) != string(c.code) {
			t.Errorf("%s: %d %s", c.topics, response.StatusCode, body)
		}
	}
}
