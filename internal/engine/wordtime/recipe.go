package wordtime

// Recipe says how to read the attention of a model.
type Recipe struct {
	// Heads are in the order in which the decoder gives them.
	Heads []Head
	// Frames are those of the encoder.
	Frames Frames
	// Padded says that the encoder hears silence behind the samples: frames beyond them are not used.
	Padded bool
	// Smooth is of how many frames the median is taken; 0 leaves the weights as they are.
	Smooth int
	// FewRows, divided by the number of rows, is added to the deviation of a frame over the rows. The deviation of few rows is not known
	// well: in a frame to which none attends it is small, and noise would look like a fit.
	FewRows float32
	// StartShare is which share of its largest weight the first token of a word has where the word begins. 0 means that
	// the path through the frames decides.
	StartShare float32
	// ExtendMS is how far the end of a word may move on through speech, at most to the next word; 0 leaves it.
	ExtendMS float32
	// LoudestDB is how far the loud level may be below the loudest 20 ms; 0 for any distance. A few words in a long silence are
	// then speech, and not louder noise.
	LoudestDB float32
	// Wakes says that a word in a pause moves to the speech beside it: its attention may begin long before it.
	Wakes bool
}

// Head says how to read an attention head.
type Head struct {
	// Own is 1 if the head locates a token in the row in which the token is the input, 0 if it does in the row before,
	// which predicted it.
	Own int
	// Late is how many frames its peak lies after the sound.
	Late int
}

// own is 1 if any head needs the row in which the last token is the input.
func (r *Recipe) own() int {
	own := 0
	for _, h := range r.Heads {
		own = max(own, h.Own)
	}
	return own
}

// Frames are where the frames of an encoder lie in time, in milliseconds.
type Frames struct {
	// StepMS is from one frame to the next.
	StepMS int
	// FirstMS is the border before the first frame.
	FirstMS int
}

// border is the border before frame j, in milliseconds.
func (f Frames) border(j int) float32 { return float32(f.StepMS*j + f.FirstMS) }

// MoonshineTiny returns the recipe for layer 0 heads 2 and 3, layer 1 head 3, layer 3 head 0 and layer 5 head 6 of
// Moonshine tiny. Its frames come every 24 ms, the middle of the first at 28 ms (docs/formats/prepared-model.md).
func MoonshineTiny() Recipe {
	return Recipe{
		Heads:  []Head{{Own: 1}, {Own: 1}, {Own: 1}, {Own: 1, Late: 7}, {Own: 0}},
		Frames: Frames{StepMS: 24, FirstMS: 28 - 24/2},
	}
}

// Whisper returns the recipe for a Whisper model of any size. heads is how many alignment heads its decoder gives: those
// of config.json, in their order. Its frames come every 20 ms.
func Whisper(heads int) Recipe {
	return Recipe{
		Heads: make([]Head, heads), Frames: Frames{StepMS: 20}, Padded: true, Smooth: 7, FewRows: 0.004, StartShare: 0.4, ExtendMS: 400, LoudestDB: 15, Wakes: true,
	}
}
