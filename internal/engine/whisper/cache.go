package whisper

import (
	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout/internal/engine/native"
)

// cacheStep is by how many tokens a cache grows. A piece of 28 s has about 90 tokens, but may have 400.
const cacheStep = 64

// cache holds the keys and values of the tokens so far: for each layer keys, then values, shape [texts, heads, capacity,
// 64]. Runs write into it in place. Going back to an earlier token costs nothing: what comes after is overwritten.
type cache struct {
	texts, capacity int
	data            [][]float32
	values          []ort.Value // over data; they belong to the request
}

// room makes room for tokens tokens of each of texts texts, and keeps the first past of those that are there. A text
// that was not there before gets those of the last one.
func (l *slot) room(texts, tokens, past int, owned *native.Tensors) error {
	m, old := l.model, l.cache
	if old.values != nil && old.texts == texts && old.capacity >= tokens {
		return nil
	}
	c := cache{texts: texts, capacity: min((tokens+cacheStep-1)/cacheStep*cacheStep, m.Positions)}
	width := m.headWidth()
	c.data, c.values = make([][]float32, 2*m.Layers), make([]ort.Value, 2*m.Layers)
	for i := range c.data {
		size := texts * m.Heads * c.capacity * width
		if past == 0 && i < len(old.data) && cap(old.data[i]) >= size {
			c.data[i] = old.data[i][:size]
		} else {
			c.data[i] = make([]float32, size)
		}
		for t := 0; past > 0 && t < texts; t++ {
			from := min(t, old.texts-1)
			for h := range m.Heads {
				copy(c.data[i][(t*m.Heads+h)*c.capacity*width:], old.data[i][(from*m.Heads+h)*old.capacity*width:][:past*width])
			}
		}
		var err error
		if c.values[i], err = native.Own(owned, c.data[i], int64(texts), int64(m.Heads), int64(c.capacity), int64(width)); err != nil {
			return err
		}
	}
	l.cache = c
	return nil
}

// forget drops the handles of the cache, which are freed with their request, and keeps its memory.
func (c *cache) forget() { c.texts, c.capacity, c.values = 0, 0, nil }

// move is text to gets what text from has from a token on.
type move struct{ from, to, since int }

// moveTexts makes the moves at once, up to token end.
func (l *slot) moveTexts(moves []move, end int) {
	m, c := l.model, l.cache
	width := m.headWidth()
	for _, data := range c.data {
		l.moved = l.moved[:0]
		for _, v := range moves {
			for h := range m.Heads {
				at := (v.from*m.Heads + h) * c.capacity * width
				l.moved = append(l.moved, data[at+v.since*width:at+end*width]...)
			}
		}
		rest := l.moved
		for _, v := range moves {
			n := (end - v.since) * width
			for h := range m.Heads {
				at := (v.to*m.Heads + h) * c.capacity * width
				copy(data[at+v.since*width:], rest[:n])
				rest = rest[n:]
			}
		}
	}
}
