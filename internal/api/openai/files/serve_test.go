package files_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/api/openai/files"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// TestMain lets the test binary be an engine too. It hears two words in each piece; if the first sample of a piece is negative and loud,
// it fails.
func TestMain(m *testing.M) {
	enginetest.Main(m, func(*os.File) server.Options {
		return server.Options{Open: func(_ context.Context, load wire.Load) (server.Backend, error) { return backend{load}, nil }}
	})
}

type backend struct{ load wire.Load }

func (b backend) Facts() wire.Hello {
	return wire.Hello{ModelID: b.load.ModelID, MaxFrames: 1 << 20, Slots: 2, HotWords: true, WordTimes: true, LogProbs: true}
}
func (backend) Close() error { return nil }

func (backend) Transcribe(_ context.Context, r *wire.Request) (*wire.Result, error) {
	if r.Samples[0] < -0.9 {
		return nil, scout.Errorf(scout.CodeEngineFailed, "this piece is refused")
	}
	end := float32(len(r.Samples)) / scout.EngineSampleRateHz * 1000
	logProb, half, most := float32(-0.25), end/2, end*0.9
	zero := end * 0.4
	result := &wire.Result{Text: "Hello Zoë.", Stop: wire.StopEnd, AudioTokens: len(r.Samples) / 400, PromptTokens: 3, Words: []wire.Word{
		{Text: "Hello", StartMS: &zero, EndMS: &half, LogProb: &logProb}, {Text: "Zoë.", StartMS: &half, EndMS: &most, LogProb: &logProb},
	}}
	for i, piece := range []string{" Hello", " Zo", "\xc3", "\xab", "."} {
		result.Tokens = append(result.Tokens, wire.Token{ID: int32(i), LogProb: &logProb})
		if word := &result.Words[min(i, 1)]; r.Options.Tokens {
			word.Tokens = append(word.Tokens, wire.WordToken{Bytes: []byte(piece), LogProb: logProb})
		}
	}
	return result, nil
}

// served is a service over a folder, with a client.
type served struct {
	*testing.T
	dir      string
	url      string
	replayed atomic.Int64
	refusal  atomic.Pointer[error]
}

func serve(t *testing.T, change func(*files.Options)) *served {
	t.Helper()
	s := &served{T: t, dir: t.TempDir()}
	s.write("models/a/model.toml", "id = \"a\"\nname = \"Test\"\nfamily = \"whisper\"\nlanguages = [\"en\"]\nlicence = \"MIT\"\n[files]\nencoder = \"e\"\ndecoder = \"d\"\ntokens = \"t\"\n")
	for _, name := range []string{"e", "d", "t"} {
		s.write("models/a/"+name, name)
	}
	models := func() (*model.Store, error) { return model.Open(filepath.Join(s.dir, "models"), observe.Scope{}) }
	engines := recognize.NewEngines(recognize.EnginesOptions{Machine: &recognize.Machine{}, Models: models, Default: "a", Program: os.Args[0]})
	t.Cleanup(engines.Close)
	list := func(context.Context) ([]v1.Model, error) {
		return []v1.Model{{ID: "a", State: v1.ModelInstalled}, {ID: "b", State: v1.ModelAvailable}}, nil
	}
	o := files.Options{
		Engines: engines, Names: &openai.Names{List: list}, Store: models, Refusal: func() error {
			if err := s.refusal.Load(); err != nil {
				return *err
			}
			return nil
		},
		Remove: func(context.Context, string) error { return scout.Errorf(scout.CodeModelInUse, "it is selected") },
		Dir:    filepath.Join(s.dir, "received"), Budget: freespace.NewBudget(s.dir, func() int64 { return 0 }), MostBytes: 64 << 20, MostAudio: time.Hour,
		Wait: time.Minute, Whole: time.Minute, Keep: "none", Failures: observe.NewFailures(observe.Scope{}),
	}
	if change != nil {
		change(&o)
	}
	service := files.New(o, files.Host{
		Caller: func(r *http.Request) files.Caller { return files.Caller{Client: r.Header.Get("X-Client")} },
		Body: func(r *http.Request) files.Body {
			return files.Body{Reader: r.Body, Leave: func() {}, Explain: func(err error) error {
				var coded *scout.Error
				if errors.As(err, &coded) {
					return err
				}
				return scout.Errorf(scout.CodeInvalidArgument, "the body ends too early")
			}}
		},
		Fail: func(w http.ResponseWriter, err error) {
			status, body := openai.ErrorOf(err)
			w.Header().Set(v1.HeaderCode, string(scout.CodeOf(err)))
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body) // the client may be gone
		},
		Replayed: func() { s.replayed.Add(1) },
	})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/audio/transcriptions", service.Transcriptions)
	mux.HandleFunc("POST /v1/audio/translations", service.Translations)
	mux.HandleFunc("GET /v1/models", service.List)
	mux.HandleFunc("GET /v1/models/{id...}", service.Get)
	mux.HandleFunc("DELETE /v1/models/{id...}", service.Delete)
	listening := httptest.NewServer(mux)
	t.Cleanup(listening.Close)
	s.url = listening.URL
	return s
}

