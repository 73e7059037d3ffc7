package moonshine

import (
	"github.com/scout-speech/scout/internal/engine/moonshine/wordtime"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// place sets the times of words, which vocabulary.words made of the tokens. The placer must have seen the decode.
func (v *vocabulary) place(p *wordtime.Placer, samples []float32, tokens []int64, words []wire.Word) {
	written := v.written(tokens)
	spans := make([]wordtime.Word, len(written))
	for i, s := range written {
		spans[i] = wordtime.Word{From: s.from, To: s.to}
	}
	spoken := make([]bool, len(tokens))
	for i, id := range tokens {
		spoken[i] = v.spoken(id)
	}
	placed := p.Place(samples, spoken, spans)
	for i := range words {
		if s := &placed[i]; s.Placed {
			words[i].StartMS, words[i].EndMS = &s.StartMS, &s.EndMS
		}
	}
}
