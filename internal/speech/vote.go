package speech

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// Vote lets words of a fast model take the place of those of the accurate model that transcribes, where the rule of package vote says
// so. Both models must give scores. What fails in it costs no text: then the words of the accurate model stand.
type Vote struct {
	// Fast is the fast model, Trait what is special about it, and Languages the codes that it knows.
	Fast      Recognizer
	Trait     Trait
	Languages []string
	// Rule decides.
	Rule vote.Rule
	// Words is what the fast model wrote of the same input, with times, in order. If it is nil, the fast model decodes each piece.
	Words []scout.Word
	// Watch, if set, receives each piece as the accurate model decoded it with its ballot, in order, before the next piece. All
	// differences of the ballot have scores, not only those whose first key turns. It is for measurements.
	Watch func(d Decoded, b *vote.Ballot)
}

// Results of scout_word_votes_total.
const (
	voteFast     = "fast"     // the words of the fast model were taken
	voteAccurate = "accurate" // those of the accurate model stood, although the first key had turned
	voteFailed   = "failed"   // nobody could tell
)

// knows reports whether the fast model knows what is spoken.
func (v *Vote) knows(language string) bool { return slices.Contains(v.Languages, language) }

// suits reports whether there may be a vote on a text in a language, empty for one that is not known yet.
func (v *Vote) suits(how *How) bool {
	return v != nil && !how.Translate && (how.Language == "" || v.knows(how.Language))
}

// vote returns the text of a piece with the words that won. It returns an error only if ctx has ended.
func (c *Decoder) vote(ctx context.Context, piece segment.Piece, d Decoded, how How, v *Vote) (Decoded, *vote.Ballot, error) {
	if !v.suits(&how) || !v.knows(cmp.Or(d.Language, how.Language)) || len(d.Words) == 0 {
		return d, nil, nil
	}
	if piece.Peak() < faint {
		piece, _ = piece.Amplified()
	}
	ballot, err := c.ballot(ctx, piece, d, how, v)
	if err != nil {
		if ctx.Err() != nil {
			return d, nil, context.Cause(ctx)
		}
		c.metrics.votes.WithLabelValues(voteFailed).Inc()
		c.scope.Log().Warn(eventVoteFailed, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)),
			slog.Int64("start_ms", piece.From().Milliseconds()), slog.Int64("end_ms", piece.To().Milliseconds()))
		return d, nil, nil
	}
	taken := 0
	for _, o := range ballot.Open(v.Rule) {
		switch {
		case o.Scores == nil:
			c.metrics.votes.WithLabelValues(voteFailed).Inc()
		case v.Rule.Takes(o):
			taken++
			c.metrics.votes.WithLabelValues(voteFast).Inc()
		default:
			c.metrics.votes.WithLabelValues(voteAccurate).Inc()
		}
	}
	if taken == 0 {
		return d, ballot, nil
	}
	c.scope.Log().Debug(eventWordsVoted, slog.Int("taken", taken),
		slog.Int64("start_ms", piece.From().Milliseconds()), slog.Int64("end_ms", piece.To().Milliseconds()))
	d.Words = ballot.Words(v.Rule.Takes)
	return d, ballot, nil
}

