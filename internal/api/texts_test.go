package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// text is what POST /transcripts takes: two segments, the first with words.
const kept = `{"title":"talk.mp3","transcript":{"model":"m","language":"en","duration":4.5,"text":"","segments":[
{"start":0,"end":2.25,"text":"Good morning, Zoë.","words":[{"word":"Good","start":0.1,"end":0.4,"logprob":-0.5},{"word":"morning,"},{"word":"Zoë."}]},
{"start":2.5,"end":4.5,"text":"The budget is 40 euros."}]}}`

// keptTranscript is the end of kept, without its title.
func keptTranscript() string {
	_, transcript, _ := strings.Cut(kept, `"title":"talk.mp3",`)
	return transcript
}

// put keeps the text and returns its id.
func (s *served) put(body string) string {
	s.t.Helper()
	response, answer := s.do("POST", "/api/v1/transcripts", body)
	var t v1.TranscriptSummary
	if err := json.Unmarshal([]byte(answer), &t); err != nil || response.StatusCode != 201 || t.ID == "" {
		s.t.Fatalf("%d %s", response.StatusCode, answer)
	}
	return t.ID
}

func TestATextIsKeptFoundCorrectedAndRestored(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.put(kept)
	at := "/api/v1/transcripts/" + id
	get := func(query string) v1.Transcript {
		t.Helper()
		response, answer := s.do("GET", at+query, "")
		var text v1.Transcript
		if err := json.Unmarshal([]byte(answer), &text); err != nil || response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("ETag"), fmt.Sprintf(`"%d-`, text.Version)) {
			t.Fatalf("%d %v %s", response.StatusCode, response.Header, answer)
		}
		return text
	}
	found := func(query string) (list v1.Page[v1.TranscriptSummary]) {
		t.Helper()
		response, answer := s.do("GET", "/api/v1/transcripts"+query, "")
		if err := json.Unmarshal([]byte(answer), &list); err != nil || response.StatusCode != 200 {
			t.Fatalf("%d %s", response.StatusCode, answer)
		}
		return list
	}
	first := get("")
	if w := first.Segments[0].Words; first.Version != 1 || first.Kind != "first" || first.Title != "talk.mp3" || first.Text != "Good morning, Zoë. The budget is 40 euros." || len(w) != 3 || *w[0].Start != 0.1 || *w[0].LogProb != -0.5 || w[1].Start != nil || first.Duration != 4.5 {
		t.Errorf("%+v", first)
	}
	for query, want := range map[string]int{"": 1, "?q=budget": 1, "?q=zoe": 1, "?q=%22good+morning%22": 1, "?q=budget+-euros": 0, "?q=bud*": 1, "?q=nothing": 0, "?deleted=true": 0, "?q=%22": 0, "?source=import": 1, "?source=microphone": 0, "?min_seconds=4.5": 1, "?min_seconds=5": 0} {
		if got := found(query).Data; len(got) != want || strings.Contains(query, "budget") && want == 1 && (len(got[0].Snippets) != 1 || *got[0].Snippets[0].Start != 2.5 || fmt.Sprint(got[0].Snippets[0].Marks) != "[[4 10]]") {
			t.Errorf("%s: %+v, want %d", query, got, want)
		}
	}
	if got := found("").Data; len(got) == 1 && (got[0].Text != first.Text || got[0].Preview != first.Text) {
		t.Errorf("listed: %+v", got)
	}
	for format, want := range map[string]string{"txt": "Good morning, Zoë. The budget is 40 euros.\n", "srt": " --> 00:00:04,500", "vtt": "WEBVTT", "tsv": "start\tend\ttext", "md": "talk.mp3"} {
		if response, answer := s.do("GET", at+"?format="+format, ""); response.StatusCode != 200 || !strings.Contains(answer, want) || strings.Contains(response.Header.Get("Content-Type"), "json") {
			t.Errorf("%s: %d %s %s", format, response.StatusCode, response.Header.Get("Content-Type"), answer)
		}
	}
	for accept, begins := range map[string]string{"text/plain;q=0.1, application/json;q=0.9": "{", "text/vtt;q=0": "{", "text/plain;q=x, */*": "{", "text/plain;q=0.1, text/vtt;q=0.2": "WEBVTT"} {
		if _, answer := s.do("GET", at, "", "Accept", accept); !strings.HasPrefix(answer, begins) {
			t.Errorf("%s: %s", accept, answer)
		}
	}
	if response, answer := s.do("GET", at, "", "Accept", "text/html, text/vtt;q=0.9"); !strings.HasPrefix(answer, "WEBVTT") {
		t.Errorf("Accept: %v %s", response.Header, answer)
	}

	if response, answer := s.do("PATCH", at, `{"edits":[{"segment":1,"text":"The budget is 50 euros."}]}`, "If-Match", `"1"`); response.StatusCode != 200 || !strings.HasPrefix(response.Header.Get("ETag"), `"2-`) {
		t.Errorf("edit: %d %s", response.StatusCode, answer)
	}
	if response, answer := s.do("PATCH", at, `{"edits":[{"segment":0,"text":"too late"}]}`, "If-Match", `"1"`); response.StatusCode != 412 {
		t.Errorf("a stale edit: %d %s", response.StatusCode, answer)
	}
	if edited := get(""); edited.Version != 2 || edited.Kind != "edited" || !strings.Contains(edited.Text, "50 euros") || *edited.Segments[0].Words[0].Start != 0.1 || get("?version=1").Text != first.Text {
		t.Errorf("%+v", edited)
	}
	if response, answer := s.do("POST", at+"/versions/1/restore", ""); response.StatusCode != 200 || get("").Text != first.Text || get("").Version != 3 {
		t.Errorf("restore: %d %s", response.StatusCode, answer)
	}
	_, answer := s.do("GET", at+"/versions", "")
	var versions []v1.TextVersion
	if err := json.Unmarshal([]byte(answer), &versions); err != nil || len(versions) != 3 || !versions[2].Current || versions[2].RestoredFrom != 1 || versions[0].Current {
		t.Errorf("%s", answer)
	}
	if response, answer := s.do("DELETE", at, ""); response.StatusCode != 200 || !strings.Contains(answer, "undo_until") || len(found("").Data) != 0 || len(found("?deleted=true").Data) != 1 {
		t.Errorf("delete: %d %s", response.StatusCode, answer)
	}
	if response, answer := s.do("POST", at+"/restore", ""); response.StatusCode != 200 || len(found("").Data) != 1 {
		t.Errorf("restore: %d %s", response.StatusCode, answer)
	}
	if response, _ := s.do("POST", at+"/restore", ""); response.StatusCode != 409 {
		t.Errorf("restored again: %d", response.StatusCode)
	}
	for path, status := range map[string]int{"/api/v1/transcripts/none": 404, at + "?version=99": 404, at + ".x": 404, "/api/v1/recordings/none": 404, "/api/v1/transcripts?cursor=x": 400, "/api/v1/transcripts?label=x": 400, "/api/v1/transcripts?limit=0": 422} {
		if response, answer := s.do("GET", path, ""); response.StatusCode != status {
			t.Errorf("%s: %d %s, want %d", path, response.StatusCode, answer, status)
		}
	}
	if response, answer := s.do("POST", "/api/v1/transcripts", `{"recording":"20261124T082146123Z-7f3a9c2e41d0","transcript":{"model":"m","duration":1,"text":"","segments":[]}}`); response.StatusCode != 404 {
		t.Errorf("a text of an unknown recording: %d %s", response.StatusCode, answer)
	}

	recording := "/api/v1/recordings/" + id
	response, answer := s.do("PATCH", recording, `{"title":"Monday","tags":["work","work "],"labels":{"room":"4"}}`)
	var info v1.RecordingInfo
	if err := json.Unmarshal([]byte(answer), &info); err != nil || response.StatusCode != 200 || info.Title != "Monday" || fmt.Sprint(info.Tags) != "[work]" || info.Labels["room"] != "4" || info.Audio != "removed" || info.Transcript.State != "done" || info.TranscribedAt == nil {
		t.Errorf("describe: %d %s", response.StatusCode, answer)
	}
	if response, answer := s.do("PATCH", recording, `{"title":"x"}`, "If-Match", `"1"`); response.StatusCode != 412 {
		t.Errorf("a stale title: %d %s", response.StatusCode, answer)
	}
	if response, answer := s.do("PATCH", recording, `{"labels":{"room":null}}`); response.StatusCode != 200 || strings.Contains(answer, "room") || !strings.Contains(answer, "Monday") {
		t.Errorf("remove a label: %d %s", response.StatusCode, answer)
	}
	if len(found("?tag=work").Data) != 1 || len(found("?tag=home").Data) != 0 || len(found("?q=monday").Data) != 1 {
		t.Error("tag and title are not found")
	}
}

