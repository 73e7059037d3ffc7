package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/store"
)

// models are one that is installed, one of the user's own that is damaged, and one that can be installed. The real ones are tested with the
// daemon.
type models struct {
	mu     sync.Mutex
	called []string
	fail   error // of every change
}

func (m *models) note(format string, args ...any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.called = append(m.called, fmt.Sprintf(format, args...))
	return m.fail
}

func (*models) List(context.Context) ([]v1.Model, error) {
	return []v1.Model{
		{ID: "moonshine-tiny-en", Family: "moonshine", Languages: []string{"en"}, State: v1.ModelInstalled, Roles: []string{"fast"}, Loaded: true, Memory: 1, Measured: &v1.ModelMeasured{Speed: 73.5, WER: 0.094, Memory: 94371840}},
		{ID: "whisper-small", Family: "whisper", Languages: []string{"en"}, State: v1.ModelPulling, Roles: []string{}, JobID: "job_01kb5ja0c8t2v6m4q9w3e7r1ya"},
		{ID: "mine", Languages: []string{}, State: v1.ModelCorrupt, Roles: []string{}, Own: true, Problem: "/home/ann/models/mine/encoder.onnx is missing"},
	}, nil
}

func (m *models) Pullable(_ context.Context, id, from string) (bool, error) {
	return id == "moonshine-tiny-en" && from == "", m.note("pull %s %s", id, from)
}

func (m *models) Use(_ context.Context, id, role string) error { return m.note("use %s %s", id, role) }
func (m *models) Load(_ context.Context, id string) error      { return m.note("load %s", id) }
func (m *models) Unload(_ context.Context, id string) error    { return m.note("unload %s", id) }
func (m *models) Remove(_ context.Context, id string) error    { return m.note("remove %s", id) }

func (m *models) Verify(_ context.Context, id string) (string, error) {
	problem := ""
	if id == "whisper-small" {
		problem = "model.bin was altered"
	}
	return problem, m.note("verify %s", id)
}

func TestClientsSeeWhichModelsThereAre(t *testing.T) {
	t.Parallel()
	s := serve(t, networked)
	client, owner := s.addKey("key_a", "client", 0), s.addKey("key_b", "owner", 0)
	_, body := s.ask("GET", "/api/v1/models", "", bearer(client)...)
	var list v1.Models
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Data) != 3 || list.Data[0].ID != "moonshine-tiny-en" || !slices.Equal(list.Data[0].Roles, []string{"fast"}) {
		t.Errorf("%s, %v", body, err)
	}
	if strings.Contains(body, "/home/ann") || strings.Contains(body, "job_") {
		t.Errorf("a client is told of folders or of jobs that are not its own: %s", body)
	}
	if _, body := s.ask("GET", "/api/v1/models/mine", "", bearer(owner)...); !strings.Contains(body, "encoder.onnx is missing") || !strings.Contains(body, `"corrupt"`) {
		t.Errorf("the owner is not told what is wrong: %s", body)
	}
	if response, body := s.ask("GET", "/api/v1/models/mi", "", bearer(client)...); response.StatusCode != 404 || !strings.Contains(body, "model_unknown") {
		t.Errorf("%d %s", response.StatusCode, body)
	}
}

// A change reaches the model that it names. A name that is none reaches nothing.
func TestChangesOfModels(t *testing.T) {
	t.Parallel()
	changes := []struct{ method, path, body, called string }{
		{"POST", "/pull", `{"from":"/usb/x"}`, "pull ID /usb/x"},
		{"POST", "/use", `{"role":"accurate"}`, "use ID accurate"},
		{"POST", "/load", "", "load ID"},
		{"POST", "/unload", "", "unload ID"},
		{"POST", "/verify", "", "verify ID"},
		{"DELETE", "", "", "remove ID"},
	}
	for situation, c := range map[string]struct {
		id     string // in the path
		fail   error
		status int
		code   scout.Code
	}{
		"one that there is":          {"mine", nil, 0, ""},
		"one that is in use":         {"mine", scout.Errorf(scout.CodeModelInUse, "it is in use"), 409, scout.CodeModelInUse},
		"one that is not installed":  {"mine", scout.Errorf(scout.CodeModelNotInstalled, "it is not installed"), 404, scout.CodeModelNotInstalled},
		"no room":                    {"mine", scout.Errorf(scout.CodeDiskLow, "no room"), 507, scout.CodeDiskLow},
		"none":                       {"none", nil, 404, scout.CodeModelUnknown},
		"an id with a slash":         {"moonshine-tiny-en%2F..%2Fmine", nil, 404, scout.CodeModelUnknown},
		"an id that climbs":          {"..%2F..%2Fetc", nil, 404, scout.CodeModelUnknown},
		"points alone":               {"%2e%2e", nil, 404, scout.CodeModelUnknown},
		"an id of another alphabet":  {"m%C3%B6del%00", nil, 404, scout.CodeModelUnknown},
		"an id of capitals":          {"MINE", nil, 404, scout.CodeModelUnknown},
		"the beginning of an id":     {"min", nil, 404, scout.CodeModelUnknown},
		"an id that is far too long": {strings.Repeat("a", 5000), nil, 404, scout.CodeModelUnknown},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			m := &models{fail: c.fail}
			s := serve(t, func(s *served) { s.services.Models = m })
			for _, change := range changes {
				m.called = nil
				response, body := s.do(change.method, "/api/v1/models/"+c.id+change.path, change.body)
				if code := response.Header.Get(v1.HeaderCode); code != string(c.code) || c.status != 0 && response.StatusCode != c.status || c.code == "" && response.StatusCode >= 300 {
					t.Errorf("%s %s: %d %s %s", change.method, change.path, response.StatusCode, code, body)
				}
				want := []string{strings.ReplaceAll(change.called, "ID", c.id)}
				if c.code == scout.CodeModelUnknown {
					want = nil
				}
				if !slices.Equal(m.called, want) {
					t.Errorf("%s %s: %q was called, want %q", change.method, change.path, m.called, want)
				}
			}
		})
	}
}

