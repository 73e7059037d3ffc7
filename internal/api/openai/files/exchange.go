package files

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/recording"
)

// exchange is one request and its answer.
type exchange struct {
	service *Service
	task    task
	caller  Caller
	began   time.Time
	writer  http.ResponseWriter
	out     *events // of a stream; nil for another answer
	form    *form
	context context.Context //nolint:containedctx // for the log

	model    string        // that does the work
	heard    time.Duration // of audio
	early    bool          // the text began before the file had ended
	replayed bool
	whole    bool // all events of a stream were sent
}

// close removes what is left.
func (x *exchange) close() {
	if x.out != nil {
		x.out.close()
	}
	if x.form != nil && x.form.file != nil {
		x.form.file.close()
	}
}

// carryOut receives a request and answers it. An error is for the caller to send.
func (x *exchange) carryOut(ctx context.Context, r *http.Request) error {
	s := x.service
	x.context = ctx
	once, err := key(r)
	if err != nil {
		return err
	}
	if err := s.Refusal(); err != nil {
		return err
	}
	if r.ContentLength > s.MostBytes+formSlack {
		return scout.Errorf(scout.CodeRequestTooLarge, "the body has %d bytes: a file may have %d", r.ContentLength, s.MostBytes).WithHint("the setting limits.upload_bytes allows more")
	}
	begun, err := x.receive(ctx, r, once == "")
	if err != nil {
		return err
	}
	if begun != nil { // it was decoded while it came
		err := begun.wait()
		whole := errors.Is(err, file.ErrUnfinished) // it is complete now
		switch {
		case err == nil, !x.form.late && !whole:
			return x.told(err)
		case !x.out.begun(): // once more, with all fields
			x.out.close()
			x.out = nil
		case !whole:
			return errForm("a field came after the file, whose text had begun: send it before the file")
		}
		x.early = false
	}
	o, err := x.form.parse(x.task)
	if err != nil {
		return err
	}
	if once == "" {
		return x.told(x.make(ctx, &o, nil))
	}
	earlier, leave, err := s.answers.board(ctx, x.caller.Client+"\x00"+once, x.form.hash(r.URL.Path))
	if err != nil {
		return err
	}
	if earlier != nil {
		x.replayed = true
		s.host.Replayed()
		earlier.again(x.writer)
		return nil
	}
	copied := &copying{ResponseWriter: x.writer}
	x.writer = copied
	var got *answer
	defer func() {
		leave(got)
		s.metrics.answers.Set(float64(s.answers.size()))
	}()
	if err = x.told(x.make(ctx, &o, nil)); err == nil {
		got = copied.answer()
	}
	return err
}

// told returns an error in words for the client, without the name of the file here.
func (x *exchange) told(err error) error {
	if err == nil {
		return nil
	}
	return recording.Unplaced(err, x.form.file.path, "the file")
}

// receive takes the form. begun is the work on a file that is decoded while it comes; nil for none.
func (x *exchange) receive(ctx context.Context, r *http.Request, may bool) (begun *work, err error) {
	s := x.service
	body := s.host.Body(r)
	defer body.Leave()
	x.form = &form{fields: make(map[string][]string)}
	receiving := &receiver{form: x.form, body: body}
	receiving.make = func() (*spool, error) { return newSpool(s.Dir, s.Budget, s.MostBytes) }
	receiving.arrives = func(ctx context.Context) {
		if may && x.task == transcribing {
			begun = x.begin(ctx)
		}
	}
	err = receiving.receive(ctx, r)
	if begun == nil {
		return nil, err
	}
	switch {
	case err != nil:
		x.form.file.end(err)
		begun.stop(err)
		_ = begun.wait() // err says why
		err = x.told(err)
	case x.form.late:
		begun.stop(errAgain)
	}
	return begun, err
}

// errAgain stops work that is done again with all fields.
var errAgain = errors.New("a field came after the file")

// work is the making of a text while its file comes.
type work struct {
	stop context.CancelCauseFunc
	done chan struct{}
	err  error // before done is closed
}

// wait waits for its end.
func (w *work) wait() error {
	<-w.done
	return w.err
}

// begin makes the text of a file that is still coming, if the fields before it ask for a stream.
func (x *exchange) begin(ctx context.Context) *work {
	o, err := x.form.parse(x.task)
	if err != nil || !o.stream || !x.service.early.take() {
		return nil // what is wrong is said at the end, when all fields are there
	}
	if http.NewResponseController(x.writer).EnableFullDuplex() != nil { // the answer begins before the request has ended
		x.service.early.leave()
		return nil
	}
	// net/http reads the rest of such a body when it has stopped watching the connection, and panics where it then waits for the next request.
	x.writer.Header().Set("Connection", "close")
	ctx, stop := context.WithCancelCause(ctx)
	x.early = true
	w := &work{stop: stop, done: make(chan struct{})}
	x.stream(stop)
	coming := x.form.file
	go func() { // receive and carryOut wait for it
		defer close(w.done)
		defer x.service.early.leave()
		defer stop(nil)
		w.err = x.service.Failures.Guard("openai", func() error { return x.make(ctx, &o, coming.follow(ctx)) })
		if errors.Is(w.err, file.ErrUnfinished) {
			if !x.out.begun() {
				x.out.close() // no headers before more is known
			}
			return
		}
		if cause := context.Cause(ctx); w.err != nil && cause != nil {
			w.err = cause
		}
		if w.err != nil {
			coming.end(w.err) // no more of it is needed
		}
	}()
	return w
}

// stream makes the answer that of a stream, whose end is that of the work.
func (x *exchange) stream(stop context.CancelCauseFunc) {
	if x.out == nil {
		x.out = newEvents(x.writer, func(err error) { stop(err) })
		return
	}
	x.out.stops(func(err error) { stop(err) })
}

// noTranslator says that no model does what is asked for.
func noTranslator(named string) error {
	if named == "" {
		return &openai.FieldError{Param: fieldModel, Code: openai.CodeUnsupportedValue, Err: scout.Errorf(scout.CodeModelUnsupported, "no installed model translates").
			WithHint("install one: scout models pull whisper-base")}
	}
	return &openai.FieldError{Param: fieldModel, Code: openai.CodeUnsupportedValue, Err: scout.Errorf(scout.CodeModelUnsupported, "model %s cannot translate", named)}
}
