package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/jobtest"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// exampleJob is the job of the examples.
const exampleJob = "job_01kb5ja0c8t2v6m4q9w3e7r1ya"

// waits puts the job of the examples into the queue.
func (s *served) waits(state store.JobState) {
	s.t.Helper()
	now := time.Now()
	j := store.Job{
		ID: exampleJob, Kind: job.KindTranscribe, State: state, Class: 1, Recording: string(exampleID), Options: json.RawMessage(`{"model":"moonshine-tiny-en"}`),
		Length: 250 * time.Millisecond, MaxAttempts: 5, Place: 1, Since: now, CreatedAt: now,
	}
	if err := s.store.Update(s.t.Context(), func(tx store.Tx) error { return tx.PutJob(&j) }); err != nil {
		s.t.Fatal(err)
	}
}

// askJob sends a request and returns the job of the answer.
func (s *served) askJob(method, path, body string, status int) (j v1.Job) {
	s.t.Helper()
	response, text := s.do(method, "/api/v1"+path, body)
	if response.StatusCode != status {
		s.t.Fatalf("%s %s: %d %s, want %d", method, path, response.StatusCode, text, status)
	}
	if status < http.StatusMultipleChoices && status != http.StatusNoContent {
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
	return j
}

func TestAJobIsAskedForOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	const body = `{"kind":"transcribe","recording_id":"` + string(exampleID) + `","keywords":["Zoë"],"prompt":"Scout, and a phrase of more than five words"}`
	response, text := s.do("POST", "/api/v1/jobs", body)
	var first v1.Job
	if err := json.Unmarshal([]byte(text), &first); err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	if where := response.Header.Get("Location"); where != "/api/v1/jobs/"+first.ID {
		t.Errorf("Location %s", where)
	}
	if string(first.Options) != `{"keywords":["Zoë","Scout"]}` || first.Progress == nil || *first.Progress.TotalSeconds != 0.25 {
		t.Errorf("job %s", text)
	}
	if again := s.askJob("POST", "/jobs", body, http.StatusOK); again.ID != first.ID {
		t.Errorf("the same work is job %s, want %s", again.ID, first.ID)
	}
	other := s.askJob("POST", "/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`","effort":"quick"}`, http.StatusAccepted)
	forced := s.askJob("POST", "/jobs", `{"force":true,`+body[1:], http.StatusAccepted)
	if other.ID == first.ID || forced.ID == first.ID {
		t.Errorf("jobs %s and %s, want others than %s", other.ID, forced.ID, first.ID)
	}
}

// A translation is other work than the text in the language that was spoken, on each of the ways to ask for it.
func TestATranslationIsAJobOfItsOwn(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	const path = "/recordings/" + string(exampleID) + "/transcribe"
	spoken := s.askJob("POST", path, `{}`, http.StatusAccepted)
	if again := s.askJob("POST", path, `{"task":"transcribe"}`, http.StatusOK); again.ID != spoken.ID {
		t.Errorf("the task that is the usual one is another job: %s and %s", spoken.ID, again.ID)
	}
	translation := s.askJob("POST", path, `{"task":"translate"}`, http.StatusAccepted)
	if again := s.askJob("POST", "/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`","task":"translate"}`, http.StatusOK); again.ID != translation.ID {
		t.Errorf("the same translation is job %s, want %s", again.ID, translation.ID)
	}
	if string(translation.Options) != `{"task":"translate"}` || string(spoken.Options) != `{}` {
		t.Errorf("options %s and %s", spoken.Options, translation.Options)
	}
	tus := serve(t, networked)
	mine := tus.addKey("key_a", "client", 0)
	for task, want := range map[string]string{"translate": `{"task":"translate"}`, "transcribe": `{}`, "": `{}`} {
		if response, j, text := tus.posts(mine, []part{{"task", task}, {"file", wavFile()}}); response.StatusCode != http.StatusAccepted || string(j.Options) != want {
			t.Errorf("a form with the task %q: %d %s", task, response.StatusCode, text)
		}
	}
	for parts, want := range map[part]scout.Code{{"task", "sing"}: scout.CodeInvalidArgument, {"task", "translate"}: scout.CodeModelUnsupported} {
		if response, _, text := tus.posts(mine, []part{parts, {"model", "english"}, {"file", wavFile()}}); response.Header.Get(v1.HeaderCode) != string(want) {
			t.Errorf("a form with %v: %d %s, want %s", parts, response.StatusCode, text, want)
		}
	}
}

