//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// mirror has the files of the default model. It can stop in the middle of the largest one, and damage what it sends.
type mirror struct {
	*httptest.Server

	mu      sync.Mutex
	stops   bool
	damaged bool
	ranges  []string      // of the requests for the largest file
	stopped chan struct{} // a value for each time it stopped
}

const largestFile = "decoder_model_merged.onnx"

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{stopped: make(chan struct{}, 100)}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		data, err := os.ReadFile(filepath.Join(models, defaultModel, name))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		m.mu.Lock()
		stops, damaged := m.stops && name == largestFile, m.damaged
		if name == largestFile {
			m.ranges = append(m.ranges, r.Header.Get("Range"))
		}
		m.mu.Unlock()
		if damaged {
			data[len(data)/2] ^= 1
		}
		w.Header().Set("ETag", `"x"`)
		if !stops {
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(data))
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data[:len(data)/2]) // the client may be gone
		_ = http.NewResponseController(w).Flush()
		m.stopped <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) set(stops, damaged bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stops, m.damaged = stops, damaged
}

// library is a daemon of another machine, with a folder of models of its own.
type library struct {
	*house
	there []string // flags
	dir   string
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	needModel(t)
	h := inHouse(quietBooth(t))
	l := &library{house: h, dir: filepath.Join(h.data, "models")}
	h.env = slices.DeleteFunc(h.env, func(set string) bool { return strings.HasPrefix(set, "SCOUT_MODELS__") }) // roles are settings here
	h.env = append(h.env, "SCOUT_MODELS="+l.dir, "SCOUT_CONFIG="+h.data+".toml")
	if err := os.WriteFile(h.data+".toml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("serve", "--detach", "--addr", "127.0.0.1:0")
	var made v1.NewKey
	if err := json.Unmarshal([]byte(h.must("keys", "create", "boss", "--role", "owner", "--json").out), &made); err != nil {
		t.Fatal(err)
	}
	l.there = []string{"--server", "http://" + h.status().HTTP[0].Address, "--key", made.Secret}
	return l
}

func (l *library) args(args ...string) []string {
	return slices.Concat([]string{"models"}, args, l.there)
}

func (l *library) model(id string) v1.Model {
	l.t.Helper()
	var list v1.Models
	if err := json.Unmarshal([]byte(strings.Replace(l.must(l.args("list", "--json")...).out, `"models"`, `"data"`, 1)), &list); err != nil {
		l.t.Fatal(err)
	}
	for _, m := range list.Data {
		if m.ID == id {
			return m
		}
	}
	l.t.Fatalf("there is no %s", id)
	return v1.Model{}
}

// told waits for an event of a model. It may have happened already.
func (l *library) told(kind string, data ...string) {
	l.t.Helper()
	c := l.client()
	defer c.Close()
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	found := false
	err := c.Stream(ctx, "/events?after=0&topics=model", func(e client.StreamEvent) bool {
		found = e.Type == kind
		for _, want := range data {
			found = found && strings.Contains(string(e.Data), want)
		}
		return !found
	})
	if !found {
		l.t.Errorf("no event %s %q: %v", kind, data, err)
	}
}

// A model comes to another machine by a job, which is held back, let go on and followed; then it is used, found damaged, and repaired.
func TestAModelOfAnotherMachine(t *testing.T) {
	t.Parallel()
	l, m := newLibrary(t), newMirror(t)
	m.set(true, false)
	pull := l.args("pull", defaultModel, "--from", m.URL+"/m", "--json")
	p := l.start(pull...)
	<-m.stopped
	is := l.model(defaultModel)
	if is.State != v1.ModelPulling || is.JobID == "" {
		t.Fatalf("%+v", is)
	}
	if got := l.run(l.args("pull", defaultModel)...); got.code != 1 || !strings.Contains(got.err, "from elsewhere") {
		t.Errorf("from elsewhere: exit %d, %s", got.code, got.err)
	}
	if got := l.run(l.args("remove", defaultModel)...); got.code != 1 || !strings.Contains(got.err, is.JobID) {
		t.Errorf("removed while it is pulled: exit %d, %s", got.code, got.err)
	}
	second := l.start(pull...) // the same job
	l.must("jobs", "pause", is.JobID)
	m.set(false, false)
	l.must("jobs", "resume", is.JobID)
	for _, p := range []*running{p, second} {
		if got := p.end(); got.code != 0 || !strings.Contains(got.out, `"installed"`) || !strings.Contains(got.err, is.JobID) {
			t.Fatalf("exit %d, %s%s", got.code, got.out, got.err)
		}
	}
	m.mu.Lock()
	ranges := m.ranges
	m.mu.Unlock()
	if last := ranges[len(ranges)-1]; !strings.HasPrefix(last, "bytes=") || last == "bytes=0-" {
		t.Errorf("ranges %q: it began anew", ranges)
	}
	l.told("model.installed", defaultModel)
	if got := l.must(l.args("pull", defaultModel)...); !strings.Contains(got.out, "already installed there") {
		t.Errorf("once more: %s%s", got.out, got.err)
	}
	if shown := l.must("jobs", "list").out; !strings.Contains(shown, "model "+defaultModel) {
		t.Errorf("the job is listed without its model: %s", shown)
	}

	l.must(l.args("use", defaultModel, "--role", "accurate")...)
	if is := l.model(defaultModel); !slices.Contains(is.Roles, "accurate") {
		t.Errorf("%+v", is)
	}
	l.told("model.selected", defaultModel, `"role":"accurate"`)
	if len(l.status().RestartRequired) != 0 {
		t.Error("a role needs a restart")
	}
	l.must(l.args("load", defaultModel)...)
	l.told("model.loaded", defaultModel)
	if is := l.model(defaultModel); !is.Loaded || is.Memory == 0 {
		t.Errorf("%+v", is)
	}
	if got := l.run(l.args("remove", defaultModel)...); got.code != 1 || !strings.Contains(got.err, "models.accurate") {
		t.Errorf("removed while a setting names it: exit %d, %s", got.code, got.err)
	}
	l.must(l.args("unload", defaultModel)...)
	l.told("model.unloaded", defaultModel)
	if l.model(defaultModel).Loaded {
		t.Error("it is loaded after it was unloaded")
	}

	l.must(l.args("verify")...)
	damage(t, filepath.Join(l.dir, defaultModel, "tokens.txt"))
	if got := l.run(l.args("verify", defaultModel)...); got.code != 1 || !strings.Contains(got.err, "tokens.txt was altered") {
		t.Errorf("exit %d, %s", got.code, got.err)
	}
	if is := l.model(defaultModel); is.State != v1.ModelCorrupt {
		t.Errorf("listed as %s", is.State)
	}
	l.must(pull...)
	l.must(l.args("verify")...)
}

// damage changes a byte of a file and leaves it its size and its time.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What cannot be done to the models of another machine says so, and changes nothing there.
func TestWrongChangesOfModelsOfAnotherMachine(t *testing.T) {
	t.Parallel()
	l, m := newLibrary(t), newMirror(t)
	m.set(false, true)
	var client v1.NewKey
	if err := json.Unmarshal([]byte(l.must("keys", "create", "desk", "--json").out), &client); err != nil {
		t.Fatal(err)
	}
	for situation, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a damaged source":              {[]string{"pull", defaultModel, "--from", m.URL}, 1, "SHA-256"},
		"a model that there is not":     {[]string{"pull", "none"}, 1, `no model "none"`},
		"an id that climbs":             {[]string{"load", "../" + defaultModel}, 1, "no model"},
		"a source that is not there":    {[]string{"pull", defaultModel, "--from", "/none/at/all"}, 2, "cannot read"},
		"a source in a folder unknown":  {[]string{"pull", defaultModel, "--from", "here"}, 2, "no whole path"},
		"a source of another kind":      {[]string{"pull", defaultModel, "--from", "ftp://mirror.example/m"}, 2, "want http or https"},
		"force":                         {[]string{"pull", defaultModel, "--force"}, 2, "--force does not go with --server"},
		"removal by force":              {[]string{"remove", defaultModel, "--force"}, 2, "--force does not go with --server"},
		"no role":                       {[]string{"use", defaultModel}, 2, "want fast or accurate"},
		"the use of one not installed":  {[]string{"use", "whisper-small", "--role", "fast"}, 1, "not installed"},
		"the check of one not in place": {[]string{"verify", "whisper-small"}, 1, "not installed"},
		"a load of one not installed":   {[]string{"load", "whisper-small"}, 1, "not installed"},
		"a removal of one not there":    {[]string{"remove", "whisper-small"}, 1, "not installed"},
		"by a client":                   {[]string{"load", defaultModel, "--key", client.Secret}, 1, "only the owner"},
	} {
		args := l.args(c.args...)
		if slices.Contains(c.args, "--key") {
			args = slices.Concat([]string{"models"}, c.args, l.there[:2])
		}
		if got := l.run(args...); got.code != c.code || got.out != "" || !strings.Contains(got.err, c.want) {
			t.Errorf("%s: exit %d, %q, %s", situation, got.code, got.out, got.err)
		}
	}
	if is := l.model(defaultModel); is.State != v1.ModelAvailable {
		t.Errorf("%+v", is)
	}
	l.must(l.args("unload", defaultModel)...) // there is nothing to do
	l.must(l.args("remove", defaultModel)...) // what the pull has left
	if left, _ := filepath.Glob(filepath.Join(l.dir, defaultModel+"*")); len(left) != 0 {
		t.Errorf("%q stays", left)
	}
}

// A model stays loaded while a dictation runs, also between two pieces of it, and is unloaded afterwards.
func TestAModelOfADictationStaysLoaded(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.env = append(h.env, "SCOUT_MODELS="+models)
	h.must("toggle", "--print", "--device", codedDevice)
	if got := h.run("models", "unload", defaultModel); got.code != 1 || !strings.Contains(got.err, "is in use") {
		t.Errorf("exit %d, %s%s", got.code, got.out, got.err)
	}
	h.must("toggle", "--print")
	for h.run("models", "unload", defaultModel).code != 0 { // who ends with it tells nobody
		select {
		case <-t.Context().Done():
			t.Fatal("it stays in use")
		case <-time.After(10 * time.Millisecond):
		}
	}
}
