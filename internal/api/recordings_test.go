package api_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
)

const at = "/api/v1/recordings/" + string(exampleID)

// A client sees the tags of its own recordings, and the owner those of all.
func TestTheTagsOfACaller(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	s.record(exampleID)
	if response, text := s.do("PATCH", at, `{"tags":["of the owner"]}`); response.StatusCode != http.StatusOK {
		t.Fatal(text)
	}
	client, owner := s.addKey("notes", "client", 0), s.addKey("me", "owner", 0)
	for key, want := range map[string]string{owner: `{"data":[{"tag":"of the owner","recordings":1}]}`, client: `{"data":[]}`} {
		if _, text := s.ask("GET", "/api/v1/tags", "", bearer(key)...); strings.TrimSpace(text) != want {
			t.Errorf("%s: %s, want %s", key, text, want)
		}
	}
}

func TestTheAudioOfARecording(t *testing.T) {
	t.Parallel()
	s := serve(t)
	m := s.record(exampleID)
	file, err := os.ReadFile(s.folder.AudioPath(exampleID))
	if err != nil {
		t.Fatal(err)
	}
	for situation, c := range map[string]struct {
		method  string
		headers []string
		status  int
		body    []byte
	}{
		"all of it":                 {"GET", nil, 200, file},
		"its head":                  {"HEAD", nil, 200, nil},
		"a range":                   {"GET", []string{"Range", "bytes=10-19"}, 206, file[10:20]},
		"the end":                   {"GET", []string{"Range", "bytes=-5"}, 206, file[len(file)-5:]},
		"an open range":             {"GET", []string{"Range", "bytes=8000-"}, 206, file[8000:]},
		"a range of this file":      {"GET", []string{"Range", "bytes=0-3", "If-Range", `"` + m.SHA256 + `"`}, 206, file[:4]},
		"a range of another file":   {"GET", []string{"Range", "bytes=0-3", "If-Range", `"x"`}, 200, file},
		"nothing new":               {"GET", []string{"If-None-Match", `"` + m.SHA256 + `"`}, 304, nil},
		"a range behind the end":    {"GET", []string{"Range", "bytes=99999999-"}, 416, nil},
		"a range that is none":      {"GET", []string{"Range", "bytes=x"}, 416, nil},
		"a range of something else": {"GET", []string{"Range", "lines=1-2"}, 200, file},
		"the last 0 bytes":          {"GET", []string{"Range", "bytes=-0"}, 416, nil},
		"a thousand ranges of one":  {"GET", []string{"Range", "bytes=" + strings.Repeat("0-99999,", 1000) + "0-1"}, 200, file},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			response, body := s.do(c.method, at+"/audio", "", c.headers...)
			if response.StatusCode != c.status || c.body != nil && body != string(c.body) {
				t.Errorf("%d with %d bytes, want %d with %d", response.StatusCode, len(body), c.status, len(c.body))
			}
			if tag := response.Header.Get("ETag"); c.status < 400 && tag != `"`+m.SHA256+`"` {
				t.Errorf("ETag %s", tag)
			}
			if c.status == http.StatusRequestedRangeNotSatisfiable && (response.Header.Get("X-Scout-Code") != string(scout.CodeRange) || !json.Valid([]byte(body)) || situation == "a range behind the end" && response.Header.Get("Content-Range") == "") {
				t.Errorf("%v %s", response.Header, body)
			}
		})
	}
	if response, body := s.do("GET", at+"/audio?as=wav", ""); response.StatusCode != 200 || len(body) < 44+7000 || len(body) > 44+8200 || body[:4] != "RIFF" {
		t.Errorf("decoded: %d, %d bytes", response.StatusCode, len(body))
	}
	if _, body := s.do("GET", at+"/audio?follow=true", ""); !strings.HasSuffix(body, string(file[recording.HeaderBytes:])) || len(body) != 44+8000 {
		t.Errorf("followed: %d bytes", len(body))
	}
	for path, status := range map[string]int{at + "/audio?as=mp3": 422, at + "/audio?follow=x": 422, at + "/audio?x=1": 422, "/api/v1/recordings/none/audio": 404, "/api/v1/recordings/..%2F..%2Fetc%2Fpasswd/audio": 404} {
		if response, body := s.do("GET", path, ""); response.StatusCode != status || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s, want %d", path, response.StatusCode, body, status)
		}
	}
}

