package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/recognize"
)

// TestDamagedPreparedGraphs: damage by truncation, altered bytes and an interrupted preparation is found and repaired.
func TestDamagedPreparedGraphs(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	folder := filepath.Join(dir, defaultModel, recognize.PreparedFolder)
	decoder, weights := filepath.Join(folder, prepare.DecoderFile), filepath.Join(folder, prepare.EncoderWeights)
	run := func(args ...string) outcome {
		return outcomeOf(t, command(t.Context(), append(args, "--models-dir", dir)...))
	}
	// The list says what runs the model, and people read why that is not as fast as it could be.
	serves := func(recipe int, note string) {
		t.Helper()
		var list struct {
			Models []struct {
				Backend string `json:"backend"`
				Recipe  int    `json:"recipe"`
				Note    string `json:"backend_note"`
			} `json:"models"`
		}
		got := run("models", "list", "--json")
		if err := json.Unmarshal([]byte(got.out), &list); err != nil {
			t.Fatalf("%v\n%s%s", err, got.out, got.err)
		}
		if m := list.Models[0]; m.Backend != recognize.BackendMoonshine || m.Recipe != recipe || m.Note != note {
			t.Errorf("models list --json says %+v, want recipe %d, %q", m, recipe, note)
		}
		if got := run("models", "list"); !strings.Contains(got.out, note) || note == "" && strings.Contains(got.out, "next use") {
			t.Errorf("models list does not say %q:\n%s", note, got.out)
		}
	}
	serves(prepare.Recipe, "")

	// One bit has changed. The sizes are right, so only reading finds it, and pull repairs it.
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(weights, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got := run("models", "verify")
	if got.code != 1 || !strings.Contains(got.err, prepare.EncoderWeights) || !strings.Contains(got.err, "scout models pull "+defaultModel) {
		t.Errorf("verify with a damaged file: code %d\n%s%s", got.code, got.out, got.err)
	}
	if got := run("models", "pull", defaultModel); got.code != 0 {
		t.Errorf("pull: code %d\n%s", got.code, got.err)
	}
	if got := run("models", "verify"); got.code != 0 {
		t.Errorf("verify after the repair: code %d\n%s", got.code, got.err)
	}

	// One file is truncated and one was never finished: the next command that needs them makes them again, and so does
	// pull.
	for name, damage := range map[string]func() error{
		"truncated": func() error { return os.Truncate(decoder, 100) },
		"missing":   func() error { return os.RemoveAll(folder) },
		"of the recipe before": func() error {
			entry := func(version int) []byte { return fmt.Appendf(nil, `"recipe": %d,`, version) }
			path := filepath.Join(folder, prepare.ManifestFile)
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, bytes.Replace(text, entry(prepare.Recipe), entry(prepare.Recipe-1), 1), 0o600))
		},
	} {
		spoil := func() {
			t.Helper()
			if err := damage(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			serves(0, "prepared at its next use")
		}
		spoil()
		if got := run("models", "pull", defaultModel); got.code != 0 {
			t.Errorf("%s: pull: code %d\n%s%s", name, got.code, got.out, got.err)
		}
		serves(prepare.Recipe, "")
		spoil()
		if got := run("transcribe", clip); got.code != 0 || !said(got.out, 1) {
			t.Errorf("%s: code %d\n%s%s", name, got.code, got.out, got.err)
		}
		serves(prepare.Recipe, "")
	}
}

// TestPreparationWithoutRoom: if nothing can be written, the published files are used, and a line says so.
func TestPreparationWithoutRoom(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	folder := filepath.Join(dir, defaultModel, recognize.PreparedFolder)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := scoutRun(t, nil, "transcribe", "--models-dir", dir, clip)
	if got.code != 0 || !said(got.out, 1) || !strings.Contains(got.err, "the slower backend is used") {
		t.Errorf("code %d\n%s%s", got.code, got.out, got.err)
	}
	if got := scoutRun(t, nil, "transcribe", "--backend", "moonshine", "--models-dir", dir, clip); got.code != 1 || !strings.Contains(got.err, "prepare model") {
		t.Errorf("asked for: code %d\n%s%s", got.code, got.out, got.err)
	}
}

// TestProcessors: which backend and variant serve the model on machines that we do not have here.
func TestProcessors(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	for name, c := range map[string]struct {
		processor prepare.Processor
		backend   string
		variant   prepare.Variant
		note      string
	}{
		"AVX2 and VNNI": {prepare.Processor{AMD64: true, AVX2: true, VNNI: true}, recognize.BackendMoonshine, prepare.VariantSigned, ""},
		"AVX2 alone":    {prepare.Processor{AMD64: true, AVX2: true}, recognize.BackendMoonshine, prepare.VariantUnsigned, ""},
		"neither":       {prepare.Processor{AMD64: true}, recognize.BackendSherpa, "", "this processor has no AVX2"},
		"Arm":           {prepare.Processor{}, recognize.BackendMoonshine, prepare.VariantSigned, ""},
	} { // one after another: they share the folder of prepared graphs
		var errOut bytes.Buffer
		a := newApp(cli.Streams{Out: io.Discard, Err: &errOut})
		a.Processor, a.Settings = c.processor, settingsOf(t, dir)
		r, err := a.OpenRecognizer(t.Context(), cli.RecognizerOptions{Threads: 1})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r.Close()
		if r.Backend != c.backend || !strings.Contains(errOut.String(), c.note) {
			t.Errorf("%s: backend %s, said %q, want %s, %q", name, r.Backend, errOut.String(), c.backend, c.note)
		}
		if got := a.Machine().Served(r.Model, recognize.BackendMoonshine); got.Backend != c.backend || got.Variant != c.variant || got.Note != c.note {
			t.Errorf("%s: listed as %v", name, got)
		}
	}
}

func TestModelsListNamesTheBackend(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	got := scoutRun(t, nil, "models", "list", "--json", "--models-dir", dir)
	var list struct {
		Models []struct {
			model.Listed
			Recipe  int             `json:"recipe"`
			Variant prepare.Variant `json:"variant"`
		} `json:"models"`
	}
	if err := json.Unmarshal([]byte(got.out), &list); err != nil {
		t.Fatal(err)
	}
	if m := list.Models[0]; m.Backend != recognize.BackendMoonshine || m.Recipe != prepare.Recipe || m.Variant == "" {
		t.Errorf("%+v", m)
	}
	for _, m := range list.Models[1:] {
		if m.Backend == "" || m.Recipe != 0 {
			t.Errorf("%+v", m)
		}
	}
}