// Lists and the text itself name both languages of a translation.
func TestATranslationNamesBothLanguages(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	key := store.Key{Recording: string(exampleID), Track: store.TrackMix, Task: store.TaskTranslate}
	if err := s.store.Update(t.Context(), func(tx store.Tx) error {
		if _, err := tx.PutRecording(store.Recording{ID: string(exampleID), Source: store.SourceMicrophone, State: "finished", StartedAt: onTheEvening()}); err != nil {
			return err
		}
		put := store.Put{Key: key, Kind: store.KindFirst, Transcript: scout.Transcript{Language: "de", Translated: true, Segments: []scout.Segment{{Text: "a word"}}}}
		_, err := tx.PutTranscript(put)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	whole := decoded[v1.Transcript](s, "/api/v1/transcripts/"+key.String())
	list := decoded[v1.Page[v1.TranscriptSummary]](s, "/api/v1/transcripts")
	if whole.Language != "de" || whole.TextLanguage != "en" || len(list.Data) != 1 || list.Data[0].Language != "de" || list.Data[0].TextLanguage != "en" || list.Data[0].Task != "translate" {
		t.Errorf("the text %q and %q, the list %+v", whole.Language, whole.TextLanguage, list.Data)
	}
}

// A text in the trash gets no versions that nobody would see.
func TestATextInTheTrashIsRestoredFirst(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	err := s.store.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.PutRecording(store.Recording{ID: string(exampleID), Source: store.SourceMicrophone, State: "finished", StartedAt: onTheEvening()})
		if err != nil {
			return err
		}
		_, err = tx.PutTranscript(store.Put{Key: store.MainKey(string(exampleID)), Kind: store.KindFirst, Transcript: scout.Transcript{Segments: []scout.Segment{{Text: "a word"}}}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/transcripts/" + string(exampleID)
	body := `{"kind":"transcribe","recording_id":"` + string(exampleID) + `","force":true}`
	s.do("DELETE", path, "")
	if response, text := s.do("POST", "/api/v1/jobs", body); response.StatusCode != http.StatusConflict || !strings.Contains(text, "is in the trash") {
		t.Errorf("%d %s, want a conflict", response.StatusCode, text)
	}
	s.do("POST", path+"/restore", "")
	s.askJob("POST", "/jobs", body, http.StatusAccepted)
}

func TestAJobIsRefusedForWhatCannotBeTranscribed(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	running := recording.ID("20261128T225900123Z-7f3a9c2e41d1")
	s.begin(running)
	deleted := recording.ID("20261128T235900123Z-7f3a9c2e41d2")
	s.record(deleted)
	s.do("DELETE", "/api/v1/recordings/"+string(deleted), "")
	lost := recording.ID("20261128T215900123Z-7f3a9c2e41d3") // another program has deleted its files
	s.record(lost)
	s.do("GET", "/api/v1/recordings/"+string(lost), "")
	if err := errors.Join(os.Remove(s.folder.AudioPath(lost)), os.Remove(s.folder.ManifestPath(lost))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.Recording(t.Context(), string(lost)); err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]scout.Code{
		`{"kind":"transcribe","recording_id":"` + string(lost) + `"}`:                                           scout.CodeGone,
		`{"kind":"transcribe","recording_id":"20200101T000000000Z-000000000000"}`:                               scout.CodeRecordingNotFound,
		`{"kind":"transcribe","recording_id":"` + string(running) + `"}`:                                        scout.CodeRecordingInUse,
		`{"kind":"transcribe","recording_id":"` + string(deleted) + `"}`:                                        scout.CodeConflict,
		`{"kind":"transcribe","recording_id":"` + string(exampleID) + `","model":"none"}`:                       scout.CodeModelNotInstalled,
		`{"kind":"transcribe","recording_id":"` + string(exampleID) + `","language":"zz9"}`:                     scout.CodeInvalidArgument,
		`{"kind":"transcribe","recording_id":"` + string(exampleID) + `","task":"sing"}`:                        scout.CodeInvalidArgument,
		`{"kind":"transcribe","recording_id":"` + string(exampleID) + `","model":"english","task":"translate"}`: scout.CodeModelUnsupported,
		`{"kind":"bake","recording_id":"` + string(exampleID) + `"}`:                                            scout.CodeInvalidArgument,
		`{"kind":"transcribe","recording_id":"` + string(exampleID) + `","priority":"soon"}`:                    scout.CodeInvalidArgument,
		`{"kind":"transcribe","recording_id":"` + string(exampleID) + `","webhook":{}}`:                         scout.CodeInvalidArgument,
	} {
		response, text := s.do("POST", "/api/v1/jobs", body)
		if code := response.Header.Get(v1.HeaderCode); code != string(want) {
			t.Errorf("%s: %d %s, want %s", body, response.StatusCode, text, want)
		}
	}
	if _, text := s.do("GET", "/api/v1/jobs", ""); text != "{\"data\":[]}\n" {
		t.Errorf("jobs after requests that were refused: %s", text)
	}
}

func TestAFullQueueSaysWhenToTryAgain(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.askJob("POST", "/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`","keywords":["7"]}`, http.StatusAccepted)
	jobtest.Fill(t, s.store, 998, store.JobQueued, 1)
	s.askJob("POST", "/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`","keywords":["8"]}`, http.StatusAccepted) // the owner has the whole queue
	response, text := s.do("POST", "/api/v1/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`"}`)
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get(v1.HeaderCode) != string(scout.CodeQueueFull) || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s, want 429", response.StatusCode, response.Header, text)
	}
	// A job that exists is still found.
	s.askJob("POST", "/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`","keywords":["7"]}`, http.StatusOK)
}

func TestAJobIsChangedAsItsStateAllows(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobQueued)
	const path = "/jobs/" + exampleJob
	for _, c := range []struct {
		method, path, body string
		status             int
		want               store.JobState
	}{
		{"GET", path, "", 200, store.JobQueued},
		{"POST", path + "/pause", "", 200, store.JobPaused},
		{"POST", path + "/pause", "", 200, store.JobPaused},
		{"POST", path + "/retry", "", 200, store.JobPaused},
		{"POST", path + "/resume", "", 200, store.JobQueued},
		{"PATCH", path, `{"priority":"interactive"}`, 200, store.JobQueued},
		{"DELETE", path, "", 409, ""},
		{"POST", path + "/cancel", "", 200, store.JobCancelled},
		{"PATCH", path, `{"priority":"low"}`, 409, ""},
		{"POST", path + "/resume", "", 409, ""},
		{"GET", path + "?wait=60", "", 200, store.JobCancelled}, // it has ended: nothing more happens
		{"POST", path + "/retry", "", 200, store.JobQueued},
		{"POST", path + "/cancel", "", 200, store.JobCancelled},
		{"DELETE", path, "", 204, ""},
		{"GET", path, "", 404, ""},
		{"POST", path + "/cancel", "", 404, ""},
	} {
		if j := s.askJob(c.method, c.path, c.body, c.status); j.State != string(c.want) {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, j.State, c.want)
		}
	}
}

func TestAListingTellsThePlacesOfJobs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobQueued)
	s.askJob("POST", "/jobs", `{"kind":"transcribe","recording_id":"`+string(exampleID)+`","keywords":["7"]}`, http.StatusAccepted)
	var page v1.Page[v1.Job]
	if _, text := s.do("GET", "/api/v1/jobs?order=asc", ""); json.Unmarshal([]byte(text), &page) != nil || len(page.Data) != 2 || page.Data[0].Position != 1 || page.Data[1].Position != 2 {
		t.Errorf("jobs %s, want the first and the second of the line", text)
	}
}

