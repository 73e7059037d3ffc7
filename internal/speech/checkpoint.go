package speech

import (
	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// checkpointVersion changes when the meaning of a Checkpoint changes.
const checkpointVersion = 1

// Checkpoint is what is known of a transcription after one of its pieces. It can be stored as JSON. A transcription
// that continues from it gives the same transcript as one that was never interrupted. Its slices are shared with later
// checkpoints and are never changed.
type Checkpoint struct {
	Version   int             `json:"version"`
	Model     string          `json:"model"`
	Language  string          `json:"language,omitempty"`
	Translate bool            `json:"translate,omitempty"`
	Cut       segment.Options `json:"cut"`
	// Spoken are the languages that were detected.
	Spoken spoken `json:"spoken,omitzero"`
	// Next is where the next piece begins.
	Next segment.Position `json:"next"`
	// Joiner holds the words that are not settled.
	Joiner JoinerState `json:"joiner"`
	// Segments are settled. SetAside is the audio that was set aside so far.
	Segments []scout.Segment  `json:"segments,omitempty"`
	SetAside []scout.SetAside `json:"set_aside,omitempty"`
	// Peak is the level of the loudest 20 ms so far in dBFS, 0 before the first piece. Empty are the stretches without
	// words.
	Peak  float64 `json:"peak"`
	Empty []Empty `json:"empty,omitempty"`
	// Understood is how many pieces the engine could decode.
	Understood int `json:"understood"`
}

// suits returns an error if a transcription with these options cannot continue from the checkpoint.
func (c *Checkpoint) suits(o *Options) error {
	refuse := func(what string, was, is any) error {
		return scout.Errorf(scout.CodeInvalidArgument, "continue from a checkpoint: its %s is %v, but %v is requested", what, was, is).
			WithHint("transcribe from the beginning")
	}
	switch {
	case c.Version != checkpointVersion:
		return refuse("version", c.Version, checkpointVersion)
	case c.Model != o.Model:
		return refuse("model", c.Model, o.Model)
	case c.Language != o.Language:
		return refuse("language", c.Language, o.Language)
	case c.Translate != o.Translate:
		return refuse("translation", c.Translate, o.Translate)
	case c.Cut != o.cut():
		return refuse("cut", c.Cut, o.cut())
	}
	return nil
}
