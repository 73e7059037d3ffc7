package whisper

import (
	"errors"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/scout-speech/scout/internal/engine/native"
)

// cacheStep is by how many tokens a cache grows. A piece of 28 s has about 90 tokens, but may have 400.
const cacheStep = 64

// cache holds the keys and values of the tokens so far: for each layer keys, then values, shape [texts, heads, capacity,
// 64]. Runs write into it in place. Going back to an earlier token costs nothing: what comes after is overwritten.
type cache struct {
	texts, capacity int
	pages           []native.Pages
	data            [][]float32 // of pages
	values          []ort.Value // over data; they belong to the request
}

// room makes room for tokens tokens of each of texts texts, and keeps the first past of those that are there. A text
// that was not there before gets those of the last one. If it fails, nothing is kept.
func (l *slot) room(texts, tokens, past int, owned *native.Tensors) (err error) {
	m, c := l.model, &l.cache
	defer func() {
		if err != nil {
			c.forget()
		}
	}()
	if c.values != nil && c.texts == texts && c.capacity >= tokens {
		return nil
	}
	if c.pages == nil {
		c.pages, c.data = make([]native.Pages, 2*m.Layers), make([][]float32, 2*m.Layers)
	}
	old := *c
	c.texts, c.capacity = texts, min((tokens+cacheStep-1)/cacheStep*cacheStep, m.Positions)
	c.values = make([]ort.Value, 2*m.Layers)
	width := m.headWidth()
	for i := range c.pages {
		l.moved = l.moved[:0] // what is kept: one layer at a time, so that old and new are never there at once
		for row := 0; past > 0 && row < min(texts, old.texts)*m.Heads; row++ {
			l.moved = append(l.moved, c.data[i][row*old.capacity*width:][:past*width]...)
		}
		data, err := c.pages[i].Grown(texts * m.Heads * c.capacity * width)
		if err != nil {
			return err
		}
		for t := 0; past > 0 && t < texts; t++ {
			kept := l.moved[min(t, old.texts-1)*m.Heads*past*width:]
			for h := range m.Heads {
				copy(data[(t*m.Heads+h)*c.capacity*width:], kept[h*past*width:][:past*width])
			}
		}
		c.data[i] = data
		if c.values[i], err = native.Own(owned, data, int64(texts), int64(m.Heads), int64(c.capacity), int64(width)); err != nil {
			return err
		}
	}
	return nil
}

// forget drops the handles of the cache, which are freed with their request, and keeps its memory.
func (c *cache) forget() { c.texts, c.capacity, c.values = 0, 0, nil }

// drop returns the memory of the cache. No run may use it before room has taken new.
func (c *cache) drop() error {
	c.forget()
	clear(c.data)
	var errs []error
	for i := range c.pages {
		errs = append(errs, c.pages[i].Release())
	}
	return errors.Join(errs...)
}

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
