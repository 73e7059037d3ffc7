package speech

import (
	"context"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// If a model finds no words in a piece, its certainty distinguishes music from speech. It is sure about noises, tones
// and music: the text ends at once with a log-probability over -0.005 in most pieces. If it was lost in speech it
// wavers, and with silence around the piece it wavers more, not less. Measured: docs/adr/0017-lost-text.md.
const (
	// wavering is the log-probability below which a piece without words is decoded again.
	wavering = -0.005
	// lost is the log-probability below which words are missing in a piece of longEnough or more, lostInShort that for
	// shorter ones.
	lost        = -0.05
	lostInShort = -0.15
	longEnough  = 2 * time.Second
	// believable is the lowest mean log-probability of tokens at which a text found by the last looks is accepted.
	believable = -0.6
)

// wavers reports whether the model found no words and was not sure of that.
func (d *Decoded) wavers() bool {
	return len(d.Words) == 0 && d.EndLogProb != nil && *d.EndLogProb < wavering
}

// lastLooks are further ways to decode a short piece: silence around it makes the model err in other places too.
func lastLooks() []look {
	return []look{{shift: 288, gain: 1}, {shift: 1600, behind: 1600, gain: 1}, {shift: 4800, behind: 4800, gain: 1}}
}

// rescue decides about a short piece whose text is doubted: another way to decode it may give a text that is not. A
// text that the model marked as complete, at a human pace, is a real repetition and stays. Of any other loop the words
// before it are kept, and the rest is set aside.
func (c *Decoder) rescue(ctx context.Context, piece segment.Piece, how How, h Decoded, reason string) (Decoded, error) {
	if reason == reasonEmpty && !h.wavers() {
		h.Empty = emptyOf(piece, endOf(h))
		return h, nil
	}
	best, found := h, settledLoop(h, reason)
	least := endOf(h)
	if how.Effort != EffortQuick && !how.Trait.Rechecks && !found {
		for _, l := range lastLooks() {
			result, err := c.recognizer.Transcribe(ctx, c.request(l.apply(piece.Samples), how))
			if err != nil {
				if concernsPiece(err) {
					continue
				}
				return Decoded{}, err // the engine says what it was doing
			}
			other := understood(piece, l.shift, result, how)
			doubt := doubt(piece, other, result)
			switch {
			case len(other.Words) == 0:
				least = min(least, endOf(other))
			case doubt != "" && !settledLoop(other, doubt):
			case other.Tokens > 0 && other.confidence() < believable:
				least = min(least, lostInShort-1) // the model gave no words, not even for noise
			case !found || other.confidence() > best.confidence():
				best, found = other, true
			}
		}
	}
	if found {
		if !c.provisional {
			c.metrics.rescued.WithLabelValues(reason).Inc()
		}
		best.rescued = true
		return best, nil
	}
	if reason == reasonEmpty {
		h.Empty = emptyOf(piece, least)
		return h, nil
	}
	return keepTrusted(h, reason), nil
}

// endOf returns the log-probability that the text ends where it does, 0 if it is not known.
func endOf(d Decoded) float64 {
	if d.EndLogProb == nil {
		return 0
	}
	return *d.EndLogProb
}

// settledLoop reports whether a repetition is one that people make: the model marked the text as complete, it is sure
// of the words, and there is time to say them.
func settledLoop(d Decoded, reason string) bool {
	return reason == align.LoopRepeat.String() && d.EndLogProb != nil && d.Tokens > 0 && d.confidence() >= believable &&
		!align.Hurried(texts(d.Words), d.To-d.From)
}

// keepTrusted keeps the words before the model began to repeat itself, up to the first word without a time, and sets
// the rest aside.
func keepTrusted(d Decoded, reason string) Decoded {
	n := 0
	if loop, found := align.FindLoop(texts(d.Words), d.To-d.From); found && loop.Reason == align.LoopRepeat {
		n = loop.Start
	}
	for i := range d.Words[:n] {
		if d.Words[i].End == nil {
			n = i
			break
		}
	}
	from := d.Core.From
	if n > 0 {
		from = min(max(from, *d.Words[n-1].End), d.Core.To)
	}
	d.Words, d.EndLogProb = d.Words[:n], nil
	d.Tokens, d.LogProb = n, sumLogProb(d.Words) // a word has one token or more
	d.lose(Span{from, d.Core.To}, reason)
	return d
}

// loseEmpty sets aside those stretches without words of which the model was not sure, if words are missing in one of
// them, or were found beside them in another way. A stretch that the model is sure of stays silent.
func (d *Decoded) loseEmpty() {
	missing := d.rescued
	for _, e := range d.Empty {
		missing = missing || e.Least < lostInShort || e.Least < lost && e.To-e.From >= longEnough
	}
	for _, a := range d.SetAside {
		missing = missing || a.Code == scout.CodeTextLost
	}
	if !missing || d.Peak < silence {
		return
	}
	var sure []Empty
	for _, e := range d.Empty {
		if e.Least >= wavering {
			sure = append(sure, e)
			continue
		}
		d.lose(e.Span, reasonEmpty)
	}
	d.Empty = sure
}

// lose sets aside a stretch whose text was lost. tellLost counts it, when nothing can find its words any more.
func (d *Decoded) lose(s Span, reason string) {
	if s.To <= s.From {
		return
	}
	d.losses = append(d.losses, loss{s, reason})
	d.SetAside = insertAside(d.SetAside, scout.SetAside{
		Start: s.From, End: s.To, Code: scout.CodeTextLost, Reason: "speech was heard, but the model found no words for it, or only repeated itself",
	})
}

// loss is a stretch whose text was lost, and why.
type loss struct {
	Span
	reason string
}

// tellLost counts and logs what a text that nothing changes any more has lost.
func (c *Decoder) tellLost(d *Decoded) {
	for _, a := range d.SetAside {
		if a.Code != scout.CodeTextLost {
			continue
		}
		reason := ""
		for _, l := range d.losses {
			if l.From < a.End && a.Start < l.To {
				reason = l.reason
				break
			}
		}
		c.metrics.aside.WithLabelValues(string(scout.CodeTextLost)).Inc()
		c.scope.Log().Warn(eventTextLost, slog.String(observe.KeyReason, reason),
			slog.Int64("start_ms", a.Start.Milliseconds()), slog.Int64("end_ms", a.End.Milliseconds()))
	}
}
