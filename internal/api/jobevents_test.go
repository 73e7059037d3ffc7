package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// eventsOf reads the events of a stream, each its type and its data, until the stream ends.
func (s *served) eventsOf(path, key string) func() (kind, data string, more bool) {
	s.t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(s.rawAs(s.t, key, "GET /api/v1"+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = response.Body.Close() }) // the test is over
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d", path, response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	return func() (kind, data string, more bool) {
		for lines.Scan() {
			switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
			case "event":
				kind = value
			case "data":
				return kind, value, true
			}
		}
		if err := lines.Err(); err != nil {
			s.t.Errorf("the stream broke off: %v", err)
		}
		return "", "", false
	}
}

// Who follows a job sees it as it is, each change, and the end of the stream behind its end.
func TestAJobIsFollowed(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	s.recordFor(exampleID, "key_a")
	if _, body := s.ask("POST", "/api/v1/queue/pause", "", bearer(s.key)...); !strings.Contains(body, `"paused":true`) {
		t.Fatal(body)
	}
	_, made := s.ask("POST", "/api/v1/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`"}`, bearer(mine)...)
	var j v1.Job
	if err := json.Unmarshal([]byte(made), &j); err != nil {
		t.Fatalf("%s: %v", made, err)
	}
	path := "/jobs/" + j.ID + "/events"
	for _, elses := range []string{path, "/jobs/job_none/events"} {
		if response, body := s.ask("GET", "/api/v1"+elses, "", bearer(other)...); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s by another client: %d %s", elses, response.StatusCode, body)
		}
	}
	next := s.eventsOf(path, mine)
	last := ""
	sees := func(state string, more func(*v1.Job) bool) {
		t.Helper()
		for {
			kind, data, open := next()
			var got v1.Job
			if !open || kind != "job" || json.Unmarshal([]byte(data), &got) != nil || got.ID != j.ID {
				t.Fatalf("event %q %s, open %t; want job %s, %s", kind, data, open, j.ID, state)
			}
			if data == last {
				t.Errorf("nothing changed: %s", data)
			}
			last = data
			if got.State == state && more(&got) {
				return
			}
		}
	}
	sees("queued", func(j *v1.Job) bool { return j.Position == 1 && j.Priority == "normal" })
	s.ask("PATCH", "/api/v1/jobs/"+j.ID, `{"priority":"low"}`, bearer(mine)...)
	sees("queued", func(j *v1.Job) bool { return j.Priority == "low" })
	s.ask("POST", "/api/v1/jobs/"+j.ID+"/pause", "", bearer(mine)...)
	sees("paused", func(*v1.Job) bool { return true })
	s.ask("POST", "/api/v1/jobs/"+j.ID+"/cancel", "", bearer(mine)...)
	sees("cancelled", func(j *v1.Job) bool { return j.FinishedAt != nil })
	if kind, data, open := next(); open {
		t.Errorf("event %s %s behind the end", kind, data)
	}
	if kind, data, _ := s.eventsOf(path, mine)(); kind != "job" || !strings.Contains(data, `"cancelled"`) {
		t.Errorf("one that has ended: %q %s", kind, data)
	}
}

// A job that goes while it is followed takes the stream along.
func TestAStreamEndsWithItsJob(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobQueued)
	next := s.eventsOf("/jobs/"+exampleJob+"/events", "")
	if kind, data, _ := next(); kind != "job" || !strings.Contains(data, `"queued"`) {
		t.Fatalf("%q %s", kind, data)
	}
	s.askJob("POST", "/jobs/"+exampleJob+"/cancel", "", http.StatusOK)
	s.askJob("DELETE", "/jobs/"+exampleJob, "", http.StatusNoContent)
	for { // the end of the job may come first
		kind, data, open := next()
		if !open {
			break
		}
		if kind != "job" || !strings.Contains(data, `"cancelled"`) {
			t.Errorf("%q %s of a job that is gone", kind, data)
		}
	}
	if response, body := s.do("GET", "/api/v1/jobs/"+exampleJob+"/events", ""); response.StatusCode != http.StatusNotFound {
		t.Errorf("afterwards: %d %s", response.StatusCode, body)
	}
}

// A listener of a job that never reads is cut off, is counted, and delays nobody.
func TestAListenerOfAJobThatNeverReads(t *testing.T) {
	t.Parallel()
	s := serve(t, hurried(api.Times{Write: 50 * time.Millisecond}))
	s.record(exampleID)
	now := time.Now()
	j := store.Job{
		ID: exampleJob, Kind: job.KindTranscribe, State: store.JobQueued, Class: 1, Recording: string(exampleID), MaxAttempts: 5, Place: 1, Since: now, CreatedAt: now,
		Options: json.RawMessage(`{"prompt":"` + strings.Repeat("x", 1<<20) + `"}`), // more than a socket holds
	}
	if err := s.store.Update(t.Context(), func(tx store.Tx) error { return tx.PutJob(&j) }); err != nil {
		t.Fatal(err)
	}
	s.raw(t, "GET /api/v1/jobs/"+exampleJob+"/events HTTP/1.1\r\nHost: s\r\n\r\n")
	for _, change := range []func(*job.Queue, context.Context, string) (store.Job, error){(*job.Queue).Pause, (*job.Queue).Resume, (*job.Queue).Cancel} {
		if _, err := change(s.services.Jobs, t.Context(), exampleJob); err != nil {
			t.Error(err)
		}
	}
	for began := time.Now(); ; { // nothing announces that it was cut off
		_, metrics := s.do("GET", "/metrics", "")
		if strings.Contains(metrics, `scout_streams_cut_off_total{kind="job"} 1`) && strings.Contains(metrics, `scout_connections{kind="job"} 0`) && s.server.Streams() == 0 {
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%d streams:\n%s", s.server.Streams(), metrics)
		}
	}
}

// A text asked for at its recording is the same job as one asked for at the queue.
func TestATextIsAskedForAtItsRecording(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	s.recordFor(exampleID, "key_a")
	path := "/api/v1/recordings/" + string(exampleID) + "/transcribe"
	response, body := s.ask("POST", path, "", bearer(mine)...)
	var made, again v1.Job
	if err := json.Unmarshal([]byte(body), &made); err != nil || response.StatusCode != http.StatusAccepted || !strings.HasSuffix(response.Header.Get("Location"), "/jobs/"+made.ID) {
		t.Fatalf("%d %v %s", response.StatusCode, response.Header, body)
	}
	response, body = s.ask("POST", "/api/v1/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`"}`, bearer(mine)...)
	if err := json.Unmarshal([]byte(body), &again); err != nil || response.StatusCode != http.StatusOK || again.ID != made.ID {
		t.Errorf("at the queue: %d %s, want job %s", response.StatusCode, body, made.ID)
	}
	for _, c := range []struct {
		key, body string
		want      int
	}{
		{mine, `{"force":true,"effort":"quick"}`, 202},
		{mine, `{"priority":"interactive"}`, 403},
		{mine, `{"recording_id":"x"}`, 422},
		{mine, `{"model":"none"}`, 404},
		{other, "", 404},
	} {
		if response, body := s.ask("POST", path, c.body, bearer(c.key)...); response.StatusCode != c.want {
			t.Errorf("%s with %s: %d %s, want %d", c.body, c.key, response.StatusCode, body, c.want)
		}
	}
}
