package files

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api/openai"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

const (
	// leastAudio is the shortest audio of which a text is made. Source: OpenAI's limit.
	leastAudio = 100 * time.Millisecond
	// breakerEvery is how often is looked whether an engine that is paused works again.
	breakerEvery = time.Second
)

// What is kept of a request.
const (
	keepText = "text"
	keepAll  = "all"
)

// make makes the text and answers. coming is the file while it comes; nil for one that is complete.
func (x *exchange) make(ctx context.Context, o *options, coming io.Reader) error {
	s := x.service
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if o.stream {
		x.stream(stop)
	}
	r, language, release, err := x.borrow(ctx, o)
	if err != nil {
		return err
	}
	defer release()
	facts, err := factsOf(ctx, r)
	if err != nil {
		return err
	}
	if o.words && !facts.WordTimes {
		return unsupported(fieldTimestamps, "model %s gives no times of words", r.Model.ID)
	}
	if coming == nil {
		leave, err := s.line.enter(ctx, x.caller.Client, s.Wait)
		if err != nil {
			return err
		}
		defer leave()
	}
	x.model = r.Model.ID
	x.writer.Header().Set(openai.HeaderModel, r.Model.ID)
	with := transcribe.Options{
		Language: language, Translate: x.task == translating, Effort: s.Effort, Class: schedule.Interactive, Client: x.caller.Client,
		Tokens: o.logprobs, File: file.Options{TempDir: s.Dir, SpoolLimit: s.MostBytes, Unfinished: coming != nil, Programs: s.program},
	}
	if facts.HotWords {
		with.HotWords = o.prefers.HotWords
	}
	if r.Backend == recognize.BackendWhisper { // it takes context: its phrases are no words of their own
		with.Context, with.HotWords = o.prefers.Context, o.prefers.Keywords()
	}
	p := &production{exchange: x, options: o, stop: stop}
	if err := p.make(ctx, r, with, coming); err != nil {
		return err
	}
	if err := p.keep(ctx); err != nil {
		return err
	}
	return p.answer()
}

// borrow returns the recognizer for a request.
func (x *exchange) borrow(ctx context.Context, o *options) (r *recognize.Recognizer, language string, release func(), err error) {
	s := x.service
	name, err := s.Names.Resolve(ctx, o.model)
	if err != nil {
		return nil, "", nil, err
	}
	if x.task == transcribing {
		return openai.Borrow(ctx, s.Engines, name, recognize.Accurate, o.languages)
	}
	ids := []string{name.ID}
	if name.Open {
		models, err := s.Store()
		if err != nil {
			return nil, "", nil, err
		}
		first, err := translator(models)
		if err != nil {
			return nil, "", nil, err
		}
		if ids = []string{first}; name.ID != "" {
			ids = []string{name.ID, first}
		}
	}
	named := ""
	for _, id := range ids {
		if id == "" {
			continue
		}
		r, release, err := s.Engines.BorrowFor(ctx, id, recognize.Accurate, "")
		if err != nil {
			return nil, "", nil, err
		}
		if err = r.CheckTranslation(ctx, true); err == nil {
			return r, "", release, nil
		}
		release()
		if scout.CodeOf(err) != scout.CodeModelUnsupported {
			return nil, "", nil, err
		}
		named = id
	}
	if name.Open {
		named = ""
	}
	return nil, "", nil, noTranslator(named)
}

// facts are what a model can do.
type facts struct{ WordTimes, LogProbs, HotWords bool }

// factsOf returns what a model can do. Those of our own backends are known before one is loaded.
func factsOf(ctx context.Context, r *recognize.Recognizer) (facts, error) {
	if r.Backend == recognize.BackendMoonshine || r.Backend == recognize.BackendWhisper {
		return facts{WordTimes: true, LogProbs: true, HotWords: true}, nil
	}
	if state := r.Engine.State(); state.Running {
		return facts{state.Facts.WordTimes, state.Facts.LogProbs, state.Facts.HotWords}, nil
	}
	loaded, err := r.Engine.Load(ctx)
	return facts{loaded.WordTimes, loaded.LogProbs, loaded.HotWords}, err
}

// production is the making of one text. It is a transcribe.Sink.
type production struct {
	*exchange
	options  *options
	stop     context.CancelCauseFunc
	settled  int // segments that were sent
	counted  counted
	length   time.Duration // by the headers of the file; 0 if they do not say
	first    bool          // the first piece is text
	finished bool
	text     scout.Transcript
}

