package speech

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// heard is what was understood of a piece, context included, or why nothing was.
type heard struct {
	align.Heard
	tokens  int
	logProb float64 // sum over tokens, meaningful with tokens > 0
	aside   *scout.SetAside
}

// deepest bounds how often a piece is halved after it repeated itself: 14 s become 3.5 s.
const deepest = 2

// decode returns the text of a piece. One that gives no words is decoded again without its quiet beginning; one that
// still gives none, or repeats itself, is halved; one that is doubtful is heard in other ways, too; one that cannot be
// decoded is set aside. Errors that concern the engine as a whole end everything.
func (t *Transcriber) decode(ctx context.Context, piece segment.Piece, options Options, depth int) (heard, error) {
	h, reason, result, err := t.hear(ctx, piece, options)
	if err == nil && reason == reasonEmpty {
		if late, ok := piece.WithoutLeadIn(); ok {
			t.again(piece, reasonLeadIn)
			piece = late
			h, reason, result, err = t.hear(ctx, piece, options)
		}
	}
	if err != nil {
		if !concernsPiece(err) {
			return heard{}, err // the engine says what it was doing
		}
		return t.setAside(piece, err), nil
	}
	if reason == "" {
		return t.lookAgain(ctx, piece, options, h, result)
	}
	t.again(piece, reason)
	left, right, ok := segment.Split(piece, overlapFrames)
	if depth >= deepest || !ok {
		return withoutLoop(h), nil
	}
	l, err := t.decode(ctx, left, options, depth+1)
	if err != nil {
		return heard{}, err
	}
	r, err := t.decode(ctx, right, options, depth+1)
	if err != nil {
		return heard{}, err
	}
	return joinHalves(l, r, left.To()), nil
}

// again tells that a piece is decoded again, and why.
func (t *Transcriber) again(piece segment.Piece, reason string) {
	t.metrics.again.WithLabelValues(reason).Inc()
	t.scope.Log().Info(observe.EventPieceDecodedAgain, slog.String(observe.KeyReason, reason),
		slog.Int64("start_ms", piece.From().Milliseconds()), slog.Int64("end_ms", piece.To().Milliseconds()))
}

// hear decodes a piece as it is and tells the reason to doubt what came out, if any.
func (t *Transcriber) hear(ctx context.Context, piece segment.Piece, options Options) (heard, string, *scout.Hypothesis, error) {
	result, err := t.recognizer.Transcribe(ctx, t.request(piece.Samples, options))
	if err != nil {
		return heard{}, "", nil, err
	}
	h := understood(piece, 0, result)
	return h, doubt(piece, h, result), result, nil
}

// overlapFrames is the context on each side where a piece is halved in speech: a second.
const overlapFrames = scout.EngineSampleRateHz

// concernsPiece is true for errors that another piece need not share.
func concernsPiece(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeAudioSetAside, scout.CodeEngineFailed, scout.CodeInternal, scout.CodeAudioInvalidSamples:
		return true
	}
	return false
}

func (t *Transcriber) setAside(piece segment.Piece, err error) heard {
	code := scout.CodeOf(err)
	t.metrics.aside.WithLabelValues(string(code)).Inc()
	t.scope.Log().Error(observe.EventPieceSetAside, slog.String(observe.KeyCode, string(code)), slog.String(observe.KeyError, err.Error()),
		slog.Int64("start_ms", piece.From().Milliseconds()), slog.Int64("end_ms", piece.To().Milliseconds()))
	h := heard{aside: &scout.SetAside{Start: piece.From(), End: piece.To(), Code: code, Reason: err.Error()}}
	h.From, h.To = piece.HeardFrom(), piece.HeardTo()
	return h
}

// understood places the words of a result on the time line of the input. The audio that was decoded had late
// frames of silence in front of the piece.
func understood(piece segment.Piece, late int, result *scout.Hypothesis) heard {
	h := heard{}
	h.From, h.To = piece.HeardFrom(), piece.HeardTo()
	h.EndLogProb = result.EndLogProb
	for _, token := range result.Tokens {
		if token.LogProb != nil {
			h.tokens++
			h.logProb += *token.LogProb
		}
	}
	if len(result.Words) > 0 {
		h.Words = make([]scout.Word, 0, len(result.Words))
		for _, w := range result.Words {
			if strings.TrimSpace(w.Text) == "" {
				continue
			}
			h.Words = append(h.Words, scout.Word{
				Text: strings.TrimSpace(w.Text), Start: h.at(w.Start, late), End: h.at(w.End, late), LogProb: w.LogProb,
			})
		}
		return h
	}
	for _, text := range splitWords(result.Text) {
		h.Words = append(h.Words, scout.Word{Text: text})
	}
	return h
}

// at is the time in the input of a time in the decoded audio.
func (h *heard) at(heard *time.Duration, late int) *time.Duration {
	if heard == nil {
		return nil
	}
	d := h.From + max(0, *heard-segment.Duration(int64(late)))
	return &d
}

func splitWords(text string) []string { return strings.Fields(text) }

// Reasons to decode a piece again, beside those of align.FindLoop and of the engine's stop.
const (
	reasonEmpty    = "empty"    // no words though there is contrast: halved
	reasonLeadIn   = "lead_in"  // the same, without the quiet beginning
	reasonDoubtful = "doubtful" // want of confidence: heard in other ways
)

// mute is the contrast, in dB between loud and quiet parts, from which a piece without words is decoded again.
// The model now and then answers clear speech with an empty text; noise and silence have less contrast, and
// stay empty when halved. Measured: docs/adr/0007-segmentation.md.
const mute = 10

// doubt names the reason to decode a piece again, or nothing.
func doubt(piece segment.Piece, h heard, result *scout.Hypothesis) string {
	if len(h.Words) == 0 && piece.Contrast() >= mute {
		return reasonEmpty
	}
	switch result.Stop {
	case scout.StopRepeats, scout.StopLength:
		return string(result.Stop)
	}
	if loop, found := align.FindLoop(texts(h.Words), h.To-h.From); found {
		return loop.Reason.String()
	}
	return ""
}

// withoutLoop keeps one occurrence of what is repeated, where even short pieces repeat themselves.
func withoutLoop(h heard) heard {
	loop, found := align.FindLoop(texts(h.Words), h.To-h.From)
	if !found || loop.Count == 0 {
		return h
	}
	from, to := loop.Extra()
	h.Words = append(append([]scout.Word(nil), h.Words[:from]...), h.Words[to:]...)
	return h
}

func texts(words []scout.Word) []string {
	out := make([]string, len(words))
	for i := range words {
		out[i] = words[i].Text
	}
	return out
}

// joinHalves makes one of two neighbours whose cores meet at cut.
func joinHalves(left, right heard, cut time.Duration) heard {
	joined := heard{tokens: left.tokens + right.tokens, logProb: left.logProb + right.logProb, aside: left.aside}
	if joined.aside == nil {
		joined.aside = right.aside
	} else if right.aside != nil {
		joined.aside.End = right.aside.End
	}
	joined.Words = align.Splice(left.Heard, right.Heard, align.Join(left.Heard, right.Heard, cut))
	joined.From, joined.To = left.From, right.To
	return joined
}
