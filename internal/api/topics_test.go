package api_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

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

// What one topic lacks is told as an event, and the others come.
func TestTopicsBesideOneThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, dictates)
	defer s.close() // before the streams, which end with it
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	s.recordFor(exampleID, "key_a")
	s.waits(store.JobQueued)
	here, absent := "job:"+exampleJob, "live:"+string(exampleID) // a recording, and no dictation
	for _, c := range []struct {
		key, topic string
		code       scout.Code
	}{
		{s.key, "job:job_none", scout.CodeNotFound},
		{s.key, "live:none", scout.CodeNotFound},
		{s.key, absent, scout.CodeNotFound},
		{s.key, "recording:" + string(exampleID), scout.CodeInvalidArgument},
		{s.key, "recordings", scout.CodeInvalidArgument},
		{mine, absent, scout.CodeNotFound},
		{mine, "level:mic", scout.CodePermissionDenied},
		{other, here, scout.CodeNotFound},
	} {
		follows := here
		if c.key == other {
			follows = "upload"
		}
		next := s.eventsOf("/events?topics="+c.topic+","+follows+",job", c.key)
		kind, data, _ := next()
		var e struct {
			v1.TopicEvent
			Data v1.Error `json:"data"`
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || kind != "error" || e.Type != kind || e.Topic != c.topic || e.At.IsZero() || e.Data.Code != c.code || e.Data.Message == "" {
			t.Errorf("%s: %q %s (%v)", c.topic, kind, data, err)
		}
		if c.key == other {
			continue
		}
		if kind, data, _ := next(); kind != "job" || !strings.Contains(data, here) {
			t.Errorf("behind %s: %q %s", c.topic, kind, data)
		}
	}
	const want = `
# HELP scout_stream_topics_refused_total Topics of an event stream that could not be followed while the rest of the stream came, by code.
# TYPE scout_stream_topics_refused_total counter
scout_stream_topics_refused_total{code="invalid_argument"} 2
scout_stream_topics_refused_total{code="not_found"} 5
scout_stream_topics_refused_total{code="permission_denied"} 1
`
	if err := testutil.GatherAndCompare(s.registry, strings.NewReader(want), "scout_stream_topics_refused_total"); err != nil {
		t.Error(err)
	}
}

// Ids of devices have commas on some systems.
func TestALevelOfADeviceWithAComma(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	defer s.close() // before the stream, which ends with it
	if kind, data, _ := s.eventsOf("/events?topics=level:USB:2%252C1,job", s.key)(); kind != "level" || !strings.Contains(data, `"topic":"level:USB:2,1"`) {
		t.Errorf("%q %s", kind, data)
	}
}

func TestTopicsThatARoleMayNotSee(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, dictates)
	defer s.close() // as above
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	s.recordFor(exampleID, "key_a")
	s.waits(store.JobQueued)
	many := numbered("level:", 201)
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
		{s.key, many, 422, scout.CodeInvalidArgument},
		{s.key, "job:job_none,live:none", 404, scout.CodeNotFound}, // nothing would come
		{s.key, "job:job_none,job:job_none", 404, scout.CodeNotFound},
		{s.key, strings.Repeat("job,", 10) + numbered("job:", 1001), 422, scout.CodeInvalidArgument},
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

// numbered are n topics.
func numbered(kind string, n int) string {
	topics := make([]string, n)
	for i := range topics {
		topics[i] = kind + strconv.Itoa(i)
	}
	return strings.Join(topics, ",")
}
