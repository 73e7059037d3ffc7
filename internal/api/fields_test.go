package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// Fields that several answers have. A name with a slash lies in an object, and one with [] in the first of a list. A question mark
// says that the field is only there where there is something to say; the document of the interface has it all the same.
var (
	recordingFields = names(`id state source device/id device/name format/sample_rate format/channels format/sample_format started_at ended_at end_reason frames
		gaps? gaps[]/start? gaps[]/frames? gaps[]/reason? sha256 drift_ppm? preroll_frames? resumed? rebuilt? transcribed_at? labels? title? tags? client?
		duration_seconds lost_frames size_bytes media_type audio transcript/state transcript/version? transcript/kind? transcript/model? transcript/words?
		transcript/preview? deleted_at?`)
	transcriptFields = names("id version kind created_at model language duration text segments[]/start segments[]/end segments[]/text title? tags?")
	summaryFields    = names("id version kind created_at model language duration text title? tags?")
	snippetFields    = names("snippets[]/text snippets[]/marks snippets[]/start")
	recorderFields   = names(`state device? outage? disk/free_bytes disk/left_seconds disk/low recording/id? recording/started_at? recording/seconds?
		recording/captured_frames? recording/written_frames? recording/synced_frames? recording/waiting_frames? recording/lost_frames? recording/gaps?
		recording/condition? recording/live?`)
	healthFields = names(`status reasons uptime_seconds version degradation/level degradation/name components[]/name components[]/status
		components[]/critical components[]/last_check components[]/metadata? components[]/reason?`)
	levelFields    = names("at device rms peak rms_dbfs peak_dbfs outage?")
	settingsFields = names("values origin restart_required")
)

func names(text string) []string { return strings.Fields(text) }

func below(name string, fields []string) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = name + "/" + f
	}
	return out
}

// answers are the fields that the answer of each operation has, as clients were told.
func answers() map[string][]string {
	optional := func(fields []string) []string {
		out := make([]string, len(fields))
		for i, f := range fields {
			out[i] = strings.TrimSuffix(f, "?") + "?"
		}
		return out
	}
	return map[string][]string{
		"get-version": names("version commit? api recordings_dir"),
		"get-status": slices.Concat(names(`degradation/level degradation/name degradation/reason? degradation/since? processes[]/name processes[]/pid processes[]/rss_bytes?
			processes[]/cpu_percent? limits/processors limits/memory_bytes? disk/free_bytes disk/left_seconds engine/state engine/model? engine/breaker? latency?
			sessions/live sessions/realtime sessions/wyoming recorder/state`), below("recorder", optional(recorderFields))),
		"get-health": healthFields, "post-health-check": healthFields, "get-healthz": healthFields,
		"get-livez": names("status"), "get-readyz": names("status"),
		"get-settings": settingsFields, "patch-settings": settingsFields,
		"get-devices":          names("backend data[]/id data[]/name data[]/default data[]/monitor data[]/formats"),
		"get-recorder":         slices.Concat(recorderFields, optional(below("last", recordingFields))),
		"post-recorder-start":  slices.Concat(optional(recordingFields), names("id state source started_at device/id device/name format/sample_rate audio already")),
		"post-recorder-stop":   slices.Concat(below("recording", recordingFields), names("already")),
		"post-recorder-cancel": below("recording", recordingFields),
		"get-recorder-level":   levelFields,
		"get-tags":             names("data[]/tag data[]/recordings"),
		"get-recordings":       below("data[]", recordingFields), "get-recordings-id": recordingFields, "patch-recordings-id": slices.Concat(recordingFields, names("title tags labels")),
		"delete-recordings-id": names("undo_until"), "post-recordings-id-restore": recordingFields,
		"post-recordings-id-verify": names("intact code? message?"),
		"get-recordings-id-peaks":   names("duration_seconds peaks"),
		"get-transcripts":           below("data[]", slices.Concat(summaryFields, snippetFields)),
		"get-transcripts-id":        transcriptFields, "patch-transcripts-id": transcriptFields, "post-transcripts-id-restore": transcriptFields,
		"post-transcripts-id-versions-version-restore": transcriptFields,
		"get-transcripts-id-versions":                  names("[]/version []/kind []/model []/created_at []/client? []/words []/current"),
		"delete-transcripts-id":                        names("undo_until"),
	}
}