func TestPagesOfTexts(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for range 5 {
		s.put(kept)
	}
	var ids []string
	for cursor := ""; ; {
		_, answer := s.do("GET", "/api/v1/transcripts?limit=2&cursor="+cursor, "")
		var page v1.Page[v1.TranscriptSummary]
		if err := json.Unmarshal([]byte(answer), &page); err != nil || len(page.Data) == 0 || len(page.Data) > 2 {
			t.Fatalf("%v %s", err, answer)
		}
		for _, text := range page.Data {
			ids = append(ids, text.ID)
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 5 {
		t.Errorf("%v", ids)
	}
}

// A list has all of a text, however long it is, and no segments.
func TestAListHasWholeTexts(t *testing.T) {
	t.Parallel()
	s := serve(t)
	long := strings.TrimSpace(strings.Repeat("a long text ", 100))
	id := s.put(`{"title":"t","transcript":{"model":"m","duration":4,"text":"","segments":[{"start":0,"end":2,"text":"` + long + `"},{"start":2,"end":4,"text":"and its end"}]}}`)
	_, answer := s.do("GET", "/api/v1/transcripts", "")
	var list struct {
		Data []struct {
			ID, Text, Preview string
			Segments          *json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(answer), &list); err != nil || len(list.Data) != 1 {
		t.Fatalf("%v %s", err, answer)
	}
	if got := list.Data[0]; got.ID != id || got.Text != long+" and its end" || !strings.HasPrefix(long, got.Preview) || len(got.Preview) > 200 || got.Segments != nil {
		t.Errorf("%+v", got)
	}
}

// An id that is read may be shortened to its beginning or end where that is enough; one that is changed or deleted may not.
func TestShortenedIDs(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id, other := s.put(kept), s.put(kept)
	same := 0
	for same < len(id) && id[same] == other[same] {
		same++
	}
	s.do("DELETE", "/api/v1/transcripts/"+other, "")
	for situation, c := range map[string]struct {
		method, path string
		status       int
		id           string
	}{
		"the end of a text":                 {"GET", "/transcripts/" + id[len(id)-8:], 200, id},
		"the beginning of a text":           {"GET", "/transcripts/" + id[:same+1], 200, id},
		"the end of one in the trash":       {"GET", "/transcripts/" + other[len(other)-8:], 200, other},
		"the beginning of both, one there":  {"GET", "/transcripts/" + id[:4], 200, id},
		"the end of a recording":            {"GET", "/recordings/" + id[len(id)-8:], 200, id},
		"the beginning of two recordings":   {"GET", "/recordings/" + id[:4], 400, ""},
		"the middle":                        {"GET", "/transcripts/" + id[4:len(id)-1], 404, ""},
		"a wildcard":                        {"GET", "/transcripts/%25", 404, ""},
		"a track that is not there":         {"GET", "/transcripts/" + id[len(id)-8:] + ".left.transcribe", 404, ""},
		"something that is no id":           {"GET", "/transcripts/a.b", 404, ""},
		"a change of a shortened text":      {"PATCH", "/transcripts/" + id[len(id)-8:], 404, ""},
		"a deletion of a shortened text":    {"DELETE", "/transcripts/" + id[len(id)-8:], 404, ""},
		"a deletion of a shortened one":     {"DELETE", "/recordings/" + id[len(id)-8:] + "?purge=true", 404, ""},
		"a list of one":                     {"GET", "/transcripts?id=" + id[len(id)-8:], 200, id},
		"a list of what is in the trash":    {"GET", "/transcripts?deleted=true&id=" + other[len(other)-8:], 200, other},
		"a list of what nothing is":         {"GET", "/transcripts?id=none", 200, ""},
		"a list of what cannot be anything": {"GET", "/recordings?id=a.b", 200, ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			body := ""
			if c.method == "PATCH" {
				body = `{"edits":[{"segment":0,"text":"x"}]}`
			}
			response, answer := s.do(c.method, "/api/v1"+c.path, body)
			var got struct {
				ID   string
				Data []struct{ ID string }
			}
			if err := json.Unmarshal([]byte(answer), &got); err != nil {
				t.Fatalf("%v %s", err, answer)
			}
			for _, item := range got.Data {
				got.ID += item.ID
			}
			if response.StatusCode != c.status || got.ID != c.id {
				t.Errorf("%d %s", response.StatusCode, answer)
			}
		})
	}
}