// What is followed while it is recorded comes as it is written, and ends with the recording.
func TestARecordingIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	s := serve(t)
	w := s.begin(exampleID)
	response, err := s.client.Get("http://scout" + at + "/audio?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is over
	head := make([]byte, 44+8000)
	if _, err := io.ReadFull(response.Body, head); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(tone(1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(response.Body)
	if err != nil || len(rest) != 2000 {
		t.Errorf("%d bytes after the first, %v", len(rest), err)
	}
}

func TestARecordingIsDeletedRestoredAndPurged(t *testing.T) {
	t.Parallel()
	for situation, withAudio := range map[string]bool{"with audio": true, "a text alone": false} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			at, id := at, string(exampleID)
			if withAudio {
				s.record(exampleID)
				if response, body := s.do("POST", "/api/v1/transcripts", `{"recording":"`+id+`",`+keptTranscript()); response.StatusCode != 201 {
					t.Fatalf("%d %s", response.StatusCode, body)
				}
			} else {
				id = s.put(kept)
				at = "/api/v1/recordings/" + id
			}
			audio := func(there bool) {
				t.Helper()
				if _, err := os.Stat(s.folder.AudioPath(recording.ID(id))); withAudio && (err == nil) != there {
					t.Errorf("the audio: %v", err)
				}
			}
			step := func(method, path, body string, status int, part string) {
				t.Helper()
				if response, answer := s.do(method, path, body); response.StatusCode != status || !strings.Contains(answer, part) {
					t.Errorf("%s %s: %d %s, want %d with %q", method, path, response.StatusCode, answer, status, part)
				}
			}
			step("POST", at+"/restore", "", 409, "is not in the trash")
			step("DELETE", at, "", 200, "undo_until")
			audio(false)
			step("DELETE", at, "", 200, "undo_until") // again
			step("GET", "/api/v1/transcripts", "", 200, `{"data":[]}`)
			step("GET", "/api/v1/recordings?deleted=true", "", 200, id)
			step("POST", at+"/restore", "", 200, id)
			audio(true)
			step("GET", "/api/v1/transcripts", "", 200, id)
			if withAudio {
				step("DELETE", at+"?audio=only", "", 200, "{}")
				audio(false)
				step("GET", "/api/v1/transcripts/"+id, "", 200, "budget")
				step("DELETE", at+"?audio=only", "", 410, "was removed")
				step("GET", at+"/audio", "", 410, "was removed")
				step("POST", at+"/verify", "", 410, "was removed")
				step("GET", at+"/peaks", "", 410, "was removed")
			}
			step("DELETE", at+"?audio=only&purge=true", "", 422, "exclude")
			step("DELETE", at+"?purge=true", "", 204, "")
			step("DELETE", at, "", 404, "")
			step("GET", at, "", 404, "")
			if asked, err := s.store.AskedPurges(t.Context()); err != nil || len(asked) > 0 {
				t.Errorf("purges are left: %v, %v", asked, err)
			}
		})
	}
}

func TestARecordingInProgressIsNotDeleted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	w := s.begin(exampleID)
	for _, path := range []string{at, at + "?purge=true", at + "?audio=only"} {
		if response, body := s.do("DELETE", path, ""); response.StatusCode != 409 || !strings.Contains(body, "recording_in_use") {
			t.Errorf("%s: %d %s", path, response.StatusCode, body)
		}
	}
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
		t.Fatal(err)
	}
}

func TestARecordingIsVerifiedDrawnAndExported(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	_, body := s.do("GET", at, "")
	var info v1.RecordingInfo
	if err := json.Unmarshal([]byte(body), &info); err != nil || info.Format == nil || info.Format.SampleRate != 16000 || info.Frames != 4000 || info.SHA256 == "" || info.EndReason != "stopped" || info.MediaType != "audio/wav" {
		t.Errorf("%s, %v", body, err)
	}
	if response, body := s.do("POST", at+"/verify", ""); response.StatusCode != 200 || !strings.Contains(body, `"intact":true`) {
		t.Errorf("verify: %d %s", response.StatusCode, body)
	}
	_, body = s.do("GET", at+"/peaks?points=10", "")
	var peaks v1.Peaks
	if err := json.Unmarshal([]byte(body), &peaks); err != nil || peaks.Seconds != 0.25 || len(peaks.Peaks) != 1 || len(peaks.Peaks[0]) != 10 || max(peaks.Peaks[0][3], -peaks.Peaks[0][3]) < 0.49 {
		t.Errorf("peaks: %s", body)
	}
	if response, body := s.do("GET", at+"/export?format=txt", ""); response.StatusCode != 404 {
		t.Errorf("a text that is not there: %d %s", response.StatusCode, body)
	}
	s.do("POST", "/api/v1/transcripts", `{"recording":"`+string(exampleID)+`",`+keptTranscript())
	if response, body := s.do("GET", at+"/export?format=txt", ""); response.StatusCode != 200 || !strings.Contains(body, "Good morning") || !strings.Contains(response.Header.Get("Content-Disposition"), ".txt") {
		t.Errorf("%d %v %s", response.StatusCode, response.Header, body)
	}
	response, archive := s.do("GET", at+"/export?format=audio,srt,json,srt", "")
	z, err := zip.NewReader(bytes.NewReader([]byte(archive)), int64(len(archive)))
	if err != nil || response.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("%v, %v", response.Header, err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, strings.TrimPrefix(f.Name, string(exampleID)))
		if f.Modified.Year() < 2026 {
			t.Errorf("%s is of %s", f.Name, f.Modified)
		}
	}
	if !slices.Equal(names, []string{".wav", ".json", ".srt"}) {
		t.Errorf("%v", names)
	}
	for path, status := range map[string]int{at + "/export": 422, at + "/export?format=exe": 422, at + "/export?format=txt&version=x": 422, at + "/export?format=txt&version=9": 404, at + "/peaks?points=0": 422} {
		if response, body := s.do("GET", path, ""); response.StatusCode != status {
			t.Errorf("%s: %d %s, want %d", path, response.StatusCode, body, status)
		}
	}
	// A byte that changed is found.
	file, err := os.OpenFile(s.folder.AudioPath(exampleID), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte{1, 2, 3}, 1000); err != nil {
		t.Fatal(err)
	}
	_ = file.Close() // the test reads it
	if response, body := s.do("POST", at+"/verify", ""); response.StatusCode != 200 || !strings.Contains(body, `"intact":false`) || !strings.Contains(body, "recording_corrupt") {
		t.Errorf("damaged: %d %s", response.StatusCode, body)
	}
}

