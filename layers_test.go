package scout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/scout-speech/scout"

// goPackage is the output of `go list -json` for one package, without dependencies and tests.
type goPackage struct {
	ImportPath string
	Name       string
	Imports    []string
	Deps       []string // everything that is linked into it
	Standard   bool
}

// packages lists every package of the module.
func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	found, err := listed()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// listed asks go once for all tests, which do not change what it returns.
var listed = sync.OnceValues(func() (map[string]goPackage, error) {
	list := exec.Command("go", "list", "-e", "-json=ImportPath,Name,Imports,Deps", "./...")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	output, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	found := make(map[string]goPackage)
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		found[p.ImportPath] = p
	}
	if len(found) < 5 {
		return nil, fmt.Errorf("only %d packages: the tests no longer see the module", len(found))
	}
	return found, nil
})

// within reports whether path is the package parent or lies below it.
func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// Tests the direction of imports, direct and indirect. The linter checks the same rules for each direct import and
// names the line; this test also finds indirect imports.
func TestLayers(t *testing.T) {
	t.Parallel()
	inference := []string{"github.com/yalue/onnxruntime_go", "github.com/k2-fsa", module + "/internal/engine/moonshine", module + "/internal/engine/whisper", module + "/internal/engine/native", module + "/internal/engine/sherpa"}
	pure := []string{
		module, module + "/internal/audio", module + "/internal/text", module + "/internal/speech/segment", module + "/internal/speech/align", module + "/internal/wake", module + "/internal/spelling", module + "/internal/quickselect",
		"golang.org/x/sys/cpu", "github.com/rivo/uniseg", "github.com/viterin", "github.com/chewxy/math32", "golang.org/x/exp",
	}
	rules := map[string]struct {
		of    []string // packages, with everything below them
		but   []string // except these
		never []string // must not be linked in
		only  []string // nothing but these and the standard library
		exact bool     // only the packages themselves
	}{
		"the root imports the standard library only": {of: []string{module}, exact: true, only: []string{module}},
		"sound and text are computed, not fetched": {
			of:  []string{module + "/internal/audio", module + "/internal/text", module + "/internal/speech/segment", module + "/internal/speech/align"},
			but: []string{module + "/internal/audio/file"}, only: pure,
		},
		"the program does not contain native inference: it could take the audio with it": {
			of: []string{module + "/cmd/scout", module + "/cmd/scout-bench", module + "/internal/engine"}, but: []string{module + "/internal/engine/moonshine", module + "/internal/engine/whisper", module + "/internal/engine/native", module + "/internal/engine/sherpa"}, never: inference,
		},
		"recording depends on nothing but the microphone and the disk": {
			of: []string{module + "/internal/recording", module + "/internal/capture"},
			never: append([]string{
				module + "/internal/store", module + "/internal/api", module + "/internal/job", module + "/internal/speech",
				module + "/internal/engine", module + "/internal/model", module + "/internal/daemon", module + "/internal/audio/file",
			}, inference...),
		},
		"recording is done by a program of its own": {
			of: []string{module + "/cmd/scout", module + "/cmd/scout-bench", module + "/cmd/scout-engine"}, never: []string{module + "/internal/recording/recorder"},
		},
		"the recorder's program is small: no inference, no database, no network client, no command line": {
			of: []string{module + "/cmd/scout-recorder"},
			never: append([]string{
				module + "/internal/store", module + "/internal/api", module + "/internal/job", module + "/internal/speech", module + "/internal/text",
				module + "/internal/engine", module + "/internal/model", module + "/internal/daemon", module + "/internal/audio/file",
				module + "/internal/bench", module + "/internal/observe/otlp", module + "/internal/recording/remote", module + "/cmd/scout",
				"go.opentelemetry.io/otel/exporters", "go.opentelemetry.io/otel/sdk", "google.golang.org/grpc", "github.com/grpc-ecosystem", "github.com/spf13",
				"net/http", "crypto/tls", "github.com/prometheus", "google.golang.org/protobuf", module + "/internal/observe/prom",
			}, inference...),
		},
		"traces are sent by the program with an address for them, and the exporter is in no other": {
			of: []string{module + "/internal", module + "/cmd/scout-recorder", module + "/cmd/scout-engine"}, but: []string{module + "/internal/observe/otlp"},
			never: []string{module + "/internal/observe/otlp", "go.opentelemetry.io/otel/exporters", "google.golang.org/grpc"},
		},
		"use cases run without a terminal and without a recorder: the command line, a job and the API call the same": {
			of:    []string{module + "/internal/recognize", module + "/internal/transcribe"},
			never: append([]string{module + "/internal/recording", module + "/internal/capture", module + "/internal/bench", "golang.org/x/term", "github.com/schollz"}, inference...),
		},
		"names are made printable and outputs are written without anything of Scout's": {
			of: []string{module + "/internal/printable", module + "/internal/outfile"},
			never: []string{
				module + "/internal/audio", module + "/internal/engine", module + "/internal/model", module + "/internal/observe", module + "/internal/recording",
				module + "/internal/speech", module + "/internal/text", "github.com/prometheus", "go.opentelemetry.io",
			},
		},
		"what a store is, is said without a database": {
			of: []string{module + "/internal/store"}, but: []string{module + "/internal/store/sqlite", module + "/internal/store/ondisk"},
			never: []string{"modernc.org", "github.com/jackc", module + "/internal/recording", module + "/internal/observe"},
		},
		"the store records nothing and transcribes nothing": {
			of: []string{module + "/internal/store"}, but: []string{module + "/internal/store/ondisk"},
			never: append([]string{
				module + "/internal/recording", module + "/internal/capture", module + "/internal/engine", module + "/internal/model",
				module + "/internal/speech", module + "/internal/transcribe",
			}, inference...),
		},
		"settings are read at the edge: what is below gets values": {
			of:  []string{module + "/internal", module + "/cmd/scout-recorder", module + "/cmd/scout-engine"},
			but: []string{module + "/internal/settings", module + "/internal/daemon"}, never: []string{module + "/internal/settings", "github.com/knadh/koanf"},
		},
		"settings know of no part of Scout that they set": {
			of: []string{module + "/internal/settings"},
			never: append([]string{
				module + "/internal/audio", module + "/internal/capture", module + "/internal/engine", module + "/internal/model", module + "/internal/observe",
				module + "/internal/recording", module + "/internal/speech", module + "/internal/transcribe", module + "/cmd", "github.com/spf13",
			}, inference...),
		},
		"what the daemon offers is known to the daemon and its clients": {
			of: []string{module + "/internal", module + "/cmd/scout-recorder", module + "/cmd/scout-engine", module + "/cmd/scout-bench"}, but: []string{module + "/internal/api", module + "/internal/daemon"},
			never: []string{module + "/internal/api", module + "/internal/daemon", "github.com/danielgtaylor/huma"},
		},
		"the interface is served without a terminal and without settings": {
			of: []string{module + "/internal/api"}, never: []string{module + "/internal/settings", module + "/internal/daemon", "golang.org/x/term"},
		},
		"a client of the daemon knows bodies, not use cases": {
			of: []string{module + "/internal/api/client", module + "/internal/api/v1"}, never: []string{module + "/internal/record", module + "/internal/recording", module + "/internal/capture", "github.com/danielgtaylor/huma"},
		},
		"the queue knows of no work": {
			of: []string{module + "/internal/job"}, but: []string{module + "/internal/job/transcription", module + "/internal/job/importation"},
			never: append([]string{
				module + "/internal/api", module + "/internal/recording", module + "/internal/speech", module + "/internal/engine", module + "/internal/transcribe", module + "/internal/history", "modernc.org",
			}, inference...),
		},
		"recordings are started without an interface and without text": {
			of: []string{module + "/internal/record"}, never: []string{module + "/internal/api", module + "/internal/store", module + "/internal/speech", module + "/internal/engine", module + "/internal/recording/recorder"},
		},
		"benchmarks measure what transcribes: they record nothing": {
			of: []string{module + "/cmd/scout-bench", module + "/internal/bench"}, never: []string{module + "/internal/recording", module + "/internal/capture"},
		},
		"the program of every day carries no benchmarks": {
			of: []string{module + "/cmd/scout", module + "/cmd/internal"}, never: []string{module + "/internal/bench"},
		},
		"nothing below the commands knows of them": {
			of: []string{module + "/internal"}, never: []string{module + "/cmd", "github.com/spf13"},
		},
	}
	all := packages(t)
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			looked := 0
			for path, p := range all {
				covers := func(parent string) bool { return path == parent || !rule.exact && within(path, parent) }
				if !slices.ContainsFunc(rule.of, covers) || slices.ContainsFunc(rule.but, func(b string) bool { return within(path, b) }) {
					continue
				}
				looked++
				for _, dep := range p.Deps {
					if dep == "C" || isStandard(dep) {
						continue
					}
					in := func(parent string) bool { return dep == parent || parent != module && within(dep, parent) } // the module is only its root package
					if slices.ContainsFunc(rule.never, in) || len(rule.only) > 0 && !slices.ContainsFunc(rule.only, in) {
						t.Errorf("%s contains %s", path, dep)
					}
				}
				if rule.exact && slices.ContainsFunc(p.Imports, func(i string) bool { return !isStandard(i) }) {
					t.Errorf("%s imports %v", path, p.Imports)
				}
			}
			if looked == 0 {
				t.Errorf("no package matches %v: the rule has no effect", rule.of)
			}
		})
	}
}

