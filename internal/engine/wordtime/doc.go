// Package wordtime finds where in a piece of audio each word was said, from the attention of the decoder while it wrote
// the words. It is pure: numbers in, times out. A Recipe says how the attention of a model is read.
//
// Some heads of the cross-attention look at the sound of a token. Their weights, each frame
// compared over all tokens, say how well a token fits a frame. Dynamic programming finds the best path through words
// and pauses (Viterbi, IEEE Trans. Inf. Theory 13, 1967). The energy of the sound scores the pauses, because attention
// alone puts the border of a word anywhere in the silence beside it. The method, its alternatives and its accuracy:
// docs/adr/0012-word-times.md.
package wordtime