// ballot compares the texts of both models and asks them about the differences that matter.
func (c *Decoder) ballot(ctx context.Context, piece segment.Piece, d Decoded, how How, v *Vote) (*vote.Ballot, error) {
	fast, whole, err := v.wordsOf(ctx, c, piece, how)
	if err != nil {
		return nil, err
	}
	b := vote.New(fast, d.Words, whole)
	open := b.Open(v.Rule)
	if v.Watch != nil {
		open = b.Differences
	}
	windows := b.Windows(open, piece.HeardFrom(), piece.HeardTo())
	if len(windows) == 0 {
		return b, nil
	}
	var asked []*vote.Difference
	for _, w := range windows {
		asked = append(asked, w.Differences...)
	}
	changes := make([]scout.Change, len(asked))
	for i, o := range asked {
		changes[i] = b.InAccurate(o)
	}
	how.detected = &detected{}
	request := c.request(piece.Samples, how)
	request.Language = cmp.Or(d.Language, how.Language)
	request.Score = &engine.Score{Words: texts(d.Words), Changes: changes, Behind: vote.Behind}
	scores, err := scored(ctx, c.recognizer, request)
	if err != nil {
		return nil, err
	}
	for i, o := range asked {
		o.Scores = &vote.Scores{Accurate: scores[i].Own - scores[i].Other}
	}
	for _, w := range windows {
		if err := v.ask(ctx, piece, b, w, how); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// ask completes the scores of a window with those of the fast model.
func (v *Vote) ask(ctx context.Context, piece segment.Piece, b *vote.Ballot, w vote.Window, how How) error {
	request := engine.Request{
		Samples: heard(piece, w.From, w.To), Class: how.Class, Client: how.Client,
		Score: &engine.Score{Words: texts(w.Words.Of(b.Fast)), Changes: make([]scout.Change, len(w.Differences)), Behind: vote.Behind},
	}
	for i, d := range w.Differences {
		change := b.InFast(d)
		change.From -= w.Words.From
		change.To -= w.Words.From
		request.Score.Changes[i] = change
	}
	scores, err := scored(ctx, v.Fast, request)
	if err != nil {
		return err
	}
	for i, d := range w.Differences {
		d.Scores.Fast = scores[i].Other - scores[i].Own
	}
	return nil
}

// scored asks a model for scores.
func scored(ctx context.Context, model Recognizer, request engine.Request) ([]scout.ChangeScore, error) {
	h, err := model.Transcribe(ctx, request)
	if err != nil {
		return nil, err //nolint:wrapcheck // the engine says what it was doing
	}
	if len(h.Changes) != len(request.Score.Changes) {
		return nil, scout.Errorf(scout.CodeEngineProtocol, "the engine gave %d scores for %d changes", len(h.Changes), len(request.Score.Changes))
	}
	return h.Changes, nil
}

// heard returns the samples of a piece between two times of the input, context included. It shares memory with the piece.
func heard(piece segment.Piece, from, to time.Duration) []float32 {
	frame := func(at time.Duration) int {
		f := int64(at)*scout.EngineSampleRateHz/int64(time.Second) - piece.Start + int64(piece.Before)
		return int(min(max(f, 0), int64(len(piece.Samples))))
	}
	return piece.Samples[frame(from):frame(to)]
}

// wordsOf returns what the fast model wrote of a piece, in time of the input. whole says that it is of exactly what was heard.
func (v *Vote) wordsOf(ctx context.Context, c *Decoder, piece segment.Piece, how How) (words []scout.Word, whole bool, err error) {
	if v.Words != nil {
		from, to := piece.HeardFrom(), piece.HeardTo()
		for _, w := range v.Words {
			if w.Start != nil && w.End != nil && inside(*w.Start, *w.End, from, to) {
				words = append(words, w)
			}
		}
		return words, false, nil
	}
	fast := &Decoder{scope: c.scope, metrics: c.metrics, recognizer: v.Fast, provisional: true}
	own := How{Language: how.Language, Trait: v.Trait, Class: how.Class, Client: how.Client, Words: true, HotWords: how.HotWords}
	joiner := NewJoiner(JoinerState{}, func(s scout.Segment) { words = append(words, s.Words...) })
	cut := (&Options{Trait: v.Trait}).cut()
	cutter, err := segment.New(cut, func(part segment.Piece) error {
		d, err := fast.Decode(ctx, part, own)
		if err == nil {
			joiner.Add(d)
		}
		return err
	})
	if err != nil {
		return nil, false, err //nolint:wrapcheck // the options are our own
	}
	if err := cutter.Write(piece.Samples); err != nil {
		return nil, false, err //nolint:wrapcheck // the engine says what it was doing
	}
	if err := cutter.Close(); err != nil {
		return nil, false, err //nolint:wrapcheck // as above
	}
	joiner.Finish()
	offset := piece.HeardFrom()
	for i := range words {
		for _, at := range []**time.Duration{&words[i].Start, &words[i].End} {
			if *at != nil {
				moved := **at + offset
				*at = &moved
			}
		}
	}
	return words, true, nil
}
