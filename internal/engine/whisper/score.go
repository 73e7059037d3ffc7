package whisper

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout/internal/engine/forced"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// forcing is by how many nats a token is favoured to be the next one. Its log-probability is given without it.
const forcing = 1e4

// kept says whose keys and values a slot still has in its cross pages; the zero value is nobody's.
type kept struct {
	of     uint64 // fingerprint of the samples
	frames int
	blank  bool
}

// prints is the seed of fingerprints. They are compared within this process only.
var prints = maphash.MakeSeed()

// fingerprint tells samples apart.
func fingerprint(samples []float32) uint64 {
	var h maphash.Hash
	h.SetSeed(prints)
	var word [4]byte
	for _, v := range samples {
		bits := math.Float32bits(v)
		word[0], word[1], word[2], word[3] = byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24)
		_, _ = h.Write(word[:]) // it never fails
	}
	return h.Sum64()
}

// keep leaves the keys and values that were heard last to a request for scores of the same samples, and returns the rest of the
// memory of a long request.
func (l *slot) keep(s *session) error {
	clear(l.in)
	clear(l.out)
	l.kept = kept{fingerprint(s.samples), s.heard.frames, s.heard.blank}
	if s.longest <= keptFrames {
		return nil
	}
	err := l.cache.drop()
	l.buffers, l.placer = buffers{cross: l.cross}, l.model.placer()
	return err
}

// rehear returns what was kept, as hear would.
func (l *slot) rehear(k kept, owned *native.Tensors) (hearing, error) {
	m := l.model
	h := hearing{frames: k.frames, blank: k.blank, cross: make([]ort.Value, 2*m.Layers)}
	for i := range h.cross {
		data, err := l.cross[i].Grown(k.frames * m.Width)
		if err != nil {
			return hearing{}, err
		}
		if h.cross[i], err = native.Own(owned, data, 1, int64(m.Heads), int64(k.frames), int64(m.headWidth())); err != nil {
			return hearing{}, err
		}
	}
	return h, nil
}

// score answers a request for scores. It hears the samples, unless a slot has kept what it heard of them, and decodes nothing.
func (b *backend) score(ctx context.Context, request *wire.Request) (result *wire.Result, err error) {
	if err := forced.Check(request.Options.Score); err != nil {
		return nil, err //nolint:wrapcheck // it says what is wrong with the request
	}
	j, err := b.job(request)
	if err != nil {
		return nil, err
	}
	of := fingerprint(j.samples)
	l, err := b.slots.Prefer(ctx, func(l *slot) bool { return l.kept.of == of && l.kept.frames > 0 })
	if err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	defer b.slots.Add(l)
	k := l.kept
	l.kept = kept{}
	s := &session{slot: l, job: j}
	defer func() { err = join(err, l.shed(s.longest)) }()
	result = &wire.Result{Stop: wire.StopEnd}
	err = s.during(ctx, func() error {
		if k.frames > 0 && k.of == of {
			s.longest = k.frames
			s.heard, err = l.rehear(k, &s.owned)
		} else {
			w := howOf(request.Options)
			began := time.Now()
			s.longest = b.model.framesFor(len(j.samples), w.tail)
			s.step.Encode()
			s.heard, err = l.hear(j.samples, s.longest, w.blank(), &s.owned)
			result.EncodeMS = float64(time.Since(began)) / float64(time.Millisecond)
		}
		if err != nil {
			return err
		}
		s.step.Decode(0)
		if err := s.tellLanguage(how{once: true}); err != nil {
			return err
		}
		d := &decoding{}
		if err := s.setPrompt(d); err != nil {
			return err
		}
		if err := s.room(1, len(d.prompt)+cacheStep, 0, &s.owned); err != nil {
			return err
		}
		f := &forcer{session: s, prompt: d.prompt}
		result.Scores, err = forced.Scores(ctx, f, request.Options.Score, s.model.Positions-len(f.prompt))
		return err //nolint:wrapcheck // it says what it was doing
	})
	if err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	return result, nil
}

// during does the work of a session, which ends soon after ctx, and frees what it owns. Its errors are those of native.During.
func (s *session) during(ctx context.Context, work func() error) error {
	return native.During(ctx, s.options, &s.owned, func() error { //nolint:wrapcheck // it says what failed
		defer s.cache.forget()
		return work()
	})
}

// forcer makes the model say given tokens.
type forcer struct {
	*session
	prompt []int64
	forced []float32
	done   int // tokens that were forced, for the progress
}

// Encode implements forced.Decoder.
func (f *forcer) Encode(text string) []int64 { return f.model.vocabulary.Encode(text) }

// End implements forced.Decoder.
func (f *forcer) End() int64 { return int64(f.model.vocabulary.End) }

// Force implements forced.Decoder.
func (f *forcer) Force(text []int64, at int) ([]float32, error) {
	f.forced = f.forced[:0]
	if at == 0 { // the first token has a bias of its own
		if err := f.force(f.prompt, 0, f.model.first, text[:1]); err != nil {
			return nil, err
		}
		at = 1
	}
	for at < len(text) {
		n := min(len(text)-at, verifyTokens)
		if err := f.force(text[at-1:at-1+n], len(f.prompt)+at-1, f.model.later, text[at:at+n]); err != nil {
			return nil, err
		}
		at += n
	}
	return f.forced, nil
}

// force runs tokens after `past` ones in the cache. The last of them are followed by those that are wanted.
func (f *forcer) force(tokens []int64, past int, bias *ort.Tensor[float32], wanted []int64) error {
	in := input{hearing: f.heard, tokens: tokens, past: past, bias: bias, count: 1, favoured: wanted}
	for i := range wanted {
		in.rows = append(in.rows, int64(len(tokens)-len(wanted)+i))
		in.bonus = append(in.bonus, forcing)
	}
	if err := f.decodeRun(in); err != nil {
		return err
	}
	for i, token := range wanted {
		logprob := f.logprob[i]
		if f.next[i] != token { // it is suppressed
			logprob = forced.Least
		}
		f.forced = append(f.forced, logprob)
	}
	f.done += len(wanted)
	f.step.Decode(f.done)
	return nil
}