// make makes the text. While the engine is paused it waits, as long as nothing of the text is there.
func (p *production) make(ctx context.Context, r *recognize.Recognizer, with transcribe.Options, coming io.Reader) error {
	s := p.service
	t := transcribe.New(s.Scope, s.Failures, r)
	in := transcribe.Input{Path: p.form.file.path}
	if coming != nil {
		in = transcribe.Input{Stream: coming, Label: "the file"}
	}
	watch := transcribe.Watch{Opened: p.opened, Progress: p.progress}
	began := time.Now()
	for {
		err := t.Continue(ctx, in, with, p, watch, transcribe.Leftover{
			Drop: func(context.Context) error { return nil }, Ignored: func(error) {},
			Committed: func() bool { return p.finished || p.first || coming != nil },
		})
		switch {
		case p.finished: // what is missing in it is told
			return p.judge()
		case scout.CodeOf(err) != scout.CodeEngineUnavailable || p.first || coming != nil || ctx.Err() != nil:
			return err
		case time.Since(began)+breakerEvery > s.Wait:
			return err
		}
		select {
		case <-time.After(breakerEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// judge refuses a text that is none.
func (p *production) judge() error {
	t := &p.text
	if t.Duration < leastAudio {
		return tooShort(t.Duration)
	}
	if len(t.SetAside) > 0 && len(t.Segments) == 0 {
		return scout.Errorf(t.SetAside[0].Code, "nothing of the file could be turned into text: %s", t.SetAside[0].Reason)
	}
	return nil
}

func tooShort(length time.Duration) error {
	return &openai.FieldError{Param: fieldFile, Code: openai.CodeAudioTooShort, Err: scout.Errorf(scout.CodeAudioTooShort, "the audio is %.3f s long: want at least %.1f s", length.Seconds(), leastAudio.Seconds())}
}

// opened looks at what the headers of the file say.
func (p *production) opened(_ int, info file.Info) {
	p.length = info.Duration
	switch {
	case p.length > 0 && p.length < leastAudio && p.form.file.complete():
		p.stop(tooShort(p.length))
		return
	case p.length > 0 && p.bound(p.length):
		return // as an answer of its own, and not in a stream
	}
	if p.out != nil && p.length >= leastAudio {
		p.out.ready()
	}
}

// bound stops at audio that is too long, and reports whether it is. A small file can hold days of it.
func (p *production) bound(length time.Duration) bool {
	most := p.service.MostAudio
	over := most > 0 && length > most
	if over {
		p.stop(scout.Errorf(scout.CodeAudioTooLong, "the audio is longer than %s", most).WithHint("the setting limits.audio_seconds allows more"))
	}
	return over
}

// progress is called after each piece.
func (p *production) progress(_ int, at speech.Progress) {
	if !p.first {
		p.first = true
		p.service.metrics.first.Observe(time.Since(p.began).Seconds())
	}
	p.heard, p.counted = at.Done, counted{at.AudioTokens, at.PromptTokens, at.Tokens}
	if !p.bound(at.Done) && p.out != nil && at.Done >= leastAudio {
		p.out.ready()
	}
}

// Settled implements transcribe.Sink.
func (p *production) Settled(_ context.Context, _ int, doc text.Document) error {
	for ; p.out != nil && p.settled < len(doc.Transcript.Segments); p.settled++ {
		p.out.settled(&doc.Transcript.Segments[p.settled], p.options.logprobs)
	}
	return nil
}

// Finish implements transcribe.Sink.
func (p *production) Finish(_ context.Context, _ int, doc text.Document) error {
	p.text, p.finished = doc.Transcript, true
	p.heard = doc.Transcript.Duration
	return nil
}

// Abandon implements transcribe.Sink: half a text is none.
func (p *production) Abandon(context.Context, int, text.Document) (string, error) {
	return "", transcribe.ErrNotTaken
}

// Close implements transcribe.Sink.
func (p *production) Close(context.Context) error { return nil }

// keep keeps what a setting says.
func (p *production) keep(ctx context.Context) error {
	s := p.service
	if s.Keep != keepText && s.Keep != keepAll {
		return nil
	}
	kept := history.Text{Transcript: p.text, Client: p.caller.ID, Source: store.SourceOpenAI}
	if s.Keep == keepAll {
		id, err := s.KeepAudio(ctx, p.caller.ID, p.form.file.file, p.form.file.size())
		if err != nil {
			return fmt.Errorf("keep the audio: %w", err)
		}
		kept.Recording = id
	}
	if _, _, err := s.History.Keep(ctx, kept); err != nil {
		return fmt.Errorf("keep the text: %w", err)
	}
	return nil
}

// answer sends the text.
func (p *production) answer() error {
	o, t := p.options, &p.text
	if p.out != nil {
		if err := p.out.done(t, o, p.counted); err != nil {
			return err
		}
		p.whole = true
		p.service.host.Whole(p.writer)
		return nil
	}
	if aside := asideOf(t); aside != "" {
		p.writer.Header().Set(headerSetAside, aside)
	}
	switch {
	case o.format == formatVerbose:
		writeJSON(p.writer, verboseOf(t, o, p.task))
	case o.format == formatJSON && p.task == translating:
		writeJSON(p.writer, Translation{Text: t.Text()})
	case o.format == formatJSON:
		writeJSON(p.writer, transcriptionOf(t, o, p.counted))
	default:
		body, err := plainOf(t, o.format)
		if err != nil {
			return err
		}
		p.writer.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = p.writer.Write(body) // the client may be gone
	}
	return nil
}

// refuses reports whether a code is about the request, or about too many of them.
func refuses(code scout.Code) bool {
	status, _ := openai.ErrorOf(scout.Errorf(code, "refused"))
	return status < 500 || strings.HasPrefix(string(code), "disk_")
}
