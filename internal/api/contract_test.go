package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/scout-speech/scout/internal/api"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
)

var update = flag.Bool("update", false, "write the documents that are made of the operations")

// Documents that are made of the operations.
const (
	openAPIFile  = "../../docs/formats/openapi.json"
	examplesFile = "../../docs/formats/api-examples.md"
)

// storing is a storage with one file.
type storing struct{}

func (storing) Stored(context.Context) (v1.Storage, error) {
	return v1.Storage{Data: []v1.Stored{{Kind: v1.StoredDatabase, Path: "/scout.db", Bytes: 1, Files: 1}}, Outgoing: []v1.Outgoing{{Kind: v1.OutgoingWebhook, ID: "whk_1", Address: "http://localhost:4318", Text: true, Local: true}}}, nil
}

func (storing) Remove(_ context.Context, kind string) (v1.StorageRemoved, error) {
	return v1.StorageRemoved{Kind: kind, Removed: 1}, nil
}

// exemplary gives a server everything that the examples speak of.
func exemplary(s *served) {
	settings := v1.Settings{
		File: "/home/ann/.config/scout/settings.toml", Values: map[string]map[string]any{"record": {"rate": 48000}, "log": {"level": ""}},
		Origin: map[string]string{"record.rate": "file", "log.level": "default"}, From: map[string]string{"record.rate": "settings.toml:2"}, RestartRequired: []string{},
	}
	s.services.Settings = func() v1.Settings { return settings }
	s.services.SettingsSchema = func() map[string]any {
		return map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": map[string]any{"record": map[string]any{"type": "object"}}}
	}
	s.services.ChangeSettings = func(_ context.Context, _ map[string]any, check func(v1.Settings) error) (v1.Settings, error) {
		return settings, check(settings)
	}
	listening()(s)
	transcribing(s)
	filing(s)
	s.services.Live = &dictations{recorder: s.recorder, store: s.store}
	at := time.Date(2026, 11, 28, 22, 0, 0, 0, time.UTC)
	s.services.Health = func(context.Context, bool) health.Report {
		return health.Report{Status: health.Healthy, Version: "0.5.0", Components: []health.Component{{Name: "store", Status: health.Healthy, Critical: true, LastCheck: at}}}
	}
	s.services.Storage = storing{}
	s.services.StatusHistory = func(span string) v1.StatusHistory {
		return v1.StatusHistory{Span: span, StepSeconds: 10, Since: v1.Time{Time: at}, Data: []v1.HistoryPoint{{At: v1.Time{Time: at}, Processor: new(float64), P50: new(float64), P95: new(float64)}}}
	}
	s.services.Status = func(context.Context) v1.Status {
		loaded := v1.EngineStatus{State: "loaded", Model: "whisper-base", Breaker: "closed", Starts: 1}
		return v1.Status{
			PID: 4711, SecondPass: v1.SecondPass{State: v1.SecondPassReady, Model: "whisper-base"}, StartedAt: v1.Time{Time: at}, Processes: []v1.Process{{Name: "scout", PID: 4711, RSSBytes: 1, CPUPercent: new(float64)}},
			Engine: loaded, Engines: []v1.EngineStatus{loaded},
		}
	}
	s.services.Devices = func(context.Context) (string, []sound.Device, error) {
		return "pulseaudio", []sound.Device{{ID: "mic", Name: "Built-in microphone", Default: true, Formats: []sound.Format{{SampleRateHz: 48000, Channels: 2, Sample: "s16"}}}}, nil
	}
	s.services.Backup = func(_ context.Context, path string) error {
		return os.WriteFile(path, []byte("SQLite format 3\x00"), 0o600)
	}
}

// prepare makes what the example of an operation needs: a recording with a text, and what happened to them.
func (s *served) prepare(id string) {
	s.t.Helper()
	if strings.Contains(id, "-live-id-") { // it is recorded
		s.do("POST", "/api/v1/recorder/start", `{"id":"`+string(exampleID)+`"}`)
		return
	}
	if strings.Contains(id, "-keys") {
		s.addKey(string(exampleID), "client", 0)
		return
	}
	if strings.Contains(id, "-webhooks-id") || id == "get-webhooks" {
		s.addWebhook(string(exampleID))
		return
	}
	if id == "post-recorder-toggle" {
		return
	}
	s.record(exampleID)
	s.do("POST", "/api/v1/transcripts", `{"recording":"`+string(exampleID)+`",`+keptTranscript())
	if strings.Contains(id, "-jobs-id") || id == "get-jobs" || strings.Contains(id, "-queue") {
		s.waits(store.JobQueued)
	}
	if id == "get-tags" {
		s.do("PATCH", "/api/v1/recordings/"+string(exampleID), `{"tags":["work"]}`)
	}
	for operation, request := range map[string][2]string{
		"post-recorder-cancel":        {"POST", "/api/v1/recorder/start"},
		"delete-jobs-id":              {"POST", "/api/v1/jobs/" + exampleJob + "/cancel"},
		"post-recordings-id-restore":  {"DELETE", "/api/v1/recordings/" + string(exampleID)},
		"post-transcripts-id-restore": {"DELETE", "/api/v1/transcripts/" + string(exampleID)},
	} {
		if operation == id {
			if response, body := s.do(request[0], request[1], ""); response.StatusCode >= 300 {
				s.t.Fatalf("%d %s", response.StatusCode, body)
			}
		}
	}
}

