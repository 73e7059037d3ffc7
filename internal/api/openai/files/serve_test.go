package files_test

import (
	"bytes"
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
	"github.com/scout-speech/scout/internal/api/openai/files/filestest"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m, filestest.Engine) }

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
	o := filestest.Options(t, s.dir)
	o.Refusal = func() error {
		if err := s.refusal.Load(); err != nil {
			return *err
		}
		return nil
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
		Whole:    func(http.ResponseWriter) {},
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

// wav is a file of a tone whose first sample is as given.
func wav(length time.Duration, first int16) []byte {
	return filestest.WAV(length, map[int]int16{0: first})
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
