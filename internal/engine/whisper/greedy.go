package whisper

import (
	"context"
	"slices"

	"github.com/scout-speech/scout/internal/engine/hotword"
	"github.com/scout-speech/scout/internal/engine/wire"
)

// tieMargin is by how many nats another token must be better than the hypothesis's to replace it. A run over several
// tokens sums attention in another order than one token at a time. See docs/adr/0011-decoding-loop.md.
const tieMargin = 0.1

// verifyTokens is how many tokens of a hypothesis are verified in one run. Each has 51,865 logits, four times.
const verifyTokens = 16

// candidate is a token that may come next.
type candidate struct {
	token   int64
	logprob float32
}

// greedy extends a text one token at a time: with the most probable token, or a hot word that is nearly as probable.
type greedy struct {
	*session
	*decoding
	limit      int
	hypothesis []int64   // at most limit
	next       candidate // after tokens, not appended yet
	known      int       // tokens of the hypothesis that are already behind, used or skipped
}

// greedy decodes one text.
func (s *session) greedy(ctx context.Context, g *greedy) error {
	expected := int64(-1)
	if len(g.hypothesis) > 0 {
		expected = g.hypothesis[0]
	}
	if err := s.begin(g.decoding, expected, 1); err != nil {
		return err
	}
	g.found()
	g.keepRow(len(g.prompt)-1, len(g.prompt))
	if len(g.hypothesis) > 0 && g.next.token == g.hypothesis[0] {
		g.append()
		agreed, err := g.verify(g.hypothesis[1:])
		if err != nil {
			return err
		}
		g.agreed = 1 + agreed
	}
	g.known = g.agreed
	return g.run(ctx)
}

// found takes the next token out of the last run.
func (g *greedy) found() { g.next = candidate{g.session.next[0], g.logprob[0]} }

// append takes the next token into the text. What it was heard by is the only row of alignment.
func (g *greedy) append() {
	g.tokens, g.logprobs = append(g.tokens, g.next.token), append(g.logprobs, g.next.logprob)
	g.step.Decode(len(g.tokens))
	if g.align {
		g.placer.Add(g.alignment, 1, 1)
	}
}

// run decodes until the text ends, is too long or repeats itself.
func (g *greedy) run(ctx context.Context) error {
	if g.hot != nil { // next was found without a bonus
		if err := g.look(hotword.Root); err != nil {
			return err
		}
	}
	for {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case g.next.token == int64(g.model.vocabulary.End):
			logprob := g.next.logprob
			g.stop, g.ending = wire.StopEnd, &logprob
			return nil
		case len(g.tokens) == g.limit:
			g.stop = wire.StopLength
			return nil
		}
		more, err := g.extend()
		if err != nil {
			return err
		}
		if more && repeating(g.tokens) {
			g.stop = wire.StopRepeats
			return nil
		}
	}
}

// extend takes the next token, or a hot word that begins with it, or the rest of the hypothesis. more reports whether
// tokens were taken one at a time.
func (g *greedy) extend() (more bool, err error) {
	if g.hot == nil {
		resumed, err := g.resume()
		if resumed || err != nil {
			return false, err
		}
	} else if g.hot.Child(hotword.Root, g.next.token) != hotword.Root {
		followed, err := g.follow()
		if followed || err != nil || g.next.token == int64(g.model.vocabulary.End) {
			return followed, err
		}
	}
	return true, g.take(hotword.Root)
}

// verify runs the last token of the text and the hypothesis after it, several tokens at a time. Each is favoured by
// tieMargin. It stops at the first token that the model does not choose. It appends the agreeing tokens, at most
// len(hypothesis) <= limit-len(tokens), and returns their number; next is what comes after them.
func (g *greedy) verify(hypothesis []int64) (agreed int, err error) {
	tokens := append([]int64{g.tokens[len(g.tokens)-1]}, hypothesis...)
	before := len(g.prompt) + len(g.tokens) - 1
	for past := 0; ; past += verifyTokens {
		n := min(len(tokens)-past, verifyTokens)
		in := input{hearing: g.heard, tokens: tokens[past : past+n], past: before + past, bias: g.model.later, count: 1}
		for i := range n {
			in.rows = append(in.rows, int64(i))
			in.favoured, in.bonus = append(in.favoured, 0), append(in.bonus, 0)
			if past+i < len(hypothesis) {
				in.favoured[i], in.bonus[i] = hypothesis[past+i], tieMargin
			}
		}
		if err := g.decodeRun(in); err != nil {
			return agreed, err
		}
		same := 0 // rows whose token agrees
		for past+same < len(hypothesis) && same < n && g.session.next[same] == hypothesis[past+same] {
			same++
		}
		g.tokens = append(g.tokens, g.session.next[:same]...)
		g.logprobs = append(g.logprobs, g.logprob[:same]...)
		g.step.Decode(len(g.tokens))
		agreed += same
		if g.align {
			g.placer.Add(g.alignment, n, same)
		}
		if same < n {
			g.next = candidate{g.session.next[same], g.logprob[same]}
			g.keepRow(same, n)
			return agreed, nil
		}
	}
}

