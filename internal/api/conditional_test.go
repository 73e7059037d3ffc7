package api_test

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/store"
)

func TestNothingIsSentToWhoHasIt(t *testing.T) {
	t.Parallel()
	s := serve(t, exemplary)
	s.record(exampleID)
	s.do("POST", "/api/v1/transcripts", `{"recording":"`+string(exampleID)+`",`+keptTranscript())
	for _, path := range []string{"/api/v1/recordings/" + string(exampleID), "/api/v1/transcripts/" + string(exampleID), "/api/v1/transcripts/" + string(exampleID) + "?format=txt", "/api/v1/settings", "/api/v1/recordings/" + string(exampleID) + "/audio"} {
		first, body := s.do("GET", path, "")
		tag := first.Header.Get("ETag")
		if first.StatusCode != 200 || tag == "" || body == "" {
			t.Fatalf("%s: %d, ETag %q", path, first.StatusCode, tag)
		}
		for has, want := range map[string]int{
			tag: 304, "W/" + tag: 304, "*": 304, `"a,b", ` + tag: 304, `"a" , W/"b",` + tag + `, "c"`: 304, `,,` + tag: 304,
			"": 200, `"other"`: 200, `W/"other"`: 200, strings.Trim(tag, `"`): 200, `"` + tag: 200, tag[:len(tag)-1]: 200,
		} {
			for _, method := range []string{"GET", "HEAD"} {
				response, again := s.do(method, path, "", "If-None-Match", has)
				if response.StatusCode != want || response.Header.Get("ETag") != tag {
					t.Errorf("%s %s with %s: %d with the tag %s, want %d", method, path, has, response.StatusCode, response.Header.Get("ETag"), want)
				}
				if (again == body) != (want == 200 && method == "GET") || want == 304 && again != "" {
					t.Errorf("%s %s with %s: the body is %q", method, path, has, again)
				}
			}
		}
	}
}

// What an answer says may change without a person having changed anything.
func TestAnETagIsThatOfTheWholeAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.record(exampleID)
	s.do("POST", "/api/v1/transcripts", `{"recording":"`+string(exampleID)+`",`+keptTranscript())
	at := "/api/v1/transcripts/" + string(exampleID)
	before, _ := s.do("GET", at, "")
	plain, _ := s.do("GET", at+"?format=txt", "")
	if before.Header.Get("ETag") == plain.Header.Get("ETag") {
		t.Error("two forms of a text have one tag")
	}
	title := "Monday"
	if err := s.store.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.Describe(string(exampleID), store.Description{Title: &title})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if after, body := s.do("GET", at, "", "If-None-Match", before.Header.Get("ETag")); after.StatusCode != 200 || !strings.Contains(body, title) {
		t.Errorf("with another title: %d %s", after.StatusCode, body)
	}
	// The title is no change of the text: an edit that was begun before is still meant for this version.
	for tag, want := range map[string]int{`"7"`: 412, `W/` + before.Header.Get("ETag"): 412, before.Header.Get("ETag"): 200} {
		if response, body := s.do("PATCH", at, `{"edits":[{"segment":1,"text":"The budget is 50 euros."}]}`, "If-Match", tag); response.StatusCode != want {
			t.Errorf("If-Match %s: %d %s, want %d", tag, response.StatusCode, body, want)
		}
	}
	if response, body := s.do("PATCH", at, `{"edits":[{"segment":1,"text":"x"}]}`, "If-Match", before.Header.Get("ETag")); response.StatusCode != 412 {
		t.Errorf("a tag of the version before: %d %s", response.StatusCode, body)
	}
}

// HEAD is answered wherever GET is: with the same status and no body, and at once where GET does not end.
func TestEveryGETHasAHEAD(t *testing.T) {
	t.Parallel()
	d := serve(t, exemplary).openAPI()
	for path, methods := range d.Paths {
		o, is := methods["get"]
		if !is || path == "/api/v1/live" || path == "/v1/realtime" || path == "/open/{link}" || path == "/api/v1/jobs/{id}/export" { // WebSockets, a link that is used up, a job that was done
			continue
		}
		t.Run(o.OperationID, func(t *testing.T) {
			t.Parallel()
			e, _ := api.OperationExample(o.OperationID)
			s := serve(t, exemplary)
			s.prepare(o.OperationID)
			target := strings.NewReplacer("/jobs/{id}", "/jobs/"+exampleJob, "/api/v1/models/{id}", "/api/v1/models/moonshine-tiny-en", "/v1/models/{id}", "/v1/models/mine", "{id}", string(exampleID), "{version}", "1", "{n}", "1").Replace(path)
			if e.Query != "" {
				target += "?" + e.Query
			}
			response, body := s.do("HEAD", target, "")
			if response.StatusCode != e.Status || body != "" || response.Header.Get("Content-Type") == "" {
				t.Errorf("%d %q %v, want %d", response.StatusCode, body, response.Header, e.Status)
			}
		})
	}
}
