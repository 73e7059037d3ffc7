package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// EventAnswerLost is logged when a request with an Idempotency-Key was carried out and its answer could not be stored: sent again, it
// would be carried out again.
const EventAnswerLost = "answer_not_stored"

// maxKeyBytes bounds an Idempotency-Key.
const maxKeyBytes = 255

// keyed is a request with an Idempotency-Key that is being carried out.
type keyed struct {
	key, request string          // as the store has them
	stored       bool            // the answer is in the store
	begun        string          // the recording that the request is about, if it was sent before and the process ended meanwhile
	intended     json.RawMessage // what it was going to do with that recording, as the request noted it
	about        string          // the recording that the answer is about, where it is known
}

// noteRecording says which recording the answer to this request is about, so that a purge of the recording takes the answer along.
func noteRecording(ctx context.Context, id string) {
	if k, is := ctx.Value(keyedKey{}).(*keyed); is {
		k.about = id
	}
}

type keyedKey struct{}

// begunWith returns the recording that this request was about when it was sent before and may have been carried out, but
// the process ended before the answer was stored. It is empty for a request that is new.
func begunWith(ctx context.Context) recording.ID {
	if k, is := ctx.Value(keyedKey{}).(*keyed); is {
		return recording.ID(k.begun)
	}
	return ""
}

// intend stores which recording a request with a key is about, before anything happens to that recording. If the process
// ends before the answer is stored, the same request goes on with the same recording. An empty id says that nothing
// happened.
func (s *Server) intend(ctx context.Context, id recording.ID) { s.intendTo(ctx, id, nil) }

// intendTo is intend with what is going to happen to the recording, which intended returns when the request is sent again.
func (s *Server) intendTo(ctx context.Context, id recording.ID, what any) {
	k, is := ctx.Value(keyedKey{}).(*keyed)
	if !is || k.begun == string(id) {
		return
	}
	note, err := json.Marshal(what)
	if err != nil {
		note = json.RawMessage("null") // it is enough to know the recording
	}
	k.begun, k.intended = string(id), note
	s.putAnswer(ctx, k, store.Answer{Request: k.request, Recording: string(id), Header: map[string]string{}, Body: note})
}

// intended is what the request was going to do when it was sent before.
func intended(ctx context.Context) json.RawMessage {
	if k, is := ctx.Value(keyedKey{}).(*keyed); is {
		return k.intended
	}
	return nil
}