// A change is a JSON Merge Patch: null removes.
func TestWhatIsNullIsRemoved(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	if response, body := s.do("PATCH", at, `{"title":"a title","tags":["a tag"],"labels":{"a":"label","another":"label"}}`); response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	if _, body := s.do("PATCH", at, `{"title":null,"labels":{"a":null}}`); strings.Contains(body, "a title") || strings.Contains(body, `"a":"label"`) || !strings.Contains(body, "a tag") || !strings.Contains(body, `"another":"label"`) {
		t.Errorf("title and a label: %s", body)
	}
	if _, body := s.do("PATCH", at, `{"tags":null,"labels":null}`); strings.Contains(body, "a tag") || strings.Contains(body, `"another"`) {
		t.Errorf("tags and all labels: %s", body)
	}
	if response, body := s.do("PATCH", at, `{"Title":"other letters"}`); response.StatusCode != 422 {
		t.Errorf("a field in other letters: %d %s", response.StatusCode, body)
	}
}

// A program that changed the files has told nobody: whoever asks for the recording hears how they are.
func TestARecordingIsAsItsFilesAre(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	get := func() (r v1.RecordingInfo) {
		t.Helper()
		if response, body := s.do("GET", at, ""); response.StatusCode != 200 || json.Unmarshal([]byte(body), &r) != nil {
			t.Fatalf("%d %s", response.StatusCode, body)
		}
		return r
	}
	if r := get(); r.DeletedAt != nil || r.Audio != "present" {
		t.Errorf("%+v", r)
	}
	if err := s.folder.Trash(exampleID); err != nil {
		t.Fatal(err)
	}
	if r := get(); r.DeletedAt == nil || r.Audio != "present" {
		t.Errorf("in the trash: %+v", r)
	}
	if err := s.folder.Restore(exampleID); err != nil {
		t.Fatal(err)
	}
	if r := get(); r.DeletedAt != nil {
		t.Errorf("restored: %+v", r)
	}
	seen, err := s.store.Recording(t.Context(), string(exampleID))
	get() // changes nothing
	if r, againErr := s.store.Recording(t.Context(), string(exampleID)); err != nil || againErr != nil || r.Revision != seen.Revision {
		t.Errorf("a look changed it from revision %d to %d, %v, %v", seen.Revision, r.Revision, err, againErr)
	}
	if err := s.folder.Delete(exampleID); err != nil {
		t.Fatal(err)
	}
	if r := get(); r.Audio != "removed" {
		t.Errorf("deleted: %+v", r)
	}
}

// A recording is looked for in all folders that the API is given, and in no other ones.
func TestTheFoldersOfRecordings(t *testing.T) {
	t.Parallel()
	other, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(s *served) { s.services.Folders = recording.Folders{other} })
	s.record(exampleID)
	response, body := s.do("GET", at, "")
	var r v1.RecordingInfo
	if err := json.Unmarshal([]byte(body), &r); err != nil || response.StatusCode != http.StatusOK || r.Path != other.AudioPath(exampleID) {
		t.Errorf("%d %s (%v), want the path %s", response.StatusCode, body, err, other.AudioPath(exampleID))
	}
}