func (s *served) write(path, content string) {
	s.Helper()
	path = filepath.Join(s.dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		s.Fatal(err)
	}
}

// wav is a file of a tone, 16 kHz in mono. Its first sample is as given.
func wav(length time.Duration, first int16) []byte {
	frames := int(length.Seconds() * 16000)
	var b bytes.Buffer
	b.WriteString("RIFF")
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(36+2*frames))) //nolint:gosec // small
	b.WriteString("WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data")
	b.Write(binary.LittleEndian.AppendUint32(nil, uint32(2*frames))) //nolint:gosec // as above
	for i := range frames {
		sample := int16(8000 * (1 - 2*(i/20%2)))
		if i == 0 {
			sample = first
		}
		b.Write(binary.LittleEndian.AppendUint16(nil, uint16(sample))) //nolint:gosec // the bits of a sample
	}
	return b.Bytes()
}

// part is a field, or the file.
type part struct {
	name    string
	content []byte
}

func field(name, value string) part { return part{name, []byte(value)} }

func audio(content []byte) part { return part{"file", content} }

// form writes parts.
func form(parts ...part) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		var to io.Writer
		if p.name == "file" {
			to, _ = w.CreateFormFile("file", "unknown_file") // a buffer takes everything
		} else {
			to, _ = w.CreateFormField(p.name)
		}
		_, _ = to.Write(p.content)
	}
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// fault is the error of an answer.
func (a answer) fault(t *testing.T) openai.Error {
	t.Helper()
	var body map[string]map[string]json.RawMessage
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	for _, key := range []string{"message", "type", "param", "code"} {
		if _, there := body["error"][key]; !there {
			t.Errorf("the error lacks %s: %s", key, a.body)
		}
	}
	var typed openai.ErrorBody
	if err := json.Unmarshal([]byte(a.body), &typed); err != nil {
		t.Fatal(err)
	}
	return typed.Error
}

func (s *served) post(path string, header http.Header, parts ...part) answer {
	s.Helper()
	body, media := form(parts...)
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", media)
	return s.ask(http.MethodPost, path, header, bytes.NewReader(body))
}

func (s *served) transcribe(parts ...part) answer {
	s.Helper()
	return s.post("/v1/audio/transcriptions", nil, parts...)
}

func (s *served) ask(method, path string, header http.Header, body io.Reader) answer {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.url+path, body)
	if err != nil {
		s.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	all, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(all)}
}

// empty fails where something of a request is left.
func (s *served) empty() {
	s.Helper()
	left, err := os.ReadDir(filepath.Join(s.dir, "received"))
	if err != nil && !os.IsNotExist(err) {
		s.Fatal(err)
	}
	if len(left) > 0 {
		s.Errorf("%v are left", left)
	}
}

// object decodes a body whose fields are looked at.
func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return o
}

// has fails unless an object has exactly these fields.
func has(t *testing.T, o map[string]any, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, there := o[name]; !there {
			t.Errorf("%s is missing in %v", name, o)
		}
	}
	if len(o) != len(names) {
		t.Errorf("%v has other fields than %v", fmt.Sprint(o), names)
	}
}