// keepRow makes a row of the last run of n tokens the only one, so that the next token is appended with row 0.
func (g *greedy) keepRow(row, n int) {
	if !g.align || n == 1 {
		return
	}
	for h := range g.model.AlignmentHeads {
		frames := g.heard.frames
		copy(g.alignment[h*frames:(h+1)*frames], g.alignment[(h*n+row)*frames:][:frames])
	}
	g.alignment = g.alignment[:len(g.model.AlignmentHeads)*g.heard.frames]
}

// decodeRun makes room in the cache and runs the decoder.
func (s *session) decodeRun(in input) error {
	if err := s.room(s.cache.texts, in.past+len(in.tokens)/s.cache.texts, in.past, &s.owned); err != nil {
		return err
	}
	return s.run(in)
}

// A text that differs from the hypothesis mostly comes back to it: one word differs, the words after it do not. It counts
// as back if resumeTokens in a row are the same, at most resumeWithin tokens later. With fewer than resumeLeast tokens
// left, a run for all of them costs as much as single ones.
const (
	resumeTokens = 3
	resumeWithin = 12
	resumeLeast  = 3
)

// resume checks whether the text is back on the hypothesis, including the next token, and if so verifies the rest of it
// in one run.
func (g *greedy) resume() (bool, error) {
	n, hypothesis := len(g.tokens), g.hypothesis
	if g.known >= len(hypothesis) || n < resumeTokens-1 {
		return false, nil
	}
	tail := g.tokens[n-(resumeTokens-1):]
	for at := g.known + resumeTokens - 1; at < min(len(hypothesis), g.known+resumeWithin); at++ {
		if hypothesis[at] != g.next.token || !slices.Equal(hypothesis[at-(resumeTokens-1):at], tail) {
			continue
		}
		rest := hypothesis[at+1:]
		rest = rest[:max(min(len(rest), g.limit-n-1), 0)]
		if len(rest) < resumeLeast {
			return false, nil
		}
		g.append()
		agreed, err := g.verify(rest)
		g.known = at + 1 + agreed
		return true, err
	}
	return false, nil
}

// take appends the next token and finds the one after it, with a bonus for the tokens after a node of the hot words.
func (g *greedy) take(node int32) error {
	g.append()
	return g.look(node)
}

// look finds the token after the last one. Calling it again with the same bonus gives the same result.
func (g *greedy) look(node int32) error {
	in := input{hearing: g.heard, tokens: []int64{g.prompt[len(g.prompt)-1]}, past: len(g.prompt) - 1, rows: []int64{0}, bias: g.model.first, count: 1}
	if n := len(g.tokens); n > 0 {
		in.tokens[0], in.past, in.bias = g.tokens[n-1], len(g.prompt)+n-1, g.model.later
	}
	if g.hot != nil {
		in.favoured, in.bonus = make([]int64, g.hot.Width()), make([]float32, g.hot.Width())
		g.hot.Favour(node, in.favoured, in.bonus)
	}
	if err := g.decodeRun(in); err != nil {
		return err
	}
	g.found()
	return nil
}

// follow takes the longest hot word that begins with the next token, if each of its tokens wins with its bonus, and a
// word ends after the last. If there is none, it takes nothing, and next is the best token without a bonus.
func (g *greedy) follow() (taken bool, err error) {
	before := len(g.tokens)
	whole := before // tokens up to the end of a hot word
	for node := hotword.Root; len(g.tokens) < g.limit; {
		if node = g.hot.Child(node, g.next.token); node == hotword.Root {
			break
		}
		if err := g.take(node); err != nil {
			return false, err
		}
		if g.hot.Complete(node, g.next.token) {
			whole = len(g.tokens)
		}
	}
	g.tokens, g.logprobs = g.tokens[:whole], g.logprobs[:whole]
	if g.align {
		g.placer.Keep(whole)
	}
	if whole == before {
		return false, g.look(hotword.Nowhere)
	}
	return true, g.look(hotword.Root)
}