// A job of a key is its client's, so that clients take turns and each has its limit; one of this machine's owner is nobody's.
func TestAJobIsThatOfItsClient(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	s.record(exampleID)
	const body = `{"kind":"transcribe","recording_id":"` + string(exampleID) + `"`
	if j := s.askJob("POST", "/jobs", body+"}", http.StatusAccepted); j.Client != "" {
		t.Errorf("client %q, want none", j.Client)
	}
	response, text := s.ask("POST", "/api/v1/jobs", body+`,"effort":"quick"}`, bearer(s.addKey("key_notes", "owner", 0))...)
	var j v1.Job
	if err := json.Unmarshal([]byte(text), &j); err != nil || response.StatusCode != http.StatusAccepted || j.Client != "key_notes" {
		t.Errorf("%d %s, want a job of key_notes", response.StatusCode, text)
	}
}

func TestAJobIsWaitedForUntilItsStateChanges(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobQueued)
	answered := make(chan string, 1)
	go func() { // ended by the answer
		_, text := s.do("GET", "/api/v1/jobs/"+exampleJob+"?wait=60", "")
		answered <- text
	}()
	for len(answered) == 0 {
		s.askJob("POST", "/jobs/"+exampleJob+"/pause", "", 200)
		s.askJob("POST", "/jobs/"+exampleJob+"/resume", "", 200)
	}
	var j v1.Job
	if text := <-answered; json.Unmarshal([]byte(text), &j) != nil || j.ID != exampleJob {
		t.Errorf("answer %s", text)
	}
}

func TestAllJobsAreHeldBack(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.waits(store.JobDead)
	for path, want := range map[string]bool{"/queue/pause": true, "/queue/resume": false} {
		_, text := s.do("POST", "/api/v1"+path, "")
		var q v1.Queue
		if err := json.Unmarshal([]byte(text), &q); err != nil || q.Paused != want || q.Counts["dead"] != 1 || q.Slots != 2 {
			t.Errorf("%s: %s (%v)", path, text, err)
		}
	}
	if _, text := s.do("POST", "/api/v1/jobs/retry", `{"state":"dead"}`); text != "{\"count\":1,\"left\":0}\n" {
		t.Errorf("tried again: %s", text)
	}
}
