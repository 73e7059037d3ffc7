package speech

import (
	"context"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// longHole is the length from which a stretch between the words of a piece is decoded by itself. A pause may be that
// long, but it is quiet. Whisper is asked about the length of a short sentence, which it skips when it was said twice; it says of
// sounds that nobody speaks. Measured: docs/adr/0017-lost-text.md.
const (
	longHole     = 3 * time.Second
	longRechecks = 2 * time.Second
)

// strayed is how many words at the end of a piece may have been said before the hole in front of them: of what is said twice
// and written once, the model may place the last words where they are said again.
const strayed = 2

// fillHoles decodes long stretches that have sound but no words by themselves, because the model sometimes ends a text
// too early, or skips a part. If the words have no times, it is not known where the holes are, and nothing is done.
//
// A model that checks its text is asked about soft stretches too, where somebody may speak far away: it says of sounds that nobody speaks.
// What it is not sure of there is no text, and not missing either.
func (c *Decoder) fillHoles(ctx context.Context, piece segment.Piece, how How, d Decoded) (Decoded, error) {
	if how.Effort == EffortQuick || len(d.Words) == 0 {
		return d, nil
	}
	loud, least := piece.Peak()-withoutText, longHole
	if how.Trait.Rechecks {
		least = longRechecks
	}
	for _, h := range holes(d, least) {
		part, ok := piece.Part(h.From, h.To)
		if !ok || part.Contrast() < mute || d.named(h) {
			continue
		}
		soft := part.Peak() < loud
		if soft && (!how.Trait.Rechecks || part.Peak() < silence) {
			continue
		}
		c.again(part, reasonHole)
		at := wordsUntil(d.Words, h.To)
		found, again, err := c.hearStrayed(ctx, piece, h, how, d, d.Words[at:])
		if err == nil && !again {
			found, err = c.hearAlone(ctx, part, how, soft)
		}
		if err != nil {
			return Decoded{}, err
		}
		if soft && (len(found.Words) == 0 || found.confidence() < believable) {
			continue
		}
		d.SetAside = appendAside(nil, insertAll(d.SetAside, found.SetAside)...)
		d.Empty, d.losses = append(d.Empty, found.Empty...), append(d.losses, found.losses...)
		switch {
		case len(found.Words) == 0:
		case found.Tokens > 0 && found.confidence() < believable:
			d.lose(h, reasonHole)
		default:
			n, rest := misplaced(piece, d.Words[:at], found.Words), d.Words[at:]
			if again {
				rest = nil
			}
			d.Words = slices.Concat(d.Words[:at-n], found.Words, rest)
			d.Tokens, d.LogProb = d.Tokens+found.Tokens, d.LogProb+found.LogProb
		}
	}
	slices.SortFunc(d.Empty, func(a, b Empty) int { return int(a.From - b.From) })
	return d, nil
}

// wordsUntil returns how many words there are before the first one that begins at a time or later.
func wordsUntil(words []scout.Word, at time.Duration) int {
	i := slices.IndexFunc(words, func(w scout.Word) bool { return w.Start != nil && *w.Start >= at })
	if i < 0 {
		return len(words)
	}
	return i
}

// hearStrayed decodes a hole together with what is behind it, if that is no more than strayed words. It returns false if it was not
// done, or if the text is not sure or does not end with those words: then the hole is decoded alone.
func (c *Decoder) hearStrayed(ctx context.Context, piece segment.Piece, hole Span, how How, d Decoded, rest []scout.Word) (Decoded, bool, error) {
	part, ok := piece.Part(hole.From, d.Core.To)
	if n := len(rest); !ok || n == 0 || n > strayed || !how.Trait.Rechecks {
		return Decoded{}, false, nil
	}
	found, err := c.hearHole(ctx, part, how)
	if err != nil {
		return Decoded{}, false, err
	}
	more := len(found.Words) - len(rest)
	sure := more > 0 && align.Alike(found.Words[more:], rest) && found.confidence() >= believable && len(found.SetAside) == 0
	return found, sure, nil
}

// hearAlone decodes a hole. If a model that rechecks finds nobody in a loud one, it is heard with the silence that the model was trained
// with, which tells speech better from other sounds. Only a text that is sure counts then.
func (c *Decoder) hearAlone(ctx context.Context, part segment.Piece, how How, soft bool) (Decoded, error) {
	found, err := c.hearHole(ctx, part, how)
	if err != nil || len(found.Words) > 0 || soft || !how.Trait.Rechecks {
		return found, err
	}
	how.Tail = wholeTail
	more, err := c.hearHole(ctx, part, how)
	if err != nil {
		return Decoded{}, err
	}
	if len(more.Words) > 0 && more.confidence() >= believable {
		return more, nil
	}
	return found, nil
}

// hearHole decodes a hole. Where the language of the piece was detected, that of the hole is detected anew, because the model skips what is
// said in another one. A language that is not certain is that of the piece.
func (c *Decoder) hearHole(ctx context.Context, part segment.Piece, how How) (Decoded, error) {
	how.Known = nil
	whole := how.detected
	if how.Language != "" || whole == nil {
		return c.decode(ctx, part, how, deepest)
	}
	how.detected = &detected{}
	found, err := c.decode(ctx, part, how, deepest)
	if own := how.detected; err != nil || own.prob == nil || *own.prob >= firmProb || own.code == whole.code {
		return found, err
	}
	how.detected = whole
	return c.decode(ctx, part, how, deepest)
}

// misplaced returns how many of the last words before a hole are those that were found in it, and lie where nothing is
// heard: the model had them, and placed them into the pause.
func misplaced(piece segment.Piece, before, found []scout.Word) int {
	for n := min(len(before), len(found)); n > 0; n-- {
		from, to := placed(before[len(before)-n:])
		if from == nil || to == nil || !align.Alike(before[len(before)-n:], found[:n]) {
			continue
		}
		if piece.Empty(*from, *to) {
			return n
		}
	}
	return 0
}

// holes returns the stretches of the core of a piece between words with times that are at least so long.
func holes(d Decoded, least time.Duration) []Span {
	var found []Span
	from, sure := d.Core.From, true
	add := func(to time.Duration) {
		if sure && to-from >= least {
			found = append(found, Span{from, to})
		}
	}
	for _, w := range d.Words {
		if w.Start == nil || w.End == nil {
			sure = false // it was said somewhere in this stretch
			continue
		}
		add(*w.Start)
		from, sure = *w.End, true
	}
	add(d.Core.To)
	return found
}

// named reports whether a part of the stretch is set aside, or is known to have no words.
func (d *Decoded) named(s Span) bool {
	for _, a := range d.SetAside {
		if a.Start < s.To && s.From < a.End {
			return true
		}
	}
	for _, e := range d.Empty {
		if e.From < s.To && s.From < e.To {
			return true
		}
	}
	return false
}

func insertAll(list, more []scout.SetAside) []scout.SetAside {
	for _, a := range more {
		list = insertAside(list, a)
	}
	return list
}
