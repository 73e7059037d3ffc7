package transcribe

import (
	"context"
	"maps"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
)

// Making is all that the words of a text depend on, besides the audio. A text that is made in another way begins anew. It is kept with what
// is known of a text that is being made.
type Making struct {
	Model    string            `json:"model"`
	Files    map[string]string `json:"files"` // their checksums
	Effort   speech.Effort     `json:"effort"`
	HotWords []string          `json:"hot_words,omitempty"`
	// Vote is the fast model whose words may win; empty for none.
	Vote string `json:"vote,omitempty"`
}

// MakingOf is how a recognizer makes a text with those options.
func MakingOf(r *recognize.Recognizer, o *Options) Making {
	m := Making{Model: r.Model.ID, Files: make(map[string]string), Effort: o.Effort, HotWords: o.HotWords, Vote: o.Pair.voter(r, o)}
	for role, sum := range r.Model.SHA256 {
		m.Files[string(role)] = sum
	}
	return m
}

// Same reports whether both make the same words.
func (m *Making) Same(other *Making) bool {
	return m.Model == other.Model && m.Vote == other.Vote && m.Effort == other.Effort && maps.Equal(m.Files, other.Files) && slices.Equal(m.HotWords, other.HotWords)
}

// Leftover is what Continue does with what must not cost the text.
type Leftover struct {
	// Drop forgets what was kept of the text, which is of no use.
	Drop func(ctx context.Context) error
	// Ignored tells that the model cannot prefer the hot words.
	Ignored func(err error)
	// Committed reports whether the sink has the text: then nothing is tried once more.
	Committed func() bool
}

// Continue transcribes one input as One does, from where it was left. What the model refuses is left out, step by step: what was kept, and
// the hot words.
func (t *Transcriber) Continue(ctx context.Context, in Input, o Options, sink Sink, watch Watch, left Leftover) error {
	_, err := t.One(ctx, 0, in, o, sink, watch)
	refused := func() bool { return scout.CodeOf(err) == scout.CodeInvalidArgument && !left.Committed() }
	if o.From != nil && refused() {
		if err := left.Drop(ctx); err != nil {
			return err
		}
		o.From = nil
		_, err = t.One(ctx, 0, in, o, sink, watch)
	}
	if len(o.HotWords) > 0 && refused() {
		left.Ignored(err)
		o.HotWords = nil
		_, err = t.One(ctx, 0, in, o, sink, watch)
	}
	return err
}