// openAPI is the document as the server gives it.
type openAPI struct {
	text  string
	Paths map[string]map[string]struct {
		OperationID string
		Summary     string
		Description string
		Parameters  []struct{ Name, In, Description string }
		RequestBody *struct {
			Content map[string]struct{ Example any }
		}
		Responses map[string]struct {
			Description string
			Content     map[string]struct {
				Schema  any
				Example any
			}
		}
	}
	mu       sync.Mutex // of the compiler
	compiler *jsonschema.Compiler
}

func (s *served) openAPI() *openAPI {
	s.t.Helper()
	_, text := s.do("GET", "/openapi.json", "")
	d := &openAPI{text: text, compiler: jsonschema.NewCompiler()}
	parsed, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = json.Unmarshal([]byte(text), d)
	}
	if err == nil {
		d.compiler.AssertFormat()
		err = d.compiler.AddResource("openapi.json", parsed)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// validate compares a body with the schema of an answer.
func (d *openAPI) validate(path, method, status, body string) error {
	pointer := func(parts ...string) string {
		escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
		var b strings.Builder
		for _, part := range parts {
			b.WriteString("/" + escape.Replace(part))
		}
		return b.String()
	}
	d.mu.Lock()
	schema, err := d.compiler.Compile("openapi.json#" + pointer("paths", path, method, "responses", status, "content", "application/json", "schema"))
	d.mu.Unlock()
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func TestEveryOperationIsDescribedAndKeepsItsContract(t *testing.T) {
	t.Parallel()
	d := serve(t, exemplary).openAPI()
	for path, methods := range d.Paths {
		for method, o := range methods {
			t.Run(o.OperationID, func(t *testing.T) {
				t.Parallel()
				if o.Summary == "" || len(o.Description) < 10 || strings.HasSuffix(o.Summary, ".") || !strings.HasSuffix(o.Description, ".") {
					t.Errorf("summary %q, description %q: want a line and whole sentences", o.Summary, o.Description)
				}
				e, found := api.OperationExample(o.OperationID)
				if !found {
					t.Fatalf("no example: add one to examples.go")
				}
				if len(o.Responses) < 3 {
					t.Errorf("answers %v: its errors are missing", slices.Sorted(maps.Keys(o.Responses)))
				}
				s := serve(t, exemplary)
				s.prepare(o.OperationID)
				target := strings.NewReplacer("/jobs/{id}", "/jobs/"+exampleJob, "/api/v1/models/{id}", "/api/v1/models/moonshine-tiny-en", "/v1/models/{id}", "/v1/models/mine", "/uploads/{id}", "/uploads/"+s.begun(o.OperationID), "{id}", string(exampleID), "{version}", "1", "{n}", "1").Replace(path)
				if e.Query != "" {
					target += "?" + e.Query
				}
				status := fmt.Sprint(e.Status)
				answer, there := o.Responses[status]
				if !there {
					t.Fatalf("the document has no answer %s", status)
				}
				switch o.OperationID {
				case "post-session", "get-open-link", "get-live", "get-v-realtime":
					return // they need a key, a link and a WebSocket: TestSessionsOfPages, TestALinkOpensASession, TestAConversationOfSound, TestARealtimeSession
				case "post-import", "get-jobs-id-export":
					return // they need a form, and a job that was done: TestTheOriginalScoutIsImported, TestManyRecordingsAreExported
				}
				if _, isJSON := answer.Content["application/json"]; !isJSON {
					s.sendsAnExample(strings.ToUpper(method), target, e)
					return
				}
				response, body := s.do(strings.ToUpper(method), target, realForm(e.Body), headersOf(e)...)
				if fmt.Sprint(response.StatusCode) != status {
					t.Fatalf("%d %s, want %s", response.StatusCode, body, status)
				}
				if answer.Content["application/json"].Schema == nil {
					return
				}
				if err := d.validate(path, method, status, body); err != nil {
					t.Errorf("the answer does not fit the document: %v\n%s", err, body)
				}
				// The example may leave optional fields out and has none that the answer has not.
				if err := d.validate(path, method, status, e.Answer); err != nil {
					t.Errorf("the example does not fit the document: %v", err)
				}
				var real, shown any
				if json.Unmarshal([]byte(body), &real) != nil || json.Unmarshal([]byte(e.Answer), &shown) != nil {
					t.Fatalf("%s\n%s", body, e.Answer)
				}
				if missing := lacking(real, shown); len(missing) > 0 {
					t.Errorf("the example has %v, which the answer has not: %s", missing, body)
				}
			})
		}
	}
}

// lacking returns the names of shown that real has not, in objects and in the first of lists.
func lacking(real, shown any) []string {
	var missing []string
	switch shown := shown.(type) {
	case map[string]any:
		object, _ := real.(map[string]any)
		for name, value := range shown {
			if _, there := object[name]; !there {
				missing = append(missing, name)
				continue
			}
			missing = append(missing, lacking(object[name], value)...)
		}
	case []any:
		list, _ := real.([]any)
		if len(shown) > 0 && len(list) == 0 {
			return []string{"an element of a list"}
		}
		if len(shown) > 0 {
			return lacking(list[0], shown[0])
		}
	}
	return missing
}

// sendsAnExample compares the beginning of an answer that is no JSON.
func (s *served) sendsAnExample(method, target string, e api.Example) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel() // a stream does not end by itself
	request, err := http.NewRequestWithContext(ctx, method, "http://scout"+target, strings.NewReader(e.Body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, header := range e.Headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // the test is over
	if response.StatusCode != e.Status {
		s.t.Fatalf("%d, want %d", response.StatusCode, e.Status)
	}
	read := bufio.NewReader(response.Body)
	if !strings.HasPrefix(e.Answer, ": ok\n") {
		want, _, _ := strings.Cut(e.Answer, "\n")
		for { // it may stand anywhere
			line, err := read.ReadString('\n')
			if strings.Contains(line, want) {
				return
			}
			if err != nil {
				s.t.Fatalf("no %q in the answer: %v", want, err)
			}
		}
	}
	for want := range strings.SplitSeq(strings.TrimSpace(e.Answer), "\n") {
		line, err := read.ReadString('\n')
		name, data, _ := strings.Cut(want, ": ")
		got, found := strings.CutPrefix(strings.TrimSpace(line), name)
		if err != nil || !found {
			s.t.Fatalf("%q, want a line like %q; %v", line, want, err)
		}
		if name == "event" && got != ": "+data {
			s.t.Errorf("event %s, want %s", got, data)
		}
	}
}

func TestErrorsFitTheDocument(t *testing.T) {
	t.Parallel()
	s := serve(t)
	d := s.openAPI()
	for _, c := range []struct{ method, path, pattern, body string }{
		{"get", "/api/v1/transcripts/none", "/api/v1/transcripts/{id}", ""},
		{"get", "/api/v1/transcripts?limit=0", "/api/v1/transcripts", ""},
		{"post", "/api/v1/recorder/start", "/api/v1/recorder/start", `{"colour":1}`},
		{"post", "/api/v1/recorder/start", "/api/v1/recorder/start", `{`},
		{"get", "/api/v1/devices", "/api/v1/devices", ""},
		{"get", "/api/v1/recorder/level?device=none", "/api/v1/recorder/level", ""},
		{"get", "/api/v1/recorder/level/stream?device=none", "/api/v1/recorder/level/stream", ""},
		{"post", "/api/v1/recorder/cancel", "/api/v1/recorder/cancel", ""},
	} {
		response, body := s.do(strings.ToUpper(c.method), c.path, c.body)
		if err := d.validate(c.pattern, c.method, fmt.Sprint(response.StatusCode), body); err != nil || response.StatusCode < 400 {
			t.Errorf("%s %s: %d does not fit the document: %v\n%s", c.method, c.path, response.StatusCode, err, body)
		}
	}
}

// The documents of the interface are made of its operations:
//
//	go test ./internal/api -run Documents -update
func TestTheDocumentsAreUpToDate(t *testing.T) {
	t.Parallel()
	d := serve(t, exemplary).openAPI()
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(d.text), "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteString("\n")
	for path, want := range map[string]string{openAPIFile: pretty.String(), examplesFile: d.examples(t)} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil { //nolint:gosec // a document
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the operations say (%v); run: go test ./internal/api -run Documents -update", path, err)
		}
	}
}

// examples are all examples as a document for people.
func (d *openAPI) examples(t *testing.T) string {
	var b strings.Builder
	b.WriteString("# Examples of every operation\n\nMade of `internal/api/examples.go`; a test sends each of them. [api.md](api.md) explains the interface, [openapi.json](openapi.json) describes every field.\n" +
		"`ID` stands for the id of a recording.\n")
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			o := d.Paths[path][method]
			e, found := api.OperationExample(o.OperationID)
			if !found {
				t.Errorf("%s has no example", o.OperationID)
			}
			target := strings.NewReplacer("{id}", "ID", "{version}", "1", "{n}", "1").Replace(path)
			if e.Query != "" {
				target += "?" + e.Query
			}
			fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s %s\n", o.Summary, o.Description, strings.ToUpper(method), target)
			for _, header := range e.Headers {
				fmt.Fprintf(&b, "%s\n", header)
			}
			if e.Body != "" {
				fmt.Fprintf(&b, "\n%s\n", indented(e.Body))
			}
			fmt.Fprintf(&b, "\n%d\n%s\n```\n", e.Status, indented(e.Answer))
		}
	}
	return b.String()
}

// indented is JSON for people; other texts stay.
func indented(text string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), "", "  "); err != nil {
		return strings.TrimRight(text, "\n")
	}
	return b.String()
}