// putAnswer stores an answer, or that a request is being carried out.
func (s *Server) putAnswer(ctx context.Context, k *keyed, answer store.Answer) {
	err := s.store().Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return tx.PutAnswer(k.key, answer) })
	if err != nil {
		s.log.Warn(EventAnswerLost, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// flights are the requests with a key that are being carried out, so that the same one, sent again meanwhile, waits for the first.
type flights struct {
	mu    sync.Mutex
	under map[string]chan struct{}
}

// board waits until no other request has the key, or ctx ends, and takes it until leave is called.
func (f *flights) board(ctx context.Context, key string) (leave func(), err error) {
	for {
		f.mu.Lock()
		ahead, busy := f.under[key]
		if !busy {
			if f.under == nil {
				f.under = make(map[string]chan struct{})
			}
			mine := make(chan struct{})
			f.under[key] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				defer f.mu.Unlock()
				delete(f.under, key)
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-ahead:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// once carries a request out. One with an Idempotency-Key that succeeded before gets the same answer again, and nothing is done.
func (s *Server) once(w http.ResponseWriter, r *http.Request, a access, carryOut func(http.ResponseWriter, *http.Request)) {
	values := r.Header.Values(v1.HeaderIdempotency)
	if len(values) > 0 && a.secret {
		writeError(w, unprocessable("header."+v1.HeaderIdempotency, "the answer to this request is secret, and not kept for another one"))
		return
	}
	if len(values) == 0 || r.Method != http.MethodPost || a.streamed || isForm(r) {
		carryOut(w, r)
		return
	}
	k, err := s.readKeyed(w, r, values)
	if err != nil {
		writeError(w, err)
		return
	}
	leave, err := s.flights.board(r.Context(), k.key)
	if err != nil { // the client is gone, or what let it in has ended
		writeError(w, err)
		return
	}
	defer leave()
	earlier, found, err := s.store().Answer(r.Context(), k.key)
	switch {
	case err != nil:
		writeError(w, err)
	case found && earlier.Request != k.request:
		writeError(w, scout.Errorf(scout.CodeIdempotencyKey, "this %s was used for another request", v1.HeaderIdempotency))
	case found && earlier.Status != 0:
		s.metrics.replays.Inc()
		for name, value := range earlier.Header {
			w.Header().Set(name, value)
		}
		w.Header().Set(v1.HeaderReplayed, "true")
		w.WriteHeader(earlier.Status)
		_, _ = w.Write(earlier.Body) // the client may be gone
	default:
		k.begun, k.intended = earlier.Recording, earlier.Body
		copied := &copyingWriter{ResponseWriter: w}
		carryOut(copied, r.WithContext(context.WithValue(r.Context(), keyedKey{}, k)))
		s.keepAnswer(r.Context(), k, copied)
	}
}

// readKeyed reads the whole request, so that it can be told from another one with the same key.
func (s *Server) readKeyed(w http.ResponseWriter, r *http.Request, values []string) (*keyed, error) {
	key := values[0]
	printable := len(values) == 1 && key != "" && len(key) <= maxKeyBytes
	for _, c := range []byte(key) {
		printable = printable && c >= ' ' && c <= '~'
	}
	if !printable {
		return nil, unprocessable("header."+v1.HeaderIdempotency, "the key is not one value of up to %d printable characters", maxKeyBytes)
	}
	body, err := s.wholeBody(w, r)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return &keyed{
		key:     hash(callerOf(r.Context()).answers(), key),
		request: hash(r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), string(body)),
	}, nil
}

// wholeBody reads the body of a request that is JSON.
func (s *Server) wholeBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, scout.Errorf(scout.CodeRequestTooLarge, "the body is larger than %d bytes", maxBodyBytes)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, scout.Errorf(scout.CodeRequestTimeout, "the body did not arrive within %s", s.times.Body)
	case err != nil:
		return nil, scout.Errorf(scout.CodeInvalidArgument, "the body ends too early")
	}
	return body, nil
}

// hash is one of several texts, which may contain anything.
func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// keepAnswer stores the answer of a request that succeeded, unless that was done with what it made.
func (s *Server) keepAnswer(ctx context.Context, k *keyed, w *copyingWriter) {
	if k.stored || w.status < http.StatusOK || w.status >= http.StatusMultipleChoices {
		return // a request that failed has made nothing: it may be sent again
	}
	answer := store.Answer{Request: k.request, Recording: k.about, Status: w.status, Header: make(map[string]string), Body: w.body.Bytes()}
	for _, name := range []string{"Content-Type", "ETag"} {
		if value := w.Header().Get(name); value != "" {
			answer.Header[name] = value
		}
	}
	s.putAnswer(ctx, k, answer)
}

// copyingWriter keeps a copy of the answer.
type copyingWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader notes the status.
func (w *copyingWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write copies. A client that is gone keeps nothing from being stored.
func (w *copyingWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.body.Write(p)
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *copyingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// remember stores the answer of a request with a key, in the transaction of what the request made. out is what the operation
// returns, and recording what it is about.
func remember(ctx context.Context, tx store.Tx, recording string, out any) error {
	k, is := ctx.Value(keyedKey{}).(*keyed)
	if !is {
		return nil
	}
	answer, err := answerOf(out)
	if err != nil {
		return err
	}
	answer.Request, answer.Recording = k.request, recording
	if err := tx.PutAnswer(k.key, answer); err != nil {
		return err
	}
	k.stored = true
	return nil
}

// answerOf is an output of an operation as huma writes it.
func answerOf(out any) (store.Answer, error) {
	answer := store.Answer{Status: http.StatusOK, Header: map[string]string{"Content-Type": "application/json"}}
	v := reflect.Indirect(reflect.ValueOf(out))
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		switch name := field.Tag.Get("header"); {
		case field.Name == "Status":
			answer.Status = int(value.Int())
		case field.Name == "Body":
			if whole, is := value.Interface().([]byte); is {
				answer.Body = whole
				continue
			}
			var b bytes.Buffer
			if err := huma.DefaultJSONFormat.Marshal(&b, value.Interface()); err != nil {
				return answer, err
			}
			answer.Body = b.Bytes()
		case name != "":
			answer.Header[name] = value.String()
		}
	}
	return answer, nil
}
