package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// recordFor makes a recording that a client owns.
func (s *served) recordFor(id recording.ID, client string) {
	s.t.Helper()
	s.record(id)
	err := s.store.Update(s.t.Context(), func(tx store.Tx) error {
		_, err := tx.PutRecording(store.Recording{ID: string(id), Source: store.SourceUpload, State: "finished", Client: client, StartedAt: time.Date(2026, 11, 28, 21, 59, 0, 0, time.UTC), Audio: store.AudioPresent})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// A client asks for texts of its own recordings, and has the jobs about them. Those of others are not there, whoever asked for them.
func TestClientsHaveTheJobsOfTheirRecordings(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	const owners = recording.ID("20261128T220000123Z-7f3a9c2e41d1")
	mine, other := s.addKey("key_a", "client", 0), s.addKey("key_b", "client", 0)
	s.recordFor(exampleID, "key_a")
	s.recordFor(owners, "")
	asked := func(key, method, path, body string, want int) (j v1.Job) {
		t.Helper()
		response, said := s.ask(method, "/api/v1"+path, body, bearer(key)...)
		if response.StatusCode != want {
			t.Errorf("%s %s with %s: %d %s, want %d", method, path, key, response.StatusCode, said, want)
		}
		if want < http.StatusMultipleChoices && want != http.StatusNoContent {
			if err := json.Unmarshal([]byte(said), &j); err != nil {
				t.Errorf("%s: %v", said, err)
			}
		}
		return j
	}
	order := func(id, more string) string { return `{"kind":"transcribe","recording_id":"` + id + `"` + more + `}` }

	own := asked(mine, "POST", "/jobs", order(string(exampleID), ""), http.StatusAccepted)
	if own.Client != "key_a" {
		t.Errorf("the job is that of %q: clients would not take turns", own.Client)
	}
	if again := asked(s.key, "POST", "/jobs", order(string(exampleID), ""), http.StatusOK); again.ID != own.ID {
		t.Errorf("the same work for the owner is job %s, want %s", again.ID, own.ID)
	}
	elses := asked(s.key, "POST", "/jobs", order(string(owners), ""), http.StatusAccepted)
	byOwner := asked(s.key, "POST", "/jobs", order(string(exampleID), `,"effort":"quick"`), http.StatusAccepted)
	asked(mine, "POST", "/jobs", order(string(exampleID), `,"effort":"quick"`), http.StatusOK)
	asked(mine, "GET", "/jobs/"+byOwner.ID+"?wait=0", "", http.StatusOK)

	nobodys, said := s.ask("POST", "/api/v1/jobs", order("20200101T000000000Z-000000000000", ""), bearer(mine)...)
	for _, id := range []string{string(owners), string(owners)[:22], string(owners)[20:]} {
		response, body := s.ask("POST", "/api/v1/jobs", order(id, ""), bearer(mine)...)
		if response.StatusCode != nobodys.StatusCode || strings.ReplaceAll(body, id, "ID") != strings.ReplaceAll(said, "20200101T000000000Z-000000000000", "ID") {
			t.Errorf("the owner's recording as %s: %d %s; one that does not exist: %d %s", id, response.StatusCode, body, nobodys.StatusCode, said)
		}
	}
	if short := asked(mine, "POST", "/jobs", order("2026", ""), http.StatusOK); short.ID != own.ID { // of its own recordings, one begins so
		t.Errorf("by the beginning of the id: %s, want %s", short.ID, own.ID)
	}

	for key, want := range map[string]string{mine: byOwner.ID + own.ID, other: "", "none": "", s.key: byOwner.ID + elses.ID + own.ID} {
		_, body := s.ask("GET", "/api/v1/jobs", "", bearer(key)...)
		var page v1.Page[v1.Job]
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		got := ""
		for i := range page.Data {
			got += page.Data[i].ID
		}
		if got != want {
			t.Errorf("jobs with %s: %s, want %s", key, got, want)
		}
	}
	for _, id := range []string{elses.ID, own.ID, "job_01kb5ja0c8t2v6m4q9w3e7r1yb", "..", "%2e%2e%2fqueue"} {
		key := mine
		if id == own.ID {
			key = other
		}
		for _, request := range strings.Split(strings.TrimSpace(clientOperations), "\n") {
			method, path, _ := strings.Cut(request, " ")
			if !strings.Contains(path, "/jobs/{id}") || id == ".." && strings.HasSuffix(path, "/events") { // that is the stream of events, which does not end
				continue
			}
			body := map[string]string{"PATCH": `{"priority":"low"}`}[method]
			response, said := s.ask(method, strings.ReplaceAll(path, "{id}", id), body, bearer(key)...)
			if response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s of somebody else: %d %s", method, id, response.StatusCode, said)
			}
		}
	}
	for _, id := range []string{elses.ID, own.ID} {
		if j := asked(s.key, "GET", "/jobs/"+id, "", http.StatusOK); j.State != "queued" || j.Priority != "normal" {
			t.Errorf("after all of that job %s is %s with priority %s", id, j.State, j.Priority)
		}
	}

	asked(mine, "PATCH", "/jobs/"+own.ID, `{"priority":"low"}`, http.StatusOK)
	asked(mine, "PATCH", "/jobs/"+own.ID, `{"priority":"interactive"}`, http.StatusForbidden)
	asked(mine, "POST", "/jobs", order(string(exampleID), `,"priority":"interactive"`), http.StatusForbidden)
	if j := asked(mine, "POST", "/jobs/"+own.ID+"/cancel", "", http.StatusOK); j.State != "cancelled" {
		t.Errorf("cancelled: %s", j.State)
	}
	asked(mine, "GET", "/jobs/"+own.ID+"?wait=60", "", http.StatusOK) // it has ended
	if j := asked(mine, "POST", "/jobs/"+own.ID+"/retry", "", http.StatusOK); j.State != "queued" {
		t.Errorf("tried again: %s", j.State)
	}
	asked(mine, "POST", "/jobs/"+own.ID+"/cancel", "", http.StatusOK)
	asked(mine, "DELETE", "/jobs/"+own.ID, "", http.StatusNoContent)
	response, said := s.ask("POST", "/api/v1/jobs/retry", `{"state":"cancelled"}`, bearer(mine)...)
	if response.Header.Get(v1.HeaderCode) != string(scout.CodePermissionDenied) {
		t.Errorf("all jobs of everybody: %d %s", response.StatusCode, said)
	}
}