func TestWrongChangesOfModels(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for situation, c := range map[string]struct{ path, body string }{
		"a role that there is not":  {"/use", `{"role":"best"}`},
		"no role":                   {"/use", `{}`},
		"a field that is unknown":   {"/pull", `{"force":true}`},
		"a source of another type":  {"/pull", `{"from":["/usb"]}`},
		"a source that is too long": {"/pull", `{"from":"/` + strings.Repeat("a", 5000) + `"}`},
		"a query":                   {"/load?now=1", ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			if response, body := s.do("POST", "/api/v1/models/mine"+c.path, c.body); response.StatusCode != 422 {
				t.Errorf("%d %s", response.StatusCode, body)
			}
		})
	}
}

func TestACheckedModelSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := serve(t)
	if _, body := s.do("POST", "/api/v1/models/whisper-small/verify", ""); !strings.Contains(body, `"corrupt"`) || !strings.Contains(body, "model.bin was altered") {
		t.Error(body)
	}
	if _, body := s.do("POST", "/api/v1/models/moonshine-tiny-en/verify", ""); !strings.Contains(body, `"installed"`) || strings.Contains(body, "problem") {
		t.Error(body)
	}
}

// One job installs a model, however often it is asked for. When it has ended, the next one is another one.
func TestAModelIsPulledByOneJob(t *testing.T) {
	t.Parallel()
	s := serve(t)
	pull := func(body string, headers ...string) (answer, v1.Job, string) {
		t.Helper()
		response, text := s.do("POST", "/api/v1/models/mine/pull", body, headers...)
		var j v1.Job
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			t.Fatal(err)
		}
		return response, j, text
	}
	const secret = `{"from":"https://ann:pass@mirror.example/m?token=secret"}`
	var wait sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		wait.Go(func() {
			_, j, _ := pull(secret)
			ids[i] = j.ID
		})
	}
	wait.Wait()
	if all := slices.Compact(slices.Sorted(slices.Values(ids))); len(all) != 1 || all[0] == "" {
		t.Fatalf("jobs %q", all)
	}
	response, first, text := pull(secret)
	if response.StatusCode != 202 || first.ID != ids[0] || first.Kind != job.KindModelPull || response.Header.Get("Location") != "/api/v1/jobs/"+first.ID {
		t.Errorf("%d %s", response.StatusCode, text)
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "pass") || !strings.Contains(text, "mirror.example") {
		t.Errorf("an address is shown with its secrets, or not at all: %s", text)
	}
	if response, _, text := pull(`{"from":"/usb"}`); response.StatusCode != 409 || !strings.Contains(text, first.ID) {
		t.Errorf("from elsewhere: %d %s", response.StatusCode, text)
	}
	if response, body := s.do("POST", "/api/v1/jobs/"+first.ID+"/cancel", ""); response.StatusCode != 200 {
		t.Fatalf("%d %s", response.StatusCode, body)
	}
	_, second, _ := pull(`{"from":"/usb"}`, "Idempotency-Key", "k")
	if second.ID == first.ID {
		t.Error("a job that was cancelled is the next one")
	}
	if response, again, _ := pull(`{"from":"/usb"}`, "Idempotency-Key", "k"); again.ID != second.ID || response.Header.Get(v1.HeaderReplayed) != "true" {
		t.Errorf("sent again with its key: %+v", again)
	}
	if response, body := s.do("POST", "/api/v1/models/moonshine-tiny-en/pull", ""); response.StatusCode != 200 || !strings.Contains(body, `"installed"`) {
		t.Errorf("one that is installed: %d %s", response.StatusCode, body)
	}
}

func TestAPullTellsItsBytes(t *testing.T) {
	t.Parallel()
	s := serve(t)
	_, body := s.do("POST", "/api/v1/models/mine/pull", "")
	var j v1.Job
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		t.Fatal(err)
	}
	c, err := s.services.Jobs.Claim(t.Context())
	if err != nil || c == nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context(), json.RawMessage(`{"done_bytes":25,"total_bytes":100}`), 0); err != nil {
		t.Fatal(err)
	}
	_, body = s.do("GET", "/api/v1/jobs/"+j.ID, "")
	if err := json.Unmarshal([]byte(body), &j); err != nil || j.Progress == nil || j.Progress.Fraction != 0.25 || *j.Progress.DoneBytes != 25 || *j.Progress.TotalBytes != 100 || strings.Contains(body, "seconds") {
		t.Errorf("%s, %v", body, err)
	}
	c.Outcome = json.RawMessage(`{"done_bytes":100,"total_bytes":100}`)
	if err := s.store.Update(t.Context(), func(tx store.Tx) error { return c.Finish(tx, 0) }); err != nil {
		t.Fatal(err)
	}
	if _, body = s.do("GET", "/api/v1/jobs?kind=model_pull", ""); !strings.Contains(body, `"result":{"model":"mine"}`) || !strings.Contains(body, `"done_bytes":100`) {
		t.Error(body)
	}
}