// Only the two ends of a wire format know it. All other packages use the nouns of the root package.
func TestWireFormatsStayAtTheirEnds(t *testing.T) {
	t.Parallel()
	ends := map[string][]string{
		module + "/internal/engine/wire": {
			module + "/internal/engine/process", module + "/internal/engine/server",
			module + "/internal/engine/moonshine", module + "/internal/engine/whisper", module + "/internal/engine/sherpa", module + "/internal/engine/wordtext", module + "/internal/engine/forced",
			module + "/cmd/scout-engine", module + "/internal/api/openai/files/filestest", // an engine of tests
		},
		module + "/internal/recording/wire": {module + "/internal/recording/recorder", module + "/internal/recording/remote"},
	}
	all := packages(t)
	for format, allowed := range ends {
		if _, ok := all[format]; !ok {
			t.Errorf("there is no package %s: the rule has no effect", format)
		}
		for path, p := range all {
			if slices.Contains(p.Imports, format) && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", path, format)
			}
		}
	}
}

// Each sound system is behind one package, and these packages know nothing of the sessions that use them.
func TestSoundSystemsAreBehindOnePackageEach(t *testing.T) {
	t.Parallel()
	capture := module + "/internal/capture"
	users := map[string][]string{ // of a package: who may import it
		"github.com/gen2brain/malgo": {capture + "/miniaudio"},
		capture + "/pulse":           {capture + "/miniaudio"},
		capture + "/intake":          {capture, capture + "/miniaudio"},
		capture:                      {module + "/cmd/scout", module + "/internal/daemon", module + "/internal/recording/recorder"},
	}
	all := packages(t)
	for used, allowed := range users {
		for _, user := range allowed {
			if !slices.Contains(all[user].Imports, used) {
				t.Errorf("%s does not import %s: the rule is out of date", user, used)
			}
		}
		for path, p := range all {
			if slices.Contains(p.Imports, used) && !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", path, used)
			}
		}
	}
}

