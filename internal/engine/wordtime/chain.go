package wordtime

import "slices"

// pauseInSpeech is the cost of a pause in a frame full of speech. Values from -0.15 to 1 make no visible difference.
const pauseInSpeech = 0.3

// chain is a row of states that receive the frames from left to right: for each word an optional pause and its tokens,
// which get at least one frame each; a last optional pause ends it.
type chain struct {
	frames int
	states []state
	scores []float32 // of pauses and tokens in each frame, shape [states, frames]

	best []float32 // best score of a path that ends in each state
	way  []uint8   // how many states back it came from, shape [frames, states]
}

type state struct {
	word     int // -1 for a pause
	from, to int // frames [from, to) after solve; from < 0 if left out
}

const pause = -1

// never is the score of an impossible path.
const never = float32(-1e30)

func (c *chain) begin(frames int) {
	c.frames, c.states, c.scores = frames, c.states[:0], c.scores[:0]
}

// token adds a token of a word and returns where to write its score in each frame.
func (c *chain) token(word int) []float32 {
	c.states = append(c.states, state{word: word})
	at := len(c.scores)
	c.scores = slices.Grow(c.scores, c.frames)[:at+c.frames]
	return c.scores[at:]
}

// pause adds a pause, given the share of speech in each frame.
func (c *chain) pause(speech []float32) {
	for j, out := 0, c.token(pause); j < len(out); j++ {
		out[j] = silenceWeight*(1-speech[j]) - pauseInSpeech*speech[j]
	}
}

// tokens reports whether the chain has any token.
func (c *chain) tokens() bool { return len(c.states) > 0 }

// solve assigns every state its frames so that the sum of the scores is the highest. It returns false if there are more
// tokens than frames. Time and memory are states*frames.
func (c *chain) solve() bool {
	n := len(c.states)
	c.best = slices.Grow(c.best[:0], n)[:n]
	c.way = slices.Grow(c.way[:0], n*c.frames)[:n*c.frames]
	for i := range c.best {
		c.best[i] = never
	}
	c.best[0] = c.scores[0]
	c.best[1] = c.scores[c.frames] // without the first pause
	for j := 1; j < c.frames; j++ {
		way := c.way[j*n : (j+1)*n]
		for i := n - 1; i >= 0; i-- { // downwards: best[i-1] and best[i-2] are still those of frame j-1
			top, back := c.best[i], uint8(0)
			if i > 0 && c.best[i-1] > top {
				top, back = c.best[i-1], 1
			}
			if i > 1 && c.states[i-1].word == pause && c.best[i-2] > top {
				top, back = c.best[i-2], 2
			}
			way[i] = back
			c.best[i] = max(top+c.scores[i*c.frames+j], never)
		}
	}
	for i := range c.states {
		c.states[i].from = -1
	}
	i := n - 1
	if c.best[n-2] > c.best[i] { // without the last pause
		i = n - 2
	}
	if c.best[i] <= never/2 {
		return false
	}
	c.states[i].to = c.frames
	for j := c.frames - 1; j > 0; j-- {
		if back := int(c.way[j*n+i]); back > 0 {
			c.states[i].from = j
			i -= back
			c.states[i].to = j
		}
	}
	c.states[i].from = 0
	return true
}
