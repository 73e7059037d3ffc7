package api_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite/originaltest"
)

// works has the server do its jobs until the test ends.
func (s *served) works() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.services.Jobs.Run(ctx) }) // ended below
	s.ends = append(s.ends, func() { cancel(); running.Wait() })
}

// ended waits for a job.
func (s *served) ended(id string) v1.Job {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		j, err := s.services.Jobs.Wait(ctx, id)
		if err != nil {
			s.t.Fatal(err)
		}
		if j.State.Ended() {
			break
		}
	}
	return decoded[v1.Job](s, "/api/v1/jobs/"+id)
}

// decoded is the answer to a GET.
func decoded[T any](s *served, path string) (out T) {
	s.t.Helper()
	response, body := s.do("GET", path, "")
	if err := json.Unmarshal([]byte(body), &out); err != nil || response.StatusCode != 200 {
		s.t.Fatalf("%d %s (%v)", response.StatusCode, body, err)
	}
	return out
}

// ofOriginal is a database of the original Scout with some texts.
func ofOriginal(t *testing.T, statements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(originaltest.Write(t, append([]string{`CREATE TABLE transcripts (id INTEGER PRIMARY KEY, text TEXT, duration_ms INTEGER, created_at TEXT, audio_path TEXT)`}, statements...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// importForm is a form with fields, each a name and a value; that of the field file is a file.
func importForm(t *testing.T, fields ...string) (body, media string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(fields); i += 2 {
		var part io.Writer
		var err error
		if fields[i] == "file" {
			part, err = w.CreateFormFile("file", "scout.db")
		} else {
			part, err = w.CreateFormField(fields[i])
		}
		if err == nil {
			_, err = io.WriteString(part, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

func TestTheOriginalScoutIsImported(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	d := s.openAPI()
	s.works()
	key := s.addKey("key_client", "client", 0)
	sound := filepath.Join(t.TempDir(), "a.flac")
	if err := os.WriteFile(sound, []byte("fLaC and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := string(ofOriginal(t, `INSERT INTO transcripts VALUES (1, 'good morning', 1500, '2025-07-15 08:30:01', '`+sound+`'), (2, 'and good night', 900, '2025-07-15 22:30:01', NULL)`))
	body, media := importForm(t, "file", data)
	response, text := s.do("POST", "/api/v1/import", body, "Content-Type", media)
	var j v1.Job
	if err := json.Unmarshal([]byte(text), &j); err != nil || response.StatusCode != 202 || response.Header.Get("Location") != "/api/v1/jobs/"+j.ID {
		t.Fatalf("%d %s %v", response.StatusCode, text, response.Header)
	}
	if err := d.validate("/api/v1/import", "post", "202", text); err != nil {
		t.Errorf("the answer does not fit the document: %v", err)
	}
	j = s.ended(j.ID)
	if j.State != "succeeded" || j.Result == nil || j.Result.Imported == nil || j.Result.Imported.Recordings != 2 || j.Result.Imported.Audio != 1 || j.Progress == nil || *j.Progress.DoneItems != 2 || j.Progress.Fraction != 1 {
		t.Fatalf("job %+v: result %+v", j, j.Result)
	}
	list := decoded[v1.Page[v1.RecordingInfo]](s, "/api/v1/recordings?source=import&order=asc")
	if len(list.Data) != 2 || list.Data[0].Audio != "present" || list.Data[0].MediaType != "audio/flac" || list.Data[0].Transcript.Preview != "good morning" {
		t.Fatalf("recordings %+v", list.Data)
	}
	if response, audio := s.do("GET", "/api/v1/recordings/"+list.Data[0].ID+"/audio", ""); response.StatusCode != 200 || audio != "fLaC and so on" {
		t.Errorf("audio: %d %q", response.StatusCode, audio)
	}
	// The same file again, as a job of its own, makes nothing.
	_, text = s.do("POST", "/api/v1/import", body, "Content-Type", media, "Idempotency-Key", "again")
	var again v1.Job
	if err := json.Unmarshal([]byte(text), &again); err != nil || again.ID == j.ID {
		t.Fatalf("%s, want another job than %s (%v)", text, j.ID, err)
	}
	if again = s.ended(again.ID); again.Result.Imported.Recordings != 0 || again.Result.Imported.Already != 2 {
		t.Errorf("the second time: %+v", again.Result.Imported)
	}
	// The same request is the same job.
	response, text = s.do("POST", "/api/v1/import", body, "Content-Type", media, "Idempotency-Key", "again")
	if response.Header.Get("Idempotent-Replayed") != "true" || !strings.Contains(text, again.ID) {
		t.Errorf("sent again: %d %s", response.StatusCode, text)
	}
	other, otherMedia := importForm(t, "file", string(ofOriginal(t)))
	if response, text = s.do("POST", "/api/v1/import", other, "Content-Type", otherMedia, "Idempotency-Key", "again"); response.StatusCode != 422 || response.Header.Get("X-Scout-Code") != string(scout.CodeIdempotencyKey) {
		t.Errorf("another file with that key: %d %s", response.StatusCode, text)
	}
	// Paths of another machine are not looked at.
	far, farMedia := importForm(t, "file", string(ofOriginal(t, `INSERT INTO transcripts VALUES (1, 'from afar', 1, '2025-07-16 08:30:01', '`+sound+`')`)))
	_, text = s.ask("POST", "/api/v1/import", far, append(bearer(s.key), "Content-Type", farMedia)...)
	if err := json.Unmarshal([]byte(text), &again); err != nil {
		t.Fatal(err, text)
	}
	if again = s.ended(again.ID); again.Result == nil || again.Result.Imported.Audio != 0 || again.Result.Imported.AudioMissing != 1 {
		t.Errorf("over the network: %+v", again)
	}
	// Clients import nothing.
	if response, text = s.ask("POST", "/api/v1/import", far, append(bearer(key), "Content-Type", farMedia)...); response.StatusCode != 403 {
		t.Errorf("a client: %d %s", response.StatusCode, text)
	}
}

func TestWhatCannotBeImportedIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	file := func(fields ...string) func(t *testing.T) (string, string) {
		return func(t *testing.T) (string, string) { return importForm(t, fields...) }
	}
	for situation, c := range map[string]struct {
		form   func(t *testing.T) (body, media string)
		status int
		code   scout.Code
	}{
		"no database":    {file("file", "these are some words"), 400, scout.CodeImportForeign},
		"nothing in it":  {file("file", ""), 400, scout.CodeImportForeign},
		"no file":        {file(), 422, scout.CodeInvalidArgument},
		"another field":  {file("file", "SQLite format 3\x00", "name", "x"), 422, scout.CodeInvalidArgument},
		"two files":      {file("file", "SQLite format 3\x00", "file", "SQLite format 3\x00"), 422, scout.CodeInvalidArgument},
		"too many bytes": {file("file", "SQLite format 3\x00"+strings.Repeat("x", 1<<20)), 413, scout.CodeRequestTooLarge},
		"no form":        {func(*testing.T) (string, string) { return "{}", "application/json" }, 415, scout.CodeMediaType},
		"a form that ends": {func(t *testing.T) (string, string) {
			body, media := importForm(t, "file", "SQLite format 3\x00 and more")
			return body[:len(body)-20], media
		}, 400, scout.CodeInvalidArgument},
	} {
		body, media := c.form(t)
		response, text := s.do("POST", "/api/v1/import", body, "Content-Type", media)
		if response.StatusCode != c.status || response.Header.Get("X-Scout-Code") != string(c.code) {
			t.Errorf("%s: %d %s, want %d %s", situation, response.StatusCode, text, c.status, c.code)
		}
	}
	if files, err := os.ReadDir(filepath.Join(s.dir, "imports", ".incoming")); err != nil || len(files) != 0 {
		t.Errorf("what was refused left %v (%v)", files, err)
	}
	if jobs := decoded[v1.Page[v1.Job]](s, "/api/v1/jobs"); len(jobs.Data) != 0 {
		t.Errorf("what was refused made %v", jobs.Data)
	}
}

// zipped are the files of a zip file.
func zipped(t *testing.T, data string) map[string]string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return files
}

func TestManyRecordingsAreExported(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.network.BasePath = "/scout" })
	d := s.openAPI()
	const second = recording.ID("20261128T215901123Z-7f3a9c2e41d0")
	for _, id := range []recording.ID{exampleID, second} {
		s.record(id)
		if err := s.history.See(t.Context(), string(id)); err != nil {
			t.Fatal(err)
		}
	}
	s.do("POST", "/api/v1/transcripts", `{"recording":"`+string(exampleID)+`",`+keptTranscript())
	response, text := s.do("POST", "/api/v1/jobs", `{"kind":"export","all":true,"formats":["txt","audio","json","txt"]}`)
	var j v1.Job
	if err := json.Unmarshal([]byte(text), &j); err != nil || response.StatusCode != 202 {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	if response, text := s.do("GET", "/api/v1/jobs/"+j.ID+"/export", ""); response.StatusCode != 409 {
		t.Errorf("before it was done: %d %s", response.StatusCode, text)
	}
	s.works()
	j = s.ended(j.ID)
	if j.State != "succeeded" || j.Result == nil || j.Result.URL != "/api/v1/jobs/"+j.ID+"/export" || j.Result.ExpiresAt == nil || *j.Result.Exported != (v1.Exported{Recordings: 2, Files: 4, Problems: 2}) {
		t.Fatalf("job %+v: result %+v", j, j.Result)
	}
	if _, text := s.do("GET", "/api/v1/jobs/"+j.ID, ""); d.validate("/api/v1/jobs/{id}", "get", "200", text) != nil {
		t.Errorf("the job does not fit the document: %s", text)
	}
	response, whole := s.do("GET", j.Result.URL, "")
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != "application/zip" || int64(len(whole)) != j.Result.SizeBytes {
		t.Fatalf("%d %v, %d bytes", response.StatusCode, response.Header, len(whole))
	}
	files := zipped(t, whole)
	stored, err := os.ReadFile(s.folder.AudioPath(exampleID))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 5 || files[string(exampleID)+".wav"] != string(stored) || !strings.Contains(files[string(exampleID)+".txt"], "Good morning, Zoë.") || files[string(second)+".wav"] == "" {
		t.Errorf("files %v", files)
	}
	if _, single := s.do("GET", "/api/v1/recordings/"+string(exampleID)+"/export?format=json", ""); files[string(exampleID)+".json"] != single {
		t.Errorf("the text in the file differs from that alone: %s", files[string(exampleID)+".json"])
	}
	var index struct {
		Recordings []struct {
			ID       string
			Files    []string
			Problems []struct{ Format, Code, Message string }
		}
	}
	if err := json.Unmarshal([]byte(files["index.json"]), &index); err != nil || len(index.Recordings) != 2 || index.Recordings[0].ID != string(exampleID) || len(index.Recordings[1].Problems) != 2 || index.Recordings[1].Problems[0].Code != "not_found" {
		t.Errorf("index %s (%v)", files["index.json"], err)
	}
	// A download that broke goes on, and nothing is sent to whoever has it.
	if response, rest := s.do("GET", j.Result.URL, "", "Range", "bytes=100-"); response.StatusCode != 206 || rest != whole[100:] {
		t.Errorf("a range: %d, %d bytes", response.StatusCode, len(rest))
	}
	if response, rest := s.do("GET", j.Result.URL, "", "If-None-Match", response.Header.Get("ETag")); response.StatusCode != 304 || rest != "" {
		t.Errorf("again: %d, %d bytes", response.StatusCode, len(rest))
	}
	if response, rest := s.do("HEAD", j.Result.URL, ""); response.StatusCode != 200 || rest != "" || response.Header.Get("Content-Length") != fmt.Sprint(len(whole)) {
		t.Errorf("HEAD: %d %v", response.StatusCode, response.Header)
	}
	// Over the network the link has what precedes every path.
	_, text = s.ask("GET", "/scout/api/v1/jobs/"+j.ID, "", bearer(s.key)...)
	var far v1.Job
	if err := json.Unmarshal([]byte(text), &far); err != nil || far.Result.URL != "/scout"+j.Result.URL {
		t.Errorf("over the network: %s", text)
	}
	if response, text := s.ask("GET", far.Result.URL, "", bearer(s.key)...); response.StatusCode != 200 || text != whole {
		t.Errorf("over the network: %d, %d bytes", response.StatusCode, len(text))
	}
	// What is removed for good is in no file any more.
	if response, text := s.do("DELETE", "/api/v1/recordings/"+string(second)+"?purge=true", ""); response.StatusCode != 204 {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	if response, _ := s.do("GET", j.Result.URL, ""); response.StatusCode != 410 {
		t.Errorf("after the purge: %d", response.StatusCode)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "exports")); err != nil || len(left) != 0 {
		t.Errorf("after the purge there is %v (%v)", left, err)
	}
}

func TestAClientExportsWhatItMade(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	s.works()
	one, two := s.addKey("key_one", "client", 0), s.addKey("key_two", "client", 0)
	for _, id := range []string{"20261128T215900123Z-7f3a9c2e41d0", "20261128T215901123Z-7f3a9c2e41d0"} {
		client := map[bool]string{true: "key_one", false: "key_two"}[strings.Contains(id, "5900")]
		err := s.store.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.PutRecording(store.Recording{ID: id, Source: store.SourceUpload, State: "finished", StartedAt: onTheEvening(), Audio: store.AudioRemoved, Client: client})
			if err != nil {
				return err
			}
			_, err = tx.PutTranscript(store.Put{Key: store.MainKey(id), Kind: store.KindFirst, Transcript: scout.Transcript{Segments: []scout.Segment{{Text: "said by " + client}}}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var j v1.Job
	response, text := s.ask("POST", "/api/v1/jobs", `{"kind":"export","all":true,"formats":["txt"]}`, bearer(one)...)
	if err := json.Unmarshal([]byte(text), &j); err != nil || response.StatusCode != 202 {
		t.Fatalf("%d %s", response.StatusCode, text)
	}
	s.ended(j.ID)
	_, whole := s.ask("GET", "/api/v1/jobs/"+j.ID+"/export", "", bearer(one)...)
	if files := zipped(t, whole); len(files) != 2 || !strings.Contains(files["20261128T215900123Z-7f3a9c2e41d0.txt"], "said by key_one") {
		t.Errorf("files %v", files)
	}
	for _, c := range []struct {
		key    string
		status int
		jobs   int
	}{{one, 200, 1}, {two, 404, 0}} {
		for _, path := range []string{"/api/v1/jobs/" + j.ID, "/api/v1/jobs/" + j.ID + "/export"} {
			if response, _ := s.ask("GET", path, "", bearer(c.key)...); response.StatusCode != c.status {
				t.Errorf("%s for %s: %d, want %d", path, c.key, response.StatusCode, c.status)
			}
		}
		_, text := s.ask("GET", "/api/v1/jobs", "", bearer(c.key)...)
		var list v1.Page[v1.Job]
		if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Data) != c.jobs {
			t.Errorf("jobs of %s: %s", c.key, text)
		}
	}
	if response, text := s.ask("POST", "/api/v1/jobs", `{"kind":"export","recording_ids":["20261128T215901123Z-7f3a9c2e41d0"],"formats":["txt"]}`, bearer(one)...); response.StatusCode != 404 {
		t.Errorf("what another client made: %d %s", response.StatusCode, text)
	}
}

func TestOrdersOfJobsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	id := string(exampleID)
	for body, want := range map[string]string{
		`{"kind":"export","formats":["txt"]}`:                                           "body.recording_ids",
		`{"kind":"export","all":true,"recording_ids":["` + id + `"],"formats":["txt"]}`: "body.recording_ids",
		`{"kind":"export","all":true}`:                                                  "body.formats",
		`{"kind":"export","all":true,"formats":["pdf"]}`:                                "body.formats[0]",
		`{"kind":"export","all":true,"formats":[]}`:                                     "body.formats",
		`{"kind":"export","recording_id":"` + id + `","formats":["txt"]}`:               "body.recording_id",
		`{"kind":"export","all":true,"formats":["txt"],"force":true}`:                   "body.force",
		`{"kind":"export","all":true,"formats":["txt"],"language":"en"}`:                "body",
		`{"kind":"transcribe"}`:                                                         "body.recording_id",
		`{"kind":"transcribe","recording_id":"` + id + `","formats":["txt"]}`:           "body",
		`{"kind":"import"}`:     "body.kind",
		`{"kind":"model_pull"}`: "body.kind",
	} {
		response, text := s.do("POST", "/api/v1/jobs", body)
		var failure v1.ErrorBody
		if err := json.Unmarshal([]byte(text), &failure); err != nil || response.StatusCode != 422 {
			t.Errorf("%s: %d %s", body, response.StatusCode, text)
			continue
		}
		if !slices.ContainsFunc(failure.Error.Details, func(d v1.Detail) bool { return d.Location == want }) {
			t.Errorf("%s: %+v, want one about %s", body, failure.Error.Details, want)
		}
	}
}