// voiceActivity matches a name that refers to voice activity detection: VAD as a word or as a part of a name
// (silero_vad, VADThreshold, useVad), but not inside another word (evade, Nevada).
var voiceActivity = regexp.MustCompile(`(?i:(voice|speech)[-_ ]?activity|silero|webrtcvad|(\b|_)vad(\b|_))|\b(vad|VAD|Vad)[A-Z]|[a-z](VAD|Vad)([A-Z]|\b|_)`)

// detection is what a text says of voice activity detection, empty for nothing. Every match has one of three words in it; to
// look for those first takes a hundredth of the time that the pattern takes on all sources.
func detection(text string) string {
	lower := strings.ToLower(text)
	if !strings.Contains(lower, "vad") && !strings.Contains(lower, "activity") && !strings.Contains(lower, "silero") {
		return ""
	}
	return voiceActivity.FindString(text)
}

func TestVoiceActivityPattern(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"--vad": true, "vad_threshold": true, "SCOUT_VAD": true, "silero_v5.onnx": true, "webrtcvad": true, "VADConfig": true, "vadModel": true,
		"useVad": true, "enableVAD": true, "@ricky0123/vad-web": true, "voice activity": true, "VoiceActivity": true,
		"evade": false, "invade the queue": false, "Nevada": false, "valid": false, "EVADE": false,
	} {
		if got := detection(text) != ""; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Requirement S1: there is no voice activity detection. No dependency, package, file, flag, setting, environment
// variable or name in the sources refers to it. Documents and comments may say that there is none.
//
// Words of OpenAI's protocol are no detection: clients name turns so.
func TestNoVoiceActivityDetection(t *testing.T) {
	t.Parallel()
	for path, p := range packages(t) {
		for _, dep := range append(slices.Clone(p.Deps), path) {
			if detection(dep) != "" {
				t.Errorf("%s contains %s", path, dep)
			}
		}
	}
	ofOpenAI := strings.NewReplacer("server_vad", "", "semantic_vad", "")
	locks := map[string]bool{"go.mod": true, "go.sum": true, "package.json": true, "package-lock.json": true, "Makefile": true}
	settings := []string{".toml", ".yaml", ".yml", ".json", ".env"}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(name, ".") && name != ".ci" || slices.Contains([]string{"var", "bin", "dist", "node_modules", "venv"}, name)):
			return filepath.SkipDir
		case detection(name) != "":
			t.Errorf("%s is named after voice activity detection", path)
		}
		isGo := strings.HasSuffix(name, ".go") && name != "layers_test.go"
		if entry.IsDir() || !isGo && !locks[name] && !slices.Contains(settings, filepath.Ext(name)) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(content)) {
			n++
			switch {
			case isGo: // comments may mention it
				line, _, _ = strings.Cut(line, "//")
			case name == "go.sum": // only the path: a hash may contain any letters
				line, _, _ = strings.Cut(line, " ")
			case strings.Contains(line, `"integrity":`):
				continue
			}
			if match := detection(ofOpenAI.Replace(line)); match != "" {
				t.Errorf("%s:%d mentions %q", path, n, match)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
}