// Every answer has the fields that clients were told of, and the document has also those that are not always there.
func TestAnswersHaveTheirFields(t *testing.T) {
	t.Parallel()
	d := serve(t, exemplary).openAPI()
	var document any
	if err := json.Unmarshal([]byte(d.text), &document); err != nil {
		t.Fatal(err)
	}
	wanted, found := answers(), map[string]bool{}
	for path, methods := range d.Paths {
		for method, o := range methods {
			fields, there := wanted[o.OperationID]
			if !there {
				continue
			}
			found[o.OperationID] = true
			t.Run(o.OperationID, func(t *testing.T) {
				t.Parallel()
				s := serve(t, exemplary)
				s.t = t
				s.prepare(o.OperationID)
				e, exists := api.OperationExample(o.OperationID)
				if !exists {
					t.Fatal("no example")
				}
				target := strings.NewReplacer("{id}", string(exampleID), "{version}", "1").Replace(path)
				if e.Query != "" {
					target += "?" + e.Query
				}
				response, text := s.do(strings.ToUpper(method), target, e.Body)
				var body any
				if err := json.Unmarshal([]byte(text), &body); err != nil || response.StatusCode >= 300 {
					t.Fatalf("%d %s", response.StatusCode, text)
				}
				schema := o.Responses["200"].Content["application/json"].Schema
				if response.StatusCode == 201 {
					schema = o.Responses["201"].Content["application/json"].Schema
				}
				for _, field := range fields {
					name, rare := strings.CutSuffix(field, "?")
					if !rare && !has(body, strings.Split(name, "/")) {
						t.Errorf("no %s in %s", name, text)
					}
					if schema != nil && !described(document, schema, strings.Split(name, "/")) {
						t.Errorf("no %s in the document", name)
					}
				}
			})
		}
	}
	for operation := range maps.Keys(wanted) {
		if !found[operation] {
			t.Errorf("there is no operation %s", operation)
		}
	}
}

// has reports whether JSON has a field.
func has(value any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	name, list := strings.CutSuffix(path[0], "[]")
	inner := value
	if name != "" { // the answer itself is a list otherwise
		object, is := value.(map[string]any)
		var there bool
		if inner, there = object[name]; !is || !there {
			return false
		}
	}
	if list {
		elements, is := inner.([]any)
		if !is || len(elements) == 0 {
			return false
		}
		inner = elements[0]
	}
	return has(inner, path[1:])
}

// described reports whether a schema of the document has a field.
func described(document, schema any, path []string) bool {
	object, is := schema.(map[string]any)
	if !is {
		return false
	}
	if reference, is := object["$ref"].(string); is {
		at := document
		for part := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
			inner, is := at.(map[string]any)
			if !is {
				return false
			}
			at = inner[part]
		}
		return described(document, at, path)
	}
	if len(path) == 0 || object["additionalProperties"] != nil && object["properties"] == nil {
		return true
	}
	if items := object["items"]; items != nil {
		if path[0] == "[]" {
			path = path[1:]
		}
		return described(document, items, path)
	}
	properties, is := object["properties"].(map[string]any)
	if !is {
		return false
	}
	return described(document, properties[strings.TrimSuffix(path[0], "[]")], path[1:])
}

// What the document says of null is what the daemon does.
func TestNullIsRefusedWhereTheDocumentHasNone(t *testing.T) {
	t.Parallel()
	s := serve(t, exemplary)
	s.record(exampleID)
	id := string(exampleID)
	for _, c := range []struct{ method, path, body, at string }{
		{"POST", "/jobs", `{"kind":"transcribe","recording_id":"` + id + `","model":null}`, "body.model"},
		{"POST", "/jobs", `{"kind":"transcribe","recording_id":"` + id + `","keywords":null}`, "body.keywords"},
		{"POST", "/jobs", `{"kind":"transcribe","recording_id":"` + id + `","keywords":["a",null]}`, "body.keywords[1]"},
		{"POST", "/jobs", `{"kind":"transcribe","recording_id":"` + id + `","webhook":null}`, "body.webhook"},
		{"POST", "/jobs", `{"kind":"transcribe","recording_id":"` + id + `","webhook":{"url":"https://a.test/","secret":null}}`, "body.webhook.secret"},
		{"POST", "/recordings/" + id + "/transcribe", `null`, "body"},
		{"POST", "/recorder/start", `{"format":{"sample_rate":null}}`, "body.format.sample_rate"},
		{"POST", "/recorder/start", `{"live":null}`, "body.live"},
		{"POST", "/recorder/start", `{"labels":{"room":null}}`, "body.labels.room"},
		{"POST", "/keys", `{"name":"a","role":"client","requests_per_minute":null}`, "body.requests_per_minute"},
		{"PATCH", "/jobs/none", `{"priority":null}`, "body.priority"},
	} {
		response, body := s.do(c.method, "/api/v1"+c.path, c.body)
		var failure v1.ErrorBody
		if err := json.Unmarshal([]byte(body), &failure); err != nil || response.StatusCode != 422 || len(failure.Error.Details) == 0 || failure.Error.Details[0].Location != c.at {
			t.Errorf("%s %s %s: %d %s, want 422 about %s", c.method, c.path, c.body, response.StatusCode, body, c.at)
		}
	}
	for _, body := range []string{`{"title":null}`, `{"tags":null,"labels":null}`, `{"labels":{"room":null}}`} {
		if response, answer := s.do("PATCH", "/api/v1/recordings/"+id, body); response.StatusCode != 200 {
			t.Errorf("%s: %d %s", body, response.StatusCode, answer)
		}
	}
}
