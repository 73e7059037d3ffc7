package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// mostWait is how long a request may wait for a change.
const mostWait = 60

// registerTranscriptions adds the texts that were promised for recordings.
func (s *Server) registerTranscriptions(api huma.API) {
	operation(api, about{
		method: http.MethodGet, path: "/transcriptions", summary: "List promised texts",
		description: "The texts that are still to come, and those that could not be made.",
	}, func(context.Context, *none) (*body[v1.Owed], error) { return answer(s.allOwed()), nil })
	operation(api, about{
		method: http.MethodGet, path: "/transcriptions/{id}", summary: "Get a promised text",
		description: "What becomes of the text of a recording. With wait, the answer comes when it is another one than that of the revision, at the latest after so many seconds.",
		errors:      []scout.Code{scout.CodeNotFound},
	}, s.transcription)
}

func (s *Server) transcription(ctx context.Context, in *struct {
	ByID
	Wait     int   `query:"wait" minimum:"0" maximum:"60"`
	Revision int64 `query:"revision" minimum:"0"`
},
) (*body[v1.Transcription], error) {
	id := recording.ID(in.ID)
	if b := s.services.Backlog; b != nil {
		waiting, cancel := context.WithTimeout(ctx, time.Duration(min(in.Wait, mostWait))*time.Second)
		defer cancel()
		go func() { // ended by cancel
			select {
			case <-s.ending:
				cancel()
			case <-waiting.Done():
			}
		}()
		if item, found := b.Wait(waiting, id, uint64(max(0, in.Revision))); found {
			return answer(transcriptionOf(&item)), nil
		}
	}
	t, err := s.store().Transcript(ctx, store.MainKey(in.ID), 0)
	if err != nil {
		return nil, scout.Errorf(scout.CodeNotFound, "recording %q has no text, and none was promised", in.ID).WithHint("stop it with transcribe, or transcribe its file: scout transcribe --keep")
	}
	return answer(v1.Transcription{ID: in.ID, State: string(backlog.Done), Version: t.Version.Version}), nil
}

// promised is a text that a request asks for.
type promised struct {
	server *Server
	ctx    context.Context // of the request
	wanted bool
	order  backlog.Order
	id     recording.ID // that it was promised for; empty for none
	err    error        // why the promise is not on the disk
}

// promiseFor checks what a request asks for, and settles its language and its keywords. A text that is not wanted is never made.
func (s *Server) promiseFor(ctx context.Context, wanted bool, o *v1.TextOptions) (*promised, error) {
	p := &promised{server: s, ctx: context.WithoutCancel(ctx), wanted: wanted && s.services.Backlog != nil}
	o.Keywords = append(o.Keywords, phrases(o.Prompt)...)
	if len(o.Keywords) > maxKeywords {
		return p, unprocessable("body.keywords", "%d keywords, with those of the prompt: at most %d", len(o.Keywords), maxKeywords)
	}
	s.settleLanguage(ctx, o)
	p.order = backlog.Order{Model: o.Model, Language: o.Language, Effort: o.Effort, HotWords: o.Keywords}
	if !p.wanted {
		return p, nil
	}
	return p, s.services.Backlog.Acceptable(ctx, p.order)
}

// maxKeywords is how many a model takes.
const maxKeywords = 1000

// settleLanguage makes the first of several candidates that the model knows the language of a request. If it knows none, the
// first one stays, and is refused as if it stood alone.
func (s *Server) settleLanguage(ctx context.Context, o *v1.TextOptions) {
	if len(o.Languages) == 0 {
		return
	}
	candidates := o.Languages
	if o.Language != "" {
		candidates = append([]string{o.Language}, candidates...)
	}
	o.Language = candidates[0]
	if s.services.Backlog == nil {
		return
	}
	for _, language := range candidates {
		if s.services.Backlog.Acceptable(ctx, backlog.Order{Model: o.Model, Language: language}) == nil {
			o.Language = language
			return
		}
	}
}

// phrases are those of a prompt that a model may prefer: of up to five words, between commas, semicolons or line ends.
func phrases(prompt string) []string {
	const most = 5
	var found []string
	for part := range strings.FieldsFuncSeq(prompt, func(r rune) bool { return strings.ContainsRune(",;\n\r", r) }) {
		if words := strings.Fields(part); len(words) > 0 && len(words) <= most {
			found = append(found, strings.Join(words, " "))
		}
	}
	return found
}

// make promises the text.
func (p *promised) make(id recording.ID) {
	if p.wanted && p.id != id {
		p.id, p.err = id, p.server.services.Backlog.Promise(p.ctx, id, p.order)
	}
}

// withdraw takes back the promise for a recording that did not begin.
func (p *promised) withdraw() {
	if p.id == "" {
		return
	}
	if _, err := p.server.services.Recorder.Folder().Manifest(p.id); scout.CodeOf(err) == scout.CodeRecordingNotFound {
		_ = p.server.services.Backlog.Withdraw(p.ctx, p.id) // without a recording it is of no effect
	}
}

// warning says that the promise is not on the disk; nil if it is.
func (p *promised) warning() *v1.Error {
	if p.err == nil {
		return nil
	}
	return p.server.warningOf(scout.Errorf(scout.CodeOf(p.err), "the text is lost if the daemon ends before it is made: %w", p.err).WithHint("%s", scout.HintOf(p.err)))
}

// withdraw takes back the promise of a text.
func (s *Server) withdraw(ctx context.Context, id recording.ID) error {
	if s.services.Backlog == nil {
		return nil
	}
	return s.services.Backlog.Withdraw(ctx, id)
}

// ended says that a recording has ended.
func (s *Server) ended(id recording.ID) {
	if s.services.Backlog != nil {
		s.services.Backlog.Ended(id)
	}
}

// hasText reports whether a recording has a text.
func (s *Server) hasText(ctx context.Context, id recording.ID) bool {
	_, err := s.store().Transcript(ctx, store.MainKey(string(id)), 0)
	return err == nil
}

// owed is the promised text of a recording; nil for none.
func (s *Server) owed(id recording.ID) *v1.Transcription {
	if s.services.Backlog == nil {
		return nil
	}
	item, found := s.services.Backlog.Get(id)
	if !found {
		return nil
	}
	t := transcriptionOf(&item)
	return &t
}

// allOwed are all promised texts but those that were made.
func (s *Server) allOwed() v1.Owed {
	out := v1.Owed{Data: []v1.Transcription{}}
	if s.services.Backlog == nil {
		return out
	}
	list := s.services.Backlog.List()
	for i := range list {
		if list[i].State.Owed() {
			out.Count++
		} else {
			out.Failed++
		}
		out.Data = append(out.Data, transcriptionOf(&list[i]))
	}
	return out
}

func transcriptionOf(i *backlog.Item) v1.Transcription {
	t := v1.Transcription{
		ID: string(i.ID), State: string(i.State), PromisedAt: v1.TimeOf(i.PromisedAt), Attempts: i.Attempts, NextAttemptAt: v1.TimeOf(i.NextAttempt), Version: i.Version, Revision: i.Revision,
	}
	if p := i.Progress; i.State == backlog.Running && p.Total > 0 {
		t.Progress = &v1.Progress{Fraction: min(1, float64(p.Done)/float64(p.Total)), DoneSeconds: seconds(p.Done), TotalSeconds: seconds(p.Total)}
	}
	if i.Err != nil {
		_, body := v1.ErrorOf(i.Err)
		t.Error = &body.Error
	}
	return t
}

// orElse is the value, or another one where there is none.
func orElse[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
