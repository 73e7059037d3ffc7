package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// What a person reads of a value that does not fit is in Scout's words, whatever does not fit.
func TestWhatIsSaidOfValuesThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := serve(t)
	id := s.put(kept)
	long := func(n int) string { return strings.Repeat("x", n) }
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	for situation, c := range map[string]struct{ method, path, body, want, hint string }{
		"a title of a recording":       {"PATCH", "/recordings/" + id, `{"title":"` + long(1001) + `"}`, "title: this is longer than 1000 characters", "shorten it"},
		"a title of a text":            {"POST", "/transcripts", `{"title":"` + long(1001) + `","transcript":{"text":"a"}}`, "title: this is longer than 1000 characters", "shorten it"},
		"a title at the start":         {"POST", "/recorder/start", `{"title":"` + long(1001) + `"}`, "title: this is longer than 1000 characters", "shorten it"},
		"a model":                      {"POST", "/recorder/start", `{"model":"` + long(201) + `"}`, "model: this is longer than 200 characters", "shorten it"},
		"a language":                   {"POST", "/recorder/start", `{"language":"` + long(101) + `"}`, "language: this is longer than 100 characters", "shorten it"},
		"a prompt":                     {"POST", "/recorder/start", `{"prompt":"` + long(65537) + `"}`, "prompt: this is longer than 65536 characters", "shorten it"},
		"languages":                    {"POST", "/recorder/start", `{"languages":` + list(101, `"en"`) + `}`, "languages: this list has more than 100 entries", "send fewer"},
		"keywords":                     {"POST", "/recorder/start", `{"keywords":` + list(1001, `"a"`) + `}`, "keywords: this list has more than 1000 entries", "send fewer"},
		"edits":                        {"PATCH", "/transcripts/" + id, `{"edits":` + list(10001, `{"segment":0,"text":"a"}`) + `}`, "edits: this list has more than 10000 entries", "send fewer"},
		"no edits":                     {"PATCH", "/transcripts/" + id, `{"edits":[]}`, "edits: this list has fewer than 1 entries", ""},
		"an edit without its text":     {"PATCH", "/transcripts/" + id, `{"edits":[{"segment":0}]}`, "text is missing", ""},
		"an edit of segment -1":        {"PATCH", "/transcripts/" + id, `{"edits":[{"segment":-1,"text":"a"}]}`, "edits[0].segment: this is less than 0", ""},
		"a word for a number":          {"PATCH", "/transcripts/" + id, `{"edits":[{"segment":"a","text":"a"}]}`, "edits[0].segment: this is not a whole number", ""},
		"a half segment":               {"PATCH", "/transcripts/" + id, `{"edits":[{"segment":0.5,"text":"a"}]}`, "edits[0].segment: this is not a whole number", ""},
		"a number for a text":          {"PATCH", "/recordings/" + id, `{"title":1}`, "title: this is not a text", ""},
		"a text for a list":            {"PATCH", "/recordings/" + id, `{"tags":"a"}`, "tags: this is not a list", ""},
		"a text for yes or no":         {"POST", "/recorder/start", `{"live":"yes"}`, "live: this is neither true nor false", ""},
		"a list for everything":        {"PATCH", "/recordings/" + id, `[]`, "body: this is not an object", ""},
		"a field that is unknown":      {"PATCH", "/recordings/" + id, `{"titel":"x"}`, "titel: there is no such field", ""},
		"a choice that is none":        {"POST", "/recorder/start", `{"on_loss":"cry"}`, `on_loss: this is none of "auto, follow, default"`, ""},
		"a rate that is too low":       {"POST", "/recorder/start", `{"format":{"sample_rate":1}}`, "format.sample_rate: this is less than 8000", ""},
		"a rate that is too high":      {"POST", "/recorder/start", `{"format":{"sample_rate":1000000}}`, "format.sample_rate: this is more than 192000", ""},
		"a pre-roll below nothing":     {"POST", "/recorder/start", `{"preroll_seconds":-1}`, "preroll_seconds: this is less than 0", ""},
		"a duration below nothing":     {"POST", "/recorder/start", `{"max_duration_seconds":-1}`, "max_duration_seconds: this is less than 0", ""},
		"a limit of nothing":           {"GET", "/transcripts?limit=0", "", "limit: this is less than 1", ""},
		"a limit below nothing":        {"GET", "/recordings?limit=-1", "", "limit: this is less than 1", ""},
		"a limit that is too high":     {"GET", "/recordings?limit=201", "", "limit: this is more than 200", ""},
		"a word for a limit":           {"GET", "/recordings?limit=all", "", "limit: this is not a whole number", ""},
		"a word for a time":            {"GET", "/recordings?from=today", "", "from: this is not a time such as", ""},
		"a word for seconds":           {"GET", "/recordings?min_seconds=long", "", "min_seconds: this is not a number", ""},
		"a word for deleted":           {"GET", "/recordings?deleted=maybe", "", "deleted: this is neither true nor false", ""},
		"seconds below nothing":        {"GET", "/recordings?max_seconds=-1", "", "max_seconds: this is less than 0", ""},
		"an order that is none":        {"GET", "/recordings?order=up", "", `order: this is none of "desc, asc"`, ""},
		"a version of nothing":         {"GET", "/transcripts/" + id + "?version=0", "", "version: this is less than 1", ""},
		"a version below nothing":      {"GET", "/transcripts/" + id + "?version=-1", "", "version: this is less than 1", ""},
		"a version to restore":         {"POST", "/transcripts/" + id + "/versions/0/restore", "", "version: this is less than 1", ""},
		"a version that is no number":  {"POST", "/transcripts/" + id + "/versions/a/restore", "", "version: this is not a whole number", ""},
		"points below nothing":         {"GET", "/recordings/" + id + "/peaks?points=-1", "", "points: this is less than 1", ""},
		"a wait below nothing":         {"GET", "/transcriptions/" + id + "?wait=-1", "", "wait: this is less than 0", ""},
		"a format of a text":           {"GET", "/transcripts/" + id + "?format=doc", "", "format: this is none of", ""},
		"a source that is none":        {"GET", "/recordings?source=radio", "", "source: this is none of", ""},
		"a tag that is too long":       {"PATCH", "/recordings/" + id, `{"tags":["` + long(101) + `"]}`, "tag has 101 bytes: at most 100 are possible", "shorten it"},
		"a label that is too long":     {"PATCH", "/recordings/" + id, `{"labels":{"a":"` + long(1001) + `"}}`, "at most 1000 are possible", "shorten it"},
		"a name of a label, too long":  {"PATCH", "/recordings/" + id, `{"labels":{"` + long(101) + `":"a"}}`, "at most 100 are possible", "shorten it"},
		"a text that is not UTF-8":     {"PATCH", "/recordings/" + id, "{\"title\":\"\xff\"}", "not text in UTF-8", ""},
		"a body that ends in a string": {"PATCH", "/recordings/" + id, `{"title":"x`, "it ends too early", ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			response, answer := s.do(c.method, "/api/v1"+c.path, c.body)
			var got v1.ErrorBody
			if err := json.Unmarshal([]byte(answer), &got); err != nil || response.StatusCode/100 != 4 {
				t.Fatalf("%d %.300s", response.StatusCode, answer)
			}
			said := got.Error.Message + fmt.Sprint(got.Error.Details)
			if !strings.Contains(got.Error.Message, c.want) || c.hint != "" && got.Error.Hint != c.hint || got.Error.Hint == "" || strings.Contains(said, "expected ") || strings.Contains(said, "strconv") {
				t.Errorf("%+v", got.Error)
			}
		})
	}
}
