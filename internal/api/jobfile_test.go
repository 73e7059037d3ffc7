package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// part is one of a form: a field, or a file where it is named so.
type part struct{ name, value string }

// formOf is a form and its content type.
func formOf(t *testing.T, parts ...part) (body, media string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		create := w.CreateFormField
		if p.name == "file" {
			create = func(name string) (io.Writer, error) { return w.CreateFormFile(name, "../talk.wav") }
		}
		field, err := create(p.name)
		if err == nil {
			_, err = field.Write([]byte(p.value))
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

// posts sends a form with a file.
func (s *served) posts(key string, parts []part, headers ...string) (response answer, j v1.Job, text string) {
	s.t.Helper()
	body, media := formOf(s.t, parts...)
	response, text = s.sends("POST", "/api/v1/jobs", body, append(append(bearer(key), headers...), "Content-Type", media)...)
	if response.StatusCode == http.StatusAccepted {
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			s.t.Errorf("%s: %v", text, err)
		}
	}
	return response, j, text
}

// nothing checks that no file and no recording of an upload is left.
func (s *served) nothing(situation string) {
	s.t.Helper()
	left, err := filepath.Glob(filepath.Join(s.dir, "uploads", ".incoming", "*"))
	if err != nil || len(left) > 0 {
		s.t.Errorf("%s: %v, %v", situation, left, err)
	}
	if found, err := filepath.Glob(filepath.Join(s.dir, "uploads", "2*.*")); err != nil || len(found) > 0 {
		s.t.Errorf("%s: %v, %v", situation, found, err)
	}
}

func TestAFormWithAFileBecomesAJob(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	mine := s.addKey("key_a", "client", 0)
	response, j, text := s.posts(mine, []part{{"keywords[]", "Zoë"}, {"file", wavFile()}, {"keywords[]", "Ann"}, {"kind", "transcribe"}, {"title", "Monday"}, {"language", ""}})
	if response.StatusCode != http.StatusAccepted || response.Header.Get("Location") != "/api/v1/jobs/"+j.ID || string(j.Options) != `{"keywords":["Zoë","Ann"]}` || j.Client != "key_a" {
		t.Fatalf("%d %v %s", response.StatusCode, response.Header, text)
	}
	_, text = s.ask("GET", "/api/v1/recordings/"+j.RecordingID, "", bearer(mine)...)
	var r v1.RecordingInfo
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Title != "Monday" || r.SizeBytes != int64(len(wavFile())) || r.Client != "key_a" {
		t.Errorf("%s: %v", text, err)
	}
	s.private()
}

// The same key makes one job, also when the requests come at once.
func TestAFormWithAKeyMakesOneJob(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	var wait sync.WaitGroup
	ids := make([]string, 4)
	for i := range ids {
		wait.Go(func() {
			_, j, text := s.posts("", []part{{"file", wavFile()}, {"language", "en"}}, "Idempotency-Key", "a")
			if ids[i] = j.ID; j.ID == "" {
				t.Error(text)
			}
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("jobs %v", ids)
		}
	}
	response, _, text := s.posts("", []part{{"language", "en"}, {"file", wavFile()}}, "Idempotency-Key", "a")
	if response.Header.Get(v1.HeaderReplayed) != "true" {
		t.Errorf("fields in another order: %d %s", response.StatusCode, text)
	}
	for situation, parts := range map[string][]part{"another field": {{"file", wavFile()}, {"language", "de"}}, "another file": {{"file", wavFile() + "\x00\x00"}, {"language", "en"}}} {
		if response, _, text := s.posts("", parts, "Idempotency-Key", "a"); response.Header.Get(v1.HeaderCode) != string(scout.CodeIdempotencyKey) {
			t.Errorf("%s: %d %s", situation, response.StatusCode, text)
		}
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "uploads", ".incoming", "*.part")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestAFormThatIsRefusedLeavesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	key := s.addKey("key_a", "client", 0)
	for situation, c := range map[string]struct {
		parts []part
		code  scout.Code
	}{
		"no file":                  {[]part{{"language", "en"}}, scout.CodeInvalidArgument},
		"two files":                {[]part{{"file", wavFile()}, {"file", wavFile()}}, scout.CodeInvalidArgument},
		"a file of nothing":        {[]part{{"file", ""}}, scout.CodeAudioEmpty},
		"a file that is no audio":  {[]part{{"file", "<!doctype html><title>no audio</title>"}}, scout.CodeAudioUnsupported},
		"a file of no format":      {[]part{{"file", strings.Repeat("\x00\xff", 5000)}}, scout.CodeAudioUnsupported},
		"a file that is too large": {[]part{{"file", strings.Repeat("x", 1<<20+1)}}, scout.CodeRequestTooLarge},
		"a field that is unknown":  {[]part{{"file", wavFile()}, {"colour", "red"}}, scout.CodeInvalidArgument},
		"a field that is too long": {[]part{{"file", wavFile()}, {"prompt", strings.Repeat("x", 65<<10)}}, scout.CodeInvalidArgument},
		"a recording besides":      {[]part{{"file", wavFile()}, {"recording_id", string(exampleID)}}, scout.CodeInvalidArgument},
		"another kind of job":      {[]part{{"file", wavFile()}, {"kind", "export"}}, scout.CodeInvalidArgument},
		"no text":                  {[]part{{"file", wavFile()}, {"transcribe", "false"}}, scout.CodeInvalidArgument},
		"a model that is none":     {[]part{{"file", wavFile()}, {"model", "none"}}, scout.CodeModelNotInstalled},
		"the priority of a page":   {[]part{{"file", wavFile()}, {"priority", "interactive"}}, scout.CodePermissionDenied},
	} {
		response, _, text := s.posts(key, c.parts)
		if response.Header.Get(v1.HeaderCode) != string(c.code) || strings.Contains(text, s.dir) || strings.Contains(text, "--raw-format") {
			t.Errorf("%s: %d %s, want %s", situation, response.StatusCode, text, c.code)
		}
		s.nothing(situation)
	}
	body, media := formOf(t, part{"file", wavFile()})
	if response, text := s.sends("POST", "/api/v1/jobs", body[:len(body)-40], append(bearer(key), "Content-Type", media)...); response.StatusCode != http.StatusBadRequest {
		t.Errorf("a form that ends early: %d %s", response.StatusCode, text)
	}
	// Its end is missing: fields may be, too.
	body, media = formOf(t, part{"file", wavFile()})
	whole := append(bearer(key), "Content-Type", media)
	if response, text := s.sends("POST", "/api/v1/jobs", body[:len(body)-4], whole...); response.StatusCode != http.StatusBadRequest || strings.Contains(text, "go on from there") {
		t.Errorf("a form without its end: %d %s", response.StatusCode, text)
	}
	if response, text := s.sends("POST", "/api/v1/jobs", strings.Replace(body, "Content-Disposition:", "Content-Disposition", 1), whole...); response.StatusCode != http.StatusBadRequest || strings.Contains(text, "ends too early") {
		t.Errorf("a form with a header that is none: %d %s", response.StatusCode, text)
	}
	if response, text := s.sends("POST", "/api/v1/jobs", body, append(bearer(key), "Content-Type", "multipart/form-data; boundary=another")...); response.StatusCode != http.StatusBadRequest || !strings.Contains(text, "boundary") {
		t.Errorf("another border: %d %s", response.StatusCode, text)
	}
	if response, text := s.sends("POST", "/api/v1/jobs", "x", append(bearer(key), "Content-Type", "multipart/form-data")...); response.StatusCode != http.StatusBadRequest {
		t.Errorf("a form without a border: %d %s", response.StatusCode, text)
	}
	s.nothing("forms that are broken")
	s.recordFor(exampleID, "key_a")
	for i := range 200 {
		s.submits(key, string(exampleID), `,"keywords":["`+strconv.Itoa(i)+`"]`)
	}
	if response, _, text := s.posts(key, []part{{"file", wavFile()}}); response.Header.Get(v1.HeaderCode) != string(scout.CodeQueueFull) {
		t.Errorf("a full queue: %d %s", response.StatusCode, text)
	}
	s.nothing("a full queue")
}

// A form for which there is no room is refused before its file is received, and one that was sent before gets its answer.
func TestAFormForWhichTheQueueIsFull(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	key := s.addKey("key_a", "client", 0)
	sent := []part{{"file", wavFile()}}
	_, first, _ := s.posts(key, sent, "Idempotency-Key", "1")
	s.recordFor(exampleID, "key_a")
	for i := range 199 {
		s.submits(key, string(exampleID), `,"keywords":["`+strconv.Itoa(i)+`"]`)
	}
	response, _, text := s.posts(key, []part{{"file", "no audio, which nobody looks at"}})
	if response.StatusCode != http.StatusTooManyRequests || response.Header.Get(v1.HeaderCode) != string(scout.CodeQueueFull) || response.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s, want 429", response.StatusCode, response.Header, text)
	}
	if response, again, text := s.posts(key, sent, "Idempotency-Key", "1"); response.StatusCode != http.StatusAccepted || again.ID != first.ID || first.ID == "" {
		t.Errorf("sent again: %d %s, want job %s", response.StatusCode, text, first.ID)
	}
}

func TestAFormWithTooMuchAudio(t *testing.T) {
	t.Parallel()
	s := serve(t, networked, func(s *served) { s.uploads.MostAudio = 100 * time.Millisecond })
	response, _, text := s.posts("", []part{{"file", wavFile()}})
	if response.StatusCode != http.StatusRequestEntityTooLarge || response.Header.Get(v1.HeaderCode) != string(scout.CodeAudioTooLong) {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	s.nothing("too much audio")
}

// What was uploaded is decoded where a form of it is asked for that the file has not.
func TestAnUploadIsDecoded(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	_, j, text := s.posts("", []part{{"file", wavFile()}})
	if j.ID == "" {
		t.Fatal(text)
	}
	if _, wav := s.ask("GET", "/api/v1/recordings/"+j.RecordingID+"/audio?as=wav", ""); len(wav) != 44+8000 || !strings.HasPrefix(wav, "RIFF") {
		t.Errorf("%d bytes, want a header and a quarter of a second", len(wav))
	}
	_, text = s.ask("GET", "/api/v1/recordings/"+j.RecordingID+"/peaks?points=4", "")
	var peaks v1.Peaks
	if err := json.Unmarshal([]byte(text), &peaks); err != nil || len(peaks.Peaks) != 1 || len(peaks.Peaks[0]) != 4 || peaks.Seconds != 0.25 {
		t.Fatalf("%s: %v", text, err)
	}
	for _, v := range peaks.Peaks[0] {
		if max(v, -v) < 0.49 || max(v, -v) > 0.51 {
			t.Errorf("peaks %v of a tone at half of full scale", peaks.Peaks[0])
			break
		}
	}
	of, path := "/api/v1/recordings/"+j.RecordingID, filepath.Join(s.dir, "uploads", j.RecordingID+".audio")
	for situation, damage := range map[string]func([]byte) []byte{
		"of the same length": func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) },
		"cut off":            func(b []byte) []byte { return b[:20] },
	} {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path, damage(bytes.Clone(whole)), 0o600), os.RemoveAll(filepath.Join(s.dir, "uploads", "."+j.RecordingID+".peaks"))); err != nil {
			t.Fatal(err)
		}
		for _, ask := range []string{"/peaks", "/audio?as=wav"} {
			response, text := s.ask("GET", of+ask, "")
			if response.StatusCode != http.StatusInternalServerError || response.Header.Get(v1.HeaderCode) != string(scout.CodeRecordingCorrupt) || strings.Contains(text, s.dir) {
				t.Errorf("%s, %s: %d %.300s", situation, ask, response.StatusCode, text)
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("no audio at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	if response, text := s.ask("GET", "/api/v1/recordings/"+j.RecordingID+"/peaks", ""); response.StatusCode != http.StatusInternalServerError || response.Header.Get(v1.HeaderCode) != string(scout.CodeRecordingCorrupt) || strings.Contains(text, s.dir) {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	if _, text := s.ask("POST", "/api/v1/recordings/"+j.RecordingID+"/verify", "", bearer(s.key)...); !strings.Contains(text, `"intact":false`) {
		t.Errorf("verify: %s", text)
	}
}

// What never was audio is the fault of whoever sent it, and not of the disk.
func TestAnUploadThatIsNoAudio(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	const text = "no audio at all"
	response, body := s.tus(s.key, "POST", "/uploads", text, "Upload-Length", strconv.Itoa(len(text)))
	id := response.Header.Get(v1.HeaderRecording)
	if id == "" {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	for _, ask := range []string{"/peaks", "/audio?as=wav"} {
		if response, body := s.do("GET", "/api/v1/recordings/"+id+ask, ""); response.StatusCode != http.StatusBadRequest || response.Header.Get(v1.HeaderCode) != string(scout.CodeAudioUnsupported) || strings.Contains(body, s.dir) {
			t.Errorf("%s: %d %s", ask, response.StatusCode, body)
		}
	}
}
