package secondlook

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// transcriptionOf names a version of a text.
type transcriptionOf struct {
	recording string
	version   int
}

func (t *transcriptionOf) String() string { return t.recording + " " + strconv.Itoa(t.version) }

// next returns the recording that needs a look next: the one whose job was held back, else the newest.
func (l *Looker) next(ctx context.Context) (c *candidate, found bool, err error) {
	fast, accurate, err := l.options.Models(ctx)
	if err != nil || fast == "" || accurate == "" || fast == accurate {
		return nil, false, nil //nolint:nilerr // without two models there is nothing to do; an event tells of a new one
	}
	if c, err := l.heldBack(ctx); c != nil || err != nil {
		return c, c != nil, err
	}
	page := store.Page{Limit: pageSize, NoText: true}
	filter := store.Filter{From: time.Now().AddDate(0, 0, -l.options.Days), Model: fast}
	for {
		list, err := l.options.Store.Transcripts(ctx, filter, page)
		if err != nil {
			return nil, false, err //nolint:wrapcheck // the store says what it was doing
		}
		for i := range list.Data {
			if c := l.needs(ctx, &list.Data[i], fast); c != nil {
				return c, true, nil
			}
		}
		if list.Next == "" {
			return nil, false, nil
		}
		page.Cursor = list.Next
	}
}

const pageSize = 200

// needs returns the candidate of a text, nil if it needs no look: a person has chosen it, or asked for this model, or its audio is gone.
func (l *Looker) needs(ctx context.Context, s *store.Summary, fast string) *candidate {
	if s.Key != store.MainKey(s.Recording) || s.Model != fast || s.Kind != store.KindFirst || s.Held() || !s.DeletedAt.IsZero() {
		return nil
	}
	c := &candidate{recording: s.Recording, version: s.Version.Version, language: s.Language, length: s.Duration}
	if l.skip[c.key()] {
		return nil
	}
	r, err := l.options.Store.Recording(ctx, c.recording)
	if err != nil || r.State == string(recording.StateRecording) || r.Audio == store.AudioRemoved || !r.DeletedAt.IsZero() || r.Source == store.SourceImport {
		return nil
	}
	if r.Source == store.SourceUpload { // nobody said what is spoken: a model of one language names it whatever it hears
		c.language = ""
	}
	return c
}

// heldBack returns the candidate whose job was held back: by this process, or by one before it.
func (l *Looker) heldBack(ctx context.Context) (*candidate, error) {
	list, err := l.options.Store.Jobs(ctx, store.JobFilter{State: store.JobPaused, Kind: job.KindTranscribe}, store.Page{Limit: pageSize})
	if err != nil {
		return nil, err //nolint:wrapcheck // the store says what it was doing
	}
	for i := range list.Data {
		j := &list.Data[i]
		var request transcription.Request
		if json.Unmarshal(j.Options, &request) != nil || request.Improves == 0 {
			continue
		}
		c := &candidate{recording: j.Recording, version: request.Improves, language: request.Language, length: j.Length, job: j.ID}
		if j.ID == l.paused || !l.skip[c.key()] {
			return c, nil
		}
	}
	return nil, nil
}
