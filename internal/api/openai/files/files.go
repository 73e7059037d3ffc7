// Package files serves OpenAI's paths for files: transcriptions, translations and models. A file is received as a stream into a private
// file without a name, waits for its turn, and becomes text; nothing of it stays behind, unless a setting says so.
package files

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
)

// Options are what a Service needs.
type Options struct {
	Engines openai.Lender
	Names   *openai.Names
	// Store opens the folder of models.
	Store func() (*model.Store, error)
	// Remove deletes a model that is not used.
	Remove func(ctx context.Context, id string) error
	// Refusal is why no work is taken at present; nil for none.
	Refusal func() error
	// Effort is how much a doubtful piece may cost.
	Effort speech.Effort
	// Dir is the folder of the files that are received, Budget the room in it.
	Dir    string
	Budget *freespace.Budget
	// MostBytes and MostAudio bound a file, and what is decoded of it.
	MostBytes int64
	MostAudio time.Duration
	// Wait is how long a request may wait for its first piece, Whole how long it may take in all.
	Wait, Whole time.Duration
	// Keep is what stays of a request: "none", "text" or "all". History has what stays.
	Keep    string
	History *history.History
	// KeepAudio makes a recording of a file, and returns its id, for Keep "all".
	KeepAudio func(ctx context.Context, client string, audio io.ReaderAt, size int64) (recording string, err error)
	Scope     observe.Scope
	Failures  *observe.Failures
}

// Body is the body of a request.
type Body struct {
	io.Reader
	// Explain says what is wrong with a body whose reading failed, in words for its client.
	Explain func(error) error
	// Leave ends the reading.
	Leave func()
}

// Caller is whoever sent a request.
type Caller struct {
	// ID is under which what stays is kept. Client shares the engine with others, and has its own keys of idempotency.
	ID, Client string
	// Owner is true for the owner of this Scout.
	Owner bool
}

// Host is the server around a Service.
type Host struct {
	Caller func(r *http.Request) Caller
	Body   func(r *http.Request) Body
	// Fail answers with an error.
	Fail func(w http.ResponseWriter, err error)
	// Whole says that all of an answer was sent, so that its client may go. It is called for streams only.
	Whole func(w http.ResponseWriter)
	// Replayed counts an answer that was given again.
	Replayed func()
}

// Service serves the paths. It is safe for concurrent use.
type Service struct {
	Options
	host    Host
	line    *line
	early   places
	running places // for programs that decode them
	answers *answers
	metrics *metrics
}

// New returns a service within a server.
func New(o Options, host Host) *Service {
	scope := o.Scope.Component("openai")
	o.Scope = scope
	m := newMetrics(scope)
	return &Service{Options: o, host: host, line: newLine(m), early: newPlaces(mostEarly), running: newPlaces(mostRunning), answers: newAnswers(), metrics: m}
}

// mostEarly is how many files are decoded while they come, mostRunning for how many of them another program runs.
const mostEarly, mostRunning = 32, 8

// program takes a place for a program that decodes a file while it comes.
// program takes a place for a program that decodes a file which is still coming.
func (s *Service) program() (leave func(), ok bool) {
	if !s.running.take() {
		return nil, false
	}
	s.metrics.ffmpeg.Inc()
	return func() {
		s.metrics.ffmpeg.Dec()
		s.running.leave()
	}, true
}

// Transcriptions is POST /v1/audio/transcriptions.
func (s *Service) Transcriptions(w http.ResponseWriter, r *http.Request) { s.serve(w, r, transcribing) }

// Translations is POST /v1/audio/translations.
func (s *Service) Translations(w http.ResponseWriter, r *http.Request) { s.serve(w, r, translating) }

// serve answers a request with a file.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, task task) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(r.Context(), s.Whole, scout.Errorf(scout.CodeDeadlineExceeded, "the request took more than %s", s.Whole).
		WithHint("send the file in parts, use a job, or raise limits.request_seconds"))
	defer cancel()
	x := &exchange{service: s, task: task, caller: s.host.Caller(r), began: began, writer: w}
	defer x.close()
	err := x.carryOut(ctx, r.WithContext(ctx))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err == nil && !x.whole && r.Context().Err() != nil {
		err = errGone(r.Context().Err())
	}
	s.tell(x, err)
	switch {
	case err == nil:
	case r.Context().Err() != nil: // nobody is there
	case x.out != nil && x.out.begun():
		x.out.fail(err)
	default:
		s.host.Fail(w, err)
	}
}

// errGone says that the client went before it had the answer.
func errGone(why error) error {
	return scout.Errorf(scout.CodeCancelled, "the client is gone: %w", why)
}

// task is what a path does.
type task string

const (
	transcribing task = "transcribe"
	translating  task = "translate"
)

// key returns the Idempotency-Key of a request; empty for none.
func key(r *http.Request) (string, error) {
	values := r.Header.Values(v1.HeaderIdempotency)
	if len(values) == 0 {
		return "", nil
	}
	const most = 255
	good := len(values) == 1 && values[0] != "" && len(values[0]) <= most
	for _, c := range []byte(values[0]) {
		good = good && c >= ' ' && c <= '~'
	}
	if !good {
		return "", &openai.FieldError{Code: openai.CodeInvalidValue, Err: scout.Errorf(scout.CodeInvalidArgument, "the header %s is not one value of up to %d printable characters", v1.HeaderIdempotency, most)}
	}
	return values[0], nil
}
