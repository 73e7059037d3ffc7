package moonshine

import (
	"slices"

	"github.com/scout-speech/scout/internal/engine/hotword"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// candidate is a token that may come next.
type candidate struct {
	token   int64
	logprob float32
}

// greedy extends a text one token at a time: with the most probable token, or a hot word that is nearly as probable.
type greedy struct {
	*decoding
	slot *slot
	job  job
	pass *pass     // of one token
	next candidate // after tokens, not appended yet

	known  int // tokens of the hypothesis that are already behind, used or skipped
	frames int
	owned  *native.Tensors
}

// run decodes until the text ends, is too long or repeats itself.
func (g *greedy) run() error {
	hot := g.job.hot
	if hot != nil { // next was found without a bonus
		if err := g.look(hotword.Root); err != nil {
			return err
		}
	}
	for {
		switch {
		case g.next.token == endToken:
			logprob := g.next.logprob
			g.stop, g.ending = wire.StopEnd, &logprob
			return nil
		case len(g.tokens) == g.job.limit:
			g.stop = wire.StopLength
			return nil
		}
		if hot == nil {
			resumed, err := g.resume()
			if err != nil {
				return err
			}
			if resumed {
				continue
			}
		}
		followed := false
		if hot != nil && hot.Child(hotword.Root, g.next.token) != hotword.Root {
			var err error
			if followed, err = g.follow(); err != nil {
				return err
			}
			if !followed && g.next.token == endToken {
				continue
			}
		}
		if !followed {
			if err := g.take(hotword.Root); err != nil {
				return err
			}
		}
		if repeating(g.tokens) { // the last token is used as input even then: its time is in its own row
			g.stop = wire.StopRepeats
			return nil
		}
	}
}

// A text that differs from the hypothesis mostly comes back to it: one word differs, the words after it do not. It
// counts as back if resumeTokens in a row are the same, at most resumeWithin tokens later. With fewer than resumeLeast
// tokens left, a run for all of them costs as much as single ones.
const (
	resumeTokens = 3
	resumeWithin = 12
	resumeLeast  = 3
)

// resume checks whether the text is back on the hypothesis, including the next token, and if so verifies the rest of it
// in one run.
func (g *greedy) resume() (bool, error) {
	n, hypothesis := len(g.tokens), g.job.hypothesis
	if g.known >= len(hypothesis) || n < resumeTokens-1 {
		return false, nil
	}
	tail := g.tokens[n-(resumeTokens-1):]
	for at := g.known + resumeTokens - 1; at < min(len(hypothesis), g.known+resumeWithin); at++ {
		if hypothesis[at] != g.next.token || !slices.Equal(hypothesis[at-(resumeTokens-1):at], tail) {
			continue
		}
		rest := hypothesis[at+1:]
		rest = rest[:min(len(rest), g.job.limit-n-1)]
		if len(rest) < resumeLeast {
			return false, nil
		}
		g.tokens, g.logprobs = append(g.tokens, g.next.token), append(g.logprobs, g.next.logprob)
		agreed, next, err := g.slot.verify(g.job, rest, g.frames, g.decoding, g.owned)
		g.known, g.next = at+1+agreed, next
		return true, err
	}
	return false, nil
}

// take appends the next token and finds the one after it, with a bonus for the tokens after a node of the hot words.
func (g *greedy) take(node int32) error {
	g.tokens, g.logprobs = append(g.tokens, g.next.token), append(g.logprobs, g.next.logprob)
	g.job.step.Decode(len(g.tokens))
	if err := g.look(node); err != nil {
		return err
	}
	if g.job.align {
		g.slot.placer.Add(g.pass.alignment, 1, 1)
	}
	return nil
}

// look finds the token after the last one. Calling it again with the same bonus gives the same result.
func (g *greedy) look(node int32) error {
	g.pass.tokens[0] = startToken
	if n := len(g.tokens); n > 0 {
		g.pass.tokens[0] = g.tokens[n-1]
	}
	g.job.hot.Favour(node, g.pass.boostTokens, g.pass.boost)
	if err := g.pass.run(len(g.tokens)); err != nil {
		return err
	}
	g.next = candidate{g.pass.next[0], g.pass.logprob[0]}
	return nil
}

// follow takes the longest hot word that begins with the next token, if each of its tokens wins with its bonus, and a
// word ends after the last. If there is none, it takes nothing, and next is the best token without a bonus. The cache
// is overwritten, so going back costs nothing.
func (g *greedy) follow() (taken bool, err error) {
	hot, before := g.job.hot, len(g.tokens)
	rows := g.slot.placer.Rows() - before
	whole := before // tokens up to the end of a hot word
	for node := hotword.Root; len(g.tokens) < g.job.limit; {
		if node = hot.Child(node, g.next.token); node == hotword.Root {
			break
		}
		if err := g.take(node); err != nil {
			return false, err
		}
		if hot.Complete(node, g.next.token) {
			whole = len(g.tokens)
		}
	}
	g.tokens, g.logprobs = g.tokens[:whole], g.logprobs[:whole]
	if whole == before {
		if g.job.align {
			g.slot.placer.Keep(rows + before)
		}
		return false, g.look(hotword.Nowhere)
	}
	if g.job.align {
		g.slot.placer.Keep(rows + whole)
	}
	return true, g.look(hotword.Root)
}
